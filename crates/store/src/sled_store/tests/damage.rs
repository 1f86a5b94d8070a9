use std::fs;

use super::*;
use crate::{Error, SCHEMA_VERSION};

fn reopen(dir: &Path) -> Result<SledStore, Error> {
    SledStore::open(dir, &options())
}

#[test]
fn a_store_in_use_is_said_to_be() {
    let (_dir, store) = fresh();
    let error = reopen(store.dir()).err().unwrap();
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
}

#[test]
fn a_missing_store_is_not_made_by_those_who_only_read() {
    let dir = tempfile::tempdir().unwrap();
    let options = SledOptions {
        create: false,
        ..options()
    };
    let error = SledStore::open(dir.path().join("none"), &options)
        .err()
        .unwrap();
    assert!(matches!(error, Error::Missing { .. }), "{error:?}");
    assert!(!dir.path().join("none").exists());
}

#[test]
fn the_directory_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, store) = fresh();
    let mode = fs::metadata(store.dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let (dir, store) = fresh();
    tamper(
        &store,
        Kind::Meta.name("schema"),
        Some(7_u32.to_be_bytes().to_vec()),
    );
    drop(store);
    let error = reopen(&dir.path().join("store")).err().unwrap();
    assert!(
        matches!(
            error,
            Error::SchemaTooNew {
                found: 7,
                known: SCHEMA_VERSION,
                ..
            }
        ),
        "{error:?}"
    );
    let words = error.to_string();
    assert!(
        words.contains("version 7") && words.contains("run the newer scepd"),
        "{words}"
    );
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for tree in ["", "named"] {
        let path = dir.path().join(format!("other{tree}"));
        let db = sled::open(&path).unwrap();
        let tree = db
            .open_tree(if tree.is_empty() {
                "__sled__default"
            } else {
                tree
            })
            .unwrap();
        tree.insert(b"x", b"y").unwrap();
        drop((tree, db));
        let error = reopen(&path).err().unwrap();
        assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_the_rest_can_be_looked_at() {
    for (kind, name) in [
        (Kind::Certificate, "certificate 2"),
        (Kind::Enrollment, "enrollment 2"),
    ] {
        for octets in [Some(vec![0xff; 9]), None] {
            let (dir, store) = fresh();
            for n in 1..=3 {
                put(&store, plain_certificate(n));
                put(&store, plain_enrollment(n));
            }
            tamper(&store, key(kind, 2), octets);
            drop(store);
            let path = dir.path().join("store");
            let error = reopen(&path).err().unwrap();
            assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
            assert!(error.to_string().contains(name), "{error}");
            let lenient = SledOptions {
                lenient: true,
                ..options()
            };
            let store = SledStore::open(&path, &lenient).unwrap();
            let report = store.verify().unwrap();
            assert!(
                report.faults.iter().any(|fault| fault.record == name),
                "{report:?}"
            );
            let third = plain_certificate(3);
            assert_eq!(
                store.certificate(&plain_ca(), &third.serial).unwrap(),
                Some(third)
            );
        }
    }
}

#[test]
fn what_a_record_refers_to_is_checked() {
    let (_dir, store) = fresh();
    put(&store, plain_certificate(1));
    let mut issued = plain_enrollment(1);
    issued.stage = crate::Stage::Issued {
        ca: plain_ca(),
        serial: vec![77],
    };
    put(&store, issued);
    tamper(&store, key(Kind::Der, 1), None);
    tamper(&store, key(Kind::Revocation, 9), Some(vec![0, 0]));
    tamper(&store, vec![b'z'], Some(vec![]));
    let report = store.verify().unwrap();
    let named: Vec<_> = report
        .faults
        .iter()
        .map(|fault| fault.record.as_str())
        .collect();
    assert_eq!(
        named,
        ["certificate 1", "revocation 9", "enrollment 1", "record 7a"]
    );
}

#[test]
fn an_event_that_cannot_be_read_stops_neither_start_nor_search() {
    let (dir, store) = fresh();
    put_events(&store, 3);
    tamper(&store, key(Kind::Audit, 2), Some(vec![1, 2, 3]));
    drop(store);
    let store = open(&dir.path().join("store"));
    let page = store.audit(&crate::AuditQuery::default()).unwrap();
    assert_eq!((page.total, page.data.len()), (2, 2));
    assert!(!store.audit_verify().unwrap().is_good());
}

/// Whatever is done to the files: an error or a store that can be read, never a panic.
#[test]
fn damaged_files_are_an_error_or_a_readable_store() {
    let (dir, store) = fresh();
    for n in 1..=60 {
        let change = Change::new()
            .with(plain_certificate(n))
            .with(plain_enrollment(n))
            .with(event(n));
        try_put(&store, change).unwrap();
    }
    drop(store);
    let good = dir.path().join("store");
    let mut refused = 0;
    for round in 0..24_usize {
        let bad = dir.path().join(format!("bad{round}"));
        copy_tree(&good, &bad);
        let file = bad.join("db");
        let mut octets = fs::read(&file).unwrap();
        let used = octets.iter().rposition(|&octet| octet != 0).unwrap_or(0) + 1;
        match round % 3 {
            0 => octets.truncate(used * (round + 1) / 30),
            1 => {
                let at = used * (round + 1) / 27;
                octets[at] ^= 0x40;
            }
            _ => {
                let at = used * (round + 1) / 27;
                let end = (at + 4096).min(octets.len());
                octets[at..end].fill(0xa5);
            }
        }
        fs::write(&file, octets).unwrap();
        match SledStore::open(
            &bad,
            &SledOptions {
                lenient: true,
                ..options()
            },
        ) {
            Err(_) => refused += 1,
            Ok(store) => {
                let _ = store.verify();
                let _ = store.audit(&crate::AuditQuery::default());
                let _ = store.certificate(&plain_ca(), &plain_certificate(30).serial);
            }
        }
    }
    assert!(refused < 24, "not every damage is fatal");
}

#[test]
fn a_store_that_cannot_be_looked_at_is_not_taken_for_absent() {
    let dir = tempfile::tempdir().unwrap();
    let circle = dir.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let looking = SledOptions {
        create: false,
        ..options()
    };
    let error = SledStore::open(circle.join("store"), &looking)
        .err()
        .unwrap();
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
    assert!(error.to_string().contains("circle/store/db"), "{error}");
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
