//! The pair that `ra_previous_*` names.

use super::*;

/// The house with a previous pair that is valid between these two moments.
fn with_previous(from: DateTime<Utc>, until: DateTime<Utc>) -> House {
    let mut house = House::new();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let old = House::certificate(&key, from, until, ra_usage());
    write(&house.path("old.pem"), old.to_pem().as_bytes());
    write_key(&house.path("old.key"), &key);
    let (certificate, key) = (house.path("old.pem"), house.path("old.key"));
    house.profile().ra_previous_cert_path = Some(certificate);
    house.profile().ra_previous_key_path = Some(key);
    house
}

#[test]
fn one_that_expired_is_a_warning_and_not_used() {
    let house = with_previous(now() - Duration::days(60), now() - Duration::days(1));
    let outcome = house.load();
    let warnings: Vec<String> = outcome.warnings().map(ToString::to_string).collect();
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:#?}")
    };
    assert!(
        warning.starts_with("profile corp: ra_previous_cert_path (")
            && warning.contains("old.pem")
            && warning.contains("expired on 2025-05-31"),
        "{warning}"
    );
    let loaded = outcome.loaded.unwrap();
    assert_eq!(loaded.profiles.first().unwrap().ras.len(), 1);
    // Then its key need not be there either.
    fs::remove_file(house.path("old.key")).unwrap();
    assert!(house.load().loaded.is_some());
}

#[test]
fn one_that_is_bad_in_another_way_still_stops_the_start() {
    let house = with_previous(now() + Duration::days(1), now() + Duration::days(60));
    assert!(house.failure().contains("is not valid before"));
    write(&house.path("old.pem"), b"garbage");
    assert!(house.failure().contains("ra_previous_cert_path"));
}
