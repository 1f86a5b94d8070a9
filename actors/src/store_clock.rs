//! The way from the machine's clocks to the store, and the look-out for a wall clock that is set.

use crate::clock::SharedClock;
use crate::registry::Metrics;
use chrono::TimeDelta;
use metrics::{Counter, Gauge};
use std::sync::{Arc, Mutex, PoisonError};
use store::{ClockReading, Store, StoreTime};

/// By how much the wall clock may run away from the monotonic one between two looks before it is
/// said that it was set.
const STEP: TimeDelta = TimeDelta::seconds(5);

/// Asks the store for the time: what is forgotten, ended or deleted goes by what has surely passed
/// ([`StoreTime`]).
pub struct StoreClock {
    clock: SharedClock,
    store: Arc<dyn Store>,
    last: Mutex<Option<ClockReading>>,
    meters: Meters,
}

/// What is seen of the clocks in the metrics.
struct Meters {
    ahead: Counter,
    back: Counter,
    last_step: Gauge,
    unproven: Gauge,
}

impl StoreClock {
    /// A clock for `store`.
    #[must_use]
    pub fn new(clock: SharedClock, store: Arc<dyn Store>, metrics: &Metrics) -> Self {
        let steps = |direction| {
            let steps = metrics.counter("scepd_clock_steps_total", &[("direction", direction)]);
            // There before anything happens.
            steps.increment(0);
            steps
        };
        let meters = Meters {
            ahead: steps("ahead"),
            back: steps("back"),
            last_step: metrics.gauge("scepd_clock_last_step_seconds", &[]),
            unproven: metrics.gauge("scepd_clock_unproven_seconds", &[]),
        };
        meters.last_step.set(0.0);
        let this = Self {
            clock,
            store,
            last: Mutex::new(None),
            meters,
        };
        this.first_look();
        this
    }

    /// The time. To be asked often, also when nothing is to be done: time that nobody watched does
    /// not count for a wall clock that is ahead.
    #[must_use]
    pub fn now(&self) -> StoreTime {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = self.clock.reading();
        if let Some(step) = last.replace(reading).and_then(|last| step(last, reading)) {
            self.meters.tell(step);
        }
        let time = self.store.time(reading);
        self.meters.unproven.set(seconds(time.unproven()));
        time
    }

    /// Notes in the store how much time has passed. Blocks on the disk.
    ///
    /// # Errors
    /// The store's.
    pub fn keep(&self) -> store::Result<()> {
        let _ = self.now();
        self.store.keep_time()
    }

    /// What ran before cannot be asked; a clock that is ahead of it may be right.
    fn first_look(&self) {
        let unproven = self.now().unproven();
        if unproven > STEP {
            tracing::info!(
                seconds = unproven.num_seconds(),
                "the wall clock is ahead of the last time that this store was used: a pause, or a wrong clock; \
                 until it has stood so for 24 hours of running, nothing is forgotten, ended or deleted by it"
            );
        }
    }
}

/// By how much the wall clock was set between two looks; negative when it was put back.
fn step(last: ClockReading, now: ClockReading) -> Option<TimeDelta> {
    let counted = now.monotonic.saturating_duration_since(last.monotonic);
    let counted = TimeDelta::from_std(counted).ok()?;
    let by = now
        .wall
        .signed_duration_since(last.wall)
        .checked_sub(&counted)?;
    (by.abs() > STEP).then_some(by)
}

impl Meters {
    fn tell(&self, step: TimeDelta) {
        let (direction, counter) = if step > TimeDelta::zero() {
            ("ahead", &self.ahead)
        } else {
            ("back", &self.back)
        };
        counter.increment(1);
        self.last_step.set(seconds(step));
        tracing::warn!(
            seconds = step.num_seconds(),
            direction,
            "the wall clock was set, or the machine slept; nothing is forgotten, ended or deleted by that"
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of centuries fit")]
fn seconds(time: TimeDelta) -> f64 {
    time.num_seconds() as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::{DateTime, Utc};
    use std::time::{Duration, Instant};

    #[test]
    fn a_step_is_what_the_monotonic_clock_does_not_know_of() {
        let started = Instant::now();
        let at = |wall: i64, monotonic: u64| ClockReading {
            wall: DateTime::<Utc>::from_timestamp(wall, 0).unwrap(),
            monotonic: started + Duration::from_secs(monotonic),
        };
        let seconds = |to| step(at(1000, 50), to).map(|step| step.num_seconds());
        assert_eq!(seconds(at(1010, 60)), None);
        assert_eq!(seconds(at(90_000, 89_050)), None);
        assert_eq!(seconds(at(1015, 60)), None, "slewed");
        assert_eq!(seconds(at(1016, 60)), Some(6));
        assert_eq!(seconds(at(1000 + 3600, 60)), Some(3590));
        assert_eq!(seconds(at(1004, 60)), Some(-6));
        assert_eq!(seconds(at(0, 50)), Some(-1000));
    }
}
