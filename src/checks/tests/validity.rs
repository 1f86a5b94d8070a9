//! Certificates that are not valid now, or not for long.

use super::*;

#[test]
fn expired_certificates_are_named_with_their_date() {
    for (file, key_file) in [
        ("tls.pem", "tls.key"),
        ("ra.pem", "ra.key"),
        ("mtls.pem", "ra.key"),
        ("connector.pem", "ra.key"),
    ] {
        let env = TestEnv::new();
        let key = PrivateKey::from_pem(&fs::read(env.path(key_file)).unwrap()).unwrap();
        let (from, until) = (now() - Duration::days(30), now() - Duration::days(1));
        let expired = TestEnv::certificate(&key, from, until, ra_usage());
        write(&env.path(file), expired.to_pem().as_bytes());
        let text = env
            .load()
            .failures()
            .map(ToString::to_string)
            .collect::<String>();
        assert!(
            text.contains("expired") && text.contains("2025-05-31") && text.contains(file),
            "{text}"
        );
    }
    let env = TestEnv::new();
    let late = load(&env.config, now() + Duration::days(4000));
    assert!(
        late.failures()
            .any(|found| found.to_string().starts_with("issuer local: ca_cert_path"))
    );
}

#[test]
fn a_certificate_of_tomorrow_is_refused() {
    let env = TestEnv::new();
    let key = PrivateKey::from_pem(&fs::read(env.path("ra.key")).unwrap()).unwrap();
    let early = TestEnv::certificate(
        &key,
        now() + Duration::days(1),
        now() + Duration::days(90),
        ra_usage(),
    );
    write(&env.path("ra.pem"), early.to_pem().as_bytes());
    assert!(env.failure().contains("is not valid before 2025-06-02"));
}

#[test]
fn what_ends_within_thirty_days_is_a_warning() {
    let env = TestEnv::new();
    let outcome = load(&env.config, now() + Duration::days(350));
    assert!(outcome.loaded.is_some());
    let warned: Vec<String> = outcome.warnings().map(ToString::to_string).collect();
    assert!(
        warned
            .iter()
            .any(|line| line.contains("ra_cert_path") && line.contains("in 14 days")),
        "{warned:#?}"
    );
    assert!(
        warned
            .iter()
            .any(|line| line.contains("connector_cert_path")),
        "{warned:#?}"
    );
    assert!(
        !warned.iter().any(|line| line.contains("ca_cert_path")),
        "{warned:#?}"
    );
}
