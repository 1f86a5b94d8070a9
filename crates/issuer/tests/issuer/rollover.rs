//! From one CA to the next.

use chrono::Duration;
use issuer::{
    CrlSigner, Issuer, LocalCa, LocalCaParts, LocalSigner, NextCa, PreviousCa, ResponderCertifier,
    create_root,
};
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::pkcs7::Pkcs7;
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use pki::cms::parse_degenerate;
use pki::{Certificate, Curve, KeyKind, KeyUsage, PrivateKey, RevokedEntry, oid};

use crate::judges::accept_crl;
use crate::support::{RSA, approve, csr, name, now, policy};

struct Rollover {
    old: (Certificate, PrivateKey),
    new: (Certificate, PrivateKey),
    before: LocalCa,
    after: LocalCa,
}

/// The same CA before and after it took up its next key. Both keys stand under one name, as rollovers usually do.
fn rollover(kind: &KeyKind) -> Rollover {
    let ca = |common_name| create_root(&name(common_name), kind.clone(), now(), 10).unwrap();
    let (old, new) = (ca("CN=CA"), ca("CN=CA"));
    let mut parts = LocalCaParts::new(old.0.clone(), old.1.clone());
    parts.next = Some(NextCa {
        certificate: new.0.clone(),
        key: None,
        chain: Vec::new(),
    });
    let before = LocalCa::from_parts("local", parts).unwrap();
    let mut parts = LocalCaParts::new(new.0.clone(), new.1.clone());
    parts.previous = vec![PreviousCa {
        certificate: old.0.clone(),
        key: Some(old.1.clone()),
    }];
    let after = LocalCa::from_parts("local", parts).unwrap();
    Rollover {
        old,
        new,
        before,
        after,
    }
}

#[test]
fn certificates_of_either_key_are_known_on_both_sides() {
    let Rollover {
        old, before, after, ..
    } = rollover(&KeyKind::Ec(Curve::P256));
    let approved = approve(&policy(), &csr("", &[])).unwrap();
    let first = before.sign_approved(&approved, now()).unwrap();
    let second = after.sign_approved(&approved, now()).unwrap();
    for ca in [&before, &after] {
        assert!(ca.authority().issued(&first));
        assert!(ca.authority().issued(&second));
    }
    assert_ne!(first.aki(), second.aki());
    let stranger = crate::support::ca();
    assert!(!stranger.authority().issued(&first));
    assert!(
        !before
            .authority()
            .issued(&stranger.sign_approved(&approved, now()).unwrap())
    );
    assert!(
        !before.authority().issued(&old.0),
        "a CA certificate is no device's"
    );
}

#[test]
fn a_certificate_that_only_claims_the_name_is_not_issued_by_it() {
    let Rollover { before, .. } = rollover(&KeyKind::Ec(Curve::P256));
    let impostor = create_root(&name("CN=CA"), KeyKind::Ec(Curve::P256), now(), 1).unwrap();
    let impostor = LocalCa::from_parts("x", LocalCaParts::new(impostor.0, impostor.1)).unwrap();
    let forged = impostor
        .sign_approved(&approve(&policy(), &csr("", &[])).unwrap(), now())
        .unwrap();
    assert!(!before.authority().issued(&forged));
}

#[test]
fn the_next_ca_is_announced_under_the_current_signature() {
    for kind in [KeyKind::Rsa { bits: 2048 }, KeyKind::Ec(Curve::P256)] {
        let Rollover {
            old,
            new,
            before,
            after,
        } = rollover(&kind);
        assert!(after.authority().next().is_none());
        assert!(after.sign_next_ca().unwrap().is_none());
        let authority = before.authority();
        let next: Vec<_> = authority
            .next()
            .unwrap()
            .iter()
            .map(Certificate::fingerprint)
            .collect();
        assert_eq!(next, [new.0.fingerprint()]);

        let body = before.sign_next_ca().unwrap().unwrap();
        let signed = pki::cms::Signed::parse(&body).unwrap();
        signed.check().unwrap();
        assert_eq!(
            signed.signer_certificate().unwrap().fingerprint(),
            old.0.fingerprint()
        );
        let (certificates, crls) = parse_degenerate(signed.content().unwrap()).unwrap();
        assert_eq!(
            certificates
                .iter()
                .map(Certificate::fingerprint)
                .collect::<Vec<_>>(),
            [new.0.fingerprint()]
        );
        assert!(crls.is_empty());

        let mut cms = CmsContentInfo::from_der(&body).unwrap();
        let mut store = X509StoreBuilder::new().unwrap();
        store
            .add_cert(X509::from_der(old.0.der()).unwrap())
            .unwrap();
        let mut content = Vec::new();
        let flags = CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::BINARY;
        let mut none = Stack::<X509>::new().unwrap();
        none.push(X509::from_der(old.0.der()).unwrap()).unwrap();
        cms.verify(
            Some(&none),
            Some(&store.build()),
            None,
            Some(&mut content),
            flags,
        )
        .unwrap();
        let inner = Pkcs7::from_der(&content).unwrap();
        let listed = inner.signed().unwrap().certificates().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed.get(0).unwrap().to_der().unwrap(), new.0.der());
    }
}

#[test]
fn a_crl_can_still_be_made_for_the_previous_key() {
    let Rollover {
        old,
        new,
        before,
        after,
    } = rollover(&KeyKind::Ec(Curve::P256));
    let first = before
        .sign_approved(&approve(&policy(), &csr("", &[])).unwrap(), now())
        .unwrap();
    let revoked = [RevokedEntry {
        serial: first.serial().clone(),
        revoked_at: now(),
        reason: None,
    }];
    accept_crl(&after.crl_of(&old.0, &revoked, 2, now()).unwrap(), &old.0);
    accept_crl(&after.sign_crl(&[], 3, now()).unwrap(), &new.0);
    let error = before
        .crl_of(&new.0, &[], 1, now())
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, issuer::Error::NoKey { .. }), "{error}");
}

#[test]
fn each_ca_whose_key_is_held_has_its_ocsp_responder() {
    let Rollover {
        old, new, after, ..
    } = rollover(&KeyKind::Ec(Curve::P256));
    let earlier = after.earlier();
    assert_eq!(earlier, std::slice::from_ref(&old.0));
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let lifetime = Duration::days(14);
    for ca in [&old.0, &new.0] {
        let certificate = after
            .certify_responder(ca, key.public_key(), lifetime, now())
            .unwrap();
        certificate.verify_signature_by(ca.public_key()).unwrap();
        assert_eq!(certificate.aki(), ca.ski());
        assert_eq!(certificate.ext_key_usages(), [oid::EKU_OCSP_SIGNING]);
        assert_eq!(certificate.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
        assert_eq!(certificate.extension(oid::OCSP_NO_CHECK), Some(&[5, 0][..]));
        assert_eq!(certificate.extension(oid::AUTHORITY_INFO_ACCESS), None);
        assert!(certificate.not_after() <= now() + lifetime);
    }
    let stranger = crate::support::ca().authority().certificate().clone();
    let refused = after.certify_responder(&stranger, key.public_key(), lifetime, now());
    assert!(matches!(refused, Err(issuer::Error::NoKey { .. })));
}

#[test]
fn a_next_ca_must_be_one() {
    let Rollover { old, before, .. } = rollover(&KeyKind::Ec(Curve::P256));
    let leaf = before
        .sign_approved(&approve(&policy(), &csr("", &[])).unwrap(), now())
        .unwrap();
    let mut parts = LocalCaParts::new(old.0.clone(), old.1.clone());
    parts.next = Some(NextCa {
        certificate: leaf,
        key: None,
        chain: Vec::new(),
    });
    assert!(LocalCa::from_parts("x", parts).is_err());
    let mut parts = LocalCaParts::new(old.0.clone(), old.1);
    parts.next = Some(NextCa {
        certificate: old.0,
        key: Some(RSA.clone()),
        chain: Vec::new(),
    });
    assert!(LocalCa::from_parts("x", parts).is_err());
}
