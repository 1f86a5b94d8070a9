//! The local CA: every kind of key, what it signs, and what it refuses to be.

use chrono::Duration;
use issuer::{
    CrlSigner, Error, Issuer, LocalCa, LocalCaParts, LocalSigner, RaCertifier, RaRole, create_root,
    create_sub,
};
use pki::{
    Curve, Extension, KeyKind, KeyUsage, PrivateKey, RevocationReason, RevokedEntry, Serial, oid,
};

use crate::judges::{Purpose, accept, accept_crl};
use crate::support::{
    EC, ROOT, RSA, approve, ca, csr, csr_for, issue, name, now, policy, sans, sub_ca,
};

fn kinds() -> [KeyKind; 3] {
    [
        KeyKind::Rsa { bits: 2048 },
        KeyKind::Ec(Curve::P256),
        KeyKind::Ec(Curve::P384),
    ]
}

#[test]
fn each_kind_of_ca_issues_what_others_accept() {
    let mut policy = policy();
    policy.sans.upn = issuer::NameRule::Any;
    policy.must_staple = true;
    let names = "dns:a.example.com,email:a@example.com,upn:a@example.com,uri:urn:x:y,ip:10.0.0.1,ip:2001:db8::1";
    for kind in kinds() {
        let ca = sub_ca(&kind);
        for key in [&RSA, &EC] {
            let approved = approve(
                &policy,
                &csr_for("C=US, O=Example, CN=device", names, &[], key),
            )
            .unwrap();
            let certificate = ca.sign_approved(&approved, now()).unwrap();
            accept(&certificate, ca.authority().chain(), Purpose::Client, now());
            assert_eq!(certificate.sans(), &sans(names), "{kind}");
            assert_eq!(certificate.ski().unwrap(), key.public_key().key_id());
            assert_eq!(
                certificate.aki().unwrap(),
                ca.ca_certificate().ski().unwrap()
            );
            for expected in [
                oid::CRL_DISTRIBUTION_POINTS,
                oid::AUTHORITY_INFO_ACCESS,
                oid::TLS_FEATURE,
            ] {
                assert!(
                    certificate
                        .extensions()
                        .iter()
                        .any(|extension| extension.oid == expected),
                    "{expected}"
                );
            }
        }
        let ra = ca.certify_ra(RSA.public_key(), "corp", now()).unwrap();
        accept(&ra, ca.authority().chain(), Purpose::RequestAgent, now());
        assert_eq!(
            ra.key_usage().unwrap(),
            KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT
        );
        assert_eq!(ra.subject().to_string(), "O=Example, CN=SCEP RA corp");

        let tls = ca
            .issue_tls(EC.public_key(), &sans("dns:localhost,ip:127.0.0.1"), now())
            .unwrap();
        accept(&tls, ca.authority().chain(), Purpose::Server, now());

        let revoked = [
            RevokedEntry {
                serial: ra.serial().clone(),
                revoked_at: now(),
                reason: Some(RevocationReason::KeyCompromise),
            },
            RevokedEntry {
                serial: tls.serial().clone(),
                revoked_at: now(),
                reason: Some(RevocationReason::Unspecified),
            },
            RevokedEntry {
                serial: Serial::new([0x00, 0x80]),
                revoked_at: now(),
                reason: None,
            },
        ];
        let crl = ca.sign_crl(&revoked, 7, now()).unwrap();
        accept_crl(&crl, &ca.ca_certificate());
        assert_eq!(crl.number(), Some(7));
        assert_eq!(crl.this_update(), now() - Duration::milliseconds(250));
        assert_eq!(
            crl.next_update(),
            Some(crl.this_update() + Duration::days(7))
        );
        let reasons: Vec<_> = crl.entries().iter().map(|entry| entry.reason).collect();
        assert_eq!(reasons, [Some(RevocationReason::KeyCompromise), None, None]);
        accept_crl(&ca.sign_crl(&[], 8, now()).unwrap(), &ca.ca_certificate());
    }
}

#[test]
fn serials_are_twenty_octets_positive_and_all_different() {
    let approved = approve(&policy(), &csr("", &[])).unwrap();
    let ca = ca();
    let mut serials = std::collections::HashSet::new();
    for _ in 0..50 {
        let serial = ca.sign_approved(&approved, now()).unwrap().serial().clone();
        assert_eq!(serial.as_bytes().len(), 20);
        assert!(serial.as_bytes()[0] < 0x80);
        assert!(serials.insert(serial.to_hex()));
    }
}

#[test]
fn what_it_issues_ends_with_it() {
    let (certificate, key) =
        create_root(&name("CN=Short"), KeyKind::Ec(Curve::P256), now(), 1).unwrap();
    let end = certificate.not_after();
    let ca = LocalCa::from_parts("short", LocalCaParts::new(certificate.clone(), key)).unwrap();
    let approved = approve(&policy(), &csr("", &[])).unwrap();
    let late = end - Duration::days(10);
    let approved_late = policy()
        .approve(crate::support::request(&csr("", &[])), late)
        .unwrap();
    assert_eq!(
        ca.sign_approved(&approved_late, late).unwrap().not_after(),
        end
    );
    assert_eq!(
        ca.certify_ra(RSA.public_key(), "", late)
            .unwrap()
            .not_after(),
        end
    );
    for outside in [
        end + Duration::seconds(1),
        certificate.not_before() - Duration::seconds(1),
    ] {
        assert!(
            matches!(
                ca.sign_approved(&approved, outside),
                Err(Error::CaNotValid { .. })
            ),
            "{outside}"
        );
        assert!(matches!(
            ca.certify_ra(RSA.public_key(), "", outside),
            Err(Error::CaNotValid { .. })
        ));
    }
}

#[test]
fn nothing_begins_before_the_ca() {
    let mut policy = policy();
    policy.backdate = Duration::hours(24);
    let (certificate, key) = create_root(
        &name("CN=New"),
        KeyKind::Ec(Curve::P256),
        now() + Duration::hours(12),
        1,
    )
    .unwrap();
    let ca = LocalCa::from_parts("new", LocalCaParts::new(certificate.clone(), key)).unwrap();
    let issued = ca
        .sign_approved(&approve(&policy, &csr("", &[])).unwrap(), now())
        .unwrap();
    assert_eq!(issued.not_before(), certificate.not_before());
}

#[test]
fn the_cas_own_key_is_not_certified() {
    let (_, key) = ROOT.clone();
    let approved = approve(&policy(), &csr_for("CN=device", "", &[], &key)).unwrap();
    assert!(matches!(
        ca().sign_approved(&approved, now()),
        Err(Error::OwnKey)
    ));
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let (root, root_key) = ROOT.clone();
    let load = |parts: LocalCaParts| LocalCa::from_parts("x", parts).map(|_| ()).unwrap_err();

    assert!(matches!(
        load(LocalCaParts::new(root.clone(), EC.clone())),
        Error::KeyMismatch { .. }
    ));

    let leaf = issue(&policy(), &csr("", &[]));
    assert!(matches!(
        load(LocalCaParts::new(leaf, RSA.clone())),
        Error::NotACa { .. }
    ));

    let (other, _) = create_root(&name("CN=Other"), KeyKind::Ec(Curve::P256), now(), 1).unwrap();
    let (sub, sub_key) = create_sub(
        (&root, &root_key),
        &name("CN=Sub"),
        KeyKind::Ec(Curve::P256),
        now(),
        1,
    )
    .unwrap();
    let mut parts = LocalCaParts::new(sub.clone(), sub_key.clone());
    parts.chain = vec![other];
    let error = load(parts);
    assert!(matches!(&error, Error::BrokenChain { .. }), "{error}");
    assert!(
        error.to_string().contains("CN=Sub") && error.to_string().contains("CN=Other"),
        "{error}"
    );

    let no_signing = pki::CertificateBuilder {
        subject: name("CN=x"),
        issuer: name("CN=x"),
        serial: Serial::random().unwrap(),
        not_before: now(),
        not_after: now() + Duration::days(1),
        public_key: EC.public_key().clone(),
        extensions: vec![
            Extension::basic_constraints(true, None),
            Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
        ],
    };
    let scheme = EC.scheme(pki::Digest::Sha256).unwrap();
    let certificate = no_signing.sign(&EC, &scheme).unwrap();
    assert!(matches!(
        load(LocalCaParts::new(certificate, EC.clone())),
        Error::NotACa { .. }
    ));
}

#[test]
fn a_chain_may_repeat_the_ca_itself() {
    let (root, root_key) = ROOT.clone();
    let (sub, sub_key) = create_sub(
        (&root, &root_key),
        &name("CN=Sub"),
        KeyKind::Ec(Curve::P256),
        now(),
        1,
    )
    .unwrap();
    for chain in [vec![root.clone()], vec![sub.clone(), root.clone()]] {
        let mut parts = LocalCaParts::new(sub.clone(), sub_key.clone());
        parts.chain = chain;
        let ca = LocalCa::from_parts("sub", parts).unwrap();
        let fingerprints: Vec<_> = ca
            .authority()
            .chain()
            .iter()
            .map(pki::Certificate::fingerprint)
            .collect();
        assert_eq!(fingerprints, [sub.fingerprint(), root.fingerprint()]);
    }
}

#[test]
fn only_strong_kinds_of_keys_make_a_ca() {
    for kind in [
        KeyKind::Rsa { bits: 1024 },
        KeyKind::Ec(Curve::P521),
        KeyKind::Other("x".to_owned()),
    ] {
        let error = create_root(&name("CN=x"), kind, now(), 1)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, Error::KeyKind { .. }), "{error}");
    }
}

#[test]
fn a_sub_ca_ends_with_its_parent_and_has_no_cas_below() {
    let (root, root_key) = ROOT.clone();
    let (sub, sub_key) = create_sub(
        (&root, &root_key),
        &name("CN=Sub"),
        KeyKind::Ec(Curve::P256),
        now(),
        30,
    )
    .unwrap();
    assert_eq!(sub.not_after(), root.not_after());
    let (below, below_key) = create_sub(
        (&sub, &sub_key),
        &name("CN=Below"),
        KeyKind::Ec(Curve::P256),
        now(),
        1,
    )
    .unwrap();
    let mut parts = LocalCaParts::new(below, below_key);
    parts.chain = vec![sub, root];
    let ca = LocalCa::from_parts("below", parts).unwrap();
    let leaf = ca
        .sign_approved(&approve(&policy(), &csr("", &[])).unwrap(), now())
        .unwrap();
    assert!(
        crate::judges::openssl_accepts(&leaf, ca.authority().chain(), Purpose::Client, now())
            .is_err(),
        "path length"
    );
}

#[test]
fn a_tls_certificate_needs_a_name() {
    let error = ca()
        .issue_tls(EC.public_key(), &sans("email:a@example.com"), now())
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, Error::Argument(_)), "{error}");
}

#[test]
fn ras_are_known_by_their_purpose_and_have_the_usage_of_their_role() {
    let (certificate, key) = ROOT.clone();
    let ca = LocalCa::from_parts("x", LocalCaParts::new(certificate, key)).unwrap();
    for (role, usage, subject) in [
        (
            RaRole::Both,
            KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT,
            "CN=SCEP RA corp",
        ),
        (
            RaRole::Signing,
            KeyUsage::DIGITAL_SIGNATURE,
            "CN=SCEP RA corp signing",
        ),
        (
            RaRole::Encryption,
            KeyUsage::KEY_ENCIPHERMENT,
            "CN=SCEP RA corp encryption",
        ),
    ] {
        let ra = ca
            .certify_ra_for(role, RSA.public_key(), "corp", now())
            .unwrap();
        assert_eq!(ra.key_usage(), Some(usage));
        assert_eq!(ra.ext_key_usages(), [oid::EKU_REQUEST_AGENT]);
        assert!(
            ra.subject().to_string().ends_with(subject),
            "{}",
            ra.subject()
        );
    }
}

#[test]
fn names_with_commas_pass_into_ra_certificates() {
    let (certificate, key) = create_root(
        &name("O=Example\\, Inc., CN=Root"),
        KeyKind::Ec(Curve::P256),
        now(),
        1,
    )
    .unwrap();
    let ca = LocalCa::from_parts("x", LocalCaParts::new(certificate, key)).unwrap();
    let ra = ca.certify_ra(RSA.public_key(), "", now()).unwrap();
    let organisation = ra
        .subject()
        .attributes()
        .iter()
        .find(|attribute| attribute.oid == oid::ORGANIZATION)
        .unwrap();
    assert_eq!(organisation.value, "Example, Inc.");
}

#[test]
fn a_private_key_of_another_ca_is_not_taken() {
    let other = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let (root, _) = ROOT.clone();
    let error = LocalCa::from_parts("x", LocalCaParts::new(root, other))
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("CN=Root"), "{error}");
}
