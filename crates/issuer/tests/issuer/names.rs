//! Names that deceive, or that nobody meant; names of the CA; and names at renewal.

use issuer::{
    AuthorityNames, CertificatePolicy, CertificateRequest, Issuer, LocalSigner, RaCertifier, Rule,
    create_root,
};
use openssl::bn::BigNum;
use pki::{Csr, Curve, KeyKind, SubjectAltNames, der, oid};
use proptest::prelude::*;

use crate::support::{
    EC, RSA, approve, ca, csr, csr_for, csr_with_attributes, csr_with_key, extension,
    extension_request, issue, name, now, policy,
};

fn refused(policy: &CertificatePolicy, csr: &Csr, rule: Rule, words: &str) {
    let Err(refusal) = approve(policy, csr) else {
        panic!("was approved, but: {words}");
    };
    assert_eq!(refusal.rule, rule, "{refusal}");
    assert_eq!(refusal.fail_info_is_alg, rule == Rule::Key);
    assert!(refusal.reason.contains(words), "{words}: {refusal}");
    assert!(
        !refusal
            .reason
            .contains(['\u{202e}', '\u{200b}', '\u{2028}']),
        "{refusal}"
    );
}

fn attribute(dotted: &str, value: &[u8]) -> Vec<u8> {
    der::seq(&[&der::oid(dotted).unwrap(), value])
}

/// A CSR for a common name in this encoding.
fn named(value: &[u8]) -> Csr {
    let subject = der::seq(&[&der::set_in_order(&[&attribute(oid::COMMON_NAME, value)])]);
    csr_with_attributes(&subject, &[], &RSA)
}

/// A CSR with one alternative name in this encoding.
fn also_named(general_name: &[u8]) -> Csr {
    let sans = extension(oid::SUBJECT_ALT_NAME, false, &der::seq(&[general_name]));
    csr_with_attributes(name("CN=device").der(), &[extension_request(&[sans])], &RSA)
}

#[test]
fn placeholders_that_nobody_filled_in_need_leave() {
    let mut policy = policy();
    policy.sans.upn = issuer::NameRule::Any;
    let subjects = [
        "CN={{DeviceName}}",
        "CN=%HardwareUUID%",
        "O=x, CN=$UDID",
        "CN=${device.name}, OU=x",
    ];
    let sans = [
        "dns:{{DeviceName}}.example.com",
        "email:{{EmailAddress}}",
        "upn:$EMAIL",
        "uri:IntuneDeviceId://{{DeviceId}}",
    ];
    for subject in subjects {
        let csr = csr_for(subject, "", &[], &RSA);
        refused(
            &policy,
            &csr,
            Rule::Subject,
            "placeholder that nobody filled in",
        );
    }
    for names in sans {
        let csr = csr(names, &[]);
        refused(
            &policy,
            &csr,
            Rule::SubjectAltName,
            "placeholder that nobody filled in",
        );
    }
    policy.readable.allow_placeholders = true;
    for subject in subjects {
        assert!(approve(&policy, &csr_for(subject, "", &[], &RSA)).is_ok());
    }
    for names in ["upn:$EMAIL", "uri:IntuneDeviceId://{{DeviceId}}"] {
        assert!(approve(&policy, &csr(names, &[])).is_ok(), "{names}");
    }
}

#[test]
fn invisible_characters_and_blanks_at_the_ends_need_leave() {
    let mut policy = policy();
    policy.sans.upn = issuer::NameRule::Any;
    let texts = [
        ("a\u{202e}gpj.exe", "direction of writing"),
        ("a\u{2066}b", "direction of writing"),
        ("pay\u{200b}pal", "no width"),
        ("\u{feff}a", "no width"),
        ("a\u{2028}b", "\\u{2028}"),
        ("a\u{2029}b", "\\u{2029}"),
        (" a", "blank"),
        ("a ", "blank"),
        ("a\u{a0}", "blank"),
        (" ", "blank"),
    ];
    let upn = |text: &str| {
        let sans = SubjectAltNames {
            upn: vec![text.to_owned()],
            ..SubjectAltNames::default()
        };
        Csr::build(&name("CN=device"), &sans, None, &[], &RSA).unwrap()
    };
    for (text, words) in texts {
        let csr = named(&der::utf8_string(text));
        refused(&policy, &csr, Rule::Subject, words);
        let csr = upn(&format!("{text}@x\u{200b}"));
        refused(&policy, &csr, Rule::SubjectAltName, "UPN");
    }
    for fine in [
        "J\u{f6}rg's \u{2764}\u{fe0f}",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
        "a  b",
    ] {
        assert!(approve(&policy, &named(&der::utf8_string(fine))).is_ok());
    }
    policy.readable.allow_invisible = true;
    for (text, _) in texts {
        assert!(approve(&policy, &named(&der::utf8_string(text))).is_ok());
        assert!(approve(&policy, &upn(&format!("{text}@x"))).is_ok());
    }
}

#[test]
fn uris_have_usual_schemes_unless_the_policy_says_otherwise() {
    let mut policy = policy();
    for good in [
        "uri:https://a.example/",
        "uri:HTTP://a.example/",
        "uri:urn:uuid:3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "uri:spiffe://example.org/a",
        "uri:IntuneDeviceId://3f2504e0",
        "uri:IntuneDeviceID://3f2504e0",
        "uri:tag:example.com,2026:x",
        "uri:sip:a@example.com",
    ] {
        assert!(approve(&policy, &csr(good, &[])).is_ok(), "{good}");
    }
    for bad in [
        "uri:javascript:alert(1)",
        "uri:JavaScript:alert(1)",
        "uri:file:///etc/passwd",
        "uri:data:text/html;base64,x",
        "uri:vbscript:x",
    ] {
        refused(
            &policy,
            &csr(bad, &[]),
            Rule::SubjectAltName,
            "san.uri_schemes",
        );
    }
    policy.sans.uri_schemes = vec!["File".to_owned()];
    assert!(approve(&policy, &csr("uri:file:///x", &[])).is_ok());
    refused(
        &policy,
        &csr("uri:https://x/", &[]),
        Rule::SubjectAltName,
        "`https`",
    );
    policy.sans.uri_schemes = Vec::new();
    assert!(approve(&policy, &csr("uri:javascript:x", &[])).is_ok());
    policy.sans.uri_schemes = vec!["https://".to_owned()];
    assert!(!policy.problems().is_empty());
}

#[test]
fn a_dns_name_is_no_ip_address() {
    for bad in [
        "dns:10.0.0.1",
        "dns:010.000.000.001",
        "dns:127.1",
        "dns:0x7f.1",
        "dns:fe80::1",
        "dns:[fe80::1]",
    ] {
        refused(
            &policy(),
            &csr(bad, &[]),
            Rule::SubjectAltName,
            "is an IP address",
        );
    }
    for good in ["dns:10.0.0.1.example", "dns:1234567890", "dns:a.0.0.1"] {
        assert!(approve(&policy(), &csr(good, &[])).is_ok(), "{good}");
    }
}

#[test]
fn an_empty_name_and_one_in_another_script_are_quoted() {
    let policy = policy();
    let empty = named(&der::utf8_string(""));
    refused(
        &policy,
        &empty,
        Rule::Subject,
        "`CN=` cannot be certified: the attribute CN is empty",
    );
    let country = csr_with_attributes(
        &der::seq(&[&der::set_in_order(&[&attribute(
            oid::COUNTRY,
            &der::utf8_string("\u{420}\u{424}X"),
        )])]),
        &[],
        &RSA,
    );
    refused(&policy, &country, Rule::Subject, "`C=\u{420}\u{424}X`");
    for (general_name, words) in [
        (der::implicit(2, false, b""), "`dNSName that is empty`"),
        (der::implicit(1, false, b""), "`rfc822Name that is empty`"),
        (
            der::implicit(2, false, "ger\u{e4}t.example".as_bytes()),
            "another script than ASCII, which have no place in it: ger\u{e4}t.example`",
        ),
        (
            der::implicit(6, false, "https://\u{43f}.example/".as_bytes()),
            "https://\u{43f}.example/",
        ),
    ] {
        refused(
            &policy,
            &also_named(&general_name),
            Rule::SubjectAltName,
            words,
        );
    }
}

#[test]
fn weak_rsa_keys_are_refused_by_name() {
    let with = |modulus: &BigNum, exponent: &[u8]| {
        let numbers = der::seq(&[&der::unsigned(&modulus.to_vec()), &der::unsigned(exponent)]);
        let algorithm = der::seq(&[&der::oid(oid::RSA_ENCRYPTION).unwrap(), &der::null()]);
        let spki = der::seq(&[&algorithm, &der::bit_string(0, &numbers)]);
        csr_with_key(name("CN=device").der(), &spki, &[], &RSA)
    };
    // Away from the small primes.
    let from = |mut number: BigNum| {
        let primes = (3..752).filter(|n| (2..*n).all(|d| n % d != 0));
        while primes
            .clone()
            .any(|prime| number.mod_word(prime).unwrap() == 0)
        {
            number.add_word(2).unwrap();
        }
        number
    };
    let factor =
        |digits: &str| from(BigNum::from_hex_str(&format!("{}1", digits.repeat(255))).unwrap());
    let (p, far) = (factor("c"), factor("d"));
    let near = from(&p + &BigNum::from_u32(2).unwrap());
    let good = &p * &far;
    assert!(approve(&policy(), &with(&good, &[1, 0, 1])).is_ok());
    for (modulus, exponent, words) in [
        (&p * &p, &[1, 0, 1][..], "its modulus is a square"),
        (&p * &near, &[1, 0, 1], "close to each other"),
        (&p * &far, &[1; 9], "more than 64 bits"),
        (&p * &far, &[2], "not odd"),
    ] {
        refused(&policy(), &with(&modulus, exponent), Rule::Key, words);
    }
    let prime = with(&BigNum::get_rfc3526_prime_2048().unwrap(), &[1, 0, 1]);
    let refusal = issuer::policy::keys::refuse_prime_modulus(prime.public_key()).unwrap_err();
    assert!(refusal.fail_info_is_alg);
    assert!(refusal.reason.contains("prime number"), "{refusal}");
    assert!(issuer::policy::keys::refuse_prime_modulus(RSA.public_key()).is_ok());
}

#[test]
fn nobody_gets_the_cas_key_or_name_nor_the_ras() {
    let ca = ca();
    let ra = ca.certify_ra(EC.public_key(), "corp", now()).unwrap();
    let (old, old_key) = create_root(
        &name("O=Example, CN=Old Root"),
        KeyKind::Ec(Curve::P256),
        now(),
        1,
    )
    .unwrap();
    let authority = (*ca.authority()).clone().with_previous(vec![old]);
    let check = |csr: &Csr| {
        approve(&policy(), csr)
            .unwrap()
            .check_apart(&authority, &[&ra])
    };
    assert!(check(&csr_for("CN=device", "", &[], &RSA)).is_ok());
    let root_key = &crate::support::ROOT.1;
    for (csr, rule, words) in [
        (
            csr_for("CN=device", "", &[], root_key),
            Rule::Key,
            "key of a CA itself",
        ),
        (
            csr_for("CN=device", "", &[], &old_key),
            Rule::Key,
            "key of a CA itself",
        ),
        (
            csr_for("CN=device", "", &[], &EC),
            Rule::Key,
            "key of the RA itself",
        ),
        (
            csr_for("C=US, O=EXAMPLE, CN=root", "", &[], &RSA),
            Rule::Subject,
            "is that of a CA",
        ),
        (
            csr_for("O=Example, CN=Old Root", "", &[], &RSA),
            Rule::Subject,
            "is that of a CA",
        ),
        (
            csr_for(&ra.subject().to_string(), "", &[], &RSA),
            Rule::Subject,
            "is that of the RA",
        ),
        (
            csr_for("CN=Root, O=Example, C=US", "", &[], &RSA),
            Rule::Subject,
            "is that of a CA",
        ),
    ] {
        let refusal = check(&csr).unwrap_err();
        assert_eq!(refusal.rule, rule, "{refusal}");
        assert!(refusal.reason.contains(words), "{words}: {refusal}");
    }
}

#[test]
fn no_device_has_the_name_of_another_profiles_authority() {
    let mut names = AuthorityNames::default();
    let ca = ca();
    names.add_authority(&ca.authority());
    let ra = ca.certify_ra(EC.public_key(), "other", now()).unwrap();
    names.add_ra(&ra);
    let check = |subject: &str| {
        let approved = approve(&policy(), &csr_for(subject, "", &[], &RSA)).unwrap();
        names.check(&approved)
    };
    assert!(check("CN=device").is_ok());
    for (subject, whose) in [
        ("C=US, O=EXAMPLE, CN=root", "a CA of this server"),
        ("CN=Root, O=Example, C=US", "a CA of this server"),
        (&ra.subject().to_string(), "an RA of this server"),
    ] {
        let refusal = check(subject).unwrap_err();
        assert_eq!(refusal.rule, Rule::Subject);
        assert!(refusal.reason.contains(whose), "{refusal}");
    }
}

#[test]
fn a_renewal_keeps_names_that_are_refused_today() {
    let mut lenient = policy();
    lenient.readable.allow_placeholders = true;
    lenient.readable.allow_invisible = true;
    lenient.sans.uri_schemes = Vec::new();
    let csr = csr_for("CN={{DeviceName}}, OU=x\\ ", "uri:javascript:x", &[], &RSA);
    let previous = issue(&lenient, &csr);
    assert!(approve(&policy(), &csr).is_err());
    let request = CertificateRequest {
        csr: &csr,
        vouched_sid: None,
        previous: Some(&previous),
    };
    assert!(policy().approve(request, now()).is_ok());
}

#[test]
fn a_renewal_may_turn_its_subject_round_and_keeps_the_certificates_order() {
    let previous = issue(&policy(), &csr_for("C=DE, O=Big, CN=device", "", &[], &RSA));
    let turned = csr_for("CN=device, O=Big, C=DE", "", &[], &RSA);
    for may_change in [false, true] {
        let mut policy = policy();
        policy.renewal_subject_may_change = may_change;
        let request = CertificateRequest {
            csr: &turned,
            vouched_sid: None,
            previous: Some(&previous),
        };
        let approved = policy.approve(request, now()).unwrap();
        assert_eq!(approved.subject(), previous.subject());
    }
    let other = csr_for("CN=device, C=DE, O=Big", "", &[], &RSA);
    let request = CertificateRequest {
        csr: &other,
        vouched_sid: None,
        previous: Some(&previous),
    };
    assert!(policy().approve(request, now()).is_err());
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof!["[a-zA-Z0-9 #]{1,8}", "#[0-9a-f]{2,6}", "\\PC{1,6}"];
    let tags = vec![0x0c_u8, 0x12, 0x13, 0x14, 0x16, 0x1a, 0x04];
    let narrow = (prop::sample::select(tags), text.clone())
        .prop_map(|(tag, text)| der::tlv(tag, text.as_bytes()));
    let wide = text.prop_map(|text| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        der::tlv(der::tag::BMP_STRING, &units)
    });
    prop_oneof![3 => narrow, 1 => wide]
}

/// Subjects as careless clients write them: any string type, several attributes in one set and in any order.
fn subjects() -> impl Strategy<Value = Vec<u8>> {
    let dotted = prop::sample::select(vec![
        oid::COMMON_NAME,
        oid::ORGANIZATION,
        oid::ORGANIZATIONAL_UNIT,
        oid::SERIAL_NUMBER,
        oid::EMAIL_ADDRESS,
        oid::DOMAIN_COMPONENT,
    ]);
    let one = (dotted, values()).prop_map(|(dotted, value)| attribute(dotted, &value));
    let set = prop::collection::vec(one, 1..4).prop_map(|attributes| {
        let parts: Vec<&[u8]> = attributes.iter().map(Vec::as_slice).collect();
        der::set_in_order(&parts)
    });
    prop::collection::vec(set, 1..4).prop_map(|rdns| {
        let parts: Vec<&[u8]> = rdns.iter().map(Vec::as_slice).collect();
        der::seq(&parts)
    })
}

proptest! {
    #[test]
    fn whatever_enrolls_renews_with_the_same_csr(
        subject in subjects(),
        dns in proptest::collection::vec("[a-zA-Z0-9.]{1,8}", 0..3),
        upn in proptest::collection::vec("\\PC{1,6}", 0..2),
        lenient: bool,
    ) {
        let mut policy = policy();
        policy.readable.allow_placeholders = lenient;
        policy.readable.allow_invisible = lenient;
        policy.sans.upn = issuer::NameRule::Any;
        let sans = SubjectAltNames { dns, upn, ..SubjectAltNames::default() };
        let attributes = match sans.to_extension_der() {
            Ok(value) => vec![extension_request(&[extension(oid::SUBJECT_ALT_NAME, false, &value)])],
            Err(_) => Vec::new(),
        };
        let csr = csr_with_attributes(&subject, &attributes, &EC);
        if approve(&policy, &csr).is_ok() {
            let previous = issue(&policy, &csr);
            prop_assert!(csr.subject().matches(previous.subject()), "{} {}", csr.subject(), previous.subject());
            prop_assert!(csr.sans().same_names(previous.sans()));
            let request = CertificateRequest { csr: &csr, vouched_sid: None, previous: Some(&previous) };
            let renewed = policy.approve(request, now());
            prop_assert!(renewed.is_ok(), "{:?}", renewed.err());
            let renewed = ca().sign_approved(&renewed.unwrap(), now()).unwrap();
            prop_assert_eq!(renewed.subject(), previous.subject());
        }
    }
}
