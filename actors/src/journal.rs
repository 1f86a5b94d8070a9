//! Group commit: one thread takes whatever changes have gathered, makes them durable with one
//! flush, and tells each asker. Nothing that depends on a change happens before it is told.

mod queue;
mod writer;

use crate::compute::ComputePool;
use crate::excerpt;
use crate::registry::Metrics;
use crate::store_clock::StoreClock;
use queue::Queue;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use store::{Change, Committed, Conflict, Op, Store};
use tokio::sync::oneshot;
use writer::Writer;

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

struct Entry {
    change: Change,
    on_commit: OnCommit,
}

/// Learns how a change went, on the journal's thread.
type OnCommit = Box<dyn FnOnce(Result<Committed, JournalError>) + Send>;

/// The way to the journal's thread. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    queue: Arc<Queue>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Journal {
    /// Starts the thread. While messages wait in `pool`, it gathers changes for some milliseconds.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(
        store: Arc<dyn Store>,
        time: Arc<StoreClock>,
        pool: ComputePool,
        metrics: &Metrics,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(move || pool.waiting() != (0, 0)));
        let mut writer = Writer::new(store, time, metrics);
        let orders = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                let end = End(&orders);
                while let Some(batch) = orders.take() {
                    writer.write(batch);
                }
                drop(end);
            })?;
        Ok(Self {
            queue,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Makes `change` durable and raises `count` with it. Of overlong texts in its records and events the beginning is
    /// kept, with a word that there was more.
    ///
    /// # Errors
    /// [`JournalError`]; then nothing of the change is in the store, or the store is down.
    pub async fn commit(
        &self,
        change: Change,
        count: Option<Count>,
    ) -> Result<Committed, JournalError> {
        let (tell, told) = oneshot::channel();
        self.send(change, count, move |done| {
            // The asker may be gone; the change is made all the same.
            let _ = tell.send(done);
        });
        told.await.unwrap_or(Err(JournalError::Stopped))
    }

    /// As [`commit`](Self::commit), from any thread and without waiting: `on_commit` learns how it went, and must be quick. It
    /// is dropped when the journal has been shut down.
    pub fn send(
        &self,
        mut change: Change,
        count: Option<Count>,
        on_commit: impl FnOnce(Result<Committed, JournalError>) + Send + 'static,
    ) {
        excerpt::change(&mut change);
        if let Some(Count { profile, name }) = count {
            change.push(Op::Count {
                profile,
                name: name.to_owned(),
                by: 1,
            });
        }
        let on_commit = Box::new(on_commit);
        self.queue.send(Entry { change, on_commit });
    }

    /// Whether changes are still taken.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.queue.is_open()
    }

    /// Takes no more, and waits until what was sent is durable. Blocks. Says whether the thread
    /// came to its end without a panic.
    pub fn close(&self) -> bool {
        self.queue.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        thread.is_none_or(|thread| thread.join().is_ok())
    }
}

/// However the thread ends, nobody waits for it for ever.
struct End<'a>(&'a Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
