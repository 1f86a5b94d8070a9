//! Keeps a profile actor's successor from starting while its predecessor's enrollments may still
//! become durable: a record that lands after the successor has read the store would be unknown
//! to it, and the same request could get a second certificate.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Default)]
struct State {
    closed: bool,
    inside: usize,
}

/// One for each instance of a profile actor.
#[derive(Clone, Default)]
pub(crate) struct CommitBarrier {
    state: Arc<Mutex<State>>,
    emptied: Arc<Notify>,
}

/// Held while an enrollment commits. Dropping it leaves the barrier.
pub(crate) struct CommitGuard {
    barrier: CommitBarrier,
}

impl CommitBarrier {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters, unless the barrier is closed.
    #[must_use]
    pub(crate) fn enter(&self) -> Option<CommitGuard> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        state.inside += 1;
        Some(CommitGuard {
            barrier: self.clone(),
        })
    }

    /// Nobody enters from now on.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Lets in again who comes from now on: nobody took over after all.
    pub(crate) fn reopen(&self) {
        self.lock().closed = false;
    }

    /// Closes, and waits until whoever is inside has left.
    pub(crate) async fn drained(&self) {
        self.close();
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the count is read, so that no leave is missed.
            emptied.as_mut().enable();
            if self.lock().inside == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for CommitGuard {
    fn drop(&mut self) {
        let mut state = self.barrier.lock();
        state.inside -= 1;
        if state.inside == 0 {
            self.barrier.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn closed_means_nobody_new_and_drained_waits_for_the_rest() {
        let barrier = CommitBarrier::default();
        let guard = barrier.enter().unwrap();
        let waiting = tokio::spawn({
            let barrier = barrier.clone();
            async move { barrier.drained().await }
        });
        while !barrier.lock().closed {
            tokio::task::yield_now().await;
        }
        assert!(barrier.enter().is_none());
        assert!(!waiting.is_finished());
        drop(guard);
        waiting.await.unwrap();
        assert!(barrier.enter().is_none());
        barrier.reopen();
        assert!(barrier.enter().is_some());
    }
}
