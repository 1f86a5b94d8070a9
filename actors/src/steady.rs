//! By which time things may be forgotten.

use crate::clock::SharedClock;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far the wall clock may run ahead at one look without being doubted: clocks are slewed.
const TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// A wall clock that stays ahead for so long was not wrong; the time before was, or the machine
/// slept.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The wall clock, as far as the monotonic clock bears it out.
///
/// Used challenges and rate windows are named by wall time, and a wall clock can jump: set by
/// hand, by a bad time source, by a virtual machine that wakes up. What is forgotten while it
/// stands too far ahead is gone when it is put right, and then a used challenge passes again. So
/// decisions go by the wall clock, but nothing is forgotten before this time: the wall clock, or
/// what it was plus the time that really passed, whichever is earlier.
///
/// A process that is started under a wrong clock has nothing else to go by.
pub struct Steady {
    clock: SharedClock,
    reckoned: Mutex<Reckoning>,
}

#[derive(Debug, Clone, Copy)]
struct Reckoning {
    /// A wall time that was believed,
    wall: DateTime<Utc>,
    /// and when that was.
    at: Instant,
    /// Since when the wall clock has been ahead.
    ahead_since: Option<Instant>,
}

impl Steady {
    /// Believes what `clock` says now.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        let reckoned = Mutex::new(Reckoning {
            wall: clock.now(),
            at: clock.instant(),
            ahead_since: None,
        });
        Self { clock, reckoned }
    }

    /// The time before which things may be forgotten; never later than the wall clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let mut reckoned = self.reckoned.lock().unwrap_or_else(PoisonError::into_inner);
        reckoned.look(self.clock.now(), self.clock.instant())
    }
}

impl Reckoning {
    fn look(&mut self, wall: DateTime<Utc>, instant: Instant) -> DateTime<Utc> {
        let passed = instant.saturating_duration_since(self.at);
        let steady = TimeDelta::from_std(passed)
            .ok()
            .and_then(|passed| self.wall.checked_add_signed(passed))
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        if wall.signed_duration_since(steady) > TOLERANCE {
            let since = *self.ahead_since.get_or_insert(instant);
            if instant.saturating_duration_since(since) < BELIEVED_AFTER {
                return steady;
            }
        }
        *self = Self {
            wall,
            at: instant,
            ahead_since: None,
        };
        wall
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUR: i64 = 3600;

    struct Clocks {
        begun: Instant,
        reckoning: Reckoning,
    }

    impl Clocks {
        fn new() -> Self {
            let begun = Instant::now();
            let reckoning = Reckoning {
                wall: at(0),
                at: begun,
                ahead_since: None,
            };
            Self { begun, reckoning }
        }

        /// A look at `wall` seconds by the wall clock, when so many have really passed.
        fn look(&mut self, wall: i64, passed: i64) -> i64 {
            let instant = self.begun + Duration::from_secs(passed.unsigned_abs());
            self.reckoning.look(at(wall), instant).timestamp()
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn follows_a_clock_that_goes_as_it_should() {
        let mut clocks = Clocks::new();
        for second in [0, 1, 60, 86_400, 200_000] {
            assert_eq!(clocks.look(second, second), second);
        }
    }

    #[test]
    fn a_jump_ahead_is_not_followed_and_leaves_nothing_behind() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.look(2 * HOUR, 0), 0);
        assert_eq!(clocks.look(2 * HOUR + 60, 60), 60);
        assert_eq!(clocks.look(120, 120), 120);
        assert_eq!(clocks.look(2 * HOUR, 180), 180);
    }

    #[test]
    fn a_clock_put_back_is_followed() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.look(-HOUR, 0), -HOUR);
        assert_eq!(
            clocks.look(60, 60),
            60 - HOUR,
            "the way back again is a jump"
        );
    }

    #[test]
    fn a_clock_that_stays_ahead_for_a_day_is_believed() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.look(2 * HOUR, 0), 0);
        assert_eq!(clocks.look(25 * HOUR, 23 * HOUR), 23 * HOUR);
        assert_eq!(clocks.look(26 * HOUR, 24 * HOUR), 26 * HOUR);
    }

    #[test]
    fn slewing_is_no_jump() {
        let mut clocks = Clocks::new();
        for second in 1..1000 {
            let slewed = second + second / 100;
            assert_eq!(clocks.look(slewed, second), slewed);
        }
    }
}
