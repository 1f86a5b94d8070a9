//! What a server would trip over when it is put together is found by the checks.

use super::*;

#[test]
fn a_tls_key_that_tls_cannot_use_is_named() {
    let mut house = House::new();
    let usage = ra_usage();
    for group in [openssl::nid::Nid::SECP521R1, openssl::nid::Nid::SECP256K1] {
        let group = openssl::ec::EcGroup::from_curve_name(group).unwrap();
        let key = openssl::ec::EcKey::generate(&group).unwrap();
        let pem = openssl::pkey::PKey::from_ec_key(key)
            .unwrap()
            .private_key_to_pem_pkcs8()
            .unwrap();
        refused(&mut house, &pem, usage);
    }
    let weak = openssl::rsa::Rsa::generate(1024).unwrap();
    let pem = openssl::pkey::PKey::from_rsa(weak)
        .unwrap()
        .private_key_to_pem_pkcs8()
        .unwrap();
    refused(&mut house, &pem, usage);
}

fn refused(house: &mut House, pem: &[u8], usage: KeyUsage) {
    write(&house.path("tls.key"), pem);
    // A key that cannot even be read is named already.
    let Ok(key) = PrivateKey::from_pem(pem) else {
        assert!(house.failure().contains("tls_key_path"));
        return;
    };
    let year = Duration::days(365);
    let Ok(scheme) = key.scheme(Digest::Sha256) else {
        return;
    };
    let name = Name::parse("CN=handmade").unwrap();
    let certificate = CertificateBuilder {
        subject: name.clone(),
        issuer: name,
        serial: Serial::random().unwrap(),
        not_before: now() - year,
        not_after: now() + year,
        public_key: key.public_key().clone(),
        extensions: vec![Extension::key_usage(usage)],
    }
    .sign(&key, &scheme)
    .unwrap();
    write(&house.path("tls.pem"), certificate.to_pem().as_bytes());
    let failure = house.failure();
    assert!(
        failure.starts_with("server: tls_key_path (") && failure.contains("P-384"),
        "{failure}"
    );
}

#[test]
fn a_tls_certificate_in_der_just_works() {
    let house = House::new();
    let pem = fs::read(house.path("tls.pem")).unwrap();
    let certificate = Certificate::from_pem(&pem).unwrap();
    write(&house.path("tls.pem"), certificate.der());
    let loaded = house.load().loaded.unwrap();
    assert_eq!(loaded.tls.certificate, certificate);
}

#[test]
fn a_key_set_without_a_usable_key_is_named() {
    let mut house = House::new();
    let keys = house.path("keys.json");
    write(&keys, br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    let oidc = &mut house.config.admin.oidc;
    oidc.issuer = Some("https://login".to_owned());
    oidc.audience = Some("scepd".to_owned());
    oidc.keys_file = Some(keys);
    let failure = house.failure();
    assert!(failure.starts_with("admin: oidc.keys_file ("), "{failure}");
}
