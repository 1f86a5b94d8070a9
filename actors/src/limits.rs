//! Request limits of one profile, counted before any RSA is spent.

use crate::network::network_of;
use crate::spec::RequestLimits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// Sources that have a bucket each. Those that come when there are so many share one.
const SOURCES: usize = 50_000;

/// While there are so many, full buckets are looked for no more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// One profile's gate. Both limits are token buckets: their number may come at once.
pub struct RequestGate {
    limits: RequestLimits,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    sources: HashMap<IpAddr, Bucket>,
    /// For sources without a bucket of their own.
    others: Bucket,
    profile: Bucket,
    swept: Option<Instant>,
}

impl RequestGate {
    /// A gate with full buckets.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
        }
    }

    /// The limits that it keeps.
    #[must_use]
    pub fn limits(&self) -> RequestLimits {
        self.limits
    }

    /// Whether a request from `source` may come in. Taking part costs it a token. IPv6 sources
    /// count by their /64.
    #[must_use]
    pub fn admits(&self, source: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let a_minute = self.limits.per_source_per_minute;
        let a_second = self.limits.per_profile_per_second;
        (a_minute == 0
            || buckets
                .of(network_of(source), now)
                .take(a_minute, MINUTE, now))
            && (a_second == 0 || buckets.profile.take(a_second, SECOND, now))
    }
}

impl Buckets {
    fn of(&mut self, source: IpAddr, now: Instant) -> &mut Bucket {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            let lately = |swept: Instant| now.saturating_duration_since(swept) < SWEEP_EVERY;
            if !self.swept.is_some_and(lately) {
                self.swept = Some(now);
                self.sources.retain(|_, bucket| !bucket.is_full(now));
                self.sources.shrink_to(self.sources.len() * 2);
            }
            if self.sources.len() >= SOURCES {
                return &mut self.others;
            }
        }
        self.sources.entry(source).or_default()
    }
}

/// A token bucket, kept as the time when it will be full again; none: it is full.
#[derive(Default)]
pub(crate) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }

    /// Takes one of `size` tokens, which come back within `period`.
    pub(crate) fn take(&mut self, size: u32, period: Duration, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        let then = full_at + period / size.max(1);
        if then.saturating_duration_since(now) > period {
            return false;
        }
        self.full_at = Some(then);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn gate(per_source_per_minute: u32, per_profile_per_second: u32) -> RequestGate {
        RequestGate::new(RequestLimits {
            per_source_per_minute,
            per_profile_per_second,
        })
    }

    #[test]
    fn one_source_does_not_use_up_another_ones_share() {
        let gate = gate(2, 0);
        let now = Instant::now();
        assert!(gate.admits(A, now) && gate.admits(A, now));
        assert!(!gate.admits(A, now));
        assert!(gate.admits(B, now));
        let half = now + MINUTE / 2;
        assert!(gate.admits(A, half), "one token is back");
        assert!(!gate.admits(A, half));
    }

    #[test]
    fn a_profile_has_a_limit_over_all_sources() {
        let gate = gate(0, 3);
        let now = Instant::now();
        assert!((0..3).all(|n| gate.admits(IpAddr::V4(Ipv4Addr::from_bits(n)), now)));
        assert!(!gate.admits(A, now));
        assert!((0..3).all(|_| gate.admits(A, now + SECOND)));
    }

    #[test]
    fn zero_is_no_limit() {
        let gate = RequestGate::new(RequestLimits::default());
        let now = Instant::now();
        assert!((0..10_000).all(|_| gate.admits(A, now)));
    }

    #[test]
    fn a_host_cannot_hide_in_its_own_64() {
        let gate = gate(2, 0);
        let now = Instant::now();
        let host = |n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | n));
        assert!(gate.admits(host(1), now) && gate.admits(host(2), now));
        assert!(!gate.admits(host(3), now));
    }

    #[test]
    fn more_sources_than_there_is_room_for_share_a_bucket() {
        let gate = gate(2, 0);
        let now = Instant::now();
        let host = |n: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
        for n in 0..SOURCES {
            assert!(gate.admits(host(n), now));
        }
        assert!(gate.admits(host(SOURCES), now) && gate.admits(host(SOURCES + 1), now));
        assert!(!gate.admits(host(SOURCES + 2), now), "fails closed");
        assert!(gate.admits(host(0), now), "has a bucket of its own");
        let later = now + MINUTE;
        assert!(gate.admits(host(SOURCES + 2), later));
        let room = gate.buckets.lock().unwrap().sources.len();
        assert_eq!(room, 1, "full buckets make room");
    }
}
