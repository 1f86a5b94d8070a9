//! The validity that Windows' name/value pairs ask for (MS-WCCE, 2.2.2.7.10 and 3.1.1.4.3.5).

use chrono::{DateTime, Months, TimeDelta, Utc};

use crate::der::{self, Reader};
use crate::{Attribute, oid};

/// The last second asked for: ExpirationDate, else ValidityPeriod (a unit of time) and ValidityPeriodUnits (how many),
/// counted from `now`. Android has unit and number the wrong way round. What cannot be understood is not asked for.
pub(super) fn requested(attributes: &[Attribute], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let pairs: Vec<(String, String)> = attributes
        .iter()
        .filter(|attribute| attribute.oid == oid::MS_NAME_VALUE_PAIR)
        .flat_map(|attribute| &attribute.values)
        .filter_map(|value| pair(value))
        .collect();
    let value = |wanted: &str| {
        pairs
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    };
    if let Some(date) = value("ExpirationDate") {
        return DateTime::parse_from_rfc2822(date)
            .ok()
            .map(|date| date.to_utc());
    }
    let (one, other) = (value("ValidityPeriod")?, value("ValidityPeriodUnits")?);
    let (unit, number) = match (one.parse::<u32>(), other.parse::<u32>()) {
        (Err(_), Ok(number)) => (one, number),
        (Ok(number), Err(_)) => (other, number),
        _ => return None,
    };
    if number == 0 {
        return None;
    }
    after(now, unit, number)
}

fn pair(value: &[u8]) -> Option<(String, String)> {
    let mut reader = Reader::new(value, "name/value pair");
    let mut fields = reader.sequence().ok()?;
    let name = der::text(&fields.element().ok()?)?;
    let value = der::text(&fields.element().ok()?)?;
    Some((name, value))
}

fn after(now: DateTime<Utc>, unit: &str, number: u32) -> Option<DateTime<Utc>> {
    let unit = unit.to_ascii_lowercase();
    let seconds = match unit.strip_suffix('s').unwrap_or(&unit) {
        "year" => return now.checked_add_months(Months::new(number.checked_mul(12)?)),
        "month" => return now.checked_add_months(Months::new(number)),
        "week" => 7 * 86_400,
        "day" => 86_400,
        "hour" => 3_600,
        "minute" => 60,
        "second" => 1,
        _ => return None,
    };
    now.checked_add_signed(TimeDelta::try_seconds(
        i64::from(number).checked_mul(seconds)?,
    )?)
}
