//! Group commit: one thread takes whatever changes have gathered, makes them durable with one
//! flush, and tells each asker. Nothing that depends on a change happens before it is told.

use crate::compute::ComputePool;
use crate::steady::Steady;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use store::{Change, Committed, Conflict, Op, Store};
use tokio::sync::oneshot;

/// The most changes that one flush makes durable. More would only make the first ones wait.
const BATCH: usize = 128;

/// While messages wait for RSA, a batch waits for this many changes,
const COMPANY: usize = 24;

/// but no longer than this. A flush costs about as much for many changes as for one; as long as
/// the compute pool is the bottleneck, waiting for company costs nothing.
const GATHER: Duration = Duration::from_millis(8);

/// How often a waiting batch looks at the compute pool.
const LOOK: Duration = Duration::from_micros(500);

/// Why a change did not become durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The store refused this change; nothing of it was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store failed; the text is its own.
    #[error("the store failed: {0}")]
    Store(String),
    /// The journal has been shut down.
    #[error("the journal is shut down")]
    Stopped,
}

/// A counter to raise by one together with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The profile's path id.
    pub profile: String,
    /// The counter's name.
    pub name: &'static str,
}

enum Order {
    Commit(Entry),
    Adopt {
        profile: String,
        counters: BTreeMap<String, u64>,
    },
    Stop,
}

struct Entry {
    change: Change,
    count: Option<Count>,
    told: oneshot::Sender<Result<Committed, JournalError>>,
}

/// The way to the journal's thread. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    orders: mpsc::Sender<Order>,
}

impl Journal {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(
        store: Arc<dyn Store>,
        steady: Arc<Steady>,
        pool: ComputePool,
    ) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let mut writer = Writer {
            store,
            steady,
            pool,
            totals: HashMap::new(),
        };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok(Self { orders })
    }

    /// Makes `change` durable and raises `count` with it.
    ///
    /// # Errors
    /// [`JournalError`]; then nothing of the change is in the store, or the store is down.
    pub async fn commit(
        &self,
        change: Change,
        count: Option<Count>,
    ) -> Result<Committed, JournalError> {
        let (told, answer) = oneshot::channel();
        let order = Order::Commit(Entry {
            change,
            count,
            told,
        });
        self.orders.send(order).map_err(|_| JournalError::Stopped)?;
        answer.await.unwrap_or(Err(JournalError::Stopped))
    }

    /// Tells the journal where a profile's counters stand in the store, before the first count.
    pub fn adopt(&self, profile: &str, counters: BTreeMap<String, u64>) {
        let _ = self.orders.send(Order::Adopt {
            profile: profile.to_owned(),
            counters,
        });
    }

    /// Lets the thread end after what has been sent so far.
    pub fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }
}

struct Writer {
    store: Arc<dyn Store>,
    steady: Arc<Steady>,
    /// Only looked at: whether RSA is what enrollments wait for.
    pool: ComputePool,
    totals: HashMap<String, BTreeMap<String, u64>>,
}

impl Writer {
    fn run(&mut self, inbox: &mpsc::Receiver<Order>) {
        let mut stopping = false;
        while !stopping {
            let Ok(first) = inbox.recv() else { return };
            let begun = Instant::now();
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(order) = next {
                match order {
                    Order::Commit(entry) => batch.push(entry),
                    Order::Adopt { profile, counters } => self.adopt(profile, counters),
                    Order::Stop => stopping = true,
                }
                next = if batch.len() < BATCH {
                    inbox.try_recv().ok()
                } else {
                    None
                };
                while next.is_none() && !stopping && self.may_gather(batch.len(), begun) {
                    next = inbox.recv_timeout(LOOK).ok();
                }
            }
            if !batch.is_empty() {
                self.write(batch);
            }
        }
    }

    /// Whether a batch of this size, begun then, may wait for more.
    fn may_gather(&self, size: usize, begun: Instant) -> bool {
        (1..COMPANY).contains(&size) && begun.elapsed() < GATHER && self.pool.waiting() != (0, 0)
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
            told,
        } in batch
        {
            if let Some(count) = &count {
                change.push(self.counted(count));
            }
            changes.push(change);
            askers.push((told, count));
        }
        metrics::histogram!("scepd_store_commit_changes").record(changes.len() as f64);
        match self.store.commit(&changes, self.steady.now()) {
            Ok(results) => {
                for ((told, count), result) in askers.into_iter().zip(results) {
                    if let (Err(_), Some(count)) = (&result, &count) {
                        self.uncount(count);
                    }
                    let _ = told.send(result.map_err(JournalError::Conflict));
                }
            }
            Err(error) => {
                tracing::error!(%error, "the store failed; nothing is issued until it works again");
                for (told, count) in askers {
                    if let Some(count) = &count {
                        self.uncount(count);
                    }
                    let _ = told.send(Err(JournalError::Store(error.to_string())));
                }
            }
        }
        metrics::histogram!("scepd_store_commit_seconds").record(begun.elapsed().as_secs_f64());
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
