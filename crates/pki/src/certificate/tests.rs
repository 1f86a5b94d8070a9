#![allow(clippy::unwrap_used)]

use chrono::{TimeDelta, TimeZone};
use proptest::prelude::*;

use super::*;
use crate::{CertificateBuilder, Curve, Digest, KeyKind, PrivateKey};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/../../tests/fixtures/vectors/keys/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

fn built(key: &PrivateKey, ca: bool) -> CertificateBuilder {
    let start = Utc.with_ymd_and_hms(2026, 11, 23, 9, 0, 0).unwrap();
    CertificateBuilder {
        subject: Name::parse("O=scep, CN=device").unwrap(),
        issuer: Name::parse("O=scep, CN=CA").unwrap(),
        serial: Serial::random().unwrap(),
        not_before: start,
        not_after: start + TimeDelta::days(365 * 40),
        public_key: key.public_key().clone(),
        extensions: vec![
            Extension::basic_constraints(ca, None),
            Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT),
            Extension::ext_key_usage(&[oid::EKU_CLIENT_AUTH]).unwrap(),
            Extension::subject_key_id(key.public_key()),
            Extension::authority_key_id(&[7; 20]),
            Extension::subject_alt_names(
                &SubjectAltNames::parse("dns:a.example").unwrap(),
                &Name::parse("CN=x").unwrap(),
            )
            .unwrap(),
        ],
    }
}

#[test]
fn real_certificates_are_read() {
    let root = Certificate::from_pem(&fixture("root.pem")).unwrap();
    let ca = Certificate::from_pem(&fixture("ca.pem")).unwrap();
    let ra = Certificate::from_pem(&fixture("ra-enc.pem")).unwrap();
    assert!(root.is_self_issued() && root.is_ca() && ca.is_ca() && !ra.is_ca());
    assert_eq!(ca.subject().to_string(), "C=US, O=Mock, CN=Mock Issuing CA");
    root.verify_signature_by(root.public_key()).unwrap();
    ca.verify_signature_by(root.public_key()).unwrap();
    ra.verify_signature_by(ca.public_key()).unwrap();
    assert_eq!(
        ra.verify_signature_by(root.public_key()),
        Err(Error::BadSignature {
            what: "certificate"
        })
    );
    assert_eq!(ra.key_usage(), Some(KeyUsage::KEY_ENCIPHERMENT));
    assert_eq!(ra.issuer(), ca.subject());
    assert_eq!(
        ra.aki().is_some(),
        ra.extension(oid::AUTHORITY_KEY_ID).is_some()
    );
    let key = PrivateKey::from_pem(&fixture("ra-enc.key")).unwrap();
    assert_eq!(key.public_key(), ra.public_key());
    assert_eq!(Certificate::from_pem(ra.to_pem().as_bytes()).unwrap(), ra);
}

#[test]
fn what_is_built_is_read_by_us_openssl_and_webpki() {
    for kind in [
        KeyKind::Rsa { bits: 2048 },
        KeyKind::Ec(Curve::P256),
        KeyKind::Ec(Curve::P384),
    ] {
        let key = PrivateKey::generate(kind).unwrap();
        let scheme = key.scheme(Digest::Sha256).unwrap();
        let builder = built(&key, false);
        let certificate = builder.sign(&key, &scheme).unwrap();
        certificate.verify_signature_by(key.public_key()).unwrap();
        assert_eq!(certificate.version(), 3);
        assert_eq!(certificate.subject(), &builder.subject);
        assert_eq!(certificate.issuer(), &builder.issuer);
        assert_eq!(certificate.serial(), &builder.serial);
        assert_eq!(
            (certificate.not_before(), certificate.not_after()),
            (builder.not_before, builder.not_after)
        );
        assert_eq!(certificate.extensions(), builder.extensions);
        assert_eq!(certificate.sans().dns, ["a.example"]);
        assert_eq!(certificate.ski(), Some(&key.public_key().key_id()[..]));
        assert_eq!(certificate.aki(), Some(&[7; 20][..]));
        assert_eq!(certificate.ext_key_usages(), [oid::EKU_CLIENT_AUTH]);
        assert_eq!(certificate.signature_scheme(), Ok(scheme));

        let theirs = openssl::x509::X509::from_der(certificate.der()).unwrap();
        let public = openssl::pkey::PKey::public_key_from_der(key.public_key().spki_der()).unwrap();
        assert!(theirs.verify(&public).unwrap());
        assert_eq!(theirs.to_der().unwrap(), certificate.der());
        assert_eq!(
            theirs.serial_number().to_bn().unwrap().to_vec(),
            certificate.serial().as_bytes()
        );
        let der = rustls_pki_types::CertificateDer::from(certificate.der());
        let name = rustls_pki_types::ServerName::try_from("a.example").unwrap();
        webpki::EndEntityCert::try_from(&der)
            .unwrap()
            .verify_is_valid_for_subject_name(&name)
            .unwrap();
        let typed: rasn_pkix::Certificate = rasn::der::decode(certificate.der()).unwrap();
        assert_eq!(rasn::der::encode(&typed).unwrap(), certificate.der());
    }
}

#[test]
fn an_altered_certificate_does_not_verify() {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let certificate = built(&key, true)
        .sign(&key, &key.scheme(Digest::Sha256).unwrap())
        .unwrap();
    assert!(certificate.is_ca());
    let mut der = certificate.der().to_vec();
    let at = der
        .windows(6)
        .position(|octets| octets == b"device")
        .unwrap();
    der[at] ^= 0x20;
    let altered = Certificate::from_der(&der).unwrap();
    assert_eq!(altered.subject().common_name(), Some("Device"));
    assert_eq!(
        altered.verify_signature_by(key.public_key()),
        Err(Error::BadSignature {
            what: "certificate"
        })
    );
}

#[test]
fn validity_includes_both_ends() {
    let certificate = Certificate::from_pem(&fixture("ca.pem")).unwrap();
    let second = TimeDelta::seconds(1);
    assert!(
        certificate.valid_at(certificate.not_before())
            && certificate.valid_at(certificate.not_after())
    );
    assert!(!certificate.valid_at(certificate.not_before() - second));
    assert!(!certificate.valid_at(certificate.not_after() + second));
}

#[test]
fn what_makes_no_certificate_is_refused() {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let scheme = key.scheme(Digest::Sha256).unwrap();
    let good = built(&key, false);
    let backwards = CertificateBuilder {
        not_after: good.not_before - TimeDelta::seconds(1),
        ..good.clone()
    };
    assert!(matches!(
        backwards.sign(&key, &scheme),
        Err(Error::Text { .. })
    ));
    let no_serial = CertificateBuilder {
        serial: Serial::new([]),
        ..good
    };
    assert!(matches!(
        no_serial.sign(&key, &scheme),
        Err(Error::Text { .. })
    ));
}

#[test]
fn bundles_skip_other_blocks_and_refuse_bad_certificates() {
    let bundle = [
        fixture("root.key"),
        fixture("root.pem"),
        b"text\n".to_vec(),
        fixture("ca.pem"),
    ]
    .concat();
    let read = Certificate::bundle_from_pem(&bundle).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(
        Certificate::bundle_from_pem(read[0].der()).unwrap(),
        read[..1]
    );
    assert!(Certificate::bundle_from_pem(&fixture("root.key")).is_err());
    assert!(Certificate::bundle_from_pem(b"").is_err());
    let broken = pem::encode("CERTIFICATE", &[0x30, 0]);
    let refused = Certificate::bundle_from_pem(&[bundle, broken.into_bytes()].concat());
    assert!(
        matches!(&refused, Err(Error::InBundle { position: 3, .. })),
        "{refused:?}"
    );
}

proptest! {
    #[test]
    fn damaged_certificates_never_panic(at in 0usize..2000, value in any::<u8>(), cut in 0usize..2000) {
        let mut der = Certificate::from_pem(&fixture("ca.pem")).unwrap().der().to_vec();
        let at = at % der.len();
        der[at] = value;
        if let Ok(certificate) = Certificate::from_der(&der) {
            let _ = (certificate.ski(), certificate.aki(), certificate.is_ca(), certificate.key_usage());
            let _ = (certificate.ext_key_usages(), format!("{certificate:?}"), certificate.sans().to_string());
            let _ = certificate.verify_signature_by(certificate.public_key());
        }
        der.truncate(cut % der.len());
        prop_assert!(Certificate::from_der(&der).is_err());
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Certificate::from_der(&octets).is_err());
        let _ = Certificate::bundle_from_pem(&octets);
    }
}
