//! Whatever a CSR asks for: what is approved stays inside the policy, and what is issued is accepted elsewhere.

use chrono::Duration;
use issuer::{CertificatePolicy, Issuer, LocalSigner, NameRule, Pattern};
use pki::{Csr, Extension, KeyUsage, SubjectAltNames, oid};
use proptest::prelude::*;

use crate::judges::{Purpose, openssl_accepts, webpki_accepts};
use crate::support::{EC, RSA, ca, extension, name, now, request};

fn bits(mask: u16) -> KeyUsage {
    KeyUsage::NAMES
        .into_iter()
        .enumerate()
        .filter(|(index, _)| mask & (1 << index) != 0)
        .fold(KeyUsage::empty(), |all, (_, (bit, _))| all | bit)
}

fn purposes() -> impl Strategy<Value = Vec<String>> {
    let known = [
        oid::EKU_CLIENT_AUTH,
        oid::EKU_SERVER_AUTH,
        oid::EKU_EMAIL_PROTECTION,
        oid::EKU_OCSP_SIGNING,
        "2.5.29.37.0",
    ];
    proptest::collection::vec(
        proptest::sample::select(known.map(str::to_owned).to_vec()),
        0..4,
    )
}

fn policies() -> impl Strategy<Value = CertificatePolicy> {
    (
        purposes(),
        0_u16..512,
        1_i64..5000,
        0_i64..24 * 60,
        any::<[bool; 4]>(),
    )
        .prop_map(
            |(allowed, usages, days, backdate, [names, staple, renaming, honour])| {
                let mut policy = CertificatePolicy::new("any");
                policy.ekus_allowed = allowed;
                policy.key_usage_allowed = bits(usages);
                policy.max_ttl = Duration::days(days);
                policy.backdate = Duration::minutes(backdate);
                policy.sans.upn = if names {
                    NameRule::Any
                } else {
                    NameRule::Refused
                };
                policy.sans.dns =
                    NameRule::Matching(vec![Pattern::new("*.example.com"), Pattern::new("host?")]);
                policy.must_staple = staple;
                policy.renewal_subject_may_change = renaming;
                policy.renewal_sans_may_change = renaming;
                policy.honour_requested_validity = honour;
                policy
            },
        )
}

fn names() -> impl Strategy<Value = SubjectAltNames> {
    let dns = prop_oneof![
        "[a-z]{1,8}\\.example\\.com",
        "host[0-9]",
        "[a-z.*]{1,12}",
        "[ -~]{0,20}"
    ];
    let email = prop_oneof!["[a-z]{1,5}@[a-z]{1,5}\\.org", "[ -~]{0,12}"];
    let uri = prop_oneof![
        "urn:[a-z]{1,9}",
        "tag:microsoft\\.com,2022-09-14:sid:S-1-5-[0-9]{1,4}",
        "[ -~]{0,20}"
    ];
    (
        proptest::collection::vec(dns, 0..3),
        proptest::collection::vec(email, 0..2),
        proptest::collection::vec("\\PC{0,12}", 0..2),
        proptest::collection::vec(uri, 0..2),
        proptest::collection::vec(any::<std::net::IpAddr>(), 0..3),
    )
        .prop_map(|(dns, email, upn, uri, ip)| SubjectAltNames {
            dns,
            email,
            upn,
            uri,
            ip,
            other: Vec::new(),
        })
}

fn wishes() -> impl Strategy<Value = Vec<Extension>> {
    let one = prop_oneof![
        (any::<bool>(), proptest::option::of(0_u8..3))
            .prop_map(|(ca, length)| Extension::basic_constraints(ca, length)),
        (1_u16..512).prop_map(|mask| Extension::key_usage(bits(mask))),
        purposes().prop_filter_map("no purpose", |list| Extension::ext_key_usage(&list).ok()),
        any::<bool>().prop_map(|critical| extension(oid::MS_SID, critical, &[0x30, 0x00])),
        any::<bool>().prop_map(|critical| extension("1.2.3.4", critical, &[0x05, 0x00])),
        Just(Extension::must_staple()),
        Just(extension("2.5.29.30", false, &[0x30, 0x00])),
    ];
    proptest::collection::vec(one, 0..4)
}

fn common_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 -]{1,30}",
        "[a-z]{1,3}[<>&\"'\u{202e}\u{e9}]{1,5}[a-z]"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_beyond_the_policy_is_ever_issued(
        policy in policies(),
        sans in names(),
        extensions in wishes(),
        common_name in common_name(),
        rsa in any::<bool>(),
    ) {
        let key = if rsa { &RSA } else { &EC };
        let subject = pki::Name::parse(&format!("CN={common_name}"));
        prop_assume!(subject.is_ok());
        let csr = Csr::build(&subject.unwrap(), &sans, None, &extensions, key);
        prop_assume!(csr.is_ok());
        let csr = csr.unwrap();
        let Ok(approved) = policy.approve(request(&csr), now()) else { return Ok(()) };

        let certificate = ca().sign_approved(&approved, now()).unwrap();
        prop_assert!(!certificate.is_ca());
        let basic = certificate.extensions().iter().find(|extension| extension.oid == oid::BASIC_CONSTRAINTS);
        prop_assert_eq!(&basic.unwrap().value, &[0x30, 0x00]);

        let life = certificate.not_after() - certificate.not_before();
        prop_assert!(life <= policy.max_ttl, "{} days", life.num_days());
        prop_assert!(certificate.not_before() >= now() - policy.backdate - Duration::seconds(1));
        prop_assert!(certificate.not_after() <= ca().ca_certificate().not_after());

        let usage = certificate.key_usage().unwrap();
        prop_assert!((policy.key_usage_allowed | policy.key_usage_default).contains(usage));
        prop_assert!(!usage.contains(KeyUsage::KEY_CERT_SIGN) && !usage.contains(KeyUsage::CRL_SIGN));
        for purpose in certificate.ext_key_usages() {
            prop_assert!(policy.ekus_allowed.contains(&purpose) || policy.ekus_default.contains(&purpose));
        }

        let issued = certificate.sans();
        prop_assert!(issued.same_names(csr.sans()));
        prop_assert!(issued.upn.is_empty() || policy.sans.upn == NameRule::Any);
        for name in &issued.dns {
            prop_assert!(name.ends_with(".example.com") || name.len() == 5, "{name}");
        }
        prop_assert!(!issued.uri.iter().any(|uri| uri.contains(":sid:")));

        let known = [
            oid::AUTHORITY_KEY_ID, oid::SUBJECT_KEY_ID, oid::BASIC_CONSTRAINTS, oid::KEY_USAGE, oid::EXT_KEY_USAGE,
            oid::SUBJECT_ALT_NAME, oid::TLS_FEATURE,
        ];
        for extension in certificate.extensions() {
            prop_assert!(known.contains(&extension.oid.as_str()), "{}", extension.oid);
        }

        let for_clients = certificate.ext_key_usages().iter().any(|purpose| purpose == oid::EKU_CLIENT_AUTH);
        let signs = usage.contains(KeyUsage::DIGITAL_SIGNATURE);
        if for_clients && signs {
            let chain = ca().authority().chain().to_vec();
            prop_assert_eq!(openssl_accepts(&certificate, &chain, Purpose::Client, now()), Ok(()));
            prop_assert_eq!(webpki_accepts(&certificate, &chain, Purpose::Client, now()), Ok(()));
        }
    }

    #[test]
    fn the_subject_is_issued_as_it_was_sent(common_name in common_name()) {
        let csr = Csr::build(&name("CN=x"), &SubjectAltNames::default(), None, &[], &EC).unwrap();
        let renamed = pki::Name::parse(&format!("O=Example, CN={common_name}"));
        prop_assume!(renamed.is_ok());
        let renamed = renamed.unwrap();
        let csr_renamed = Csr::build(&renamed, &SubjectAltNames::default(), None, &[], &EC).unwrap();
        let mut policy = CertificatePolicy::new("x");
        policy.readable.allow_invisible = true;
        policy.readable.allow_placeholders = true;
        let certificate = ca().sign_approved(&policy.approve(request(&csr_renamed), now()).unwrap(), now()).unwrap();
        prop_assert_eq!(certificate.subject().der(), renamed.der());
        prop_assert_ne!(csr.subject().der(), renamed.der());
    }
}
