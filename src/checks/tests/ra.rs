//! RA certificates from files, and what a reload holds of those before.

use super::*;

#[test]
fn an_ra_must_be_rsa_and_usable() {
    let env = TestEnv::new();
    let ec = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let (from, until) = (now() - Duration::days(1), now() + Duration::days(90));
    write_key(&env.path("ra.key"), &ec);
    write(
        &env.path("ra.pem"),
        TestEnv::certificate(&ec, from, until, ra_usage())
            .to_pem()
            .as_bytes(),
    );
    assert!(
        env.failure().contains("it must be RSA"),
        "{}",
        env.failure()
    );

    let rsa = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    write_key(&env.path("ra.key"), &rsa);
    let signs_only = TestEnv::certificate(&rsa, from, until, KeyUsage::DIGITAL_SIGNATURE);
    write(&env.path("ra.pem"), signs_only.to_pem().as_bytes());
    assert!(
        env.failure()
            .contains("an RA needs digitalSignature and keyEncipherment")
    );

    let stranger = TestEnv::certificate(&rsa, from, until, ra_usage());
    write(&env.path("ra.pem"), stranger.to_pem().as_bytes());
    let outcome = env.load();
    assert!(outcome.loaded.is_some());
    assert!(
        outcome
            .warnings()
            .any(|found| found.what.contains("not issued by the profile's issuer"))
    );
}

/// A root with this key and usage.
fn rsa_ca(key: &PrivateKey, usage: KeyUsage) -> Certificate {
    let subject = Name::parse("CN=RSA CA").unwrap();
    CertificateBuilder {
        subject: subject.clone(),
        issuer: subject,
        serial: Serial::random().unwrap(),
        not_before: now() - Duration::days(1),
        not_after: now() + Duration::days(3650),
        public_key: key.public_key().clone(),
        extensions: vec![
            Extension::basic_constraints(true, None),
            Extension::key_usage(usage),
        ],
    }
    .sign(key, &key.scheme(Digest::Sha256).unwrap())
    .unwrap()
}

#[test]
fn a_split_ra_from_files_has_a_pair_for_each_of_its_roles() {
    let mut env = TestEnv::new();
    let keys = [0, 1].map(|_| PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap());
    let [opens, signs] =
        [(RaRole::Encryption, &keys[0]), (RaRole::Signing, &keys[1])].map(|(role, key)| {
            env.ca
                .certify_ra_for(role, key.public_key(), "corp", now())
                .unwrap()
        });
    write(&env.path("ra.pem"), opens.to_pem().as_bytes());
    write_key(&env.path("ra.key"), &keys[0]);
    // Alone it is half an RA.
    assert!(
        env.failure().contains(
            "the keyUsage of the RA certificate is keyEncipherment; an RA needs digitalSignature and keyEncipherment"
        )
    );
    let (certificate, key) = (env.path("sign.pem"), env.path("sign.key"));
    write(&certificate, signs.to_pem().as_bytes());
    write_key(&key, &keys[1]);
    env.profile().ra_sign_cert_path = Some(certificate.clone());
    assert!(env.failure().contains("ra_sign_key_path: it is not set"));
    env.profile().ra_sign_key_path = Some(key.clone());
    let outcome = env.load();
    assert_eq!(outcome.problems, []);
    let ras = outcome
        .loaded
        .unwrap()
        .profiles
        .first()
        .unwrap()
        .ras_at(now());
    let [ra] = ras.as_slice() else {
        panic!("one RA")
    };
    assert_eq!(
        (&ra.opens.certificate, &ra.signs.certificate),
        (&opens, &signs)
    );

    // The two of them the wrong way round.
    write(&env.path("ra.pem"), signs.to_pem().as_bytes());
    write_key(&env.path("ra.key"), &keys[1]);
    write(&certificate, opens.to_pem().as_bytes());
    write_key(&key, &keys[0]);
    let outcome = env.load();
    let said: String = outcome.failures().map(ToString::to_string).collect();
    assert!(
        said.contains("an RA that devices encrypt to needs keyEncipherment"),
        "{said}"
    );
    assert!(
        said.contains("an RA that signs needs digitalSignature"),
        "{said}"
    );
    env.profile().ra_split = true;
    let outcome = env.load();
    let said: String = outcome.failures().map(ToString::to_string).collect();
    assert!(
        said.contains("ra_split: the server makes split RA certificates with ra = \"auto\" only"),
        "{said}"
    );
}

#[test]
fn a_ca_that_opens_for_its_ra_is_rsa_and_signs_where_it_may() {
    let mut env = TestEnv::new();
    env.profile().open_for_ca = true;
    assert!(
        env.failure()
            .contains("open_for_ca: the CA has a key of the type EC P-256")
    );
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    write_key(&env.path("ca.key"), &key);
    for (usage, by_ca) in [
        (KeyUsage::KEY_CERT_SIGN, false),
        (
            KeyUsage::KEY_CERT_SIGN.union(KeyUsage::DIGITAL_SIGNATURE),
            true,
        ),
    ] {
        let certificate = rsa_ca(&key, usage);
        write(&env.path("ca.pem"), certificate.to_pem().as_bytes());
        let loaded = env.load().loaded.unwrap();
        let profile = loaded.profiles.first().unwrap();
        let ca = profile.ca.clone().unwrap();
        assert_eq!(ca.opens.certificate, certificate);
        assert_eq!(ca.signs.certificate == certificate, by_ca);
    }
}

#[test]
fn the_ca_can_be_its_own_ra_when_it_is_rsa_and_may_do_both() {
    let mut env = TestEnv::new();
    let profile = env.profile();
    profile.ra = crate::config::Ra::Ca;
    (profile.ra_cert_path, profile.ra_key_path) = (None, None);
    assert!(
        env.failure()
            .contains("the CA has a key of the type EC P-256")
    );

    // As the server's own CAs are made: to sign, but not to be encrypted to.
    let (certificate, key) = create_root(
        &Name::parse("CN=RSA CA").unwrap(),
        KeyKind::Rsa { bits: 2048 },
        now(),
        10,
    )
    .unwrap();
    write(&env.path("ca.pem"), certificate.to_pem().as_bytes());
    write_key(&env.path("ca.key"), &key);
    let refused = env.failure();
    assert!(
        refused.contains("the keyUsage of the CA is digitalSignature, keyCertSign, cRLSign; an RA needs digitalSignature and keyEncipherment"),
        "{refused}"
    );
    let certificate = rsa_ca(
        &key,
        KeyUsage::KEY_CERT_SIGN.union(KeyUsage::KEY_ENCIPHERMENT),
    );
    write(&env.path("ca.pem"), certificate.to_pem().as_bytes());
    assert!(env.failure().contains("an RA needs digitalSignature"));

    let certificate = rsa_ca(&key, KeyUsage::KEY_CERT_SIGN.union(ra_usage()));
    write(&env.path("ca.pem"), certificate.to_pem().as_bytes());
    write_key(&env.path("ca.key"), &key);
    let loaded = env.load().loaded.unwrap();
    assert_eq!(
        loaded
            .profiles
            .first()
            .unwrap()
            .ras_at(now())
            .first()
            .unwrap()
            .opens
            .certificate,
        certificate
    );
}

#[test]
fn a_replaced_ra_pair_is_held_for_its_overlap() {
    let mut env = TestEnv::new();
    env.profile().ra_overlap = Span::hours(2);
    let before = env.load().loaded.unwrap();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let certificate = env.ca.certify_ra(key.public_key(), "corp", now()).unwrap();
    write(&env.path("ra.pem"), certificate.to_pem().as_bytes());
    write_key(&env.path("ra.key"), &key);

    let mut after = env.load().loaded.unwrap();
    after.carry_over(&before, now());
    let corp = after.profiles.first().unwrap();
    assert_eq!(corp.ras_at(now()).len(), 2);
    assert_eq!(
        corp.ras_at(now()).first().unwrap().opens.certificate,
        certificate
    );
    assert_eq!(corp.ras_at(now() + Duration::hours(2)).len(), 1);
    assert_eq!(after.reload_at, Some(now() + Duration::hours(2)));

    let mut again = env.load().loaded.unwrap();
    again.carry_over(&after, now() + Duration::hours(1));
    assert_eq!(
        again
            .profiles
            .first()
            .unwrap()
            .ras_at(now() + Duration::hours(1))
            .len(),
        2
    );
    let mut later = env.load().loaded.unwrap();
    later.carry_over(&again, now() + Duration::hours(3));
    assert_eq!(
        later
            .profiles
            .first()
            .unwrap()
            .ras_at(now() + Duration::hours(3))
            .len(),
        1
    );
}

#[test]
fn an_ra_of_a_ca_of_the_past_is_a_warning() {
    let mut env = TestEnv::new();
    let (certificate, key) = create_root(
        &Name::parse("CN=New CA").unwrap(),
        KeyKind::Ec(Curve::P256),
        now(),
        10,
    )
    .unwrap();
    fs::copy(env.path("ca.pem"), env.path("old-ca.pem")).unwrap();
    write(&env.path("ca.pem"), certificate.to_pem().as_bytes());
    write_key(&env.path("ca.key"), &key);
    let old = env.path("old-ca.pem");
    env.config
        .issuers
        .first_mut()
        .unwrap()
        .previous_ca_cert_paths = vec![old];
    let outcome = env.load();
    assert!(outcome.loaded.is_some());
    let said: Vec<String> = outcome.warnings().map(ToString::to_string).collect();
    let [said] = said.as_slice() else {
        panic!("{said:#?}")
    };
    assert!(
        said.contains("profile corp: ra_cert_path")
            && said.contains("was not issued by the profile's issuer as it is now"),
        "{said}"
    );

    // As the previous pair it is what one expects.
    let ra_key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let new = LocalCa::from_parts("local", LocalCaParts::new(certificate, key)).unwrap();
    let ra = new.certify_ra(ra_key.public_key(), "corp", now()).unwrap();
    let (old, old_key) = (env.path("old-ra.pem"), env.path("old-ra.key"));
    fs::rename(env.path("ra.pem"), &old).unwrap();
    fs::rename(env.path("ra.key"), &old_key).unwrap();
    write(&env.path("ra.pem"), ra.to_pem().as_bytes());
    write_key(&env.path("ra.key"), &ra_key);
    let profile = env.profile();
    (profile.ra_previous_cert_path, profile.ra_previous_key_path) = (Some(old), Some(old_key));
    assert_eq!(env.load().problems, []);
}

#[test]
fn an_ra_that_is_a_sub_ca_of_the_issuer_is_of_the_issuer() {
    let env = TestEnv::new();
    let ca_key = PrivateKey::from_pem(&fs::read(env.path("ca.key")).unwrap()).unwrap();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let certificate = CertificateBuilder {
        subject: Name::parse("CN=sub CA").unwrap(),
        issuer: Name::parse("O=Test, CN=Test CA").unwrap(),
        serial: Serial::random().unwrap(),
        not_before: now(),
        not_after: now() + Duration::days(90),
        public_key: key.public_key().clone(),
        extensions: vec![
            Extension::basic_constraints(true, None),
            Extension::key_usage(ra_usage()),
        ],
    }
    .sign(&ca_key, &ca_key.scheme(Digest::Sha256).unwrap())
    .unwrap();
    write(&env.path("ra.pem"), certificate.to_pem().as_bytes());
    write_key(&env.path("ra.key"), &key);
    let outcome = env.load();
    assert!(
        !outcome
            .warnings()
            .any(|found| found.what.contains("not issued by")),
        "{:#?}",
        outcome.problems
    );
}
