//! Request limits of one profile, counted before any RSA is spent.

use crate::spec::RequestLimits;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Sources that are remembered before those that were quiet are forgotten.
const SOURCES: usize = 50_000;

/// One profile's gate. Both limits are token buckets: their number may come at once.
pub struct RequestGate {
    limits: RequestLimits,
    sources: Option<DefaultKeyedRateLimiter<IpAddr>>,
    profile: Option<DefaultDirectRateLimiter>,
}

impl RequestGate {
    /// A gate with full buckets.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        let per_source = NonZeroU32::new(limits.per_source_per_minute);
        let per_profile = NonZeroU32::new(limits.per_profile_per_second);
        Self {
            limits,
            sources: per_source.map(|n| RateLimiter::keyed(Quota::per_minute(n))),
            profile: per_profile.map(|n| RateLimiter::direct(Quota::per_second(n))),
        }
    }

    /// The limits that it keeps.
    #[must_use]
    pub fn limits(&self) -> RequestLimits {
        self.limits
    }

    /// Whether a request from `source` may come in. Taking part costs it a token.
    #[must_use]
    pub fn admits(&self, source: IpAddr) -> bool {
        if let Some(sources) = &self.sources {
            if sources.len() > SOURCES {
                sources.retain_recent();
            }
            if sources.check_key(&source).is_err() {
                return false;
            }
        }
        self.profile
            .as_ref()
            .is_none_or(|profile| profile.check().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_source_does_not_use_up_another_ones_share() {
        let limits = RequestLimits {
            per_source_per_minute: 2,
            per_profile_per_second: 0,
        };
        let gate = RequestGate::new(limits);
        assert!(gate.admits(A) && gate.admits(A));
        assert!(!gate.admits(A));
        assert!(gate.admits(B));
    }

    #[test]
    fn zero_is_no_limit() {
        let gate = RequestGate::new(RequestLimits::default());
        assert!((0..10_000).all(|_| gate.admits(A)));
    }
}
