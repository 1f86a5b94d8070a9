//! What a server would trip over when it is put together is found by the checks.

use super::*;

#[test]
fn a_tls_key_that_tls_cannot_use_is_named() {
    let mut env = TestEnv::new();
    let usage = ra_usage();
    for group in [openssl::nid::Nid::SECP521R1, openssl::nid::Nid::SECP256K1] {
        let group = openssl::ec::EcGroup::from_curve_name(group).unwrap();
        let key = openssl::ec::EcKey::generate(&group).unwrap();
        let pem = openssl::pkey::PKey::from_ec_key(key)
            .unwrap()
            .private_key_to_pem_pkcs8()
            .unwrap();
        refused(&mut env, &pem, usage);
    }
    let weak = openssl::rsa::Rsa::generate(1024).unwrap();
    let pem = openssl::pkey::PKey::from_rsa(weak)
        .unwrap()
        .private_key_to_pem_pkcs8()
        .unwrap();
    refused(&mut env, &pem, usage);
}

fn refused(env: &mut TestEnv, pem: &[u8], usage: KeyUsage) {
    write(&env.path("tls.key"), pem);
    // A key that cannot even be read is named already.
    let Ok(key) = PrivateKey::from_pem(pem) else {
        assert!(env.failure().contains("tls_key_path"));
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
    write(&env.path("tls.pem"), certificate.to_pem().as_bytes());
    let failure = env.failure();
    assert!(
        failure.starts_with("server: tls_key_path (") && failure.contains("P-384"),
        "{failure}"
    );
}

#[test]
fn a_tls_certificate_that_tls_cannot_use_is_named() {
    let env = TestEnv::new();
    let pem = fs::read(env.path("tls.key")).unwrap();
    let key = openssl::pkey::PKey::private_key_from_pem(&pem).unwrap();
    let mut builder = openssl::x509::X509::builder().unwrap();
    builder.set_version(0).unwrap();
    builder.set_pubkey(&key).unwrap();
    let at = |time: DateTime<Utc>| openssl::asn1::Asn1Time::from_unix(time.timestamp()).unwrap();
    let quarter = Duration::days(90);
    builder.set_not_before(&at(now() - quarter)).unwrap();
    builder.set_not_after(&at(now() + quarter)).unwrap();
    builder
        .sign(&key, openssl::hash::MessageDigest::sha256())
        .unwrap();
    write(&env.path("tls.pem"), &builder.build().to_pem().unwrap());
    let failure = env.failure();
    assert!(
        failure.starts_with("server: tls_cert_path (")
            && failure.contains("UnsupportedCertVersion")
            && failure.contains("version 3"),
        "{failure}"
    );
}

#[test]
fn a_tls_chain_in_the_wrong_order_is_the_fault_of_its_file() {
    let env = TestEnv::new();
    let [ca, leaf] = ["ca.pem", "tls.pem"].map(|file| fs::read(env.path(file)).unwrap());
    write(&env.path("tls.pem"), &[leaf.clone(), ca.clone()].concat());
    assert!(env.load().loaded.is_some());
    write(&env.path("tls.pem"), &[ca, leaf].concat());
    let failure = env.failure();
    assert!(
        failure.starts_with("server: tls_cert_path (")
            && failure.contains("tls.key")
            && failure.contains("first"),
        "{failure}"
    );
}

#[test]
fn a_tls_certificate_in_der_just_works() {
    let env = TestEnv::new();
    let pem = fs::read(env.path("tls.pem")).unwrap();
    let certificate = Certificate::from_pem(&pem).unwrap();
    write(&env.path("tls.pem"), certificate.der());
    let loaded = env.load().loaded.unwrap();
    assert_eq!(loaded.tls.certificate, certificate);
}

#[test]
fn a_key_set_without_a_usable_key_is_named() {
    let mut env = TestEnv::new();
    let keys = env.path("keys.json");
    write(&keys, br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    let oidc = &mut env.config.admin.oidc;
    oidc.issuer = Some("https://login".to_owned());
    oidc.audience = Some("scepd".to_owned());
    oidc.keys_file = Some(keys);
    let failure = env.failure();
    assert!(failure.starts_with("admin: oidc.keys_file ("), "{failure}");
}
