//! Wrong credentials by source: who presents too many is told to wait.
//!
//! Good tokens of the admin API are taken even from such a source: they cannot be guessed (256 bits), and operators often
//! share an address with whatever else runs behind their proxy. Passwords that somebody has chosen can be guessed: who
//! takes them asks [`WrongCredentials::waits`] first.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actors::network_of;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Every so many wrong credentials the sources that have become quiet are forgotten.
const SWEEP: u32 = 1024;

/// Sources that are known to wait, at most.
const WAITING: usize = 100_000;

/// Counts wrong credentials by source. IPv6 sources count by their /64.
pub struct WrongCredentials {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    since_sweep: AtomicU32,
    /// Until when a source waits.
    waiting: Mutex<HashMap<IpAddr, Instant>>,
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
            waiting: Mutex::default(),
        }
    }

    /// How long `source` has to wait at `now` before anything that it presents is looked at; `None`: it need not.
    #[must_use]
    pub fn waits(&self, source: IpAddr, now: Instant) -> Option<Duration> {
        let until = *self.waiting().get(&network_of(source))?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one from `source` at `now`.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn count(&self, source: IpAddr, now: Instant) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
            self.waiting().retain(|_, until| *until > now);
        }
        let source = network_of(source);
        limiter.check_key(&source).map_err(|refused| {
            let wait = refused.wait_time_from(governor::clock::DefaultClock::default().now());
            let mut waiting = self.waiting();
            if waiting.len() < WAITING || waiting.contains_key(&source) {
                waiting.insert(source, now + wait);
            }
            wait
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
            assert!(wrong.count(source("192.0.2.1"), Instant::now()).is_ok());
        }
        let wait = wrong
            .count(source("192.0.2.1"), Instant::now())
            .unwrap_err();
        assert!(
            wait > Duration::from_secs(60) && wait <= Duration::from_secs(1200),
            "{wait:?}"
        );
        assert!(wrong.count(source("192.0.2.2"), Instant::now()).is_ok());
    }

    #[test]
    fn who_presented_too_many_waits_until_the_time_has_passed() {
        let wrong = WrongCredentials::new(1, Duration::from_secs(3600));
        let (now, guesser) = (Instant::now(), source("2001:db8::1"));
        assert!(wrong.count(guesser, now).is_ok());
        assert_eq!(wrong.waits(guesser, now), None);
        let wait = wrong.count(guesser, now).unwrap_err();
        assert_eq!(wrong.waits(source("2001:db8::2"), now), Some(wait));
        assert_eq!(wrong.waits(source("2001:db8:1::1"), now), None);
        assert_eq!(wrong.waits(guesser, now + wait), None);
    }

    #[test]
    fn a_host_cannot_hide_in_its_own_64() {
        let wrong = WrongCredentials::new(1, Duration::from_secs(3600));
        assert!(wrong.count(source("2001:db8::1"), Instant::now()).is_ok());
        assert!(
            wrong
                .count(source("2001:db8::ffff:2"), Instant::now())
                .is_err()
        );
        assert!(
            wrong
                .count(source("2001:db8:0:1::1"), Instant::now())
                .is_ok()
        );
        assert!(wrong.count(source("192.0.2.7"), Instant::now()).is_ok());
        assert!(
            wrong
                .count(source("::ffff:192.0.2.7"), Instant::now())
                .is_err(),
            "the same host, written as IPv6"
        );
    }

    #[test]
    fn zero_is_no_limit() {
        let wrong = WrongCredentials::new(0, Duration::from_secs(60));
        assert!((0..1000).all(|_| wrong.count(source("192.0.2.1"), Instant::now()).is_ok()));
    }
}
