use chrono::{DateTime, Utc};

use crate::{
    AuditEvent, CaId, CertificateRecord, ChallengeRecord, ChallengeState, CrlRecord,
    EnrollmentRecord, Notice, Reservation, TokenRecord,
};

/// Writes that become durable together or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change(pub Vec<Op>);

impl Change {
    /// A change without writes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The change with one more write.
    #[must_use]
    pub fn with(mut self, op: impl Into<Op>) -> Self {
        self.0.push(op.into());
        self
    }

    /// Adds a write.
    pub fn push(&mut self, op: impl Into<Op>) {
        self.0.push(op.into());
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// A new certificate. Refused when its CA has one with its serial.
    PutCertificate(Box<CertificateRecord>),
    /// Revokes a certificate. Refused when it is unknown or revoked already, unless it was [on hold](crate::ON_HOLD) and
    /// is revoked for good.
    Revoke {
        /// The CA that signed it.
        ca: CaId,
        /// The certificate's serial octets.
        serial: Vec<u8>,
        /// When.
        at: DateTime<Utc>,
        /// The CRLReason number (RFC 5280 section 5.3.1).
        reason: u8,
    },
    /// Takes back a revocation that was a [hold](crate::ON_HOLD). Refused when the certificate is unknown or not on hold.
    Release {
        /// The CA that signed it.
        ca: CaId,
        /// The certificate's serial octets.
        serial: Vec<u8>,
    },
    /// A new enrollment, or a known one's next stage. Refused unless the record names the version
    /// that it replaces.
    PutEnrollment(Box<EnrollmentRecord>),
    /// Somebody outside is to be told something. It gets a number of its own.
    PutNotice(Box<Notice>),
    /// A notice could not be delivered and is to be tried again. Refused when it is unknown.
    DelayNotice {
        /// Its number.
        id: u64,
        /// When to try again.
        due: DateTime<Utc>,
    },
    /// A notice was delivered, or is given up. Refused when it is unknown.
    NoticeDone {
        /// Its number.
        id: u64,
    },
    /// Takes something that only so many may have. Refused when it is taken already.
    Reserve(Reservation),
    /// A new challenge; it gets a number of its own. Refused when its digest is known, and when its profile has `most`
    /// open ones.
    PutChallenge {
        /// What is kept of it.
        record: Box<ChallengeRecord>,
        /// How many may be open at once, this one included.
        most: u32,
    },
    /// A challenge was used. Whether it might be is decided by its reservation; one that is forgotten is passed over.
    UseChallenge {
        /// Its digest.
        digest: [u8; 16],
        /// When.
        at: DateTime<Utc>,
    },
    /// A challenge may be used no more. Refused when it is unknown or has ended.
    WithdrawChallenge {
        /// Its digest.
        digest: [u8; 16],
        /// When.
        at: DateTime<Utc>,
    },
    /// Lets some challenges go whose time has passed: they are open no longer, and are forgotten a while after.
    SweepChallenges,
    /// Adds to a counter of a profile. One that was never counted stands at 0; none goes past
    /// `u64::MAX`.
    Count {
        /// The SCEP profile.
        profile: String,
        /// The counter.
        name: String,
        /// How much to add.
        by: u64,
    },
    /// Appends an audit event.
    Audit(Box<AuditEvent>),
    /// A new token, or a token's new facts (by id). A new one is refused when another one that is in force when it was
    /// made has its name.
    PutToken(Box<TokenRecord>),
    /// Notes that a token was used; ignored for a token that is gone.
    TouchToken {
        /// The token.
        id: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Revokes a token. Refused when it is unknown or revoked already.
    RevokeToken {
        /// The token.
        id: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// The CA's newest CRL. Refused when its number is not above the stored one's.
    PutCrl(Box<CrlRecord>),
    /// Keeps octets under a name.
    PutSetting {
        /// The name.
        key: String,
        /// The octets.
        value: Vec<u8>,
    },
    /// Forgets a setting.
    DeleteSetting {
        /// The name.
        key: String,
    },
}

impl From<CertificateRecord> for Op {
    fn from(record: CertificateRecord) -> Self {
        Self::PutCertificate(Box::new(record))
    }
}

impl From<EnrollmentRecord> for Op {
    fn from(record: EnrollmentRecord) -> Self {
        Self::PutEnrollment(Box::new(record))
    }
}

impl From<Notice> for Op {
    fn from(notice: Notice) -> Self {
        Self::PutNotice(Box::new(notice))
    }
}

impl From<Reservation> for Op {
    fn from(reservation: Reservation) -> Self {
        Self::Reserve(reservation)
    }
}

impl From<AuditEvent> for Op {
    fn from(event: AuditEvent) -> Self {
        Self::Audit(Box::new(event))
    }
}

impl From<TokenRecord> for Op {
    fn from(record: TokenRecord) -> Self {
        Self::PutToken(Box::new(record))
    }
}

impl From<CrlRecord> for Op {
    fn from(record: CrlRecord) -> Self {
        Self::PutCrl(Box::new(record))
    }
}

/// What became of a change that is durable now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The numbers that its audit events got, in their order.
    pub audit_ids: Vec<u64>,
    /// The numbers that its notices got, in their order.
    pub notice_ids: Vec<u64>,
}

/// Why one change was refused. Nothing of it was written; other changes of the same commit go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The CA already has a certificate with this serial.
    #[error("issuer {issuer_id} already has a certificate with serial {serial}")]
    CertificateExists {
        /// What the configuration calls the issuer.
        issuer_id: String,
        /// The serial, hex.
        serial: String,
    },
    /// There is no such certificate.
    #[error("the CA {ca} has no certificate with serial {serial}")]
    UnknownCertificate {
        /// The CA.
        ca: CaId,
        /// The serial, hex.
        serial: String,
    },
    /// It is revoked already.
    #[error("the certificate with serial {serial} is revoked already")]
    AlreadyRevoked {
        /// The serial, hex.
        serial: String,
    },
    /// It is not on hold.
    #[error("the certificate with serial {serial} is not on hold")]
    NotOnHold {
        /// The serial, hex.
        serial: String,
    },
    /// A new enrollment is known already.
    #[error("this request is known already: its enrollment has version {stored}")]
    EnrollmentExists {
        /// The stored record's version.
        stored: u64,
    },
    /// The enrollment is not the one that was to be replaced.
    #[error("the enrollment has moved on: it has version {stored}, not {offered}")]
    EnrollmentMoved {
        /// The stored record's version; 0 = there is none.
        stored: u64,
        /// The version that was to be replaced.
        offered: u64,
    },
    /// There is no such notice.
    #[error("there is no notice {id}")]
    UnknownNotice {
        /// Its number.
        id: u64,
    },
    /// Another change took it once and for all, and it is remembered still.
    #[error("`{scope}`: it was taken before, and is remembered until {until}")]
    Taken {
        /// Whose it is.
        scope: String,
        /// What was taken: its digest.
        key: [u8; 16],
        /// From then on it may be taken again.
        until: DateTime<Utc>,
    },
    /// It was taken as often as it may be within its window.
    #[error("`{scope}`: it was taken {used} times, the limit is {limit}; again from {frees_at} on")]
    Limited {
        /// Whose it is.
        scope: String,
        /// Whom it counts against: a digest.
        key: [u8; 16],
        /// How many may be taken within the window.
        limit: u32,
        /// How many were.
        used: usize,
        /// When the oldest that stands in the way leaves the window.
        frees_at: DateTime<Utc>,
    },
    /// A challenge with this digest is known.
    #[error("the challenge is known already")]
    ChallengeExists,
    /// As many challenges are open as may be.
    #[error("profile `{profile}` has {open} open challenges, and no more may be")]
    ChallengesFull {
        /// The profile.
        profile: String,
        /// How many are open.
        open: u64,
    },
    /// There is no such challenge.
    #[error("there is no such challenge")]
    UnknownChallenge,
    /// The challenge has ended.
    #[error("the challenge has ended: it is {}", state.as_str())]
    ChallengeEnded {
        /// How.
        state: ChallengeState,
    },
    /// Another token in force has the name.
    #[error("there is a token named `{name}` already")]
    TokenName {
        /// The name.
        name: String,
    },
    /// The token is revoked already.
    #[error("the token {id} is revoked already")]
    TokenRevoked {
        /// The token's id.
        id: String,
    },
    /// There is no such token.
    #[error("there is no token {id}")]
    UnknownToken {
        /// The token's id.
        id: String,
    },
    /// The stored CRL has this number or a later one.
    #[error("issuer {issuer_id} already has CRL number {stored}; {offered} is not newer")]
    CrlNumber {
        /// What the configuration calls the issuer.
        issuer_id: String,
        /// The stored CRL's number.
        stored: u64,
        /// The refused CRL's number.
        offered: u64,
    },
    /// A record is larger, or a number further out, than the store can keep.
    #[error("{what} cannot be stored: {why}")]
    Unstorable {
        /// The kind of record.
        what: &'static str,
        /// Which bound it breaks.
        why: String,
    },
}
