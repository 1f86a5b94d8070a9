//! How times are written: RFC 3339 in UTC with a `Z`, whole seconds without a fraction and
//! everything else with milliseconds (`2026-11-23T12:44:40Z`, `2026-11-23T12:44:40.125Z`).
//!
//! Used with `#[serde(with = "crate::time")]`; [`option`] is the same for `Option`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serializer};

/// The text form of a time. What is finer than a millisecond is cut off.
pub fn format(time: &DateTime<Utc>) -> String {
    let precision = if time.timestamp_subsec_millis() == 0 {
        SecondsFormat::Secs
    } else {
        SecondsFormat::Millis
    };
    time.to_rfc3339_opts(precision, true)
}

/// Writes a time as [`format()`] does.
///
/// # Errors
/// Only what the serializer itself reports.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(time))
}

/// Reads any RFC 3339 time, whatever its offset.
///
/// # Errors
/// A text that is not RFC 3339.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    DateTime::<Utc>::deserialize(deserializer)
}

/// The same for a time that may be absent.
pub mod option {
    use super::{DateTime, Deserialize, Deserializer, Serializer, Utc};

    /// Writes the time, or null; use it with `skip_serializing_if = "Option::is_none"`.
    ///
    /// # Errors
    /// Only what the serializer itself reports.
    pub fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time or null.
    ///
    /// # Errors
    /// A text that is not RFC 3339.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::<DateTime<Utc>>::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::{TimeZone, Utc};

    #[test]
    fn whole_seconds_carry_no_fraction_and_the_rest_is_cut_to_milliseconds() {
        let whole = Utc.with_ymd_and_hms(2026, 11, 23, 12, 44, 40).unwrap();
        assert_eq!(super::format(&whole), "2026-11-23T12:44:40Z");
        let fine = whole + chrono::Duration::nanoseconds(125_999_999);
        assert_eq!(super::format(&fine), "2026-11-23T12:44:40.125Z");
        let finer = whole + chrono::Duration::nanoseconds(999);
        assert_eq!(super::format(&finer), "2026-11-23T12:44:40Z");
    }
}
