//! The time of the fake: given by who starts it, and moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};

/// Tells the time in seconds since 1970 and can be moved.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn Fn() -> i64 + Send + Sync>,
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// The time as `source` has it (seconds since 1970), until it is moved.
    pub fn new(source: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            source: Arc::new(source),
            ahead: Arc::default(),
        }
    }

    /// A clock that stands at `seconds` since 1970 until it is moved.
    #[must_use]
    pub fn standing(seconds: i64) -> Self {
        Self::new(move || seconds)
    }

    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "the fake is a program of its own; this is where its time comes from"
        )]
        Self::new(|| Utc::now().timestamp())
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.source)().saturating_add(self.ahead.load(Ordering::SeqCst))
    }

    /// Moves it by so many seconds, also back.
    pub fn advance(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// `2026-11-30T14:00:00Z`.
pub(crate) fn iso(seconds: i64) -> String {
    at(seconds).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// As the `Date` header has it (RFC 9110, section 5.6.7).
pub(crate) fn http_date(seconds: i64) -> String {
    at(seconds).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// With chrono's marks.
pub(crate) fn formatted(seconds: i64, format: &str) -> String {
    at(seconds).format(format).to_string()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Clock, http_date, iso};

    #[test]
    fn stands_until_moved() {
        let clock = Clock::standing(1_796_047_200);
        clock.advance(60);
        clock.advance(-30);
        assert_eq!(clock.now(), 1_796_047_230);
        assert_eq!(iso(1_796_047_200), "2026-11-30T14:00:00Z");
        assert_eq!(http_date(1_796_047_200), "Mon, 30 Nov 2026 14:00:00 GMT");
    }
}
