//! Records as octets: postcard for the shapes, times as microseconds, no member names.
//!
//! postcard says nothing about its content, so members are never left out and new ones only go
//! into a new layout (see the schema version; audit events carry a layout number of their own,
//! because the chain covers their octets and they can never be rewritten).

mod certificate;
mod challenge;
mod earlier;
mod enrollment;
mod event;
mod notice;
mod token;
mod value;

pub(super) use certificate::{
    CertificateFacts, decode_crl, decode_earlier_crl, decode_revocation, decode_revoked,
    encode_certificate, encode_crl, encode_revocation,
};
pub(super) use challenge::{
    decode_challenge, decode_open_challenge, encode_challenge, encode_open_challenge,
};
pub(super) use earlier::{EarlierFacts, EarlierRequest};
pub(super) use enrollment::{EnrollmentView, decode_enrollment, encode_enrollment};
pub(super) use event::{
    EventView, decode_event, encode_event, event_view, outcome_number, outcome_of,
};
pub(super) use notice::{decode_notice, encode_notice};
pub(super) use token::{decode_token, encode_token};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Conflict, Error, Result};

/// The largest record, in octets.
const RECORD_MAX: usize = 16 << 20;

/// The octets of one record, or why it cannot be kept.
pub(super) fn encode<T: Serialize>(
    what: &'static str,
    record: &T,
) -> std::result::Result<Vec<u8>, Conflict> {
    let octets = postcard::to_stdvec(record).map_err(|error| Conflict::Unstorable {
        what,
        why: error.to_string(),
    })?;
    fits(what, octets.len())?;
    Ok(octets)
}

/// Refuses records beyond what a page can sensibly hold.
pub(super) fn fits(what: &'static str, octets: usize) -> std::result::Result<(), Conflict> {
    if octets <= RECORD_MAX {
        return Ok(());
    }
    let why = format!("it takes {octets} octets, and {RECORD_MAX} is the most");
    Err(Conflict::Unstorable { what, why })
}

/// The record that the octets hold, all of them.
pub(super) fn decode<'a, T: Deserialize<'a>>(what: &'static str, octets: &'a [u8]) -> Result<T> {
    match postcard::take_from_bytes(octets) {
        Ok((record, [])) => Ok(record),
        Ok((_, rest)) => Err(corrupt(what, &format!("{} octets too many", rest.len()))),
        Err(error) => Err(corrupt(what, &error.to_string())),
    }
}

/// An error that names the kind of record.
pub(super) fn corrupt(what: &str, why: &str) -> Error {
    Error::Corrupt {
        what: format!("{what} cannot be read ({why})"),
    }
}

/// Microseconds since 1970.
pub(super) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// The time of a stored number.
pub(super) fn time(what: &'static str, micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| corrupt(what, &format!("{micros} is not a time")))
}

/// As [`time`], for what may be absent.
pub(super) fn maybe_time(what: &'static str, micros: Option<i64>) -> Result<Option<DateTime<Utc>>> {
    micros.map(|number| time(what, number)).transpose()
}
