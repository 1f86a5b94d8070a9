//! Challenges as octets.

use serde::{Deserialize, Serialize};

use super::{decode, encode, maybe_time, micros, time};
use crate::{ChallengeRecord, Conflict, Result};

const WHAT: &str = "a challenge";

#[derive(Serialize, Deserialize)]
struct DiskChallenge<'a> {
    digest: [u8; 16],
    number: u64,
    profile: &'a str,
    by: &'a str,
    interface: &'a str,
    #[serde(borrow)]
    bound: &'a [u8],
    uses: u32,
    used: u32,
    created: i64,
    expires: i64,
    until: i64,
    last_used: Option<i64>,
    withdrawn: Option<i64>,
}

pub(in crate::sled_store) fn encode_challenge(
    record: &ChallengeRecord,
) -> std::result::Result<Vec<u8>, Conflict> {
    let disk = DiskChallenge {
        digest: record.digest,
        number: record.number,
        profile: &record.profile,
        by: &record.by,
        interface: &record.interface,
        bound: &record.bound,
        uses: record.uses,
        used: record.used,
        created: micros(record.created),
        expires: micros(record.expires),
        until: micros(record.until),
        last_used: record.last_used.map(micros),
        withdrawn: record.withdrawn.map(micros),
    };
    encode(WHAT, &disk)
}

pub(in crate::sled_store) fn decode_challenge(octets: &[u8]) -> Result<ChallengeRecord> {
    let disk: DiskChallenge<'_> = decode(WHAT, octets)?;
    Ok(ChallengeRecord {
        digest: disk.digest,
        number: disk.number,
        profile: disk.profile.to_owned(),
        by: disk.by.to_owned(),
        interface: disk.interface.to_owned(),
        bound: disk.bound.to_vec(),
        uses: disk.uses,
        used: disk.used,
        created: time(WHAT, disk.created)?,
        expires: time(WHAT, disk.expires)?,
        until: time(WHAT, disk.until)?,
        last_used: maybe_time(WHAT, disk.last_used)?,
        withdrawn: maybe_time(WHAT, disk.withdrawn)?,
    })
}

const OPEN: &str = "an open challenge";

/// What is noted of an open challenge: its profile, and until when (microseconds since 1970).
pub(in crate::sled_store) fn encode_open_challenge(
    profile: &str,
    until: i64,
) -> std::result::Result<Vec<u8>, Conflict> {
    encode(OPEN, &(profile, until))
}

/// `None` when nothing is noted but that it is open, as up to schema version 3.
pub(in crate::sled_store) fn decode_open_challenge(octets: &[u8]) -> Result<Option<(&str, i64)>> {
    match octets {
        [] => Ok(None),
        octets => decode(OPEN, octets).map(Some),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;
    use crate::sled_store::arbitrary;

    proptest! {
        #[test]
        fn challenges_come_back(record in arbitrary::challenge()) {
            let octets = encode_challenge(&record).unwrap();
            prop_assert_eq!(decode_challenge(&octets).unwrap(), record);
        }

        #[test]
        fn what_is_noted_of_open_ones_comes_back(profile: String, until: i64) {
            let octets = encode_open_challenge(&profile, until).unwrap();
            prop_assert_eq!(decode_open_challenge(&octets).unwrap(), Some((&profile[..], until)));
        }

        #[test]
        fn any_octets_decode_or_fail_cleanly(octets: Vec<u8>) {
            let _ = decode_challenge(&octets);
            let _ = decode_open_challenge(&octets);
        }
    }
}
