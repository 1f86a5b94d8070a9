#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod backup;
mod challenges;
mod damage;
mod high_water_mark;
mod marks;
mod migrate;
mod notices;
mod prune;
mod records;
mod retention;
mod shelf;
mod time;
mod tokens;

use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use tempfile::TempDir;

use super::arbitrary::{plain_ca, plain_certificate, plain_enrollment, plain_event, start};
use super::keys::Kind;
use super::{SledOptions, SledStore};
use crate::{
    Accounts, AuditEvent, CaId, Change, Committed, Conflict, EnrollmentRecord, Ledger, Op, Records,
    StoreTime, StoredEvent,
};

impl SledStore {
    /// One event.
    fn audit_event(&self, id: u64) -> crate::Result<Option<StoredEvent>> {
        let mut found = None;
        self.audit_each(id, &mut |event| {
            found = Some(event);
            std::ops::ControlFlow::Break(())
        })?;
        Ok(found.filter(|event| event.id == id))
    }

    /// The version by whose rules the chain's beginning is judged.
    fn chain_schema(&self) -> u32 {
        self.writer().unwrap().chain_schema
    }
}

/// What a change with these events comes to.
fn committed(audit_ids: &[u64]) -> Committed {
    Committed {
        audit_ids: audit_ids.to_vec(),
        ..Committed::default()
    }
}

fn other_ca() -> CaId {
    CaId::from_bytes([0x0b; 16])
}

/// As it is stored after it was put `version` times.
fn at_version(version: u64, record: EnrollmentRecord) -> EnrollmentRecord {
    EnrollmentRecord { version, ..record }
}

/// Small stores, quick to open: a test need not survive a power cut.
fn options() -> SledOptions {
    SledOptions {
        cache_bytes: 1 << 20,
        sync: false,
        ..SledOptions::default()
    }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, &options()).unwrap()
}

fn fresh() -> (TempDir, SledStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    (dir, store)
}

/// Commits one change and expects it to be taken.
fn put(store: &SledStore, op: impl Into<Op>) -> Committed {
    try_put(store, Change::new().with(op)).unwrap()
}

fn try_put(store: &SledStore, change: Change) -> Result<Committed, Conflict> {
    store.commit(&[change], time_at(start())).unwrap().remove(0)
}

/// A time that has passed, however that came about.
fn time_at(passed: DateTime<Utc>) -> StoreTime {
    StoreTime::at(passed)
}

fn after(seconds: i64) -> DateTime<Utc> {
    start() + Duration::seconds(seconds)
}

/// Events 1 to `count`, in one commit.
fn put_events(store: &SledStore, count: u64) {
    let changes: Vec<Change> = (1..=count)
        .map(|n| Change::new().with(plain_event(n)))
        .collect();
    for answer in store.commit(&changes, time_at(start())).unwrap() {
        answer.unwrap();
    }
}

/// Stores octets behind the store's back.
fn tamper(store: &SledStore, key: Vec<u8>, value: Option<Vec<u8>>) {
    let mut batch = sled::Batch::default();
    match value {
        Some(value) => {
            let kept = store.engine.compression().kept_plainly(&key, value);
            batch.insert(key, kept);
        }
        None => batch.remove(key),
    }
    store.engine.write(batch, 1).unwrap();
}

fn stored(store: &SledStore, key: &[u8]) -> Vec<u8> {
    store.engine.get(key).unwrap().unwrap().to_vec()
}

fn event(n: u64) -> AuditEvent {
    plain_event(n)
}

fn key(kind: Kind, id: u64) -> Vec<u8> {
    kind.id(id)
}
