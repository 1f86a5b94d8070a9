//! The durable store: what decides and what happened, kept across restarts and crashes.
//!
//! | module | holds |
//! |---|---|
//! | [`Ledger`], [`Records`], [`Accounts`] | the store's three faces: what decides, what is looked at, who may; [`Store`] is all of them |
//! | [`Change`], [`Op`] | one atomic set of writes; [`Ledger::commit`] makes many durable with one flush |
//! | [`CertificateRecord`], [`EnrollmentRecord`], [`AuditEvent`], [`Notice`], [`ChallengeRecord`], [`TokenRecord`] | what is kept |
//! | [`CaId`] | whose certificates, revocations and CRL numbers they are |
//! | [`StoreTime`] | the time, made by the store from a [`ClockReading`]: what has surely passed is what is forgotten by |
//! | [`SledStore`] | the store on sled, one tree, one writer |
//!
//! No clock is read here: time is an argument. Times are kept to the microsecond.

mod accounts;
mod audit;
mod ca;
mod certificate;
mod challenge;
mod change;
mod enrollment;
mod error;
mod ledger;
mod notice;
mod page;
mod profile;
mod records;
mod report;
mod reservation;
mod sled_store;
mod store;
mod time;
mod token;

pub use accounts::Accounts;
pub use audit::{
    AuditAnchor, AuditCheck, AuditDetails, AuditEvent, AuditFault, AuditQuery, Outcome, StoredEvent,
};
pub use ca::CaId;
pub use certificate::{
    CertificateQuery, CertificateRecord, CertificateStatus, CrlRecord, ON_HOLD, Revocation,
    RevokedCertificate, Standing,
};
pub use challenge::{
    CHALLENGES_KEPT, ChallengeCounts, ChallengeQuery, ChallengeRecord, ChallengeState, Challenges,
};
pub use change::{Change, Committed, Conflict, Op};
pub use enrollment::{EnrollmentRecord, Grounds, Lease, Refusal, Stage, Times};
pub use error::Error;
pub use ledger::Ledger;
pub use notice::{Notice, StoredNotice};
pub use page::Page;
pub use profile::{Mark, ProfileState};
pub use records::Records;
pub use report::{Fault, Sizes, VerifyReport};
pub use reservation::Reservation;
pub use sled_store::{BackupSummary, Migration, SledOptions, SledStore};
pub use store::Store;
pub use time::{ClockReading, StoreTime};
pub use token::{TokenRecord, TokenRole};

/// The result of everything that reads or writes the store.
pub type Result<T> = std::result::Result<T, Error>;

/// The layout of records that this build reads and writes. A store of an earlier version is migrated
/// when it is opened for that ([`SledOptions::migrate`]).
///
/// | version | since it |
/// |---|---|
/// | 1 | |
/// | 2 | letting audit events go is an audit event, without which the chain's check finds fault |
/// | 3 | certificates, revocations and CRLs belong to a [`CaId`]; enrollments have a stage, a version, grounds and times; notices |
/// | 4 | values are compressed; revocations and the notes of open challenges say what is needed of the records that they belong to |
pub const SCHEMA_VERSION: u32 = 4;
