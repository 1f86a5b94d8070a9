//! When a refusal leaves that must not tell what was wrong with a ciphertext: at whole steps after its message came, so
//! that what was done for it, and was done a little quicker for one than for another, does not show.

use crate::clock::Clock;
use std::time::{Duration, Instant};

/// Far above what opening a message takes, and above what two ways of failing differ by.
const STEP: Duration = Duration::from_millis(50);

/// Waits for the next whole step after `started`, when the message came.
pub(crate) async fn keep(clock: &dyn Clock, started: Instant) {
    clock.wait_until(next(started, clock.instant())).await;
}

fn next(started: Instant, now: Instant) -> Instant {
    let passed = now.saturating_duration_since(started).as_nanos() / STEP.as_nanos();
    let steps = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
    started + STEP.saturating_mul(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_a_little_longer_leaves_no_later() {
        let started = Instant::now();
        for micros in [0, 1, 900, 1_650, 49_999] {
            let now = started + Duration::from_micros(micros);
            assert_eq!(next(started, now), started + STEP, "{micros}");
        }
        // Under load the steps go on, instead of showing the difference again.
        for micros in [50_000, 51_000, 99_999] {
            let now = started + Duration::from_micros(micros);
            assert_eq!(next(started, now), started + 2 * STEP, "{micros}");
        }
    }
}
