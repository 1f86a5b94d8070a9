//! Request limits of one profile, counted before any RSA is spent.

use crate::network::network_of;
use crate::spec::RequestLimits;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Sources that have a bucket each. Those that come when there are so many share one.
const SOURCES: usize = 50_000;

/// While there are so many, full buckets are looked for no more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// One profile's gate. Both limits are token buckets: their number may come at once.
pub struct RequestGate {
    limits: RequestLimits,
    time: ToldTime,
    sources: Option<Limiter<IpAddr, Sources>>,
    profile: Option<Limiter<NotKeyed, InMemoryState>>,
}

type Limiter<K, S> = RateLimiter<K, S, ToldTime, NoOpMiddleware<Nanos>>;

impl RequestGate {
    /// A gate with full buckets.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        let time = ToldTime::default();
        let sources = NonZeroU32::new(limits.per_source_per_minute).map(|number| {
            let sources = Sources::new(time.clone());
            RateLimiter::new(Quota::per_minute(number), sources, time.clone())
        });
        let profile = NonZeroU32::new(limits.per_profile_per_second)
            .map(|number| RateLimiter::direct_with_clock(Quota::per_second(number), time.clone()));
        Self {
            limits,
            time,
            sources,
            profile,
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
        self.time.tell(now);
        let source = network_of(source);
        let (sources, profile) = (self.sources.as_ref(), self.profile.as_ref());
        sources.is_none_or(|sources| sources.check_key(&source).is_ok())
            && profile.is_none_or(|profile| profile.check().is_ok())
    }
}

/// The time that whoever asks told last: this crate has one injected clock, and a limiter asks none of its own.
#[derive(Clone, Default)]
struct ToldTime(Arc<Told>);

#[derive(Default)]
struct Told {
    first: OnceLock<Instant>,
    /// Nanoseconds after the first.
    last: AtomicU64,
}

impl ToldTime {
    fn tell(&self, now: Instant) {
        let first = *self.0.first.get_or_init(|| now);
        let passed = now.saturating_duration_since(first).as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.0.last.fetch_max(passed, Ordering::Relaxed);
    }
}

impl Clock for ToldTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.last.load(Ordering::Relaxed))
    }
}

/// When the bucket of each source will be full again.
struct Sources {
    time: ToldTime,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    of_source: HashMap<IpAddr, Nanos>,
    /// For sources without a bucket of their own.
    others: Option<Nanos>,
    swept: Option<Nanos>,
}

impl Sources {
    fn new(time: ToldTime) -> Self {
        Self {
            time,
            buckets: Mutex::default(),
        }
    }
}

impl StateStore for Sources {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, source: &IpAddr, take: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let now = self.time.now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.has_room_for(source, now) {
            let (taken, full_at) = take(buckets.others)?;
            buckets.others = Some(full_at);
            return Ok(taken);
        }
        let (taken, full_at) = take(buckets.of_source.get(source).copied())?;
        buckets.of_source.insert(*source, full_at);
        Ok(taken)
    }
}

impl Buckets {
    fn has_room_for(&mut self, source: &IpAddr, now: Nanos) -> bool {
        if self.of_source.len() < SOURCES || self.of_source.contains_key(source) {
            return true;
        }
        let lately = |swept: Nanos| Duration::from(now.saturating_sub(swept)) < SWEEP_EVERY;
        if !self.swept.is_some_and(lately) {
            self.swept = Some(now);
            self.of_source.retain(|_, full_at| *full_at > now);
            let room = self.of_source.len() * 2;
            self.of_source.shrink_to(room);
        }
        self.of_source.len() < SOURCES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);
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
        let sources = gate.sources.unwrap().into_state_store();
        let room = sources.buckets.lock().unwrap().of_source.len();
        assert_eq!(room, 1, "full buckets make room");
    }
}
