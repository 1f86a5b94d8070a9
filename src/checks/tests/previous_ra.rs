//! The pair that `ra_previous_*` names.

use super::*;

/// The environment with a previous pair that is valid between these two moments.
fn with_previous(from: DateTime<Utc>, until: DateTime<Utc>) -> TestEnv {
    let mut env = TestEnv::new();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let old = TestEnv::certificate(&key, from, until, ra_usage());
    write(&env.path("old.pem"), old.to_pem().as_bytes());
    write_key(&env.path("old.key"), &key);
    let (certificate, key) = (env.path("old.pem"), env.path("old.key"));
    env.profile().ra_previous_cert_path = Some(certificate);
    env.profile().ra_previous_key_path = Some(key);
    env
}

#[test]
fn the_ra_before_can_be_given_as_files() {
    let mut env = TestEnv::new();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let old = env
        .ca
        .certify_ra(key.public_key(), "corp", now() - Duration::hours(12))
        .unwrap();
    write(&env.path("old.pem"), old.to_pem().as_bytes());
    write_key(&env.path("old.key"), &key);
    let (certificate, key) = (env.path("old.pem"), env.path("old.key"));
    env.profile().ra_previous_cert_path = Some(certificate);
    assert!(
        env.failure()
            .contains("ra_previous_key_path: it is not set")
    );
    env.profile().ra_previous_key_path = Some(key);
    let outcome = env.load();
    assert_eq!(outcome.problems, []);
    let identities = outcome
        .loaded
        .unwrap()
        .profiles
        .first()
        .unwrap()
        .ras_at(now());
    assert_eq!(identities.len(), 2);
    assert_eq!(identities.last().unwrap().opens.certificate, old);
}

#[test]
fn one_that_expired_is_a_warning_and_not_used() {
    let env = with_previous(now() - Duration::days(60), now() - Duration::days(1));
    let outcome = env.load();
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
    fs::remove_file(env.path("old.key")).unwrap();
    assert!(env.load().loaded.is_some());
}

#[test]
fn one_that_is_bad_in_another_way_still_stops_the_start() {
    let env = with_previous(now() + Duration::days(1), now() + Duration::days(60));
    assert!(env.failure().contains("is not valid before"));
    write(&env.path("old.pem"), b"garbage");
    assert!(env.failure().contains("ra_previous_cert_path"));
}

#[test]
fn a_hundred_rotations_within_the_overlap_keep_every_pair() {
    let env = TestEnv::new();
    // Making RSA keys takes longest: certificates are exchanged, by turns of two keys.
    let keys = [0, 1].map(|_| PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap());
    let mut in_force = env.load().loaded.unwrap();
    let first = in_force
        .profiles
        .first()
        .unwrap()
        .ras
        .first()
        .unwrap()
        .clone();
    for round in 0..100_usize {
        let key = keys.get(round % 2).unwrap();
        let ra = env.ca.certify_ra(key.public_key(), "corp", now()).unwrap();
        write(&env.path("ra.pem"), ra.to_pem().as_bytes());
        write_key(&env.path("ra.key"), key);
        let mut next = env.load().loaded.unwrap();
        next.carry_over(&in_force, now());
        in_force = next;
    }
    let corp = in_force.profiles.first().unwrap();
    assert_eq!(corp.ras_at(now()).len(), 101);
    let held = corp
        .ras
        .iter()
        .any(|ra| ra.ra.opens.certificate == first.ra.opens.certificate);
    assert!(held, "the pair of the start opens what was encrypted to it");
}
