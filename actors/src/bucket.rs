//! A token bucket whose size is said anew with each token that is taken: for limits that a reload changes. Limits that stay as
//! they are have governor's.

use std::time::{Duration, Instant};

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
