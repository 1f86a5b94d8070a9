//! Notices that must reach somebody outside: an outbox, written in the same change as what they tell.

use chrono::{DateTime, Utc};

/// Something that somebody outside must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The SCEP profile (path id).
    pub profile: String,
    /// The enrollment that it is about.
    pub enrollment: Option<[u8; 16]>,
    /// Who sends it: a notifier's name, such as `intune`.
    pub notifier: String,
    /// What it says, opaque to the store.
    pub body: Vec<u8>,
    /// When it was written.
    pub created: DateTime<Utc>,
    /// When it is to be sent, or tried again.
    pub due: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
}

/// A notice that is not yet delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredNotice {
    /// Its number: none is given twice.
    pub id: u64,
    /// What it says.
    pub notice: Notice,
}
