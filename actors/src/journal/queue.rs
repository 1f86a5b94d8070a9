//! What the journal's thread has been sent. It is woken when the first change of a batch comes and
//! when waiting for more makes no sense any longer, not for each change in between.

use super::Entry;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most orders of one batch. More would only make the first ones wait.
const MAX_BATCH: usize = 128;

/// While messages wait for RSA, a batch waits for this many changes,
const MIN_BATCH: usize = 20;

/// but no longer than this. A flush costs about as much for many changes as for one; as long as
/// the compute pool is the bottleneck, waiting for company costs nothing.
const MAX_DELAY: Duration = Duration::from_millis(16);

/// What the thread sleeps for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    /// It is at work, or has been woken.
    Nothing,
    /// The first order.
    First,
    /// Company for those that are there.
    More,
}

struct State {
    orders: VecDeque<Entry>,
    sleeps: WaitsFor,
    closed: bool,
}

pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// Whether RSA is what enrollments wait for.
    busy: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Queue {
    /// `busy` says whether more orders may be expected soon.
    pub(super) fn new(busy: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            state: Mutex::new(State {
                orders: VecDeque::new(),
                sleeps: WaitsFor::Nothing,
                closed: false,
            }),
            wake: Condvar::new(),
            busy: Box::new(busy),
        }
    }

    /// Each change of the state is one step, so a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the order was taken: `false` once the queue is closed.
    pub(super) fn send(&self, order: Entry) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.orders.push_back(order);
        let wake = match state.sleeps {
            WaitsFor::Nothing => false,
            WaitsFor::First => true,
            WaitsFor::More => state.orders.len() >= MIN_BATCH || !(self.busy)(),
        };
        if wake {
            state.sleeps = WaitsFor::Nothing;
            drop(state);
            self.wake.notify_one();
        }
        true
    }

    /// The next batch, in the order in which it was sent. Waits for it; `None` once the queue is
    /// closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Entry>> {
        let mut state = self.lock();
        while state.orders.is_empty() {
            if state.closed {
                return None;
            }
            state = self.sleep(state, WaitsFor::First, Duration::MAX);
        }
        let started = Instant::now();
        while state.orders.len() < MIN_BATCH && !state.closed && (self.busy)() {
            let left = MAX_DELAY.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            state = self.sleep(state, WaitsFor::More, left);
        }
        let size = state.orders.len().min(MAX_BATCH);
        Some(state.orders.drain(..size).collect())
    }

    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        sleeps: WaitsFor,
        longest: Duration,
    ) -> MutexGuard<'a, State> {
        state.sleeps = sleeps;
        let slept = self.wake.wait_timeout(state, longest);
        let (mut state, _) = slept.unwrap_or_else(PoisonError::into_inner);
        state.sleeps = WaitsFor::Nothing;
        state
    }

    /// Nothing is taken from now on; what is there is still given out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// Closes and forgets what is there: whoever waits for it is told so.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        let orders = std::mem::take(&mut state.orders);
        drop(state);
        drop(orders);
    }

    pub(super) fn is_open(&self) -> bool {
        !self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn order() -> Entry {
        Entry {
            change: store::Change::new(),
            on_commit: Box::new(|_| ()),
        }
    }

    /// Until the thread sleeps for this.
    fn until(queue: &Queue, sleeps: WaitsFor) {
        while queue.lock().sleeps != sleeps {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_lone_order_is_given_out_at_once_and_the_end_comes_after_the_last() {
        let queue = Arc::new(Queue::new(|| false));
        let taking = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                (
                    queue.take().map(|batch| batch.len()),
                    queue.take().is_none(),
                )
            }
        });
        until(&queue, WaitsFor::First);
        assert!(queue.send(order()));
        until(&queue, WaitsFor::First);
        queue.close();
        assert_eq!(taking.join().unwrap(), (Some(1), true));
        assert!(!queue.send(order()));
    }

    #[test]
    fn while_rsa_is_awaited_a_batch_gathers_company_and_no_longer() {
        let busy = Arc::new(AtomicBool::new(true));
        let queue = Arc::new(Queue::new({
            let busy = Arc::clone(&busy);
            move || busy.load(Ordering::SeqCst)
        }));
        for _ in 0..MIN_BATCH + MAX_BATCH {
            assert!(queue.send(order()));
        }
        assert_eq!(queue.take().unwrap().len(), MAX_BATCH);
        assert_eq!(queue.take().unwrap().len(), MIN_BATCH);
        // Nobody else comes: time alone ends the wait.
        assert!(queue.send(order()));
        assert_eq!(queue.take().unwrap().len(), 1);
        // Nobody else can come: the one who sees that ends it.
        let started = Instant::now();
        assert!(queue.send(order()));
        let taking = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.take().map(|batch| batch.len())
        });
        busy.store(false, Ordering::SeqCst);
        assert!(queue.send(order()));
        assert!(matches!(taking.join().unwrap(), Some(1 | 2)));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn whoever_waits_for_what_is_abandoned_is_told() {
        let queue = Queue::new(|| false);
        let (told, mut answer) = tokio::sync::oneshot::channel();
        queue.send(Entry {
            change: store::Change::new(),
            on_commit: Box::new(move |done| told.send(done).unwrap_or_default()),
        });
        queue.abandon();
        assert!(matches!(
            answer.try_recv(),
            Err(tokio::sync::oneshot::error::TryRecvError::Closed)
        ));
        assert!(!queue.is_open());
    }
}
