//! Stores that are large enough to have blocks of their indexes in files.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::{AuditQuery, CertificateQuery, CertificateRecord, CertificateStatus, Stage};

/// One block, and some more.
const COUNT: u64 = 8192 + 300;

/// Enrollment `n`, which waits for an operator when it ends with 00.
fn enrollment(n: u64) -> EnrollmentRecord {
    let mut record = plain_enrollment(n);
    if !n.is_multiple_of(100) {
        record.stage = Stage::Issued {
            ca: plain_ca(),
            serial: plain_certificate(n).serial,
        };
        record.csr = None;
        record.due = None;
    }
    record
}

fn filled() -> (TempDir, SledStore) {
    let (dir, store) = fresh();
    let numbers: Vec<u64> = (1..=COUNT).collect();
    for some in numbers.chunks(500) {
        let changes: Vec<Change> = some
            .iter()
            .map(|&n| {
                let certificate = CertificateRecord {
                    der: n.to_be_bytes().to_vec(),
                    ..plain_certificate(n)
                };
                Change::new()
                    .with(certificate)
                    .with(enrollment(n))
                    .with(event(n))
            })
            .collect();
        for answer in store.commit(&changes, time_at(start())).unwrap() {
            answer.unwrap();
        }
    }
    for n in [17, COUNT] {
        put(
            &store,
            Op::Revoke {
                ca: plain_ca(),
                serial: plain_certificate(n).serial,
                at: after(1),
                reason: 1,
            },
        );
    }
    (dir, store)
}

fn file(store: &SledStore, what: &str) -> PathBuf {
    store.dir().join(format!("index/{what}-{:016}", 1))
}

fn is_all_there(store: &SledStore) {
    for n in [1, 17, 8191, 8192, 8193, COUNT] {
        let serial = plain_certificate(n).serial;
        let record = store.certificate(&plain_ca(), &serial).unwrap().unwrap();
        assert_eq!(record.common_name, format!("Device-{n}"));
        assert_eq!(record.revoked.is_some(), n == 17 || n == COUNT);
        let found = store.enrollment("corp", &enrollment(n).key).unwrap();
        assert_eq!(found, Some(at_version(1, enrollment(n))));
    }
    for n in [1, 8192, 8193] {
        let record = store.certificate(&plain_ca(), &plain_certificate(n).serial);
        let record = record.unwrap().unwrap();
        let thumbprint = ring::digest::digest(&ring::digest::SHA256, &record.der);
        let found = store.certificate_by_thumbprint(thumbprint.as_ref());
        assert_eq!(found.unwrap(), Some(record));
    }
    let text = |text: &str| AuditQuery {
        q: Some(text.into()),
        ..AuditQuery::default()
    };
    for n in [5, 8192, 8193] {
        let of_device = AuditQuery {
            device: Some(format!("guid-{n}")),
            ..AuditQuery::default()
        };
        let found = store.audit(&of_device).unwrap();
        assert_eq!((found.total, found.data[0].id), (1, n));
    }
    assert_eq!(store.audit(&text("device-8193")).unwrap().total, 1);
    let failed = AuditQuery {
        outcome: Some(crate::Outcome::Failure),
        ..AuditQuery::default()
    };
    assert_eq!(store.audit(&failed).unwrap().total, COUNT.div_ceil(2));
    let revoked = CertificateQuery {
        status: Some(CertificateStatus::Revoked),
        ..CertificateQuery::default()
    };
    assert_eq!(store.certificates(&revoked, start()).unwrap().total, 2);
    assert_eq!(store.revoked(&plain_ca()).unwrap().len(), 2);
    let waiting = store.pending(None).unwrap();
    assert_eq!(waiting.len() as u64, COUNT / 100);
    assert_eq!(waiting[0].transaction_id, "TX100");
    let sizes = store.sizes().unwrap();
    assert_eq!(sizes.certificates, COUNT);
    assert_eq!((sizes.transactions, sizes.audit_events), (COUNT, COUNT));
}

#[test]
fn full_blocks_are_read_from_files_and_made_again_when_they_do_not_fit() {
    let (dir, store) = filled();
    is_all_there(&store);
    let files = ["events", "certificates", "enrollments", "thumbprints"];
    let files = files.map(|what| file(&store, what));
    let written = files.clone().map(|file| fs::read(file).unwrap());
    let path = dir.path().join("store");
    let reopened = |store: SledStore| {
        drop(store);
        let store = open(&path);
        is_all_there(&store);
        store
    };
    let store = reopened(store);
    assert!(store.state().bytes() < 3_000_000, "text is not in memory");
    // Damaged, cut short, gone.
    let mut changed = written[0].clone();
    changed[200] ^= 1;
    fs::write(&files[0], changed).unwrap();
    fs::write(&files[1], &written[1][..written[1].len() - 1]).unwrap();
    fs::remove_file(&files[2]).unwrap();
    let mut changed = written[3].clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    fs::write(&files[3], changed).unwrap();
    let store = reopened(store);
    for (file, written) in files.iter().zip(&written) {
        assert_eq!(fs::read(file).unwrap(), *written, "made again");
    }
    // Text that is damaged is noticed when it is read.
    let mut changed = written[0].clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    fs::write(&files[0], changed).unwrap();
    drop(store);
    let store = open(&path);
    let query = AuditQuery {
        q: Some("anything".into()),
        ..AuditQuery::default()
    };
    let error = store.audit(&query).unwrap_err().to_string();
    assert!(error.contains("events-0000000000000001"), "{error}");
    fs::remove_file(&files[0]).unwrap();
    let store = reopened(store);

    // Of another history: the database holds another event, and another certificate.
    drop(store);
    let engine = crate::sled_store::engine::Engine::open(&path, &options()).unwrap();
    let mut batch = sled::Batch::default();
    let record = engine.get(&Kind::Certificate.id(8192)).unwrap().unwrap();
    let mut facts = crate::sled_store::wire::CertificateFacts::decode(&record).unwrap();
    facts.serial = &[7, 7];
    let key = Kind::Certificate.id(8192);
    let kept = engine
        .compression()
        .kept_plainly(&key, facts.encode().unwrap());
    batch.insert(key, kept);
    engine.write(batch, 1).unwrap();
    drop(engine);
    let store = open(&path);
    let found = store.certificate(&plain_ca(), &[7, 7]).unwrap();
    assert!(found.is_some(), "the file was not believed");
}

#[test]
fn an_enrollment_of_a_full_block_goes_on_and_events_of_one_are_let_go() {
    let (dir, store) = filled();
    let mut decided = at_version(1, enrollment(200));
    decided.stage = Stage::Refused(crate::Refusal::ApprovalExpired);
    put(&store, decided);
    let mut polled = at_version(1, enrollment(300));
    polled.poll_key = [0xee; 16];
    put(&store, polled);
    let day = Duration::days(1);
    let now = after(8300) + day;
    assert_eq!(store.audit_prune(day, 100_000, time_at(now)).unwrap(), 8299);
    assert!(!file(&store, "events").exists());
    let check = |store: &SledStore| {
        let waiting = store.pending(None).unwrap();
        assert_eq!(waiting.len() as u64, COUNT / 100 - 1);
        let polled = store.enrollment_by_poll("corp", &[0xee; 16]).unwrap();
        assert_eq!(polled.unwrap().key, enrollment(300).key);
        let old = store.enrollment_by_poll("corp", &enrollment(300).poll_key);
        assert_eq!(old.unwrap(), None);
        let sizes = store.sizes().unwrap();
        assert_eq!(sizes.audit_events, COUNT - 8299 + 1);
        let gone = AuditQuery {
            q: Some("device-8299".into()),
            ..AuditQuery::default()
        };
        assert_eq!(store.audit(&gone).unwrap().total, 0);
        assert!(store.audit_verify().unwrap().is_good());
    };
    check(&store);
    drop(store);
    let store = open(&dir.path().join("store"));
    check(&store);
    assert!(store.verify().unwrap().is_good());
}
