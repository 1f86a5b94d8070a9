//! The one place where time enters the actors.

use chrono::{DateTime, Utc};
use std::hash::{BuildHasher, Hasher};
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

    /// A number from 0 to 1 by chance: by it pauses differ, so that not everybody tries again at once.
    fn chance(&self) -> f64 {
        let mut hasher = std::hash::RandomState::new().build_hasher();
        hasher.write_u8(0);
        #[expect(clippy::cast_precision_loss, reason = "a chance needs no more")]
        let chance = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
        chance
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
