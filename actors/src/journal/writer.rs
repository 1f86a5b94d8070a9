//! The journal's thread at work: a batch is committed, and each asker is told.

use super::{Entry, JournalError};
use crate::registry::Metrics;
use crate::store_clock::StoreClock;
use metrics::{Counter, Histogram};
use std::sync::Arc;
use std::time::Instant;
use store::Store;

pub(super) struct Writer {
    store: Arc<dyn Store>,
    time: Arc<StoreClock>,
    /// Whether the last commit failed, and the log says so.
    failing: bool,
    meters: Meters,
}

/// What a commit leaves in the metrics.
struct Meters {
    changes: Histogram,
    seconds: Histogram,
    failed: Counter,
}

impl Writer {
    pub(super) fn new(store: Arc<dyn Store>, time: Arc<StoreClock>, metrics: &Metrics) -> Self {
        Self {
            store,
            time,
            failing: false,
            meters: Meters {
                changes: metrics.histogram("scepd_store_commit_changes", &[]),
                seconds: metrics.histogram("scepd_store_commit_seconds", &[]),
                failed: metrics.counter("scepd_store_failed_commits_total", &[]),
            },
        }
    }

    pub(super) fn write(&mut self, batch: Vec<Entry>) {
        let started = Instant::now();
        let mut changes = Vec::with_capacity(batch.len());
        let mut askers = Vec::with_capacity(batch.len());
        for Entry { change, on_commit } in batch {
            changes.push(change);
            askers.push(on_commit);
        }
        self.meters.changes.record(changes.len() as f64);
        match self.store.commit(&changes, self.time.now()) {
            Ok(results) => {
                self.failing = false;
                for (on_commit, result) in askers.into_iter().zip(results) {
                    on_commit(result.map_err(JournalError::Conflict));
                }
            }
            Err(error) => {
                self.failed(&error);
                for on_commit in askers {
                    on_commit(Err(JournalError::Store(error.to_string())));
                }
            }
        }
        self.meters.seconds.record(started.elapsed().as_secs_f64());
    }

    /// The first failure is logged, those that follow from it are counted.
    fn failed(&mut self, error: &store::Error) {
        self.meters.failed.increment(1);
        if std::mem::replace(&mut self.failing, true) {
            return;
        }
        if self.store.writable() {
            tracing::error!(%error, "the store failed; requests are answered 503 until it works again");
        } else {
            tracing::error!(%error, "a write failed: nothing is issued until the server has started anew");
        }
    }
}
