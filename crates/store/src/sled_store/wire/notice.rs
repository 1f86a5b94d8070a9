//! Notices as octets.

use serde::{Deserialize, Serialize};

use super::{decode, encode, micros, time};
use crate::{Conflict, Notice, Result};

const WHAT: &str = "a notice";

#[derive(Serialize, Deserialize)]
struct DiskNotice<'a> {
    profile: &'a str,
    enrollment: Option<[u8; 16]>,
    notifier: &'a str,
    #[serde(borrow)]
    body: &'a [u8],
    created: i64,
    due: i64,
    attempts: u32,
}

pub(in crate::sled_store) fn encode_notice(
    notice: &Notice,
) -> std::result::Result<Vec<u8>, Conflict> {
    let disk = DiskNotice {
        profile: &notice.profile,
        enrollment: notice.enrollment,
        notifier: &notice.notifier,
        body: &notice.body,
        created: micros(notice.created),
        due: micros(notice.due),
        attempts: notice.attempts,
    };
    encode(WHAT, &disk)
}

pub(in crate::sled_store) fn decode_notice(octets: &[u8]) -> Result<Notice> {
    let disk: DiskNotice<'_> = decode(WHAT, octets)?;
    Ok(Notice {
        profile: disk.profile.to_owned(),
        enrollment: disk.enrollment,
        notifier: disk.notifier.to_owned(),
        body: disk.body.to_vec(),
        created: time(WHAT, disk.created)?,
        due: time(WHAT, disk.due)?,
        attempts: disk.attempts,
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
        fn notices_come_back(notice in arbitrary::notice()) {
            let octets = encode_notice(&notice).unwrap();
            prop_assert_eq!(decode_notice(&octets).unwrap(), notice);
        }

        #[test]
        fn any_octets_decode_or_fail_cleanly(octets: Vec<u8>) {
            let _ = decode_notice(&octets);
        }
    }
}
