//! How an issuer is, by the last call.

use crate::Ticks;
use issuer::{Health, IssueError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is known of the last call.
pub(crate) struct Standing {
    ticks: Ticks,
    state: Mutex<State>,
}

struct State {
    since: Instant,
    reached: bool,
    trouble: Option<String>,
}

impl Standing {
    pub(crate) fn new(ticks: Ticks) -> Self {
        let state = State {
            since: ticks(),
            reached: false,
            trouble: None,
        };
        Self {
            ticks,
            state: Mutex::new(state),
        }
    }

    /// Notes what a call came to: who refuses one certificate does its work.
    pub(crate) fn note<T>(&self, result: &Result<T, IssueError>) {
        let mut state = self.lock();
        match result {
            Ok(_) | Err(IssueError::Refused(_)) => {
                state.since = (self.ticks)();
                state.reached = true;
                state.trouble = None;
            }
            Err(IssueError::Again { why, .. }) => state.trouble = Some(why.clone()),
        }
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.lock();
        Health {
            silent_for: (self.ticks)().saturating_duration_since(state.since),
            reached: state.reached,
            trouble: state.trouble.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
