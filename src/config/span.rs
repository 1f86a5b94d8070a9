//! Durations as operators write them: `90s`, `60m`, `24h`, `365d`, `1h30m`; shown in the largest
//! unit that divides them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time in the configuration, in whole milliseconds, at most 100 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write numbers with units, such as 90s, 60m, 24h, 365d or 1h30m")]
pub struct SpanError(String);

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const MAX_MILLIS: u64 = 100 * 366 * 86_400_000;

impl Span {
    /// No time at all; for most settings it means "off".
    pub const ZERO: Self = Self(Duration::ZERO);

    /// Whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Whole minutes (of 60 seconds).
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// Whole hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    /// Whole days of 24 hours.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    /// The same length for timers.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The same length for arithmetic on dates.
    #[must_use]
    pub fn chrono(self) -> chrono::Duration {
        // At most 100 years by construction from text; larger constants saturate.
        chrono::Duration::from_std(self.0).unwrap_or(chrono::Duration::MAX)
    }

    /// The span, unless it is no time at all.
    #[must_use]
    pub fn unless_zero(self) -> Option<Self> {
        (!self.is_zero()).then_some(self)
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Span {
    type Err = SpanError;

    /// # Errors
    /// [`SpanError`] for an empty text, a number without unit (but `0`), an unknown unit, and
    /// anything over 100 years.
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.chars().take(40).collect());
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(wrong());
        }
        let mut total = 0_u64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let (_, millis) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(wrong)?;
            let number: u64 = number.parse().map_err(|_| wrong())?;
            total = number
                .checked_mul(*millis)
                .and_then(|millis| total.checked_add(millis))
                .filter(|total| *total <= MAX_MILLIS)
                .ok_or_else(wrong)?;
            rest = tail;
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match UNITS
            .iter()
            .find(|(_, unit)| millis > 0 && millis.is_multiple_of(u128::from(*unit)))
        {
            Some((name, unit)) => write!(f, "{}{name}", millis / u128::from(*unit)),
            None => f.write_str("0s"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_operators_write() {
        for (text, seconds) in [
            ("90s", 90),
            ("60m", 3600),
            ("24h", 86_400),
            ("365d", 31_536_000),
            ("1h30m0s", 5400),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(
                text.parse::<Span>().unwrap(),
                Span::seconds(seconds),
                "{text}"
            );
        }
        assert_eq!(
            "250ms".parse::<Span>().unwrap().duration(),
            Duration::from_millis(250)
        );
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            " ",
            "5",
            "m",
            "5 m",
            "-5m",
            "1.5h",
            "5min",
            "99999999999999999999d",
            "40000d",
            "1h30",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_itself_so_that_it_reads_back() {
        for text in ["90s", "1h", "1d", "365d", "250ms", "0s", "90m", "3600001ms"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string(), text);
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }
}
