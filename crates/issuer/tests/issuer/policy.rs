//! Each rule of "what goes into a certificate": refused by name, ignored by habit, or honoured.

use chrono::{DateTime, Duration, TimeZone, Utc};
use issuer::policy::{IpRange, IpRule};
use issuer::{
    CertificatePolicy, CertificateRequest, KeyRules, LocalSigner, NameRule, Pattern, PolicyRefusal,
    Rule,
};
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use pki::{Csr, Curve, Extension, KeyKind, KeyUsage, PrivateKey, der, oid};

use crate::support::{
    EC, RSA, approve, attribute, ca, csr, csr_for, csr_with_attributes, extension,
    extension_request, issue, name, now, policy, request,
};

const SID_URI: &str = "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104";
const SID: &str = "S-1-5-21-1-2-3-1104";

fn refusal(policy: &CertificatePolicy, csr: &Csr) -> PolicyRefusal {
    match approve(policy, csr) {
        Ok(_) => panic!("was approved"),
        Err(refusal) => refusal,
    }
}

/// Refused by `rule`, as badRequest, with `words` in the reason.
fn assert_refused(policy: &CertificatePolicy, csr: &Csr, rule: Rule, words: &str) {
    let refusal = refusal(policy, csr);
    assert_eq!(refusal.rule, rule, "{refusal}");
    assert_eq!(refusal.fail_info_is_alg, rule == Rule::Key, "{refusal}");
    assert!(
        refusal.reason.contains(words),
        "`{words}` is not in: {refusal}"
    );
}

fn usage(bits: KeyUsage) -> Extension {
    Extension::key_usage(bits)
}

fn ekus(list: &[&str]) -> Extension {
    Extension::ext_key_usage(list).unwrap()
}

#[test]
fn a_plain_request_gets_the_default() {
    let certificate = issue(&policy(), &csr("dns:device.example.com", &[]));
    assert_eq!(certificate.subject().to_string(), "CN=device");
    assert_eq!(certificate.sans().dns, ["device.example.com"]);
    assert_eq!(
        certificate.key_usage().unwrap(),
        KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT
    );
    assert_eq!(certificate.ext_key_usages(), [oid::EKU_CLIENT_AUTH]);
    assert_eq!(
        certificate.public_key().spki_der(),
        RSA.public_key().spki_der()
    );
    assert!(!certificate.is_ca());
}

#[test]
fn becoming_a_ca_is_refused() {
    let wants = Extension::basic_constraints(true, None);
    assert_refused(
        &policy(),
        &csr("", &[wants]),
        Rule::BasicConstraints,
        "CA:TRUE",
    );
    let path_length_too = Extension::basic_constraints(true, Some(0));
    assert_refused(
        &policy(),
        &csr("", &[path_length_too]),
        Rule::BasicConstraints,
        "CA:TRUE",
    );
}

#[test]
fn usages_beyond_the_policy_are_refused_by_name() {
    let cases = [
        (
            usage(KeyUsage::KEY_CERT_SIGN),
            Rule::KeyUsage,
            "keyCertSign",
        ),
        (
            usage(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::CRL_SIGN),
            Rule::KeyUsage,
            "cRLSign",
        ),
        (
            usage(KeyUsage::NON_REPUDIATION),
            Rule::KeyUsage,
            "nonRepudiation",
        ),
        (
            ekus(&[oid::EKU_CLIENT_AUTH, oid::EKU_SERVER_AUTH]),
            Rule::ExtendedKeyUsage,
            "serverAuth",
        ),
        (
            ekus(&[oid::EKU_OCSP_SIGNING]),
            Rule::ExtendedKeyUsage,
            "OCSPSigning",
        ),
        (
            ekus(&["2.5.29.37.0"]),
            Rule::ExtendedKeyUsage,
            "anyExtendedKeyUsage",
        ),
        (
            ekus(&[oid::EKU_CLIENT_AUTH, oid::EKU_REQUEST_AGENT]),
            Rule::ExtendedKeyUsage,
            "certificateRequestAgent (1.3.6.1.4.1.311.20.2.1) is that of registration authorities",
        ),
        (ekus(&["1.2.3.4"]), Rule::ExtendedKeyUsage, "1.2.3.4"),
    ];
    for (wanted, rule, words) in cases {
        assert_refused(&policy(), &csr("", &[wanted]), rule, words);
    }
}

#[test]
fn no_policy_makes_a_device_a_registration_authority() {
    let mut lax = policy();
    lax.ekus_allowed.push(oid::EKU_REQUEST_AGENT.to_owned());
    let words = "that of registration authorities, which no device gets";
    let asks = csr("", &[ekus(&[oid::EKU_REQUEST_AGENT])]);
    assert_refused(&lax, &asks, Rule::ExtendedKeyUsage, words);
    lax.ekus_default = vec![oid::EKU_REQUEST_AGENT.to_owned()];
    assert_refused(&lax, &csr("", &[]), Rule::ExtendedKeyUsage, words);
}

#[test]
fn usages_that_cannot_be_read_are_refused() {
    for (oid, rule) in [
        (oid::KEY_USAGE, Rule::KeyUsage),
        (oid::EXT_KEY_USAGE, Rule::ExtendedKeyUsage),
    ] {
        let attributes = [extension_request(&[extension(oid, false, &[0x05, 0x00])])];
        let subject = name("CN=device");
        let info =
            std::panic::catch_unwind(|| csr_with_attributes(subject.der(), &attributes, &RSA));
        // The decoder may refuse it first; what it lets through, the policy refuses.
        if let Ok(csr) = info {
            assert_refused(&policy(), &csr, rule, "cannot be read");
        }
    }
}

#[test]
fn a_choice_among_the_offered_usages_is_honoured() {
    let mut policy = policy();
    policy.ekus_allowed.push(oid::EKU_SERVER_AUTH.to_owned());
    let wanted = [
        usage(KeyUsage::DIGITAL_SIGNATURE),
        ekus(&[oid::EKU_SERVER_AUTH]),
    ];
    let certificate = issue(&policy, &csr("dns:server.example.com", &wanted));
    assert_eq!(
        certificate.key_usage().unwrap(),
        KeyUsage::DIGITAL_SIGNATURE
    );
    assert_eq!(certificate.ext_key_usages(), [oid::EKU_SERVER_AUTH]);
}

#[test]
fn an_ec_key_gets_no_key_encipherment() {
    let asked = csr_for(
        "CN=device",
        "",
        &[usage(
            KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT,
        )],
        &EC,
    );
    let approved = approve(&policy(), &asked).unwrap();
    assert_eq!(approved.key_usage(), KeyUsage::DIGITAL_SIGNATURE);
    assert!(
        approved
            .notes()
            .iter()
            .any(|note| note.contains("keyEncipherment")),
        "{:?}",
        approved.notes()
    );
    let silent = approve(&policy(), &csr_for("CN=device", "", &[], &EC)).unwrap();
    assert_eq!(silent.key_usage(), KeyUsage::DIGITAL_SIGNATURE);
    assert!(silent.notes().is_empty(), "{:?}", silent.notes());
    let nothing_left = csr_for("CN=device", "", &[usage(KeyUsage::KEY_ENCIPHERMENT)], &EC);
    assert_refused(&policy(), &nothing_left, Rule::KeyUsage, "no use");
}

#[test]
fn what_clients_send_by_habit_is_ignored() {
    let habits = [
        Extension::basic_constraints(false, None),
        extension(oid::SUBJECT_KEY_ID, false, &der::octet_string(&[7; 20])),
        extension("1.3.6.1.4.1.311.20.2", false, &der::utf8_string("client")),
        extension("1.3.6.1.4.1.311.21.7", false, &[0x30, 0x00]),
        extension("1.3.6.1.4.1.311.21.10", false, &[0x30, 0x00]),
        extension("1.2.840.113549.1.9.15", false, &[0x30, 0x00]),
    ];
    let attributes = [
        attribute(oid::CHALLENGE_PASSWORD, &der::utf8_string("secret")),
        attribute(oid::FRIENDLY_NAME, &der::utf8_string("my key")),
        attribute("1.3.6.1.4.1.311.13.2.3", &der::ia5_string("10.0.19045.2")),
        attribute("1.3.6.1.4.1.311.21.20", &der::seq(&[])),
        extension_request(&habits),
    ];
    let csr = csr_with_attributes(name("CN=device").der(), &attributes, &RSA);
    let approved = approve(&policy(), &csr).unwrap();
    assert!(approved.notes().is_empty(), "{:?}", approved.notes());
    let certificate = ca().sign_approved(&approved, now()).unwrap();
    let ski = RSA.public_key().key_id();
    assert_eq!(
        certificate.ski().unwrap(),
        ski,
        "the issuer's own identifier, not the request's"
    );
    assert!(
        !certificate
            .extensions()
            .iter()
            .any(|extension| extension.oid.starts_with("1.3.6.1.4.1.311"))
    );
}

#[test]
fn unknown_extensions_end_the_request_only_when_critical() {
    let critical = extension("1.2.3.4.5", true, &[0x05, 0x00]);
    assert_refused(
        &policy(),
        &csr("", &[critical]),
        Rule::Extension,
        "1.2.3.4.5",
    );
    let name_constraints = extension("2.5.29.30", true, &[0x30, 0x00]);
    assert_refused(
        &policy(),
        &csr("", &[name_constraints]),
        Rule::Extension,
        "2.5.29.30",
    );

    let approved = approve(
        &policy(),
        &csr("", &[extension("1.2.3.4.5", false, &[0x05, 0x00])]),
    )
    .unwrap();
    assert!(
        approved
            .notes()
            .iter()
            .any(|note| note.contains("1.2.3.4.5")),
        "{:?}",
        approved.notes()
    );
    let certificate = ca().sign_approved(&approved, now()).unwrap();
    assert!(
        !certificate
            .extensions()
            .iter()
            .any(|extension| extension.oid == "1.2.3.4.5")
    );
}

#[test]
fn notes_name_a_few_ignored_extensions_and_count_the_others() {
    let many: Vec<Extension> = (0..60)
        .map(|n| extension(&format!("1.2.3.{n}"), false, &[0x05, 0x00]))
        .collect();
    let approved = approve(&policy(), &csr("", &many)).unwrap();
    let notes = approved.notes();
    assert_eq!(notes.len(), 11, "{notes:?}");
    assert!(notes[0].contains("1.2.3.0"), "{notes:?}");
    assert!(notes[10].starts_with("50 more"), "{notes:?}");
}

#[test]
fn a_heap_of_extensions_or_attributes_is_refused() {
    let many: Vec<Extension> = (0..65)
        .map(|n| extension(&format!("1.2.3.{n}"), false, &[0x05, 0x00]))
        .collect();
    assert_refused(&policy(), &csr("", &many), Rule::Extension, "65 extensions");
    let attributes: Vec<Vec<u8>> = (0..65)
        .map(|n| attribute(&format!("1.2.3.{n}"), &der::null()))
        .collect();
    let csr = csr_with_attributes(name("CN=device").der(), &attributes, &RSA);
    assert_refused(&policy(), &csr, Rule::Extension, "65 attributes");
    assert!(CertificatePolicy::bounds(&csr).is_err());
}

#[test]
fn the_sid_extension_is_dropped_and_said() {
    for critical in [false, true] {
        let approved = approve(
            &policy(),
            &csr("", &[extension(oid::MS_SID, critical, &[0x30, 0x00])]),
        )
        .unwrap();
        assert!(
            approved
                .notes()
                .iter()
                .any(|note| note.contains(oid::MS_SID)),
            "{:?}",
            approved.notes()
        );
        let certificate = ca().sign_approved(&approved, now()).unwrap();
        assert!(
            !certificate
                .extensions()
                .iter()
                .any(|extension| extension.oid == oid::MS_SID)
        );
    }
}

#[test]
fn a_sid_uri_needs_a_challenge_that_vouches_for_it() {
    let csr = csr(&format!("uri:{}", SID_URI.replace(',', "\\,")), &[]);
    // Whatever the list syntax made of the comma, the name must be the one that is meant.
    let csr = if csr.sans().uri == [SID_URI] {
        csr
    } else {
        csr_with_uri(SID_URI)
    };
    assert_refused(&policy(), &csr, Rule::SubjectAltName, "vouches");

    let with = |vouched: &str, policy: &CertificatePolicy| {
        policy.approve(
            CertificateRequest {
                csr: &csr,
                vouched_sid: Some(vouched),
                previous: None,
            },
            now(),
        )
    };
    let mut no_uris = policy();
    no_uris.sans.uri = NameRule::Refused;
    for vouched in [SID, SID_URI] {
        assert_eq!(with(vouched, &policy()).unwrap().sans().uri, [SID_URI]);
        assert_eq!(with(vouched, &no_uris).unwrap().sans().uri, [SID_URI]);
    }
    for wrong in [
        "S-1-5-21-1-2-3-500",
        "",
        "S-1-5-21-1-2-3-110",
        &SID_URI[..SID_URI.len() - 1],
    ] {
        assert!(with(wrong, &policy()).is_err(), "{wrong}");
    }
    for spelling in [
        "TAG:microsoft.com,2022-09-14:sid:S-1-5-18",
        "tag:MICROSOFT.com,2022-09-14:sid:S-1-5-18",
    ] {
        assert_refused(
            &policy(),
            &csr_with_uri(spelling),
            Rule::SubjectAltName,
            "vouches",
        );
    }
}

fn csr_with_uri(uri: &str) -> Csr {
    let names = pki::SubjectAltNames {
        uri: vec![uri.to_owned()],
        ..Default::default()
    };
    Csr::build(&name("CN=device"), &names, None, &[], &RSA).unwrap()
}

#[test]
fn alternative_names_are_held_against_type_form_and_pattern() {
    let patterns =
        |list: &[&str]| NameRule::Matching(list.iter().map(|text| Pattern::new(text)).collect());
    let mut policy = policy();
    policy.sans.dns = patterns(&["*.example.com"]);
    policy.sans.email = patterns(&["*@example.com", "root@*"]);
    policy.sans.uri = NameRule::Refused;
    policy.sans.ip = IpRule::Within(vec![IpRange {
        network: "10.1.0.0".parse().unwrap(),
        prefix: 16,
    }]);
    policy.sans.max_names = 3;

    for good in [
        "dns:a.example.com",
        "dns:A.B.EXAMPLE.com",
        "email:me@example.com,email:root@x",
        "ip:10.1.2.3",
    ] {
        assert!(approve(&policy, &csr(good, &[])).is_ok(), "{good}");
    }
    for (bad, words) in [
        ("dns:example.com", "matches no allowed pattern"),
        ("dns:a.example.com.evil.org", "matches no allowed pattern"),
        ("dns:*.example.com", "well-formed"),
        ("dns:a b.example.com", "well-formed"),
        ("dns:.example.com", "well-formed"),
        ("email:me@example.org", "e-mail"),
        ("email:me", "well-formed"),
        ("upn:me@example.com", "UPN"),
        ("uri:https://example.com/", "URI"),
        ("ip:10.2.0.1", "10.2.0.1"),
        ("ip:2001:db8::1", "2001:db8::1"),
        (
            "dns:a.example.com,dns:b.example.com,dns:c.example.com,dns:d.example.com",
            "4",
        ),
    ] {
        assert_refused(&policy, &csr(bad, &[]), Rule::SubjectAltName, words);
    }
    policy.sans.wildcard_dns = true;
    assert!(approve(&policy, &csr("dns:*.example.com", &[])).is_ok());
    policy.sans.upn = NameRule::Any;
    assert_eq!(
        issue(&policy, &csr("upn:me@example.com", &[])).sans().upn,
        ["me@example.com"]
    );
}

#[test]
fn names_of_other_types_are_refused() {
    // A directoryName and a registeredID: [4] and [8] of GeneralName.
    let directory = der::explicit(4, name("CN=other").der());
    let registered = der::implicit(8, false, &[0x2a, 0x03]);
    for general_name in [directory, registered] {
        let sans = extension(oid::SUBJECT_ALT_NAME, false, &der::seq(&[&general_name]));
        let csr = csr_with_attributes(name("CN=device").der(), &[extension_request(&[sans])], &RSA);
        assert_refused(&policy(), &csr, Rule::SubjectAltName, "not allowed");
    }
}

#[test]
fn the_subject_is_held_against_attributes_and_patterns() {
    let mut policy = policy();
    policy.subject.common_name = vec![Pattern::new("dev-*")];
    policy.subject.attributes = Some(vec![
        oid::COMMON_NAME.to_owned(),
        oid::ORGANIZATION.to_owned(),
    ]);
    assert!(approve(&policy, &csr_for("O=Example, CN=dev-1", "", &[], &RSA)).is_ok());
    assert_refused(
        &policy,
        &csr_for("CN=admin", "", &[], &RSA),
        Rule::Subject,
        "admin",
    );
    assert_refused(
        &policy,
        &csr_for("CN=dev-1, CN=admin", "", &[], &RSA),
        Rule::Subject,
        "admin",
    );
    assert_refused(
        &policy,
        &csr_for("OU=x, CN=dev-1", "", &[], &RSA),
        Rule::Subject,
        oid::ORGANIZATIONAL_UNIT,
    );
}

#[test]
fn where_common_names_are_held_to_patterns_there_is_one() {
    let mut policy = policy();
    policy.subject.common_name = vec![Pattern::new("dev-*")];
    policy.subject.allow_empty = true;
    assert_refused(
        &policy,
        &csr_for("O=Example, OU=admin", "dns:a.example", &[], &RSA),
        Rule::Subject,
        "no common name",
    );
    assert!(approve(&policy, &csr_for("", "dns:a.example", &[], &RSA)).is_ok());
    policy.subject.common_name = Vec::new();
    assert!(approve(&policy, &csr_for("O=Example", "", &[], &RSA)).is_ok());
}

#[test]
fn attributes_without_a_name_need_leave() {
    let mut policy = policy();
    let known = "unstructuredName=r1.example, unstructuredAddress=192.0.2.1, serialNumber=FTX1, DC=example, \
                 UID=jo, emailAddress=jo@example.com, postalCode=8000, CN=r1";
    assert!(approve(&policy, &csr_for(known, "", &[], &RSA)).is_ok());
    let odd = csr_for("1.2.3.4.5=x, CN=r1", "", &[], &RSA);
    assert_refused(&policy, &odd, Rule::Subject, "1.2.3.4.5");
    policy.subject.attributes = Some(vec![oid::COMMON_NAME.to_owned(), "1.2.3.4.5".to_owned()]);
    assert!(approve(&policy, &odd).is_ok());
}

#[test]
fn control_characters_in_names_are_refused_and_escaped_in_the_reason() {
    for text in ["bank.example\0.evil", "a\r\nset-cookie: b"] {
        let common_name = der::seq(&[
            &der::oid(oid::COMMON_NAME).unwrap(),
            &der::utf8_string(text),
        ]);
        let subject = der::seq(&[&der::set_in_order(&[&common_name])]);
        let refusal = refusal(&policy(), &csr_with_attributes(&subject, &[], &RSA));
        assert_eq!(refusal.rule, Rule::Subject);
        assert!(
            !refusal.reason.chars().any(char::is_control),
            "{}",
            refusal.reason
        );
        assert!(refusal.reason.contains("\\u{"), "{}", refusal.reason);
    }
}

#[test]
fn markup_is_text_like_any_other() {
    let common_name = "<img src=x onerror=alert(1)>";
    let certificate = issue(
        &policy(),
        &csr_for(&format!("CN={common_name}"), "", &[], &RSA),
    );
    assert_eq!(certificate.subject().common_name(), Some(common_name));
}

#[test]
fn a_common_name_is_as_long_as_the_policy_allows() {
    let longest = |count| csr_for(&format!("CN={}", "\u{e4}".repeat(count)), "", &[], &RSA);
    assert!(approve(&policy(), &longest(64)).is_ok());
    assert_refused(&policy(), &longest(65), Rule::Subject, "64 characters");
    let mut generous = policy();
    generous.subject.common_name_max = 113;
    assert!(generous.problems().is_empty());
    assert!(approve(&generous, &longest(113)).is_ok());
    assert_refused(&generous, &longest(114), Rule::Subject, "113 characters");
}

#[test]
fn an_empty_subject_needs_a_setting_and_alternative_names() {
    let mut policy = policy();
    let named = csr_for("", "dns:device.example.com", &[], &RSA);
    assert_refused(&policy, &named, Rule::Subject, "no subject");
    policy.subject.allow_empty = true;
    assert_refused(
        &policy,
        &csr_for("", "", &[], &RSA),
        Rule::Subject,
        "nobody",
    );
    let certificate = issue(&policy, &named);
    let names = certificate
        .extensions()
        .iter()
        .find(|extension| extension.oid == oid::SUBJECT_ALT_NAME)
        .unwrap();
    assert!(names.critical, "RFC 5280, section 4.2.1.6");
}

#[test]
fn keys_are_held_against_kind_and_size() {
    let weak = PrivateKey::from_pkcs8_der(
        &PKey::from_rsa(Rsa::generate(1024).unwrap())
            .unwrap()
            .private_key_to_pkcs8()
            .unwrap(),
    );
    if let Ok(weak) = weak {
        assert_refused(
            &policy(),
            &csr_for("CN=device", "", &[], &weak),
            Rule::Key,
            "1024",
        );
    }
    let mut only_ec = policy();
    only_ec.key_types = KeyRules {
        rsa_min_bits: None,
        rsa_max_bits: 8192,
        curves: vec![Curve::P384],
    };
    assert_refused(&only_ec, &csr("", &[]), Rule::Key, "EC P-384");
    assert_refused(
        &only_ec,
        &csr_for("CN=device", "", &[], &EC),
        Rule::Key,
        "EC P-256",
    );
    let p384 = PrivateKey::generate(KeyKind::Ec(Curve::P384)).unwrap();
    assert!(approve(&only_ec, &csr_for("CN=device", "", &[], &p384)).is_ok());
    let mut large_only = policy();
    large_only.key_types.rsa_min_bits = Some(3072);
    assert_refused(&large_only, &csr("", &[]), Rule::Key, "3072");
    let mut small_only = policy();
    small_only.key_types.rsa_max_bits = 1536;
    assert_refused(&small_only, &csr("", &[]), Rule::Key, "at most 1536");
}

#[test]
fn the_lifetime_is_the_smallest_of_policy_and_issuer() {
    let certificate = issue(&policy(), &csr("", &[]));
    let whole = now() - Duration::milliseconds(250);
    assert_eq!(certificate.not_before(), whole - Duration::minutes(5));
    assert_eq!(
        certificate.not_after(),
        whole - Duration::minutes(5) + Duration::days(365)
    );

    let mut long = policy();
    long.max_ttl = Duration::days(40 * 365);
    long.backdate = Duration::hours(24);
    let certificate = issue(&long, &csr("", &[]));
    assert_eq!(certificate.not_before(), whole - Duration::hours(24));
    assert_eq!(
        certificate.not_after(),
        crate::support::ROOT.0.not_after(),
        "the issuer's end"
    );
}

fn windows_pair(name: &str, value: &str) -> Vec<u8> {
    let bmp = |text: &str| {
        der::tlv(
            der::tag::BMP_STRING,
            &text
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect::<Vec<_>>(),
        )
    };
    attribute(
        oid::MS_NAME_VALUE_PAIR,
        &der::seq(&[&bmp(name), &bmp(value)]),
    )
}

fn lifetime_for(
    pairs: &[(&str, &str)],
    policy: &CertificatePolicy,
) -> Result<(DateTime<Utc>, DateTime<Utc>), PolicyRefusal> {
    let attributes: Vec<Vec<u8>> = pairs
        .iter()
        .map(|(name, value)| windows_pair(name, value))
        .collect();
    let csr = csr_with_attributes(name("CN=device").der(), &attributes, &RSA);
    approve(policy, &csr).map(|approved| (approved.not_before(), approved.not_after()))
}

#[test]
fn a_validity_that_windows_asks_for_is_honoured_up_to_the_cap() {
    let start = now() - Duration::milliseconds(250) - Duration::minutes(5);
    let (not_before, not_after) = lifetime_for(
        &[("ValidityPeriod", "Days"), ("ValidityPeriodUnits", "30")],
        &policy(),
    )
    .unwrap();
    assert_eq!(not_before, start);
    let days = (not_after - now()).num_days();
    assert!((29..=30).contains(&days), "{days} days");
    let (_, not_after) = lifetime_for(
        &[("ValidityPeriod", "Years"), ("ValidityPeriodUnits", "90")],
        &policy(),
    )
    .unwrap();
    assert_eq!(not_after, start + Duration::days(365));

    let mut deaf = policy();
    deaf.honour_requested_validity = false;
    let (_, not_after) = lifetime_for(
        &[("ValidityPeriod", "Days"), ("ValidityPeriodUnits", "30")],
        &deaf,
    )
    .unwrap();
    assert_eq!(not_after, start + Duration::days(365));
}

#[test]
fn must_staple_is_the_policys_alone() {
    let asked = csr("dns:a.example.com", &[Extension::must_staple()]);
    let has = |certificate: &pki::Certificate| {
        certificate
            .extensions()
            .iter()
            .any(|e| e.oid == oid::TLS_FEATURE)
    };
    assert!(!has(&issue(&policy(), &asked)));
    let mut stapling = policy();
    stapling.must_staple = true;
    assert!(has(&issue(&stapling, &csr("dns:a.example.com", &[]))));
}

#[test]
fn a_renewal_keeps_its_names() {
    let before = issue(
        &policy(),
        &csr_for("O=Example, CN=device", "dns:device.example.com", &[], &RSA),
    );
    let renew = |policy: &CertificatePolicy, csr: &Csr| {
        policy
            .approve(
                CertificateRequest {
                    previous: Some(&before),
                    ..request(csr)
                },
                now(),
            )
            .map(|_| ())
            .map_err(|refusal| refusal.rule)
    };
    let same = csr_for("O=Example, CN=device", "dns:DEVICE.example.com", &[], &EC);
    let other_subject = csr_for("O=Example, CN=admin", "dns:device.example.com", &[], &EC);
    let other_names = csr_for(
        "O=Example, CN=device",
        "dns:device.example.com,dns:admin.example.com",
        &[],
        &EC,
    );
    let no_names = csr_for("O=Example, CN=device", "", &[], &EC);
    assert_eq!(renew(&policy(), &same), Ok(()));
    for changed in [&other_subject, &other_names, &no_names] {
        assert_eq!(renew(&policy(), changed), Err(Rule::Renewal));
    }
    let mut renaming = policy();
    renaming.renewal_subject_may_change = true;
    assert_eq!(renew(&renaming, &other_subject), Ok(()));
    assert_eq!(renew(&renaming, &other_names), Err(Rule::Renewal));
    let mut other_sans = policy();
    other_sans.renewal_sans_may_change = true;
    assert_eq!(renew(&other_sans, &other_names), Ok(()));
    assert_eq!(renew(&other_sans, &other_subject), Err(Rule::Renewal));

    let root = crate::support::ROOT.0.clone();
    let as_root = csr_for("C=US, O=Example, CN=Root", "", &[], &EC);
    let refused = renaming
        .approve(
            CertificateRequest {
                previous: Some(&root),
                ..request(&as_root)
            },
            now(),
        )
        .map(|_| ())
        .unwrap_err();
    assert_eq!(refused.rule, Rule::Renewal);
}

#[test]
fn a_renewal_keeps_its_names_to_the_letter() {
    let mut policy = policy();
    policy.sans.upn = NameRule::Any;
    let before = issue(
        &policy,
        &csr_for(
            "O=Example, CN=Kiosk",
            "dns:kiosk.example.com,upn:k@x",
            &[],
            &RSA,
        ),
    );
    let renew = |policy: &CertificatePolicy, subject: &str, sans: &str| {
        let csr = csr_for(subject, sans, &[], &EC);
        let request = CertificateRequest {
            previous: Some(&before),
            ..request(&csr)
        };
        let approved = policy.approve(request, now());
        approved.map(|approved| ca().sign_approved(&approved, now()).unwrap())
    };
    let spelling = ("O=EXAMPLE, CN=kiosk", "upn:K@X,dns:KIOSK.example.com");
    let renewed = renew(&policy, spelling.0, spelling.1).unwrap();
    assert_eq!(renewed.subject().der(), before.subject().der());
    assert_eq!(renewed.sans(), before.sans());

    // To Unicode the Kelvin sign is a k in upper case.
    for (subject, sans) in [
        (
            "O=Example, CN=\u{212a}iosk",
            "dns:kiosk.example.com,upn:k@x",
        ),
        (
            "O=Example, CN=Kiosk",
            "dns:kiosk.example.com,upn:\u{212a}@x",
        ),
    ] {
        let refused = renew(&policy, subject, sans).unwrap_err();
        assert_eq!(refused.rule, Rule::Renewal, "{refused}");
    }

    policy.renewal_subject_may_change = true;
    policy.renewal_sans_may_change = true;
    let renewed = renew(&policy, spelling.0, spelling.1).unwrap();
    assert_eq!(renewed.subject().to_string(), spelling.0);
    assert_eq!(renewed.sans().upn, ["K@X"]);
}

#[test]
fn a_vouched_sid_lives_on_in_renewals() {
    let csr = csr_with_uri(SID_URI);
    let first = policy()
        .approve(
            CertificateRequest {
                vouched_sid: Some(SID),
                ..request(&csr)
            },
            now(),
        )
        .unwrap();
    let before = ca().sign_approved(&first, now()).unwrap();
    let renewed = policy()
        .approve(
            CertificateRequest {
                previous: Some(&before),
                ..request(&csr)
            },
            now(),
        )
        .unwrap();
    assert_eq!(renewed.sans().uri, [SID_URI]);
}

#[test]
fn policies_that_cannot_be_meant_are_named() {
    assert!(policy().problems().is_empty(), "{:?}", policy().problems());
    type Breaking = fn(&mut CertificatePolicy);
    let broken: [(&str, Breaking); 12] = [
        ("alternative names", |p| p.sans.max_names = 1025),
        ("common name", |p| p.subject.common_name_max = 0),
        ("no kind of key", |p| {
            p.key_types = KeyRules {
                rsa_min_bits: None,
                rsa_max_bits: 0,
                curves: vec![],
            }
        }),
        ("below 2048", |p| p.key_types.rsa_min_bits = Some(1024)),
        ("P-256 or P-384", |p| p.key_types.curves.push(Curve::P521)),
        ("backdating", |p| p.backdate = Duration::hours(25)),
        ("used up", |p| p.max_ttl = Duration::minutes(5)),
        ("key usage", |p| p.key_usage_default = KeyUsage::empty()),
        ("keyCertSign", |p| {
            p.key_usage_allowed = KeyUsage::KEY_CERT_SIGN
        }),
        ("OCSPSigning", |p| {
            p.ekus_allowed.push(oid::EKU_OCSP_SIGNING.to_owned())
        }),
        ("pass for a registration authority", |p| {
            p.ekus_allowed.push(oid::EKU_REQUEST_AGENT.to_owned())
        }),
        ("`clientAuth`", |p| {
            p.ekus_default.push("clientAuth".to_owned())
        }),
    ];
    for (words, breaking) in broken {
        let mut policy = policy();
        breaking(&mut policy);
        let problems = policy.problems();
        assert!(
            problems.iter().any(|problem| problem.what.contains(words)),
            "{words}: {problems:?}"
        );
    }
}

#[test]
fn dates_at_the_end_of_time_are_refused_and_do_not_panic() {
    let mut policy = policy();
    policy.max_ttl = Duration::MAX;
    assert_refused(&policy, &csr("", &[]), Rule::Validity, "out of range");
    let result =
        CertificatePolicy::new("x").approve(request(&csr("", &[])), DateTime::<Utc>::MAX_UTC);
    assert!(result.is_err());
    let far = Utc.with_ymd_and_hms(9000, 1, 1, 0, 0, 0).unwrap();
    assert!(
        CertificatePolicy::new("x")
            .approve(request(&csr("", &[])), far)
            .is_ok()
    );
}
