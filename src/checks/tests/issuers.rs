//! CAs.

use super::*;

#[test]
fn a_ca_that_may_not_sign_crls_is_a_warning() {
    let house = House::new();
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let name = Name::parse("O=Test, CN=Test CA").unwrap();
    for (usage, warns) in [
        (KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN), false),
        (KeyUsage::KEY_CERT_SIGN, true),
    ] {
        let certificate = CertificateBuilder {
            subject: name.clone(),
            issuer: name.clone(),
            serial: Serial::random().unwrap(),
            not_before: now(),
            not_after: now() + Duration::days(3650),
            public_key: key.public_key().clone(),
            extensions: vec![
                Extension::basic_constraints(true, None),
                Extension::key_usage(usage),
            ],
        }
        .sign(&key, &key.scheme(Digest::Sha256).unwrap())
        .unwrap();
        write(&house.path("ca.pem"), certificate.to_pem().as_bytes());
        write_key(&house.path("ca.key"), &key);
        let warned = house
            .load()
            .warnings()
            .any(|problem| problem.to_string().contains("cRLSign"));
        assert_eq!(warned, warns);
    }
}

#[test]
fn the_next_ca_is_read_with_or_without_its_key() {
    let mut house = House::new();
    let (next, key) = create_root(
        &Name::parse("CN=Next CA").unwrap(),
        KeyKind::Ec(Curve::P256),
        now(),
        20,
    )
    .unwrap();
    write(&house.path("next.pem"), next.to_pem().as_bytes());
    write_key(&house.path("next.key"), &key);
    let (certificate, key) = (house.path("next.pem"), house.path("next.key"));
    let issuer = house.config.issuers.first_mut().unwrap();
    issuer.next_ca_cert_path = Some(certificate);
    let next_of = |house: &House| {
        house
            .load()
            .loaded
            .unwrap()
            .issuers
            .get("local")
            .unwrap()
            .next_ca()
            .unwrap()
    };
    assert_eq!(next_of(&house), [next]);
    house.config.issuers.first_mut().unwrap().next_ca_key_path = Some(key);
    assert_eq!(next_of(&house).len(), 1);
    house.config.issuers.first_mut().unwrap().next_ca_cert_path = None;
    assert!(house.failure().contains("there is no next_ca_cert_path"));
}
