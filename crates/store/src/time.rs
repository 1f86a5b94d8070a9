//! The time as the store is given it: what the wall clock says, and what has surely passed.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// How far the wall clock may be ahead at one look without being doubted: clocks are slewed.
const TOLERANCE: TimeDelta = TimeDelta::seconds(1);

/// What a wall clock is ahead by for so long is taken for true: the time before was wrong, the
/// machine slept, or nothing ran.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The most of the time between two looks that counts as watched: nobody knows how the wall clock
/// stood in between.
const WATCHED_MAX: Duration = Duration::from_secs(300);

/// Both clocks of the machine at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// What the wall clock says.
    pub wall: DateTime<Utc>,
    /// What the monotonic clock says.
    pub monotonic: Instant,
}

/// A moment, as the store is told it. Only a store makes one ([`Ledger::time`](crate::Ledger::time)):
/// a wall clock alone is no reason to forget anything.
///
/// Marks, deadlines and events are named by wall time, and a wall clock steps: set by hand, by a bad
/// source, by a machine that wakes up. What is forgotten while it is ahead is gone when it is put
/// right, and then a used challenge passes again. So everything that cannot be taken back goes by
/// [`passed`](Self::passed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreTime {
    wall: DateTime<Utc>,
    passed: DateTime<Utc>,
}

impl StoreTime {
    /// What the wall clock says, for what is written down.
    #[must_use]
    pub const fn wall(&self) -> DateTime<Utc> {
        self.wall
    }

    /// The time up to which things may be forgotten, ended or deleted; never later than
    /// [`wall`](Self::wall).
    ///
    /// The latest time that the store has noted plus what the monotonic clock has counted since, or
    /// the wall clock where that is earlier. While nothing runs nobody counts, so after a pause it
    /// lags behind, until the wall clock has been ahead for 24 hours of running.
    #[must_use]
    pub const fn passed(&self) -> DateTime<Utc> {
        self.passed
    }

    /// By how much the wall clock is ahead of what has surely passed.
    #[must_use]
    pub fn unproven(&self) -> TimeDelta {
        self.wall.signed_duration_since(self.passed)
    }

    /// At this moment by both.
    #[cfg(test)]
    pub(crate) const fn at(moment: DateTime<Utc>) -> Self {
        Self {
            wall: moment,
            passed: moment,
        }
    }
}

/// What outlives a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    /// The time that had passed.
    pub(crate) passed: DateTime<Utc>,
    /// How the wall clock had been ahead of it.
    pub(crate) ahead: Option<Ahead>,
}

/// A wall clock that is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    /// For how long that has been watched.
    pub(crate) watched: Duration,
    /// The least that it was ahead by.
    pub(crate) least: TimeDelta,
}

/// Counts the time that surely passes, from one reading of the clocks to the next.
#[derive(Debug)]
pub(crate) struct Passing {
    /// `None`: a new store, which has nothing to forget, takes the first reading as it is.
    noted: Option<Noted>,
    /// The latest reading; `None` before the first one of this process.
    at: Option<Instant>,
}

impl Passing {
    /// Goes on from what an earlier process noted.
    pub(crate) const fn after(noted: Option<Noted>) -> Self {
        Self { noted, at: None }
    }

    /// What a later process goes on from.
    pub(crate) const fn noted(&self) -> Option<Noted> {
        self.noted
    }

    pub(crate) fn look(&mut self, reading: ClockReading) -> StoreTime {
        let ClockReading { wall, monotonic } = reading;
        let since = self.at.unwrap_or(monotonic);
        let counted = monotonic.saturating_duration_since(since);
        self.at = Some(monotonic.max(since));
        let noted = match self.noted {
            Some(noted) => noted.later(wall, counted),
            None => Noted::right(wall),
        };
        self.noted = Some(noted);
        StoreTime {
            wall,
            passed: noted.passed.min(wall),
        }
    }
}

impl Noted {
    /// The wall clock is not ahead.
    const fn right(wall: DateTime<Utc>) -> Self {
        Self {
            passed: wall,
            ahead: None,
        }
    }

    fn later(self, wall: DateTime<Utc>, counted: Duration) -> Self {
        let mut passed = added(self.passed, counted);
        let by = wall.signed_duration_since(passed);
        if by <= TOLERANCE {
            return Self::right(wall);
        }
        let ahead = match self.ahead {
            None => Ahead {
                watched: Duration::ZERO,
                least: by,
            },
            Some(before) => Ahead {
                watched: before.watched.saturating_add(counted.min(WATCHED_MAX)),
                least: before.least.min(by),
            },
        };
        if ahead.watched < BELIEVED_AFTER {
            return Self {
                passed,
                ahead: Some(ahead),
            };
        }
        passed = passed
            .checked_add_signed(ahead.least)
            .map_or(wall, |believed| believed.min(wall));
        Self {
            passed,
            ahead: None,
        }
    }
}

fn added(time: DateTime<Utc>, counted: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(counted)
        .ok()
        .and_then(|counted| time.checked_add_signed(counted))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "an instant can be had from the clock alone"
    )]
    use super::*;

    const HOUR: i64 = 3600;

    struct Clocks {
        started: Instant,
        passing: Passing,
    }

    impl Clocks {
        fn new() -> Self {
            Self::after(Some(Noted::right(at(0))))
        }

        fn after(noted: Option<Noted>) -> Self {
            Self {
                started: Instant::now(),
                passing: Passing::after(noted),
            }
        }

        /// A new process, with a monotonic clock that begins anew.
        fn restart(self) -> Self {
            Self::after(self.passing.noted())
        }

        /// A look at `wall` seconds by the wall clock, when so many have really passed.
        fn look(&mut self, wall: i64, counted: i64) -> i64 {
            let reading = ClockReading {
                wall: at(wall),
                monotonic: self.started + Duration::from_secs(counted.unsigned_abs()),
            };
            let time = self.passing.look(reading);
            assert_eq!(time.wall(), at(wall));
            time.passed().timestamp()
        }

        /// Looks every minute from `from` to `to`, at a clock that is so far ahead.
        fn watch(&mut self, ahead: i64, from: i64, to: i64) -> i64 {
            (from..=to)
                .step_by(60)
                .fold(0, |_, counted| self.look(counted + ahead, counted))
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
    fn a_step_ahead_is_not_followed_and_leaves_nothing_behind() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        assert_eq!(clocks.look(2 * HOUR, 0), 0);
        assert_eq!(clocks.look(2 * HOUR + 60, 60), 60);
        assert_eq!(clocks.look(120, 120), 120);
        assert_eq!(clocks.look(2 * HOUR, 180), 180);
    }

    #[test]
    fn a_clock_put_back_is_followed() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        assert_eq!(clocks.look(-HOUR, 0), -HOUR);
        assert_eq!(
            clocks.look(60, 60),
            60 - HOUR,
            "the way back again is a step"
        );
    }

    #[test]
    fn a_clock_that_stays_ahead_for_a_day_is_believed() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        let day = 24 * HOUR;
        assert_eq!(clocks.watch(2 * HOUR, 60, day), day);
        assert_eq!(
            clocks.look(day + 2 * HOUR + 60, day + 60),
            day + 2 * HOUR + 60
        );
    }

    #[test]
    fn no_more_is_believed_than_a_clock_was_ahead_all_the_time() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        let day = 24 * HOUR;
        clocks.watch(2 * HOUR, 60, 12 * HOUR);
        let forty_days = 40 * day;
        clocks.watch(forty_days, 12 * HOUR + 60, day);
        assert_eq!(
            clocks.look(day + 60 + forty_days, day + 60),
            day + 60 + 2 * HOUR
        );
        assert_eq!(
            clocks.look(day + 120, day + 120),
            day + 120,
            "and put right"
        );
    }

    #[test]
    fn hours_without_a_look_are_not_watched() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        clocks.look(2 * HOUR, 0);
        assert_eq!(clocks.look(50 * HOUR, 48 * HOUR), 48 * HOUR);
    }

    #[test]
    fn a_new_process_goes_on_where_the_one_before_was() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        clocks.look(100, 100);
        let mut clocks = clocks.restart();
        assert_eq!(
            clocks.look(3 * HOUR, 0),
            100,
            "three hours ahead, or stopped for as long"
        );
        assert_eq!(clocks.look(3 * HOUR + 60, 60), 160);
        let mut clocks = clocks.restart();
        assert_eq!(clocks.look(160, 0), 160, "put right");
        let mut clocks = clocks.restart();
        assert_eq!(clocks.look(50, 0), 50, "and back");
    }

    #[test]
    fn pauses_are_believed_after_a_day_of_running_however_often_it_restarts() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        let mut wall = 0;
        let (mut pauses, mut most) = (0, 0);
        for _ in 0..30 {
            // Ten hours of running, a minute's pause.
            for minute in 0..600 {
                let passed = clocks.look(wall + minute * 60, minute * 60);
                most = most.max(wall + minute * 60 - passed);
            }
            wall += 599 * 60 + 60;
            pauses += 1;
            clocks = clocks.restart();
        }
        assert_eq!(pauses, 30);
        assert!(most <= 6 * 60, "it lags {most} s behind");
    }

    #[test]
    fn a_new_store_takes_the_clock_as_it_is() {
        let mut clocks = Clocks::after(None);
        assert_eq!(clocks.look(5 * HOUR, 0), 5 * HOUR);
        assert_eq!(clocks.look(10, 10), 10);
    }

    #[test]
    fn slewing_is_no_step() {
        let mut clocks = Clocks::new();
        for second in 1..1000 {
            let slewed = second + second / 100;
            assert_eq!(clocks.look(slewed, second), slewed);
        }
    }

    #[test]
    fn readings_that_come_out_of_order_do_no_harm() {
        let mut clocks = Clocks::new();
        clocks.look(0, 0);
        assert_eq!(clocks.look(10, 10), 10);
        assert_eq!(clocks.look(9, 9), 9);
        assert_eq!(clocks.look(11, 11), 11);
    }
}
