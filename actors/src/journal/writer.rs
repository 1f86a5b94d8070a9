//! The journal's thread at work: counters become part of their changes, and each asker is told.

use super::{Count, Entry, JournalError, Order};
use crate::steady::Steady;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;
use store::{Op, Store};

pub(super) struct Writer {
    store: Arc<dyn Store>,
    steady: Arc<Steady>,
    totals: HashMap<String, BTreeMap<String, u64>>,
    /// Whether the last commit failed, and the log says so.
    failing: bool,
}

impl Writer {
    pub(super) fn new(store: Arc<dyn Store>, steady: Arc<Steady>) -> Self {
        Self {
            store,
            steady,
            totals: HashMap::new(),
            failing: false,
        }
    }

    pub(super) fn carry_out(&mut self, orders: Vec<Order>) {
        let mut batch = Vec::with_capacity(orders.len());
        for order in orders {
            match order {
                Order::Commit(entry) => batch.push(entry),
                Order::Adopt { profile, counters } => self.adopt(profile, counters),
            }
        }
        if !batch.is_empty() {
            self.write(batch);
        }
    }

    fn adopt(&mut self, profile: String, counters: BTreeMap<String, u64>) {
        let totals = self.totals.entry(profile).or_default();
        for (name, value) in counters {
            let total = totals.entry(name).or_default();
            *total = value.max(*total);
        }
    }

    fn write(&mut self, batch: Vec<Entry>) {
        let begun = Instant::now();
        let mut changes = Vec::with_capacity(batch.len());
        let mut askers = Vec::with_capacity(batch.len());
        for Entry {
            mut change,
            count,
            then,
        } in batch
        {
            if let Some(count) = &count {
                change.push(self.counted(count));
            }
            changes.push(change);
            askers.push((then, count));
        }
        metrics::histogram!("scepd_store_commit_changes").record(changes.len() as f64);
        match self.store.commit(&changes, self.steady.now()) {
            Ok(results) => {
                self.failing = false;
                for ((then, count), result) in askers.into_iter().zip(results) {
                    if let (Err(_), Some(count)) = (&result, &count) {
                        self.uncount(count);
                    }
                    then(result.map_err(JournalError::Conflict));
                }
            }
            Err(error) => {
                self.failed(&error);
                for (then, count) in askers {
                    if let Some(count) = &count {
                        self.uncount(count);
                    }
                    then(Err(JournalError::Store(error.to_string())));
                }
            }
        }
        metrics::histogram!("scepd_store_commit_seconds").record(begun.elapsed().as_secs_f64());
    }

    /// The first failure is logged, those that follow from it are counted.
    fn failed(&mut self, error: &store::Error) {
        metrics::counter!("scepd_store_failed_commits_total").increment(1);
        if std::mem::replace(&mut self.failing, true) {
            return;
        }
        if self.store.writable() {
            tracing::error!(%error, "the store failed; requests are answered 503 until it works again");
        } else {
            tracing::error!(%error, "a write failed: nothing is issued until the server has started anew");
        }
    }

    /// Raises a counter and says what the store must hold then. Later changes of a batch repeat
    /// earlier values, so the last one written is right.
    fn counted(&mut self, count: &Count) -> Op {
        let totals = self.totals.entry(count.profile.clone()).or_default();
        let total = totals.entry(count.name.to_owned()).or_default();
        *total = total.saturating_add(1);
        let values = BTreeMap::from([(count.name.to_owned(), *total)]);
        Op::Counters {
            profile: count.profile.clone(),
            values,
        }
    }

    fn uncount(&mut self, count: &Count) {
        if let Some(total) = self
            .totals
            .get_mut(&count.profile)
            .and_then(|totals| totals.get_mut(count.name))
        {
            *total = total.saturating_sub(1);
        }
    }
}
