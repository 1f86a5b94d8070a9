//! A bounded pool of threads for everything that costs RSA time.
//!
//! Two queues: work that finishes an enrollment (issue, reply) goes before work that starts one
//! (open), so that under overload what was accepted still leaves quickly. The threads run at a
//! lower priority than the front's, so that GetCACaps and the admin page stay quick while every
//! core is busy with RSA.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tokio::sync::oneshot;

/// How much lower than the front's the priority of the pool's threads is (a Unix nice value).
const NICE: i32 = 5;

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

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queues {
    start: VecDeque<Job>,
    finish: VecDeque<Job>,
    stopped: bool,
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
                // The asker may be gone; then nobody needs the result.
                let _ = tell.send(result);
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
            }),
        )?;
        told.await.map_err(|_| ComputeError::Lost)
    }

    fn push(&self, stage: Stage, job: Job) -> Result<(), ComputeError> {
        {
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
        }
        self.inner.wake.notify_one();
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
    // On Linux "the calling process" of setpriority is the calling thread. Refused only by
    // exotic sandboxes; then the pool runs at the front's priority.
    let _ = rustix::process::setpriority_process(None, NICE);
    loop {
        let job = {
            let mut queues = inner.lock();
            loop {
                if let Some(job) = queues
                    .finish
                    .pop_front()
                    .or_else(|| queues.start.pop_front())
                {
                    break job;
                }
                if queues.stopped {
                    return;
                }
                queues = inner
                    .wake
                    .wait(queues)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        };
        job();
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

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let waker = std::task::Waker::noop();
        match std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(out) => Some(out),
            std::task::Poll::Pending => None,
        }
    }
}
