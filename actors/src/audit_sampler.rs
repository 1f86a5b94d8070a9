//! Keeps floods out of the audit: what nobody has proven anything for is written only so often,
//! and the next event that is written says how many were left out.

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Readable messages whose sender proved nothing: this many at once,
const REFUSAL_BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(199);
/// and then one more each time this has passed.
const REFUSAL_PERIOD: Duration = Duration::from_millis(200);

/// One profile's gate before the audit.
pub(crate) struct AuditSampler {
    limiter: Option<DefaultDirectRateLimiter>,
    muted: bool,
    suppressed: AtomicU64,
}

impl AuditSampler {
    /// For refusals of requests that could be read.
    pub(crate) fn of_refusals() -> Self {
        let quota = Quota::with_period(REFUSAL_PERIOD).map(|q| q.allow_burst(REFUSAL_BURST));
        Self::new(quota)
    }

    /// For what is no SCEP message, or carries a bad signature.
    /// At most so many a minute; 0 = none is written.
    pub(crate) fn of_garbage(per_minute: u32) -> Self {
        Self {
            muted: per_minute == 0,
            ..Self::new(NonZeroU32::new(per_minute).map(Quota::per_minute))
        }
    }

    fn new(quota: Option<Quota>) -> Self {
        Self {
            limiter: quota.map(RateLimiter::direct),
            muted: false,
            suppressed: AtomicU64::new(0),
        }
    }

    /// `Some(n)`: write this one; `n` were left out since the last that was written.
    /// `None`: it has been counted, that is all.
    pub(crate) fn admit(&self) -> Option<u64> {
        let admitted = |limiter: &DefaultDirectRateLimiter| limiter.check().is_ok();
        if !self.muted && self.limiter.as_ref().is_none_or(admitted) {
            Some(self.suppressed.swap(0, Ordering::Relaxed))
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_written_once_and_then_counted() {
        let sampler = AuditSampler::of_garbage(1);
        assert_eq!(sampler.admit(), Some(0));
        assert_eq!(sampler.admit(), None);
        assert_eq!(sampler.suppressed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn muted_garbage_is_only_counted() {
        let sampler = AuditSampler::of_garbage(0);
        assert_eq!(sampler.admit(), None);
        assert_eq!(sampler.suppressed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_burst_of_refusals_is_written_one_by_one() {
        let sampler = AuditSampler::of_refusals();
        let written = (0..1000).filter(|_| sampler.admit().is_some()).count();
        assert!((200..300).contains(&written), "{written}");
    }
}
