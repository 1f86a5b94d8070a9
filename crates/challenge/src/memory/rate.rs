//! Gate 8's memory: a sliding window log of each device's enrollments.

use super::deadlines::Deadlines;
use super::sharded::Sharded;
use crate::DeviceKey;
use chrono::{DateTime, Duration, Utc};

/// How many enrollments each device had in the last 24 hours (or another window), exactly.
///
/// A device is held as long as one of its enrollments is in the window; one device takes about
/// 90 octets at worst, and 8 more for each enrollment after the first.
#[derive(Debug, Clone)]
pub struct RateWindow {
    limit: u32,
    window: Duration,
    /// Times in milliseconds since the epoch.
    logs: Sharded<Log>,
    /// Entries in all logs.
    counted: usize,
    deadlines: Deadlines,
}

/// One enrollment counted against a device. Give it back with [`RateWindow::give_back`] when
/// the enrollment fails later on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Whom it counts against.
    pub device: DeviceKey,
    /// When it was taken; to be stored with the enrollment.
    pub at: DateTime<Utc>,
}

/// The device has used up its enrollments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{used} enrollments of this device in the last {hours} h, the limit is {limit}; the next is possible at {frees_at}", hours = window.num_hours())]
pub struct RateLimited {
    /// The limit.
    pub limit: u32,
    /// Enrollments in the window.
    pub used: usize,
    /// How far back they count.
    pub window: Duration,
    /// When the oldest that stands in the way leaves the window.
    pub frees_at: DateTime<Utc>,
}

/// Most devices enroll once in a window: their log needs no allocation.
#[derive(Debug, Clone)]
enum Log {
    One(i64),
    #[allow(clippy::box_collection, reason = "keeps the common case at 16 octets")]
    Many(Box<Vec<i64>>),
}

impl RateWindow {
    /// At most `limit` enrollments a device within any `window`. A limit of 0 is no limit, and
    /// then nothing is counted.
    #[must_use]
    pub fn new(limit: u32, window: Duration) -> Self {
        Self {
            limit,
            window,
            logs: Sharded::new(),
            counted: 0,
            deadlines: Deadlines::default(),
        }
    }

    /// The limit; 0 = off.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Changes the limit and keeps what was counted.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Counts one enrollment of `device` at `now`, or says why not.
    ///
    /// An enrollment that seems to lie in the future (the clock was set back) counts as one of
    /// now, so that a wrong clock never locks a device out for longer than one window. What lies
    /// before the window is not counted and not forgotten either: that is [`RateWindow::expire`]'s
    /// matter, so that a clock that is put right finds everything as it was.
    ///
    /// # Errors
    /// [`RateLimited`] when the device had its limit within the window; nothing changes then.
    pub fn try_take(
        &mut self,
        device: DeviceKey,
        now: DateTime<Utc>,
    ) -> Result<Ticket, RateLimited> {
        let ticket = Ticket { device, at: now };
        if self.limit == 0 {
            return Ok(ticket);
        }
        let times = self.counting(&device, now);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if times.len() >= limit {
            // Sorted: the one whose leaving brings the count below the limit.
            let blocking = times.get(times.len() - limit).copied().unwrap_or_default();
            return Err(RateLimited {
                limit: self.limit,
                used: times.len(),
                window: self.window,
                frees_at: DateTime::from_timestamp_millis(blocking)
                    .and_then(|at| at.checked_add_signed(self.window))
                    .unwrap_or(now),
            });
        }
        self.record(device, now);
        Ok(ticket)
    }

    /// Takes back one enrollment counted at `at`. `false` when there is none such.
    pub fn give_back(&mut self, device: &DeviceKey, at: DateTime<Utc>) -> bool {
        let Some(log) = self.logs.get(&device.0) else {
            return false;
        };
        let mut times = log.times().to_vec();
        let Some(position) = times.iter().position(|time| *time == at.timestamp_millis()) else {
            return false;
        };
        times.remove(position);
        self.put(device, times);
        if self.deadlines.is_bloated(self.counted) {
            self.relist();
        }
        true
    }

    /// Counts an enrollment that the store remembers, whatever the limit; in any order.
    pub fn restore(&mut self, device: DeviceKey, at: DateTime<Utc>) {
        self.record(device, at);
    }

    /// How many enrollments of `device` lie in the window before `now`.
    #[must_use]
    pub fn used(&self, device: &DeviceKey, now: DateTime<Utc>) -> usize {
        let from = self.window_start(now);
        self.logs.get(&device.0).map_or(0, |log| {
            log.times().iter().filter(|time| **time > from).count()
        })
    }

    /// Drops what left the window, a bounded number of devices a call. To be called with every
    /// request, or by a timer. `steady` must not be ahead of the time that really passed.
    pub fn expire(&mut self, steady: DateTime<Utc>) {
        let from = self.window_start(steady);
        let due = self.deadlines.take_due(steady).into_iter();
        let due: Vec<_> = due
            .flat_map(|beginning| self.logs.keys_with(beginning))
            .collect();
        for key in due {
            let Some(log) = self.logs.get(&key) else {
                continue;
            };
            let times = log.times();
            let left: Vec<i64> = times.iter().copied().filter(|time| *time > from).collect();
            if left.len() < times.len() {
                self.put(&DeviceKey(key), left);
            }
        }
    }

    /// How many devices are held.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.logs.len()
    }

    /// Every counted enrollment, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceKey, DateTime<Utc>)> + '_ {
        self.logs.iter().flat_map(|(key, log)| {
            log.times()
                .iter()
                .filter_map(|time| Some((DeviceKey(*key), DateTime::from_timestamp_millis(*time)?)))
        })
    }

    /// The device's enrollments within the window, oldest first. Those of the future become ones
    /// of now.
    fn counting(&mut self, device: &DeviceKey, now: DateTime<Utc>) -> Vec<i64> {
        let Some(log) = self.logs.get(&device.0) else {
            return Vec::new();
        };
        let latest = now.timestamp_millis();
        let mut times = log.times().to_vec();
        if times.iter().any(|time| *time > latest) {
            times = times.into_iter().map(|time| time.min(latest)).collect();
            self.put(device, times.clone());
            self.deadlines.push(self.leaves_at(now), device.0);
        }
        let from = self.window_start(now);
        times.retain(|time| *time > from);
        times.sort_unstable();
        times
    }

    fn record(&mut self, device: DeviceKey, at: DateTime<Utc>) {
        let time = at.timestamp_millis();
        match self.logs.get_mut(&device.0) {
            Some(log) => log.push(time),
            None => {
                self.logs.insert(device.0, Log::One(time));
            }
        }
        self.counted += 1;
        self.deadlines.push(self.leaves_at(at), device.0);
    }

    fn put(&mut self, device: &DeviceKey, times: Vec<i64>) {
        let after = times.len();
        let before = match times.as_slice() {
            [] => self.logs.remove(&device.0),
            [one] => self.logs.insert(device.0, Log::One(*one)),
            _ => self.logs.insert(device.0, Log::Many(Box::new(times))),
        };
        let before = before.map_or(0, |log| log.times().len());
        self.counted = self.counted.saturating_add(after).saturating_sub(before);
    }

    fn relist(&mut self) {
        let mut deadlines = Deadlines::default();
        for (device, at) in self.iter() {
            deadlines.push(self.leaves_at(at), device.0);
        }
        self.deadlines = deadlines;
    }

    fn leaves_at(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at.checked_add_signed(self.window)
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Enrollments at or before this left the window.
    fn window_start(&self, now: DateTime<Utc>) -> i64 {
        now.timestamp_millis()
            .saturating_sub(self.window.num_milliseconds())
    }
}

impl Log {
    fn times(&self) -> &[i64] {
        match self {
            Self::One(time) => std::slice::from_ref(time),
            Self::Many(times) => times,
        }
    }

    fn push(&mut self, time: i64) {
        match self {
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, time])),
            Self::Many(times) => times.push(time),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000_000 + seconds, 0).unwrap()
    }

    fn device(n: u8) -> DeviceKey {
        DeviceKey([n; 16])
    }

    fn window(limit: u32) -> RateWindow {
        RateWindow::new(limit, Duration::hours(24))
    }

    #[test]
    fn the_fourth_within_a_day_is_refused() {
        let mut rate = window(3);
        for second in [0, 10, 20] {
            rate.try_take(device(1), at(second)).unwrap();
        }
        let refused = rate.try_take(device(1), at(30)).unwrap_err();
        assert_eq!((refused.used, refused.limit), (3, 3));
        assert_eq!(refused.frees_at, at(DAY));
        assert_eq!(
            rate.used(&device(1), at(30)),
            3,
            "a refusal counts for nothing"
        );
        rate.try_take(device(2), at(30)).unwrap();
    }

    #[test]
    fn the_window_slides() {
        let mut rate = window(3);
        for second in [0, 10, 20] {
            rate.try_take(device(1), at(second)).unwrap();
        }
        assert!(rate.try_take(device(1), at(DAY - 1)).is_err());
        rate.try_take(device(1), at(DAY)).unwrap();
        let refused = rate.try_take(device(1), at(DAY + 9)).unwrap_err();
        assert_eq!(refused.frees_at, at(DAY + 10));
        rate.try_take(device(1), at(DAY + 10)).unwrap();
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut rate = window(1);
        let ticket = rate.try_take(device(1), at(0)).unwrap();
        assert!(rate.try_take(device(1), at(1)).is_err());
        assert!(rate.give_back(&ticket.device, ticket.at));
        assert!(!rate.give_back(&ticket.device, ticket.at));
        rate.try_take(device(1), at(1)).unwrap();
    }

    #[test]
    fn zero_is_off_and_counts_nothing() {
        let mut rate = window(0);
        for second in 0..100 {
            rate.try_take(device(1), at(second)).unwrap();
        }
        assert_eq!(rate.devices(), 0);
    }

    #[test]
    fn restored_in_any_order_the_window_is_the_same() {
        let mut rate = window(3);
        for second in [20, 0, 10] {
            rate.restore(device(1), at(second));
        }
        assert_eq!(
            rate.try_take(device(1), at(30)).unwrap_err().frees_at,
            at(DAY)
        );
        rate.try_take(device(1), at(DAY)).unwrap();
    }

    #[test]
    fn a_lower_limit_counts_what_was_before() {
        let mut rate = window(3);
        for second in [0, 10, 20] {
            rate.try_take(device(1), at(second)).unwrap();
        }
        rate.set_limit(1);
        assert_eq!(
            rate.try_take(device(1), at(DAY + 5)).unwrap_err().frees_at,
            at(DAY + 20)
        );
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out_for_longer_than_a_window() {
        let mut rate = window(1);
        rate.try_take(device(1), at(400 * DAY)).unwrap();
        let refused = rate.try_take(device(1), at(0)).unwrap_err();
        assert_eq!(refused.frees_at, at(DAY));
        rate.try_take(device(1), at(DAY)).unwrap();
    }

    #[test]
    fn a_clock_that_jumps_and_is_put_right_frees_nothing() {
        let mut rate = window(2);
        for second in [0, 10] {
            rate.try_take(device(1), at(second)).unwrap();
        }
        rate.expire(at(20));
        rate.try_take(device(1), at(3 * DAY)).unwrap();
        rate.expire(at(30));
        let refused = rate.try_take(device(1), at(30)).unwrap_err();
        assert_eq!(refused.used, 3);
        rate.expire(at(DAY + 200));
        assert_eq!((rate.devices(), rate.counted), (0, 0));
    }

    #[test]
    fn devices_are_forgotten_after_the_window() {
        let mut rate = window(3);
        for n in 0..200 {
            rate.try_take(device(n), at(0)).unwrap();
            rate.try_take(device(n), at(5)).unwrap();
        }
        rate.expire(at(DAY));
        assert_eq!(rate.devices(), 200);
        rate.expire(at(DAY + 70));
        assert_eq!((rate.devices(), rate.counted), (0, 0));
    }

    #[test]
    fn giving_back_in_a_loop_does_not_grow() {
        let mut rate = window(3);
        for _ in 0..200_000 {
            let ticket = rate.try_take(device(1), at(0)).unwrap();
            rate.give_back(&ticket.device, ticket.at);
        }
        assert!(rate.deadlines.capacity_octets() < 200_000);
        assert_eq!((rate.devices(), rate.counted), (0, 0));
    }

    #[test]
    fn the_message_says_limit_count_and_time() {
        let mut rate = window(1);
        rate.try_take(device(1), at(0)).unwrap();
        let words = rate.try_take(device(1), at(1)).unwrap_err().to_string();
        assert_eq!(
            words,
            "1 enrollments of this device in the last 24 h, the limit is 1; the next is possible \
             at 2001-09-10 01:46:40 UTC"
        );
    }

    proptest! {
        /// Against the definition: never more than the limit in any window, and never refused
        /// below it.
        #[test]
        fn exactly_the_limit(gaps in proptest::collection::vec(0..30_000_i64, 1..80), limit in 1..5_u32) {
            let mut rate = window(limit);
            let mut taken: Vec<i64> = Vec::new();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                rate.expire(at(now));
                let in_window = taken.iter().filter(|time| **time > now - DAY).count();
                let result = rate.try_take(device(1), at(now));
                prop_assert_eq!(result.is_ok(), in_window < limit as usize);
                if result.is_ok() {
                    taken.push(now);
                }
            }
        }
    }
}
