//! RA pairs that the server makes and keeps itself.

use super::super::auto_ra::{Keeping, Kept, NewKeys, keep};
use super::*;

const OVERLAP: Duration = Duration::days(7);

fn kept(env: &TestEnv, at: DateTime<Utc>) -> Kept {
    accepted(look(env, at, false), at)
}

/// As the checks do.
fn look(env: &TestEnv, at: DateTime<Utc>, split: bool) -> Kept {
    let (directory, new_keys) = (env.path("ra"), NewKeys::default());
    let keeping = Keeping {
        split,
        ..keeping(&directory, &env.ca, &new_keys)
    };
    let location = Location::one_of("profile", "corp").at("ra");
    let mut findings = Findings::default();
    let kept = keep(&keeping, at, &location, &mut findings);
    assert_eq!(findings.0, []);
    kept.unwrap()
}

/// As a start does once everything else is good, and a server that has run for long.
fn accepted(kept: Kept, at: DateTime<Utc>) -> Kept {
    let new: Vec<NewRa> = kept.new.iter().cloned().collect();
    WrittenRas::write(&new).unwrap().keep();
    remove_over(&kept.over, at);
    kept
}

fn keeping<'a>(directory: &'a Path, issuer: &'a LocalCa, new_keys: &'a NewKeys) -> Keeping<'a> {
    Keeping {
        directory,
        former: &[],
        issuer,
        path_id: "corp",
        new_keys,
        overlap: OVERLAP,
        lifetime: chrono::TimeDelta::days(365),
        split: false,
        makes: true,
    }
}

fn current(kept: &Kept) -> &Certificate {
    &kept.ras.first().unwrap().ra.opens.certificate
}

#[test]
fn a_pair_is_made_once_and_found_again() {
    let env = TestEnv::new();
    let first = kept(&env, now());
    assert_eq!(first.ras.len(), 1);
    let usage = current(&first).key_usage().unwrap();
    assert!(usage.contains(ra_usage()) && env.ca.authority().issued(current(&first)));
    let again = kept(&env, now() + Duration::days(100));
    assert_eq!(current(&again), current(&first));
    let files = files(&env);
    assert_eq!(files.len(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(files.keys().next().unwrap()), 0o600);
    assert_eq!(mode(&env.path("ra")), 0o700);
}

#[test]
fn pairs_of_one_run_share_a_key_and_no_certificate() {
    let mut env = TestEnv::new();
    let first = env.profile();
    first.ra = crate::config::Ra::Auto;
    (first.ra_cert_path, first.ra_key_path) = (None, None);
    let mut second = first.clone();
    second.path_id = "iot".to_owned();
    env.config.profiles.push(second);
    let loaded = env.load().loaded.unwrap();
    let [corp, iot] = loaded.profiles.as_slice() else {
        panic!("two profiles")
    };
    let (corp, iot) = (corp.ras_at(now()), iot.ras_at(now()));
    let (corp, iot) = (
        &corp.first().unwrap().opens.certificate,
        &iot.first().unwrap().opens.certificate,
    );
    assert_eq!(corp.public_key().spki_der(), iot.public_key().spki_der());
    assert_ne!(corp.serial().as_bytes(), iot.serial().as_bytes());
    assert_ne!(corp.subject().to_string(), iot.subject().to_string());
}

#[test]
fn it_is_renewed_in_time_with_an_overlap() {
    let env = TestEnv::new();
    let first = kept(&env, now());
    let due = first.look_again_at.unwrap();
    assert!(
        due < current(&first).not_after() - Duration::days(100),
        "{due}"
    );

    let renewed = kept(&env, due);
    assert_ne!(current(&renewed), current(&first));
    assert_eq!(renewed.ras.len(), 2);
    assert_eq!(
        renewed.ras.last().unwrap().ra.opens.certificate,
        *current(&first)
    );
    assert_eq!(renewed.ras.last().unwrap().until, Some(due + OVERLAP));
    assert_eq!(renewed.look_again_at, Some(due + OVERLAP));

    let in_overlap = kept(&env, due + OVERLAP - Duration::seconds(1));
    assert_eq!(in_overlap.ras.len(), 2);
    let over = kept(&env, due + OVERLAP);
    assert_eq!(over.ras.len(), 1);
    assert_eq!(current(&over), current(&renewed));
    assert_eq!(fs::read_dir(env.path("ra")).unwrap().count(), 1);
}

#[test]
fn another_ca_gets_another_pair_at_once() {
    let env = TestEnv::new();
    let first = kept(&env, now());
    let mut other = TestEnv::new();
    other.directory = env.directory;
    let second = kept(&other, now());
    assert_ne!(current(&second), current(&first));
    assert_eq!(second.ras.len(), 2);
}

#[test]
fn a_pair_that_ends_with_its_ca_is_not_renewed_again_and_again() {
    let env = TestEnv::new();
    let end = env.ca.ca_certificate().not_after();
    let last = kept(&env, end - Duration::days(20));
    assert_eq!(current(&last).not_after(), end);
    let again = kept(&env, end - Duration::days(1));
    assert_eq!(current(&again), current(&last));
}

#[test]
fn a_damaged_or_open_pair_is_named_and_not_replaced() {
    let env = TestEnv::new();
    kept(&env, now());
    let file = fs::read_dir(env.path("ra"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&file).unwrap();
    let refused = || {
        let mut findings = Findings::default();
        let location = Location::one_of("profile", "corp").at("ra");
        assert!(
            keep(
                &keeping(&env.path("ra"), &env.ca, &NewKeys::default()),
                now(),
                &location,
                &mut findings
            )
            .is_none()
        );
        findings
            .0
            .iter()
            .map(ToString::to_string)
            .collect::<String>()
    };
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    assert!(refused().contains("chmod 600"));
    write(&file, &whole[..whole.len() / 2]);
    assert!(refused().contains(file.to_str().unwrap()));
    write(&file, &whole);
    assert_eq!(kept(&env, now()).ras.len(), 1);
}

#[test]
fn a_crash_while_writing_leaves_no_trace() {
    let env = TestEnv::new();
    fs::create_dir(env.path("ra")).unwrap();
    let name = format!("{:012}.new", now().timestamp());
    write(&env.path("ra").join(name), b"half");
    assert_eq!(kept(&env, now()).ras.len(), 1);
    assert_eq!(fs::read_dir(env.path("ra")).unwrap().count(), 1);
}

/// Names and octets of the files of RAs.
fn files(env: &TestEnv) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(env.path("ra")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn looking_changes_no_file_whatever_the_clock_says() {
    let env = TestEnv::new();
    let first = kept(&env, now());
    let before = files(&env);
    for days in [250, 400, 3000] {
        let later = look(&env, now() + Duration::days(days), false);
        assert!(later.new.is_some(), "{days} days later one is due");
        assert_eq!(files(&env), before);
    }
    let after = kept(&env, now());
    assert_eq!(current(&after), current(&first));
    assert_eq!(files(&env), before);
}

#[test]
fn a_start_under_a_clock_ahead_loses_nothing_when_it_is_right_again() {
    let env = TestEnv::new();
    let first = kept(&env, now());
    let ahead = now() + Duration::days(400);
    // Accepted, but no time has passed: the files of before stay.
    let wrong = look(&env, ahead, false);
    let new: Vec<NewRa> = wrong.new.iter().cloned().collect();
    WrittenRas::write(&new).unwrap().keep();
    remove_over(&wrong.over, now());
    assert_ne!(current(&wrong), current(&first));

    let right = kept(&env, now() + Duration::hours(1));
    assert!(right.new.is_none());
    assert_eq!(current(&right), current(&first));
    // Who saw the one of then can still be answered.
    let held: Vec<&Certificate> = right
        .ras
        .iter()
        .map(|held| &held.ra.opens.certificate)
        .collect();
    assert_eq!(held, [current(&first), current(&wrong)]);
}

#[test]
fn what_was_written_for_a_start_that_failed_is_taken_back() {
    let env = TestEnv::new();
    kept(&env, now());
    let before = files(&env);
    let due = look(&env, now() + Duration::days(300), false);
    let written = WrittenRas::write(&[due.new.unwrap()]).unwrap();
    assert_eq!(files(&env).len(), 2);
    drop(written);
    assert_eq!(files(&env), before);

    // Where one of several cannot be written, none is.
    let later = look(&env, now() + Duration::days(300), false).new.unwrap();
    let nowhere = NewRa {
        file: env.path("tls.pem").join("0.pem"),
        ..later.clone()
    };
    let refused = WrittenRas::write(&[later, nowhere]).unwrap_err();
    assert!(refused.to_string().contains("tls.pem/0.pem"), "{refused}");
    assert_eq!(files(&env), before);
}

#[test]
fn a_split_ra_is_two_pairs_in_one_file_and_both_are_renewed_with_an_overlap() {
    let env = TestEnv::new();
    let whole = kept(&env, now());
    let split = accepted(look(&env, now(), true), now());
    let usage = |certificate: &Certificate| certificate.key_usage().unwrap();
    let ra = &split.ras.first().unwrap().ra;
    assert!(ra.is_split());
    assert_eq!(usage(&ra.opens.certificate), KeyUsage::KEY_ENCIPHERMENT);
    assert_eq!(usage(&ra.signs.certificate), KeyUsage::DIGITAL_SIGNATURE);
    assert_ne!(
        ra.opens.key.public_key().spki_der(),
        ra.signs.key.public_key().spki_der()
    );
    // The one of before has its overlap, as after any change.
    let [_, before] = split.ras.as_slice() else {
        panic!("two RAs")
    };
    assert_eq!(before.ra.opens.certificate, *current(&whole));
    assert!(!before.ra.is_split() && before.until.is_some());

    let again = look(&env, now() + Duration::days(100), true);
    assert!(again.new.is_none());
    let found = &again.ras.first().unwrap().ra;
    assert_eq!(found.opens.certificate, ra.opens.certificate);
    assert_eq!(found.signs.certificate, ra.signs.certificate);

    let due = again.look_again_at.unwrap();
    let renewed = accepted(look(&env, due, true), due);
    let new = &renewed.ras.first().unwrap().ra;
    assert_ne!(new.opens.certificate, ra.opens.certificate);
    assert_ne!(new.signs.certificate, ra.signs.certificate);
    let old = renewed.ras.get(1).unwrap();
    assert_eq!(old.ra.opens.certificate, ra.opens.certificate);
    assert_eq!(old.ra.signs.certificate, ra.signs.certificate);
    assert_eq!(old.until, Some(due + OVERLAP));
    let over = accepted(look(&env, due + OVERLAP, true), due + OVERLAP);
    assert_eq!((over.ras.len(), files(&env).len()), (1, 1));
}
