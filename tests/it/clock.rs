//! Time that only moves when a test says so.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use actors::Clock;
use chrono::{DateTime, Duration, Utc};

/// A clock set by hand. It begins at the machine's time, so that what other programs made is valid.
pub(crate) struct TestClock(Mutex<Hands>);

struct Hands {
    wall: DateTime<Utc>,
    /// What passed on the monotonic clock besides the real time.
    passed: std::time::Duration,
}

impl TestClock {
    pub(crate) fn new() -> TestClock {
        TestClock(Mutex::new(Hands {
            wall: Utc::now(),
            passed: std::time::Duration::ZERO,
        }))
    }

    /// Moves the clock, also backwards; the monotonic one only forwards.
    #[allow(dead_code, reason = "for the tests that need time to pass")]
    pub(crate) fn advance(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hands.wall += by;
        hands.passed += by.to_std().unwrap_or_default();
    }

    /// Somebody sets the wall clock; no time passes.
    pub(crate) fn set_by(&self, by: Duration) {
        let mut hands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hands.wall += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall
    }

    fn instant(&self) -> Instant {
        Instant::now() + self.0.lock().unwrap_or_else(PoisonError::into_inner).passed
    }
}
