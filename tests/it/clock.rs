//! Time that only moves when a test says so.

use std::sync::Mutex;

use actors::Clock;
use chrono::{DateTime, Duration, Utc};

/// A clock set by hand. It begins at the machine's time, so that what other programs made is valid.
pub(crate) struct TestClock(Mutex<DateTime<Utc>>);

impl TestClock {
    pub(crate) fn new() -> TestClock {
        TestClock(Mutex::new(Utc::now()))
    }

    /// Moves the clock, also backwards.
    #[allow(dead_code, reason = "for the tests that need time to pass")]
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}
