//! Wrong credentials by source: who presents too many is told to wait.
//!
//! Good credentials are taken even from such a source: they cannot be guessed (256 bits), and operators often share an
//! address with whatever else runs behind their proxy.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actors::network_of;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Every so many wrong credentials the sources that have become quiet are forgotten.
const SWEEP: u32 = 1024;

/// Counts wrong credentials by source. IPv6 sources count by their /64.
pub struct WrongCredentials {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    since_sweep: AtomicU32,
}

impl WrongCredentials {
    /// At most `limit` wrong credentials in `window`; a `limit` of 0 is no limit.
    #[must_use]
    pub fn new(limit: u32, window: Duration) -> Self {
        let quota = NonZeroU32::new(limit).and_then(|limit| {
            let each = window.checked_div(limit.get())?;
            Some(Quota::with_period(each)?.allow_burst(limit))
        });
        Self {
            limiter: quota.map(RateLimiter::keyed),
            since_sweep: AtomicU32::new(0),
        }
    }

    /// Counts one from `source`.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn count(&self, source: IpAddr) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        limiter.check_key(&network_of(source)).map_err(|refused| {
            refused.wait_time_from(governor::clock::DefaultClock::default().now())
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_one_after_the_limit_waits_and_other_sources_do_not() {
        let wrong = WrongCredentials::new(3, Duration::from_secs(3600));
        for _ in 0..3 {
            assert!(wrong.count(source("192.0.2.1")).is_ok());
        }
        let wait = wrong.count(source("192.0.2.1")).unwrap_err();
        assert!(
            wait > Duration::from_secs(60) && wait <= Duration::from_secs(1200),
            "{wait:?}"
        );
        assert!(wrong.count(source("192.0.2.2")).is_ok());
    }

    #[test]
    fn a_host_cannot_hide_in_its_own_64() {
        let wrong = WrongCredentials::new(1, Duration::from_secs(3600));
        assert!(wrong.count(source("2001:db8::1")).is_ok());
        assert!(wrong.count(source("2001:db8::ffff:2")).is_err());
        assert!(wrong.count(source("2001:db8:0:1::1")).is_ok());
        assert!(wrong.count(source("192.0.2.7")).is_ok());
        assert!(
            wrong.count(source("::ffff:192.0.2.7")).is_err(),
            "the same host, written as IPv6"
        );
    }

    #[test]
    fn zero_is_no_limit() {
        let wrong = WrongCredentials::new(0, Duration::from_secs(60));
        assert!((0..1000).all(|_| wrong.count(source("192.0.2.1")).is_ok()));
    }
}
