//! UTCTime and GeneralizedTime.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{Tlv, tag};
use crate::Error;

/// The instant that a UTCTime or GeneralizedTime element names. Seconds may be missing and an offset may stand for `Z`, as
/// in BER; fractions of a second are read and dropped.
///
/// # Errors
/// `Malformed`.
pub fn parse_time(element: &Tlv<'_>) -> Result<DateTime<Utc>, Error> {
    read(element).ok_or(Error::malformed(
        "time",
        "it is not a UTCTime or GeneralizedTime that names an instant",
    ))
}

fn read(element: &Tlv<'_>) -> Option<DateTime<Utc>> {
    let mut rest = element.content;
    let year = match element.tag {
        tag::UTC_TIME => {
            let short = number(&mut rest, 2)?;
            if short < 50 {
                2000 + short
            } else {
                1900 + short
            }
        }
        tag::GENERALIZED_TIME => number(&mut rest, 4)?,
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        number(&mut rest, 2)?,
        number(&mut rest, 2)?,
    )?;
    let (hour, minute) = (number(&mut rest, 2)?, number(&mut rest, 2)?);
    let second = if rest.first().is_some_and(u8::is_ascii_digit) {
        number(&mut rest, 2)?
    } else {
        0
    };
    // A leap second is taken as the one before it.
    let mut instant = date.and_hms_opt(hour, minute, second.min(59))?.and_utc();
    if second > 60 {
        return None;
    }
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let digits = fraction
            .iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count();
        rest = fraction.get(digits..).filter(|_| digits > 0)?;
    }
    match rest.split_first()? {
        (b'Z', []) => {}
        (sign @ (b'+' | b'-'), mut offset) => {
            let (hours, minutes) = (number(&mut offset, 2)?, number(&mut offset, 2)?);
            if !offset.is_empty() || hours > 23 || minutes > 59 {
                return None;
            }
            let offset = TimeDelta::minutes(i64::from(hours * 60 + minutes));
            instant = if *sign == b'+' {
                instant.checked_sub_signed(offset)?
            } else {
                instant.checked_add_signed(offset)?
            };
        }
        _ => return None,
    }
    Some(instant)
}

/// Takes `digits` decimal digits from the front.
fn number(rest: &mut &[u8], digits: usize) -> Option<u32> {
    let (taken, after) = rest.split_at_checked(digits)?;
    *rest = after;
    taken.iter().try_fold(0u32, |value, octet| {
        octet
            .is_ascii_digit()
            .then(|| value * 10 + u32::from(octet - b'0'))
    })
}
