//! The layout of keys: one letter for the kind, then what orders the records of that kind.
//!
//! | letter | key after it | value |
//! |---|---|---|
//! | `m` | name | schema version, audit head, audit anchor and others |
//! | `a` | event id | digest and octets of an audit event |
//! | `i` | certificate id | facts about an issued certificate |
//! | `x` | certificate id | the certificate, DER |
//! | `v` | certificate id | its revocation |
//! | `g` | certificate id | of a certificate that was let go: its digest in the file of its block, and the one by which it was found |
//! | `e` | enrollment id | an enrollment |
//! | `u` | enrollment id | nothing: the enrollment is not at its end |
//! | `o` | notice id | a notice to be sent |
//! | `b` | letter of a kind, number (one octet) | a dictionary by which its values are compressed |
//! | `r` | profile, page number | a page of replay marks |
//! | `d` | profile, page number | a page of rate marks |
//! | `n` | profile | counters |
//! | `h` | digest | a challenge |
//! | `q` | challenge number | its digest |
//! | `j` | digest | of a challenge that is open: its profile, and until when |
//! | `k` | token id | a token |
//! | `w` | CA, hex | its newest CRL |
//! | `s` | name | a setting |
//!
//! Of schema versions 1 and 2 are `c` (facts about a certificate), `t` (a request) and `l` (a CRL, by the
//! issuer's configured name).
//!
//! Values of `a`, `i`, `x` and `e` are compressed; see `compression`.
//!
//! Ids are big-endian and count from 1 without gaps, so that new records go to the right edge of
//! the tree: pages fill up, stay, and are rarely rewritten.

use super::wire;
use crate::{CaId, Result};

/// The kinds of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Meta = b'm',
    Audit = b'a',
    Certificate = b'i',
    Der = b'x',
    Revocation = b'v',
    Gone = b'g',
    Enrollment = b'e',
    Unfinished = b'u',
    Notice = b'o',
    Dictionary = b'b',
    Replay = b'r',
    Rate = b'd',
    Counters = b'n',
    Challenge = b'h',
    ChallengeOrder = b'q',
    OpenChallenge = b'j',
    Token = b'k',
    Crl = b'w',
    Setting = b's',
    EarlierCertificate = b'c',
    EarlierRequest = b't',
    EarlierCrl = b'l',
}

impl Kind {
    /// All there are in a store of this version.
    pub(super) const ALL: [Self; 19] = [
        Self::Meta,
        Self::Audit,
        Self::Certificate,
        Self::Der,
        Self::Revocation,
        Self::Gone,
        Self::Enrollment,
        Self::Unfinished,
        Self::Notice,
        Self::Dictionary,
        Self::Replay,
        Self::Rate,
        Self::Counters,
        Self::Challenge,
        Self::ChallengeOrder,
        Self::OpenChallenge,
        Self::Token,
        Self::Crl,
        Self::Setting,
    ];

    /// Those that a store of an earlier version has besides.
    pub(super) const EARLIER: [Self; 3] = [
        Self::EarlierCertificate,
        Self::EarlierRequest,
        Self::EarlierCrl,
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

    /// The key of a record that is known by a digest.
    pub(super) fn digest(self, digest: &[u8; 16]) -> Vec<u8> {
        let mut key = Vec::with_capacity(17);
        key.push(self.letter());
        key.extend_from_slice(digest);
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

/// Where the layout's version is.
pub(super) fn schema_key() -> Vec<u8> {
    Kind::Meta.name("schema")
}

/// There while a migration is under way: the version from which it comes.
pub(super) fn migrating_key() -> Vec<u8> {
    Kind::Meta.name("migrating")
}

/// There from the migration of a store of version 1 to the first change after it: its audit chain
/// has not yet been written to by a scepd that records the letting go of events.
pub(super) fn earlier_chain_key() -> Vec<u8> {
    Kind::Meta.name("chain of version 1")
}

/// The CA in the key of a CRL.
pub(super) fn ca_of(key: &[u8]) -> Result<CaId> {
    let corrupt = || wire::corrupt("a CRL", "its CA");
    let name = name_of(key).ok_or_else(corrupt)?;
    let mut id = [0; 16];
    hex::decode_to_slice(name, &mut id).map_err(|_| corrupt())?;
    Ok(CaId::from_bytes(id))
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
