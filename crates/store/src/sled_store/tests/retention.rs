use super::*;
use crate::{AuditQuery, CertificateQuery, CertificateRecord, Revocation, Stage, Standing};

/// One block, and some more.
const COUNT: u64 = 8192 + 100;

/// Certificates 1 to `count`, which end a year after the start and `n` seconds, each with its enrollment.
fn filled(count: u64) -> (TempDir, SledStore) {
    let (dir, store) = fresh();
    let numbers: Vec<u64> = (1..=count).collect();
    for some in numbers.chunks(1000) {
        let changes: Vec<Change> = some
            .iter()
            .map(|&n| {
                let mut enrollment = plain_enrollment(n);
                enrollment.stage = Stage::Issued {
                    ca: plain_ca(),
                    serial: plain_certificate(n).serial,
                };
                (enrollment.csr, enrollment.due) = (None, None);
                Change::new().with(plain_certificate(n)).with(enrollment)
            })
            .collect();
        for answer in store.commit(&changes, time_at(start())).unwrap() {
            answer.unwrap();
        }
    }
    (dir, store)
}

fn revoke(n: u64, reason: u8) -> Op {
    Op::Revoke {
        ca: plain_ca(),
        serial: plain_certificate(n).serial,
        at: after(1),
        reason,
    }
}

/// Lets go what ended by second `n` of that year's end, thirty days later.
fn prune(store: &SledStore, n: i64, limit: usize) -> u64 {
    let month = Duration::days(30);
    let now = after(n) + Duration::days(365) + month;
    store
        .certificates_prune(month, limit, time_at(now))
        .unwrap()
}

/// Which of these are there.
fn kept(store: &SledStore, numbers: &[u64]) -> Vec<u64> {
    let there = |n: &&u64| {
        let serial = plain_certificate(**n).serial;
        let record = store.certificate(&plain_ca(), &serial).unwrap();
        let standing = store.standing(&plain_ca(), &serial).unwrap();
        let by_serial = store.certificates_with_serial(&serial).unwrap();
        assert_eq!(record.is_some(), standing != Standing::Unknown);
        assert_eq!(record.is_some(), !by_serial.is_empty());
        let query = CertificateQuery {
            serial: Some(hex::encode(&serial)),
            ..CertificateQuery::default()
        };
        let found = store.certificates(&query, start()).unwrap();
        assert_eq!(record.is_some(), found.total == 1);
        record.is_some()
    };
    numbers.iter().filter(there).copied().collect()
}

fn is_sound(store: &SledStore) {
    let report = store.verify().unwrap();
    assert_eq!(report.faults, []);
    assert_eq!(report.audit.faults, []);
}

#[test]
fn what_ended_long_ago_goes_and_the_store_stays_sound() {
    let (dir, store) = filled(50);
    put(&store, revoke(3, 4));
    put(&store, revoke(5, 1));
    let numbers: Vec<u64> = (1..=50).collect();
    assert_eq!(prune(&store, 0, 100), 0);
    assert_eq!(kept(&store, &numbers), numbers);
    // A limit, twice.
    assert_eq!(prune(&store, 21, 15), 15);
    assert_eq!(prune(&store, 21, 15), 4);
    assert_eq!(prune(&store, 21, 15), 0);
    let left: Vec<u64> = [5].into_iter().chain(21..=50).collect();
    let check = |store: &SledStore| {
        assert_eq!(kept(store, &numbers), left);
        assert_eq!(store.sizes().unwrap().certificates, left.len() as u64);
        // Its key was compromised: that stays known.
        let revoked = store.revoked(&plain_ca()).unwrap();
        assert_eq!(revoked.len(), 1);
        assert_eq!(revoked[0].serial, plain_certificate(5).serial);
        // The request is still known.
        let enrollment = plain_enrollment(2);
        let found = store.enrollment(&enrollment.profile, &enrollment.key);
        assert!(matches!(
            found.unwrap().unwrap().stage,
            Stage::Issued { .. }
        ));
        is_sound(store);
    };
    check(&store);
    let query = AuditQuery {
        actions: vec!["certificate_prune".to_owned()],
        ..AuditQuery::default()
    };
    let events = store.audit(&query).unwrap().data;
    let counts: Vec<_> = events
        .iter()
        .map(|event| event.event.details.extra["certificates"].clone())
        .collect();
    assert_eq!(counts, ["4", "15"]);
    drop(store);
    let store = open(&dir.path().join("store"));
    check(&store);
    // Numbers go on, and what is new is found.
    put(&store, plain_certificate(51));
    put(&store, revoke(51, 1));
    let at = Revocation {
        at: after(1),
        reason: 1,
    };
    let standing = store.standing(&plain_ca(), &plain_certificate(51).serial);
    assert_eq!(standing.unwrap(), Standing::Revoked(at));
}

#[test]
fn all_may_go_but_the_newest_which_tells_the_next_number() {
    let (dir, store) = filled(9);
    assert_eq!(prune(&store, 1000, 100), 8);
    drop(store);
    let store = open(&dir.path().join("store"));
    assert_eq!(kept(&store, &(1..=9).collect::<Vec<_>>()), [9]);
    put(&store, plain_certificate(10));
    is_sound(&store);
    assert_eq!(kept(&store, &[9, 10]), [9, 10]);
}

#[test]
fn blocks_in_files_are_told_from_others_also_without_some_of_their_certificates() {
    let (dir, store) = filled(8000);
    // Some before the block is full, the last of the block after that.
    assert_eq!(prune(&store, 100, 5000), 99);
    for n in 8001..=COUNT {
        put(&store, plain_certificate(n));
    }
    assert_eq!(prune(&store, 8193, 10_000), 8093);
    let numbers = [1, 99, 100, 5000, 8191, 8192, 8193, COUNT];
    assert_eq!(kept(&store, &numbers), [8193, COUNT]);
    is_sound(&store);
    let path = dir.path().join("store");
    drop(store);
    for files in [true, true, false] {
        if !files {
            std::fs::remove_dir_all(path.join("index")).unwrap();
        }
        let store = open(&path);
        assert_eq!(kept(&store, &numbers), [8193, COUNT]);
        is_sound(&store);
    }
}

/// 1024 octets that nothing makes smaller.
fn no_text(n: u64) -> Vec<u8> {
    let octets = |part: u64| {
        let seed = (n * 32 + part).to_be_bytes();
        ring::digest::digest(&ring::digest::SHA256, &seed)
            .as_ref()
            .to_vec()
    };
    (0..32).flat_map(octets).collect()
}

#[test]
fn what_was_let_go_takes_no_room_in_a_backup_and_in_the_store_made_of_it() {
    let (dir, store) = fresh();
    let numbers: Vec<u64> = (1..=2000).collect();
    for some in numbers.chunks(500) {
        let mut change = Change::new();
        for &n in some {
            change.push(CertificateRecord {
                der: no_text(n),
                ..plain_certificate(n)
            });
        }
        try_put(&store, change).unwrap();
    }
    let backed_up = |store: &SledStore| {
        let mut file = Vec::new();
        store.backup(&mut file).unwrap();
        file
    };
    let before = backed_up(&store);
    assert_eq!(prune(&store, 1901, 5000), 1900);
    let after = backed_up(&store);
    assert!(
        after.len() < before.len() / 5,
        "{} octets, {} before",
        after.len(),
        before.len()
    );
    let copy = dir.path().join("copy");
    SledStore::restore(&copy, &mut std::io::Cursor::new(&after)).unwrap();
    let restored = open(&copy);
    assert_eq!(kept(&restored, &[1, 1900]), [0_u64; 0]);
    assert_eq!(restored.sizes().unwrap().certificates, 100);
    let sizes = [&store, &restored].map(|store| store.sizes().unwrap().disk_bytes);
    assert!(sizes[1] < sizes[0], "{sizes:?}");
    is_sound(&restored);
}
