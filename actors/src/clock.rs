//! The one place where time enters the actors.

use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Instant;

/// Where the actors read the time. Tests bring their own.
pub trait Clock: Send + Sync {
    /// Wall clock: certificates, claims, windows that outlive the process.
    fn now(&self) -> DateTime<Utc>;

    /// Monotonic clock: short windows inside one process.
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that every part of the server shares.
pub type SharedClock = Arc<dyn Clock>;
