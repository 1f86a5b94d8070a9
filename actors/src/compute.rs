//! A bounded pool of threads for everything that costs RSA time.
//!
//! Two queues: work that finishes an enrollment (issue, reply) goes before work that starts one
//! (open), so that under overload what was accepted still leaves quickly. The threads run at a
//! lower priority than the front's, so that GetCACaps and the admin page stay quick while every
//! core is busy with RSA.
//!
//! Whoever asked is woken by another thread, at the cost of a system call and of RSA interrupted on
//! some core. While more work waits, nobody gains by being told at once: a few are told together.

use crate::scheduling;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// How many results are told together while there is more to do.
const WAKE_BATCH: usize = 8;

/// Which queue a piece of work waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Parsing, verifying and decrypting a new message.
    Start,
    /// Issuing and replying: goes first.
    Finish,
}

/// Why a piece of work gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// The queue of new messages is full; the caller sheds load.
    #[error("the compute queue is full")]
    Full,
    /// The work panicked; the text is the panic's own.
    #[error("a computation panicked: {0}")]
    Panicked(String),
    /// The work ended without a result.
    #[error("a computation ended without a result; the log says why")]
    Lost,
    /// The pool has been shut down.
    #[error("the compute pool is shut down")]
    Stopped,
}

/// Tells an asker what came of its work.
type Wake = Box<dyn FnOnce() + Send>;

/// Does the work. What is left to do is telling, unless somebody else does that.
type Job = Box<dyn FnOnce() -> Option<Wake> + Send>;

#[derive(Default)]
struct Queues {
    start: VecDeque<Job>,
    finish: VecDeque<Job>,
    /// Who is still to be told.
    waiters: Vec<Wake>,
    /// How many threads sleep.
    idle: usize,
    stopped: bool,
}

impl Queues {
    fn next(&mut self) -> Option<Job> {
        self.finish.pop_front().or_else(|| self.start.pop_front())
    }

    /// Who is to be told now.
    fn due(&mut self) -> Vec<Wake> {
        let more = !(self.start.is_empty() && self.finish.is_empty());
        match more && self.waiters.len() < WAKE_BATCH {
            true => Vec::new(),
            false => std::mem::take(&mut self.waiters),
        }
    }
}

struct Inner {
    queues: Mutex<Queues>,
    wake: Condvar,
    start_limit: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Inner {
    /// A poisoned lock only means that another thread panicked between two queue operations,
    /// each of which leaves the queues whole.
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does next, when `done` is what is left of what it did: tell those, then do that. Waits for something to
    /// do; `None` when nothing will come any more.
    fn next(&self, done: Option<Wake>) -> Option<(Option<Job>, Vec<Wake>)> {
        let mut queues = self.lock();
        queues.waiters.extend(done);
        loop {
            let job = queues.next();
            let tell = queues.due();
            if job.is_some() || !tell.is_empty() {
                return Some((job, tell));
            }
            if queues.stopped {
                return None;
            }
            queues.idle += 1;
            queues = self
                .wake
                .wait(queues)
                .unwrap_or_else(PoisonError::into_inner);
            queues.idle -= 1;
        }
    }
}

/// The pool. Cheap to clone; the threads end when `close` is called.
#[derive(Clone)]
pub struct ComputePool {
    inner: Arc<Inner>,
}

impl ComputePool {
    /// Starts `threads` threads (at least one). At most `start_limit` new messages wait.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(threads: usize, start_limit: usize) -> std::io::Result<Self> {
        let inner = Arc::new(Inner {
            queues: Mutex::default(),
            wake: Condvar::new(),
            start_limit,
            threads: Mutex::default(),
        });
        let pool = Self { inner };
        for n in 0..threads.max(1) {
            let inner = Arc::clone(&pool.inner);
            let started = thread::Builder::new()
                .name(format!("compute-{n}"))
                .spawn(move || work(&inner));
            match started {
                Ok(thread) => pool.threads().push(thread),
                Err(error) => {
                    pool.close();
                    return Err(error);
                }
            }
        }
        Ok(pool)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        let threads = self.inner.threads.lock();
        threads.unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `job` on the pool and waits for its result.
    ///
    /// # Errors
    /// [`ComputeError::Full`] for new messages beyond the limit; a panic of the job comes back as
    /// [`ComputeError::Panicked`].
    pub async fn run<T, F>(&self, stage: Stage, job: F) -> Result<T, ComputeError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        self.push(
            stage,
            Box::new(move || {
                let result = catch_unwind(AssertUnwindSafe(job))
                    .map_err(|panic| ComputeError::Panicked(panic_text(&*panic)));
                Some(Box::new(move || {
                    // The asker may be gone; then nobody needs the result.
                    let _ = tell.send(result);
                }))
            }),
        )?;
        told.await.unwrap_or(Err(ComputeError::Stopped))
    }

    /// Runs `job` on the pool and waits for what it sends, itself or whoever it hands the sender to. A result that goes
    /// through other hands first wakes its asker once, at the end.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ComputeError::Lost`] when the sender is dropped.
    pub async fn run_and_pass_on<T, F>(&self, stage: Stage, job: F) -> Result<T, ComputeError>
    where
        T: Send + 'static,
        F: FnOnce(oneshot::Sender<T>) + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        self.push(
            stage,
            Box::new(move || {
                if let Err(panic) = catch_unwind(AssertUnwindSafe(move || job(tell))) {
                    let panic = panic_text(&*panic);
                    tracing::error!(panic, "a computation panicked");
                }
                None
            }),
        )?;
        told.await.map_err(|_| ComputeError::Lost)
    }

    fn push(&self, stage: Stage, job: Job) -> Result<(), ComputeError> {
        let mut queues = self.inner.lock();
        if queues.stopped {
            return Err(ComputeError::Stopped);
        }
        match stage {
            Stage::Start if queues.start.len() >= self.inner.start_limit => {
                return Err(ComputeError::Full);
            }
            Stage::Start => queues.start.push_back(job),
            Stage::Finish => queues.finish.push_back(job),
        }
        let asleep = queues.idle > 0;
        drop(queues);
        if asleep {
            self.inner.wake.notify_one();
        }
        Ok(())
    }

    /// How many pieces of work wait now: (start, finish).
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let queues = self.inner.lock();
        (queues.start.len(), queues.finish.len())
    }

    /// Takes no more work, and waits until what is queued is done. Blocks: not for the pool's own
    /// threads.
    pub fn close(&self) {
        self.inner.lock().stopped = true;
        self.inner.wake.notify_all();
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            // Jobs that panic are caught, so a thread has nothing to tell.
            let _ = thread.join();
        }
    }
}

fn work(inner: &Inner) {
    scheduling::after_the_front();
    let mut told = None;
    while let Some((job, tell)) = inner.next(told.take()) {
        for tell in tell {
            tell();
        }
        told = job.and_then(|job| job());
    }
}

/// The words of a panic, for the log.
#[must_use]
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn results_and_panics_come_back() {
        let pool = ComputePool::start(1, 4).unwrap();
        assert_eq!(pool.run(Stage::Start, || 6 * 7).await, Ok(42));
        let panicked = pool
            .run(Stage::Start, || -> u8 { panic!("on purpose") })
            .await;
        assert_eq!(
            panicked,
            Err(ComputeError::Panicked("on purpose".to_owned()))
        );
        assert_eq!(
            pool.run(Stage::Finish, || 1).await,
            Ok(1),
            "the thread survived the panic"
        );
    }

    #[tokio::test]
    async fn closing_waits_for_what_is_queued() {
        let pool = ComputePool::start(1, 4).unwrap();
        let (done, all) = mpsc::channel();
        let mut jobs: Vec<_> = (0..3)
            .map(|n| {
                let done = done.clone();
                Box::pin(pool.run(Stage::Finish, move || done.send(n).unwrap()))
            })
            .collect();
        for job in &mut jobs {
            // Polling once queues the job.
            let _ = futures_poll(job);
        }
        pool.close();
        drop(done);
        assert_eq!(all.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(
            pool.run(Stage::Finish, || ()).await,
            Err(ComputeError::Stopped)
        );
    }

    #[tokio::test]
    async fn finishing_work_goes_first_and_a_full_queue_sheds() {
        let pool = ComputePool::start(1, 1).unwrap();
        let (started, has_started) = mpsc::channel::<()>();
        let (release, released) = mpsc::channel::<()>();
        let (order, ordered) = mpsc::channel::<&str>();
        let blocker = pool.clone();
        let blocked = tokio::spawn(async move {
            blocker
                .run(Stage::Start, move || {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                })
                .await
        });
        tokio::task::spawn_blocking(move || has_started.recv().unwrap())
            .await
            .unwrap();

        let first = order.clone();
        let mut start = Box::pin(pool.run(Stage::Start, move || first.send("start").unwrap()));
        let mut finish = Box::pin(pool.run(Stage::Finish, move || order.send("finish").unwrap()));
        // Polling once queues the job.
        assert!(futures_poll(&mut start).is_none());
        assert!(futures_poll(&mut finish).is_none());
        assert_eq!(pool.run(Stage::Start, || ()).await, Err(ComputeError::Full));

        release.send(()).unwrap();
        blocked.await.unwrap().unwrap();
        finish.await.unwrap();
        start.await.unwrap();
        assert_eq!(ordered.iter().collect::<Vec<_>>(), ["finish", "start"]);
    }

    type Asked = std::pin::Pin<Box<dyn Future<Output = Result<usize, ComputeError>>>>;

    /// `quick` pieces of work, one that waits for what is returned, and one after it; once the waiting one is at work.
    fn quick_ones_and_a_gate(
        pool: &ComputePool,
        quick: usize,
    ) -> (Vec<Asked>, Vec<Asked>, mpsc::Sender<()>) {
        let (open, gate) = mpsc::channel::<()>();
        let ask = |job: Box<dyn FnOnce() -> usize + Send>| {
            let pool = pool.clone();
            let mut asked: Asked = Box::pin(async move { pool.run(Stage::Start, job).await });
            // Polling once queues the job.
            assert!(futures_poll(&mut asked).is_none());
            asked
        };
        let first = (0..quick).map(|n| ask(Box::new(move || n))).collect();
        let gated = move || {
            gate.recv().unwrap();
            quick
        };
        let last = vec![ask(Box::new(gated)), ask(Box::new(move || quick + 1))];
        while pool.waiting() != (1, 0) {
            std::thread::yield_now();
        }
        (first, last, open)
    }

    #[tokio::test]
    async fn while_more_waits_a_few_are_told_together() {
        let pool = ComputePool::start(1, 64).unwrap();
        let (mut first, last, open) = quick_ones_and_a_gate(&pool, WAKE_BATCH - 1);
        for asked in &mut first {
            assert!(futures_poll(asked).is_none());
        }
        open.send(()).unwrap();
        for (n, asked) in first.into_iter().chain(last).enumerate() {
            assert_eq!(asked.await, Ok(n));
        }
    }

    #[tokio::test]
    async fn enough_of_them_are_told_though_more_waits() {
        let pool = ComputePool::start(1, 64).unwrap();
        let (first, mut last, open) = quick_ones_and_a_gate(&pool, WAKE_BATCH);
        for (n, asked) in first.into_iter().enumerate() {
            assert_eq!(asked.await, Ok(n));
        }
        for asked in &mut last {
            assert!(futures_poll(asked).is_none());
        }
        open.send(()).unwrap();
        for (n, asked) in last.into_iter().enumerate() {
            assert_eq!(asked.await, Ok(WAKE_BATCH + n));
        }
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let waker = std::task::Waker::noop();
        match std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(out) => Some(out),
            std::task::Poll::Pending => None,
        }
    }
}
