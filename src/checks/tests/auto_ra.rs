//! RA pairs that the server makes and keeps itself.

use super::super::auto_ra::{Keeping, Kept, NewKeys, keep};
use super::*;

const OVERLAP: Duration = Duration::days(7);

fn kept(house: &House, at: DateTime<Utc>) -> Kept {
    let mut findings = Findings::default();
    let kept = keep(
        &keeping(&house.path("ra"), &house.ca, &NewKeys::default()),
        at,
        &Spot::one_of("profile", "corp").at("ra"),
        &mut findings,
    );
    assert_eq!(findings.0, []);
    kept.unwrap()
}

fn keeping<'a>(directory: &'a Path, issuer: &'a LocalCa, new_keys: &'a NewKeys) -> Keeping<'a> {
    Keeping {
        directory,
        issuer,
        path_id: "corp",
        new_keys,
        overlap: OVERLAP,
        may_write: true,
    }
}

fn current(kept: &Kept) -> &Certificate {
    &kept.ras.first().unwrap().identity.certificate
}

#[test]
fn a_pair_is_made_once_and_found_again() {
    let house = House::new();
    let first = kept(&house, now());
    assert_eq!(first.ras.len(), 1);
    let usage = current(&first).key_usage().unwrap();
    assert!(usage.contains(ra_usage()) && house.ca.authority().issued(current(&first)));
    let again = kept(&house, now() + Duration::days(100));
    assert_eq!(current(&again), current(&first));
    let files: Vec<_> = fs::read_dir(house.path("ra"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    assert_eq!(files.len(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files.first().unwrap().path()), 0o600);
    assert_eq!(mode(&house.path("ra")), 0o700);
}

#[test]
fn pairs_of_one_run_share_a_key_and_no_certificate() {
    let mut house = House::new();
    let first = house.profile();
    first.ra = crate::config::Ra::Auto;
    (first.ra_cert_path, first.ra_key_path) = (None, None);
    let mut second = first.clone();
    second.path_id = "iot".to_owned();
    house.config.profiles.push(second);
    let loaded = house.load().loaded.unwrap();
    let [corp, iot] = loaded.profiles.as_slice() else {
        panic!("two profiles")
    };
    let (corp, iot) = (corp.identities(now()), iot.identities(now()));
    let (corp, iot) = (
        &corp.first().unwrap().certificate,
        &iot.first().unwrap().certificate,
    );
    assert_eq!(corp.public_key().spki_der(), iot.public_key().spki_der());
    assert_ne!(corp.serial().as_bytes(), iot.serial().as_bytes());
    assert_ne!(corp.subject().to_string(), iot.subject().to_string());
}

#[test]
fn it_is_renewed_in_time_with_an_overlap() {
    let house = House::new();
    let first = kept(&house, now());
    let due = first.look_again_at.unwrap();
    assert!(
        due < current(&first).not_after() - Duration::days(100),
        "{due}"
    );

    let renewed = kept(&house, due);
    assert_ne!(current(&renewed), current(&first));
    assert_eq!(renewed.ras.len(), 2);
    assert_eq!(
        renewed.ras.last().unwrap().identity.certificate,
        *current(&first)
    );
    assert_eq!(renewed.ras.last().unwrap().until, Some(due + OVERLAP));
    assert_eq!(renewed.look_again_at, Some(due + OVERLAP));

    let in_overlap = kept(&house, due + OVERLAP - Duration::seconds(1));
    assert_eq!(in_overlap.ras.len(), 2);
    let over = kept(&house, due + OVERLAP);
    assert_eq!(over.ras.len(), 1);
    assert_eq!(current(&over), current(&renewed));
    assert_eq!(fs::read_dir(house.path("ra")).unwrap().count(), 1);
}

#[test]
fn another_ca_gets_another_pair_at_once() {
    let house = House::new();
    let first = kept(&house, now());
    let mut other = House::new();
    other.directory = house.directory;
    let second = kept(&other, now());
    assert_ne!(current(&second), current(&first));
    assert_eq!(second.ras.len(), 2);
}

#[test]
fn a_pair_that_ends_with_its_ca_is_not_renewed_again_and_again() {
    let house = House::new();
    let end = house.ca.ca_certificate().not_after();
    let last = kept(&house, end - Duration::days(20));
    assert_eq!(current(&last).not_after(), end);
    let again = kept(&house, end - Duration::days(1));
    assert_eq!(current(&again), current(&last));
}

#[test]
fn a_damaged_or_open_pair_is_named_and_not_replaced() {
    let house = House::new();
    kept(&house, now());
    let file = fs::read_dir(house.path("ra"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = fs::read(&file).unwrap();
    let refused = || {
        let mut findings = Findings::default();
        let spot = Spot::one_of("profile", "corp").at("ra");
        assert!(
            keep(
                &keeping(&house.path("ra"), &house.ca, &NewKeys::default()),
                now(),
                &spot,
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
    assert_eq!(kept(&house, now()).ras.len(), 1);
}

#[test]
fn a_crash_while_writing_leaves_no_trace() {
    let house = House::new();
    fs::create_dir(house.path("ra")).unwrap();
    let name = format!("{:012}.new", now().timestamp());
    write(&house.path("ra").join(name), b"half");
    assert_eq!(kept(&house, now()).ras.len(), 1);
    assert_eq!(fs::read_dir(house.path("ra")).unwrap().count(), 1);
}
