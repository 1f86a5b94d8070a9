//! The one place where time enters the actors.

use chrono::{DateTime, Utc};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;
use store::ClockReading;

/// Where the actors read the time. Tests bring their own.
pub trait Clock: Send + Sync {
    /// Wall clock: certificates, claims, windows that outlive the process.
    fn now(&self) -> DateTime<Utc>;

    /// Monotonic clock: short windows inside one process.
    fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Both clocks, as the store wants them.
    fn reading(&self) -> ClockReading {
        ClockReading {
            wall: self.now(),
            monotonic: self.instant(),
        }
    }

    /// Comes back when the monotonic clock has reached `instant`.
    fn wait_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep_until(instant.into()))
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
