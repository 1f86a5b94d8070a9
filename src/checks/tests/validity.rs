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
        let house = House::new();
        let key = PrivateKey::from_pem(&fs::read(house.path(key_file)).unwrap()).unwrap();
        let (from, until) = (now() - Duration::days(30), now() - Duration::days(1));
        let expired = House::certificate(&key, from, until, ra_usage());
        write(&house.path(file), expired.to_pem().as_bytes());
        let text = house
            .load()
            .failures()
            .map(ToString::to_string)
            .collect::<String>();
        assert!(
            text.contains("expired") && text.contains("2025-05-31") && text.contains(file),
            "{text}"
        );
    }
    let house = House::new();
    let late = load(&house.config, now() + Duration::days(4000));
    assert!(
        late.failures()
            .any(|found| found.to_string().starts_with("issuer local: ca_cert_path"))
    );
}

#[test]
fn a_certificate_of_tomorrow_is_refused() {
    let house = House::new();
    let key = PrivateKey::from_pem(&fs::read(house.path("ra.key")).unwrap()).unwrap();
    let early = House::certificate(
        &key,
        now() + Duration::days(1),
        now() + Duration::days(90),
        ra_usage(),
    );
    write(&house.path("ra.pem"), early.to_pem().as_bytes());
    assert!(house.failure().contains("is not valid before 2025-06-02"));
}

#[test]
fn what_ends_within_thirty_days_is_a_warning() {
    let house = House::new();
    let outcome = load(&house.config, now() + Duration::days(350));
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
