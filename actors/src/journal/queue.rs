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

/// On a slow or busy machine that many take longer, and a flush for few of them costs the more: there it waits for as long as
/// they take, up to this,
const MAX_SLOW_DELAY: Duration = Duration::from_millis(64);

/// where changes come no further apart than this.
const STEADY: Duration = Duration::from_millis(8);

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
    pace: Pace,
}

/// How far apart changes come, of late.
#[derive(Default)]
struct Pace {
    last: Option<Instant>,
    between: Option<Duration>,
}

impl Pace {
    fn note(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let between = now.saturating_duration_since(last).min(2 * MAX_SLOW_DELAY);
            self.between = Some(match self.between {
                Some(before) => (before * 7 + between) / 8,
                None => between,
            });
        }
    }

    /// How long a batch may wait for company.
    fn patience(&self) -> Duration {
        match self.between {
            Some(between) if between <= STEADY => {
                let minimum = u32::try_from(MIN_BATCH).unwrap_or(u32::MAX);
                (between * minimum).clamp(MAX_DELAY, MAX_SLOW_DELAY)
            }
            _ => MAX_DELAY,
        }
    }
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
                pace: Pace::default(),
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
        state.pace.note(Instant::now());
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
        let (started, patience) = (Instant::now(), state.pace.patience());
        while state.orders.len() < MIN_BATCH && !state.closed && (self.busy)() {
            let left = patience.saturating_sub(started.elapsed());
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
    fn where_changes_come_slowly_and_steadily_a_batch_waits_for_as_long_as_many_take() {
        let started = Instant::now();
        let patience = |apart: &[u64]| {
            let mut pace = Pace::default();
            let mut at = Duration::ZERO;
            pace.note(started);
            for milliseconds in apart {
                at += Duration::from_millis(*milliseconds);
                pace.note(started + at);
            }
            pace.patience()
        };
        assert_eq!(patience(&[]), MAX_DELAY, "nothing is known yet");
        assert_eq!(patience(&[0; 50]), MAX_DELAY, "a quick machine");
        assert_eq!(patience(&[2; 50]), Duration::from_millis(40));
        assert_eq!(patience(&[6; 50]), MAX_SLOW_DELAY);
        assert_eq!(patience(&[9; 50]), MAX_DELAY, "hardly anybody comes");
        assert_eq!(patience(&[3_600_000]), MAX_DELAY, "one an hour");
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
