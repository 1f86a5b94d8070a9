use serde::{Deserialize, Serialize};

use super::{decode, encode, maybe_time, micros, time};
use crate::{Conflict, Result, TokenRecord, TokenRole};

const WHAT: &str = "a token";

/// The role, with what it is limited to.
#[derive(Serialize, Deserialize)]
enum DiskRole<'a> {
    Admin,
    Viewer,
    Challenge(Option<&'a str>),
}

#[derive(Serialize, Deserialize)]
struct DiskToken<'a> {
    name: &'a str,
    #[serde(borrow)]
    role: DiskRole<'a>,
    hash: [u8; 32],
    created_at: i64,
    created_by: &'a str,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

pub(in crate::sled_store) fn encode_token(
    record: &TokenRecord,
) -> std::result::Result<Vec<u8>, Conflict> {
    let disk = DiskToken {
        name: &record.name,
        role: match record.role {
            TokenRole::Admin => DiskRole::Admin,
            TokenRole::Viewer => DiskRole::Viewer,
            TokenRole::Challenge => DiskRole::Challenge(record.profile.as_deref()),
        },
        hash: record.hash,
        created_at: micros(record.created_at),
        created_by: &record.created_by,
        expires_at: record.expires_at.map(micros),
        last_used_at: record.last_used_at.map(micros),
        revoked_at: record.revoked_at.map(micros),
    };
    encode(WHAT, &disk)
}

pub(in crate::sled_store) fn decode_token(id: &str, octets: &[u8]) -> Result<TokenRecord> {
    let disk: DiskToken<'_> = decode(WHAT, octets)?;
    let (role, profile) = match disk.role {
        DiskRole::Admin => (TokenRole::Admin, None),
        DiskRole::Viewer => (TokenRole::Viewer, None),
        DiskRole::Challenge(profile) => (TokenRole::Challenge, profile.map(str::to_owned)),
    };
    Ok(TokenRecord {
        id: id.to_owned(),
        name: disk.name.to_owned(),
        role,
        profile,
        hash: disk.hash,
        created_at: time(WHAT, disk.created_at)?,
        created_by: disk.created_by.to_owned(),
        expires_at: maybe_time(WHAT, disk.expires_at)?,
        last_used_at: maybe_time(WHAT, disk.last_used_at)?,
        revoked_at: maybe_time(WHAT, disk.revoked_at)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;
    use crate::sled_store::arbitrary;

    proptest! {
        #[test]
        fn tokens_come_back(record in arbitrary::token()) {
            let octets = encode_token(&record).unwrap();
            prop_assert!(decode_token(&record.id, &octets).unwrap() == record);
        }

        #[test]
        fn any_octets_decode_or_fail_cleanly(octets: Vec<u8>) {
            let _ = decode_token("t", &octets);
        }
    }
}
