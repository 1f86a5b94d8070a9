use std::io::Cursor;

use super::*;
use crate::{Error, Reservation};

fn filled() -> (TempDir, SledStore) {
    let (dir, store) = fresh();
    for n in 1..=30 {
        let change = Change::new()
            .with(plain_certificate(n))
            .with(plain_enrollment(n))
            .with(event(n))
            .with(Reservation::Once {
                scope: "corp".into(),
                key: [n as u8; 16],
                until: after(99),
            });
        try_put(&store, change).unwrap();
    }
    (dir, store)
}

#[test]
fn a_restored_store_holds_what_was_backed_up() {
    let (dir, store) = filled();
    let mut file = Vec::new();
    let summary = store.backup(&mut file).unwrap();
    let copy = dir.path().join("copy");
    let restored = SledStore::restore(&copy, &mut Cursor::new(&file)).unwrap();
    assert_eq!(restored, summary);
    let copied = open(&copy);
    let (before, after) = (store.verify().unwrap(), copied.verify().unwrap());
    assert!(after.is_good(), "{after:?}");
    assert_eq!(
        (before.records, &before.audit),
        (after.records, &after.audit)
    );
    assert_eq!(summary.records, after.records);
    for n in 1..=30 {
        let record = plain_certificate(n);
        assert_eq!(
            copied.certificate(&plain_ca(), &record.serial).unwrap(),
            Some(record)
        );
    }
    assert_eq!(put(&copied, event(31)).audit_ids, [31]);
    let mut again = Vec::new();
    store.backup(&mut again).unwrap();
    assert_eq!(again, file, "the same store gives the same file");
}

#[test]
fn a_backup_that_is_cut_or_altered_makes_no_store() {
    let (dir, store) = filled();
    let mut file = Vec::new();
    store.backup(&mut file).unwrap();
    let target = dir.path().join("copy");
    let refuse = |octets: &[u8]| {
        let error = SledStore::restore(&target, &mut Cursor::new(octets)).unwrap_err();
        assert!(!target.exists() && !dir.path().join("copy.restoring").exists());
        error
    };
    for cut in [0, 5, 21, 24, 30, file.len() / 2, file.len() - 1] {
        let error = refuse(&file[..cut]);
        assert!(matches!(error, Error::Backup { .. }), "{cut}: {error:?}");
    }
    for at in [0, 26, 40, file.len() / 2, file.len() - 1] {
        let mut altered = file.clone();
        altered[at] ^= 0x10;
        let error = refuse(&altered);
        assert!(matches!(error, Error::Backup { .. }), "{at}: {error:?}");
    }
    let mut newer = file.clone();
    newer[24] = 9;
    assert!(matches!(
        refuse(&newer),
        Error::SchemaTooNew { found: 9, .. }
    ));
}

#[test]
fn nothing_is_restored_over_a_store() {
    let (_dir, store) = filled();
    let mut file = Vec::new();
    store.backup(&mut file).unwrap();
    let error = SledStore::restore(store.dir(), &mut Cursor::new(&file)).unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error:?}");
}

#[test]
fn what_a_broken_restore_left_is_no_new_store() {
    let (dir, store) = filled();
    let mut file = Vec::new();
    store.backup(&mut file).unwrap();
    let (target, part) = (dir.path().join("copy"), dir.path().join("copy.restoring"));
    drop(open(&part));
    let reading = SledOptions {
        create: false,
        ..options()
    };
    for refused in [
        SledStore::open(&target, &options()).map(drop),
        SledStore::open(&target, &reading).map(drop),
        SledStore::restore(&target, &mut Cursor::new(&file)).map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, Error::HalfRestored { path, part: left } if *path == target && *left == part),
            "{error:?}"
        );
        let said = error.to_string();
        let remedy = format!("Remove {} and run", part.display());
        assert!(said.contains(&remedy), "{said}");
    }
    assert!(!target.exists());
    std::fs::remove_dir_all(&part).unwrap();
    SledStore::restore(&target, &mut Cursor::new(&file)).unwrap();
    // Beside a store that is there it does no harm.
    std::fs::create_dir(&part).unwrap();
    assert!(open(&target).verify().unwrap().is_good());
}

#[test]
fn a_store_without_its_data_is_no_new_store() {
    let (dir, store) = filled();
    let mut file = Vec::new();
    store.backup(&mut file).unwrap();
    let path = store.dir().to_owned();
    drop(store);
    std::fs::remove_file(path.join("db")).unwrap();
    for refused in [
        SledStore::open(&path, &options()).map(drop),
        SledStore::restore(&path, &mut Cursor::new(&file)).map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::Gone { .. }), "{error:?}");
    }
    assert!(!path.join("db").exists());
    std::fs::rename(&path, dir.path().join("away")).unwrap();
    SledStore::restore(&path, &mut Cursor::new(&file)).unwrap();

    // A start that ended before there was anything.
    let started = dir.path().join("begun");
    std::fs::create_dir_all(started.join("blobs")).unwrap();
    drop(open(&started));
}
