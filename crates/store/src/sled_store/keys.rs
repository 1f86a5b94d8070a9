//! The layout of keys: one letter for the kind, then what orders the records of that kind.
//!
//! | letter | key after it | value |
//! |---|---|---|
//! | `m` | name | schema version, audit head, audit anchor |
//! | `a` | event id | digest and octets of an audit event |
//! | `c` | certificate id | facts about a certificate |
//! | `x` | certificate id | the certificate, DER |
//! | `v` | certificate id | its revocation |
//! | `t` | transaction id | a request |
//! | `r` | profile, end, digest | a replay mark (empty) |
//! | `d` | profile, end, digest, time | rate marks at that time, counted |
//! | `n` | profile | counters |
//! | `k` | token id | a token |
//! | `l` | issuer | its newest CRL |
//! | `s` | name | a setting |
//!
//! Ids are big-endian and count from 1 without gaps, so that new records go to the right edge of
//! the tree: pages fill up, stay, and are rarely rewritten.

/// The kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Meta = b'm',
    Audit = b'a',
    Certificate = b'c',
    Der = b'x',
    Revocation = b'v',
    Transaction = b't',
    Replay = b'r',
    Rate = b'd',
    Counters = b'n',
    Token = b'k',
    Crl = b'l',
    Setting = b's',
}

impl Kind {
    /// All there are.
    pub(super) const ALL: [Self; 12] = [
        Self::Meta,
        Self::Audit,
        Self::Certificate,
        Self::Der,
        Self::Revocation,
        Self::Transaction,
        Self::Replay,
        Self::Rate,
        Self::Counters,
        Self::Token,
        Self::Crl,
        Self::Setting,
    ];

    /// The first octet of every key of this kind.
    pub(super) const fn letter(self) -> u8 {
        self as u8
    }

    /// The key of a record that is known by its number.
    pub(super) fn id(self, id: u64) -> Vec<u8> {
        let mut key = Vec::with_capacity(9);
        key.push(self.letter());
        key.extend_from_slice(&id.to_be_bytes());
        key
    }

    /// The key of a record that is known by its name.
    pub(super) fn name(self, name: &str) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + name.len());
        key.push(self.letter());
        key.extend_from_slice(name.as_bytes());
        key
    }
}

/// The number in a key made by [`Kind::id`].
pub(super) fn id_of(key: &[u8]) -> Option<u64> {
    let (_, id) = key.split_first()?;
    Some(u64::from_be_bytes(id.try_into().ok()?))
}

/// The name in a key made by [`Kind::name`].
pub(super) fn name_of(key: &[u8]) -> Option<&str> {
    let (_, name) = key.split_first()?;
    std::str::from_utf8(name).ok()
}

/// The longest profile name that fits a mark's key, in octets.
pub(super) const PROFILE_MAX: usize = 255;

/// What all marks of a profile begin with; `None` when the name is too long.
pub(super) fn marks_of(kind: Kind, profile: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(profile.len()).ok()?;
    let mut key = Vec::with_capacity(2 + profile.len() + 32);
    key.push(kind.letter());
    key.push(length);
    key.extend_from_slice(profile.as_bytes());
    Some(key)
}

/// A mark, read from its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MarkKey<'a> {
    pub(super) profile: &'a str,
    /// Microseconds since 1970: from then on the mark is void.
    pub(super) until: i64,
    pub(super) digest: [u8; 16],
    /// For rate marks: microseconds since 1970 when the enrollment was.
    pub(super) at: Option<i64>,
}

impl MarkKey<'_> {
    /// The key; `None` when the profile's name is too long.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let kind = if self.at.is_some() {
            Kind::Rate
        } else {
            Kind::Replay
        };
        let mut key = marks_of(kind, self.profile)?;
        key.extend_from_slice(&ordered(self.until));
        key.extend_from_slice(&self.digest);
        if let Some(at) = self.at {
            key.extend_from_slice(&ordered(at));
        }
        Some(key)
    }

    /// Reads a key of either kind of mark.
    pub(super) fn decode(key: &[u8]) -> Option<MarkKey<'_>> {
        let (&letter, rest) = key.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (profile, rest) = rest.split_at_checked(usize::from(length))?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (digest, rest) = rest.split_first_chunk::<16>()?;
        let at = if letter == Kind::Rate.letter() {
            Some(unordered(*rest.first_chunk::<8>()?))
        } else {
            None
        };
        if rest.len() != if at.is_some() { 8 } else { 0 } {
            return None;
        }
        let profile = std::str::from_utf8(profile).ok()?;
        Some(MarkKey {
            profile,
            until: unordered(*until),
            digest: *digest,
            at,
        })
    }
}

/// Octets that sort as the number does.
fn ordered(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn unordered(octets: [u8; 8]) -> i64 {
    (u64::from_be_bytes(octets) ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_come_back(profile in "[a-z0-9-]{0,40}", until: i64, digest: [u8; 16], at: Option<i64>) {
            let mark = MarkKey { profile: &profile, until, digest, at };
            let key = mark.encode().unwrap();
            prop_assert_eq!(MarkKey::decode(&key), Some(mark));
        }

        #[test]
        fn any_octets_decode_or_not_without_panic(key: Vec<u8>) {
            if let Some(mark) = MarkKey::decode(&key)
                && (key[0] == Kind::Rate.letter() || key[0] == Kind::Replay.letter())
            {
                prop_assert_eq!(mark.encode().unwrap(), key);
            }
        }

        #[test]
        fn times_sort_as_numbers(a: i64, b: i64) {
            prop_assert_eq!(a.cmp(&b), ordered(a).cmp(&ordered(b)));
        }
    }

    #[test]
    fn a_profile_name_that_does_not_fit_is_refused() {
        assert!(marks_of(Kind::Replay, &"p".repeat(PROFILE_MAX)).is_some());
        assert!(marks_of(Kind::Replay, &"p".repeat(PROFILE_MAX + 1)).is_none());
    }
}
