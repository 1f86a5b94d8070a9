//! Wrong challenges, and messages that could not be opened, by source: who guesses too often is turned away before any
//! RSA is spent.

use crate::network::network_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// Sources that are counted one by one. Those that come when there are so many count together.
const SOURCES: usize = 100_000;

/// While it is full, room is looked for no more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Minute {
    since: Instant,
    wrong: u32,
}

impl Minute {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= MINUTE
    }
}

/// One profile's count of wrong challenges a minute by source. IPv6 sources count by their /64.
pub(crate) struct FailedAttempts {
    limit: u32,
    sources: HashMap<IpAddr, Minute>,
    /// Those for whom there was no room.
    others: Option<Minute>,
    swept: Option<Instant>,
}

impl FailedAttempts {
    /// `limit` wrong challenges a minute; 0 = no limit.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            sources: HashMap::new(),
            others: None,
            swept: None,
        }
    }

    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Counts one. Says whether it was the last that `source` may make in this minute.
    pub(crate) fn note(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.limit == 0 {
            return false;
        }
        let source = network_of(source);
        let started = Minute {
            since: now,
            wrong: 0,
        };
        if !self.has_room_for(source, now) {
            let others = self.others.get_or_insert(started);
            return count(others, started) == self.limit;
        }
        count(self.sources.entry(source).or_insert(started), started) == self.limit
    }

    fn has_room_for(&mut self, source: IpAddr, now: Instant) -> bool {
        if self.sources.len() < SOURCES || self.sources.contains_key(&source) {
            return true;
        }
        let lately = |swept: Instant| now.saturating_duration_since(swept) < SWEEP_EVERY;
        if !self.swept.is_some_and(lately) {
            self.sweep(now);
        }
        self.sources.len() < SOURCES
    }

    pub(crate) fn is_blocked(&self, source: IpAddr, now: Instant) -> bool {
        if self.limit == 0 {
            return false;
        }
        let counted = self.sources.get(&network_of(source));
        counted
            .or(self.others.as_ref())
            .is_some_and(|minute| minute.wrong >= self.limit && !minute.is_over(now))
    }

    /// Forgets whose minute is over.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.swept = Some(now);
        self.sources.retain(|_, minute| !minute.is_over(now));
        if self.sources.len() < self.sources.capacity() / 4 {
            self.sources.shrink_to(self.sources.len() * 2);
        }
        self.others.take_if(|minute| minute.is_over(now));
    }
}

/// One more, in the same minute or in one that begins now; how many there are.
fn count(minute: &mut Minute, started: Minute) -> u32 {
    if minute.is_over(started.since) {
        *minute = started;
    }
    minute.wrong = minute.wrong.saturating_add(1);
    minute.wrong
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_guesser_is_blocked_for_a_minute_and_others_are_not() {
        let mut failed_attempts = FailedAttempts::new(3);
        let now = Instant::now();
        for _ in 0..3 {
            assert!(!failed_attempts.is_blocked(A, now));
            let last = failed_attempts.note(A, now);
            assert_eq!(last, failed_attempts.is_blocked(A, now));
        }
        assert!(failed_attempts.is_blocked(A, now));
        assert!(!failed_attempts.note(A, now), "that is told once");
        assert!(!failed_attempts.is_blocked(B, now));
        assert!(!failed_attempts.is_blocked(A, now + MINUTE));
        failed_attempts.sweep(now + MINUTE);
        assert!(failed_attempts.sources.is_empty());
    }

    #[test]
    fn no_limit_blocks_nobody() {
        let mut failed_attempts = FailedAttempts::new(0);
        let now = Instant::now();
        failed_attempts.note(A, now);
        assert!(!failed_attempts.is_blocked(A, now));
    }

    #[test]
    fn a_guesser_cannot_hide_in_its_own_64() {
        let mut failed_attempts = FailedAttempts::new(3);
        let now = Instant::now();
        let host = |n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | n));
        for n in 0..3 {
            failed_attempts.note(host(n), now);
        }
        assert!(failed_attempts.is_blocked(host(4), now));
        assert!(!failed_attempts.is_blocked(host(1 << 64), now));
    }

    #[test]
    fn more_sources_than_there_is_room_for_count_together() {
        let mut failed_attempts = FailedAttempts::new(3);
        let now = Instant::now();
        let host = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        let full = u32::try_from(SOURCES).unwrap();
        for n in 0..full {
            failed_attempts.note(host(n), now);
        }
        for n in full..full + 3 {
            assert!(!failed_attempts.is_blocked(host(n), now));
            failed_attempts.note(host(n), now);
        }
        assert_eq!(failed_attempts.sources.len(), SOURCES);
        assert!(
            failed_attempts.is_blocked(host(full + 3), now),
            "fails closed"
        );
        assert!(
            !failed_attempts.is_blocked(host(0), now),
            "counted by itself"
        );
        let later = now + MINUTE;
        assert!(!failed_attempts.is_blocked(host(full + 3), later));
        failed_attempts.note(A, later);
        assert_eq!(failed_attempts.sources.len(), 1, "there is room again");
    }

    #[test]
    fn a_flood_is_swept_once_a_second() {
        let mut failed_attempts = FailedAttempts::new(3);
        let now = Instant::now();
        let host = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        for n in 0..u32::try_from(SOURCES).unwrap() {
            failed_attempts.note(host(n), now);
        }
        let mut sweeps = Vec::new();
        for millis in 0..2_500 {
            failed_attempts.note(A, now + Duration::from_millis(millis));
            sweeps.push(failed_attempts.swept);
        }
        sweeps.dedup();
        assert_eq!(sweeps.len(), 3);
    }
}
