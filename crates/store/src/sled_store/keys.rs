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
//! | `r` | profile, sheet number | a sheet of replay marks |
//! | `d` | profile, sheet number | a sheet of rate marks |
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
