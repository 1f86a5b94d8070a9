use std::io::Cursor;

use pki::Certificate;

use super::*;
use crate::sled_store::keys::migrating_key;
use crate::{Error, Refusal, Reservation, SCHEMA_VERSION, Stage, TokenRole};

/// What the release before left behind: `tests/fixtures/schema-2/generate.rs` says what is in it.
const SCHEMA_2: &[u8] = include_bytes!("../../../tests/fixtures/schema-2/store.backup");
/// How many records are in it.
const RECORDS: u64 = 37;
const CA_A: &[u8] = include_bytes!("../../../tests/fixtures/schema-2/ca-a.der");
const CA_B: &[u8] = include_bytes!("../../../tests/fixtures/schema-2/ca-b.der");

/// What the last scepd with schema version 3 left behind: `tests/fixtures/schema-3/generate.rs` says what is in it.
const SCHEMA_3: &[u8] = include_bytes!("../../../tests/fixtures/schema-3/store.backup");
const SCHEMA_3_CA: &[u8] = include_bytes!("../../../tests/fixtures/schema-3/ca.der");

fn ca(der: &[u8]) -> CaId {
    CaId::of_ca(&Certificate::from_der(der).unwrap())
}

fn restored() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    SledStore::restore(&path, &mut Cursor::new(SCHEMA_2)).unwrap();
    (dir, path)
}

/// All that the fixture holds, where it belongs now.
fn is_all_there(store: &SledStore) {
    let (a, b) = (ca(CA_A), ca(CA_B));
    let found = |ca: &CaId, serial: u8| store.certificate(ca, &[serial; 8]).unwrap();
    for (ca, serial, name, revoked) in [
        (&a, 0x11, "local", false),
        (&a, 0x12, "local", true),
        (&a, 0x13, "copy", true),
        (&b, 0x21, "local", false),
    ] {
        let record = found(ca, serial).unwrap();
        assert_eq!(record.issuer_id, name, "the name stays for people to read");
        assert_eq!(record.revoked.is_some(), revoked);
        let certificate = Certificate::from_der(&record.der).unwrap();
        assert_eq!(CaId::of_issuer(&certificate), Some(*ca));
    }
    assert_eq!(found(&b, 0x11), None);
    // Its octets name no CA: it is found by its serial alone.
    let odd = store.certificates_with_serial(&[0x31; 8]).unwrap();
    assert_eq!(odd.len(), 1);
    assert_eq!(odd[0].der, [0x30, 0x00]);
    let serials: Vec<u8> = store
        .revoked(&a)
        .unwrap()
        .iter()
        .map(|r| r.serial[0])
        .collect();
    assert_eq!(serials, [0x12, 0x13], "two names of one CA are one CA");
    assert!(store.revoked(&b).unwrap().is_empty());
    let crl = store.crl(&a).unwrap().unwrap();
    assert_eq!((crl.number, crl.issuer_id.as_str()), (7, "local"));
    assert_eq!(store.crls().unwrap().len(), 1);

    let enrollment = |n: u8| store.enrollment("corp", &[n; 16]).unwrap().unwrap();
    let issued = enrollment(4);
    assert_eq!(
        issued.stage,
        Stage::Issued {
            ca: b,
            serial: vec![0x21; 8]
        }
    );
    assert_eq!(issued.times.issued, Some(after(9)));
    assert!(!issued.needs_approval);
    assert_eq!(issued.grounds.device.as_deref(), Some("guid-4"));
    assert!(enrollment(16).needs_approval, "it was approved");
    let waiting = enrollment(11);
    let week = after(86_400 * 7);
    assert_eq!(waiting.stage, Stage::AwaitingApproval { until: Some(week) });
    assert_eq!((waiting.due, waiting.version), (Some(week), 1));
    assert_eq!(waiting.csr, Some(vec![0x30, 11]));
    let grounds = &waiting.grounds;
    assert_eq!(grounds.validator, "intune");
    assert_eq!(grounds.claim.as_ref().unwrap()["sub"], "guid-11");
    assert_eq!(grounds.claim_issuer.as_deref(), Some("connector"));
    let context: serde_json::Value =
        serde_json::from_slice(waiting.context.as_deref().unwrap()).unwrap();
    assert_eq!(context["request_id"], "req-11");
    let ever = enrollment(14);
    assert_eq!(ever.stage, Stage::AwaitingApproval { until: None });
    assert_eq!(ever.due, None);
    let denied = Refusal::Denied {
        by: "ada".into(),
        note: Some("who is this?".into()),
    };
    assert_eq!(enrollment(12).stage, Stage::Refused(denied));
    let expired = Stage::Refused(Refusal::ApprovalExpired);
    assert_eq!(enrollment(13).stage, expired);
    let polled = store.enrollment_by_poll("corp", &[11 | 0x80; 16]).unwrap();
    assert_eq!(polled.unwrap().key, [11; 16]);
    assert_eq!(store.pending(Some("corp")).unwrap().len(), 3);
    assert_eq!(store.due(time_at(week), None, 10).unwrap().len(), 2);

    let state = store.profile_state("corp", time_at(after(300))).unwrap();
    assert_eq!((state.replay.len(), state.rate.len()), (4, 4));
    assert_eq!(
        (state.counters["success"], state.counters["replay"]),
        (4, 40)
    );
    let token = store.token_by_hash(&[7; 32]).unwrap();
    assert_eq!(
        (token.name.as_str(), token.role),
        ("terraform", TokenRole::Admin)
    );
    assert_eq!(store.setting("session/1").unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(store.sizes().unwrap().audit_events, 6);
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.schema_version, SCHEMA_VERSION);
}

#[test]
fn a_store_of_the_release_before_is_migrated_with_a_backup_beside_it() {
    let (dir, path) = restored();
    let store = open(&path);
    let migration = store.migration().unwrap().clone();
    assert_eq!(migration.from, 2);
    assert_eq!(migration.backup, dir.path().join("store.schema-2.backup"));
    is_all_there(&store);
    // The backup is the whole of what was.
    let mut backup = std::fs::File::open(&migration.backup).unwrap();
    let copy = dir.path().join("copy");
    let summary = SledStore::restore(&copy, &mut backup).unwrap();
    assert_eq!((summary.schema_version, summary.records), (2, RECORDS));
    is_all_there(&open(&copy));
    // It goes on as any other.
    let taken = Reservation::Once {
        scope: "corp".into(),
        key: [2; 16],
        until: after(9999),
    };
    let answer = store
        .commit(&[Change::new().with(taken)], time_at(after(300)))
        .unwrap();
    assert!(
        matches!(answer[0], Err(Conflict::Taken { .. })),
        "{answer:?}"
    );
    put(&store, event(7));
    drop(store);
    let store = open(&path);
    assert_eq!(store.migration(), None, "once");
    assert!(store.verify().unwrap().is_good());
}

#[test]
fn who_only_reads_is_told_what_to_do_and_changes_nothing() {
    let (_dir, path) = restored();
    let reading = SledOptions {
        migrate: false,
        ..options()
    };
    for lenient in [false, true] {
        let reading = SledOptions {
            lenient,
            ..reading.clone()
        };
        let error = SledStore::open(&path, &reading).err().unwrap();
        assert!(
            matches!(error, Error::SchemaTooOld { found: 2, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("scepd serve"), "{error}");
    }
    // A backup is made of a store of any version.
    let mut again = Vec::new();
    let summary = SledStore::backup_of(&path, &reading, &mut again).unwrap();
    assert_eq!(summary.schema_version, 2);
    assert_eq!((summary.records, again.len()), (RECORDS, SCHEMA_2.len()));
}

#[test]
fn a_migration_that_was_broken_off_goes_on() {
    for kept in 0..12 {
        let (dir, path) = restored();
        break_off(&path, kept);
        let reading = SledOptions {
            migrate: false,
            ..options()
        };
        let error = SledStore::open(&path, &reading).err().unwrap();
        assert!(matches!(error, Error::SchemaTooOld { .. }), "{error:?}");
        let store = open(&path);
        let migration = store.migration().unwrap();
        assert_eq!(migration.from, 2);
        assert_eq!(migration.backup, dir.path().join("store.schema-2.backup"));
        is_all_there(&store);
    }
}

/// Leaves the store as a process does that was killed after `kept` records were replaced, each
/// batch of one record alone.
fn break_off(path: &Path, kept: usize) {
    let copy = path.with_extension("whole");
    SledStore::restore(&copy, &mut Cursor::new(SCHEMA_2)).unwrap();
    let whole = open(&copy);
    let halfway = crate::sled_store::engine::Engine::open(path, &options()).unwrap();
    let mut batch = sled::Batch::default();
    let schema = crate::sled_store::keys::schema_key();
    batch.insert(schema, SCHEMA_VERSION.to_be_bytes().to_vec());
    batch.insert(migrating_key(), 2_u32.to_be_bytes().to_vec());
    let mut left = kept;
    for (earlier, kind) in [
        (Kind::EarlierCertificate, Kind::Certificate),
        (Kind::EarlierRequest, Kind::Enrollment),
    ] {
        let mut ids = Vec::new();
        halfway
            .numbered(earlier, 1, |id, _| {
                ids.push(id);
                Ok(true)
            })
            .unwrap();
        for id in ids {
            if left > 0 {
                left -= 1;
                batch.remove(earlier.id(id));
                batch.insert(
                    kind.id(id),
                    whole.engine.get(&kind.id(id)).unwrap().unwrap(),
                );
                let unfinished = Kind::Unfinished.id(id);
                if kind == Kind::Enrollment
                    && let Some(octets) = whole.engine.get(&unfinished).unwrap()
                {
                    batch.insert(unfinished, octets);
                }
            }
        }
    }
    halfway.write(batch, 1).unwrap();
    let backup = path.with_file_name("store.schema-2.backup");
    std::fs::write(backup, SCHEMA_2).unwrap();
}

#[test]
fn a_record_that_cannot_be_read_stops_a_migration_before_it_begins() {
    let (dir, path) = restored();
    let engine = crate::sled_store::engine::Engine::open(&path, &options()).unwrap();
    let mut batch = sled::Batch::default();
    batch.insert(Kind::EarlierRequest.id(3), vec![0xff; 3]);
    engine.write(batch, 1).unwrap();
    drop(engine);
    let error = SledStore::open(&path, &options()).err().unwrap();
    assert!(error.to_string().contains("request 3"), "{error}");
    let mut after = Vec::new();
    let summary = SledStore::backup_of(&path, &options(), &mut after).unwrap();
    assert_eq!(summary.schema_version, 2, "nothing has changed");
    assert!(!dir.path().join("store.schema-2.backup").exists());
}

/// All that the fixture of schema version 3 holds.
fn is_all_of_3_there(store: &SledStore) {
    let ca = ca(SCHEMA_3_CA);
    for n in 1..=5_u8 {
        let record = store.certificate(&ca, &[n; 8]).unwrap().unwrap();
        let certificate = Certificate::from_der(&record.der).unwrap();
        assert_eq!(certificate.serial().as_bytes(), [n; 8]);
        assert_eq!(record.common_name, format!("Device-{n}"));
        let reason = record.revoked.map(|revoked| revoked.reason);
        assert_eq!(
            reason,
            [None, Some(1), None, Some(6), None][usize::from(n) - 1]
        );
        let enrollment = store.enrollment("corp", &[n; 16]).unwrap().unwrap();
        let serial = vec![n; 8];
        assert_eq!(enrollment.stage, Stage::Issued { ca, serial });
        let claim = enrollment.grounds.claim.unwrap();
        assert_eq!(claim["sub"], format!("guid-{n}"));
        let event = store.audit_event(n.into()).unwrap().unwrap();
        let claim = event.event.details.claim.unwrap();
        assert_eq!(claim["aud"], "https://scep.example/corp");
    }
    let revoked = store.revoked(&ca).unwrap();
    let listed: Vec<(&[u8], u8)> = revoked
        .iter()
        .map(|one| (&one.serial[..], one.revocation.reason))
        .collect();
    assert_eq!(listed, [(&[2; 8][..], 1), (&[4; 8], 6)]);
    assert_eq!(revoked[0].not_after, after(2 + 86_400 * 365));
    assert_eq!(store.pending(Some("corp")).unwrap().len(), 1);
    assert!(store.challenge(&[9; 16]).unwrap().is_some());
    assert_eq!(store.crl(&ca).unwrap().unwrap().number, 7);
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.schema_version, SCHEMA_VERSION);
    assert_eq!(report.audit.last_id, 7);
}

#[test]
fn a_store_of_schema_version_3_is_read_as_it_is_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    SledStore::restore(&path, &mut Cursor::new(SCHEMA_3)).unwrap();
    let store = open(&path);
    let migration = store.migration().unwrap().clone();
    assert_eq!((migration.from, migration.records), (3, 0));
    assert_eq!(migration.backup, dir.path().join("store.schema-3.backup"));
    assert_eq!(std::fs::read(&migration.backup).unwrap(), SCHEMA_3);
    is_all_of_3_there(&store);
    // One that an earlier scepd put on hold is released; another one is revoked.
    let ca = ca(SCHEMA_3_CA);
    put(
        &store,
        Op::Release {
            ca,
            serial: vec![4; 8],
        },
    );
    put(
        &store,
        Op::Revoke {
            ca,
            serial: vec![1; 8],
            at: after(400),
            reason: 4,
        },
    );
    put(&store, event(8));
    drop(store);
    let store = open(&path);
    assert_eq!(store.migration(), None, "once");
    let revoked = store.revoked(&ca).unwrap();
    let ends: Vec<_> = revoked.iter().map(|one| one.not_after).collect();
    assert_eq!(ends, [after(1 + 86_400 * 365), after(2 + 86_400 * 365)]);
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.audit.last_id, 8);
}
