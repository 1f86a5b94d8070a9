//! The durable store: what decides and what happened, kept across restarts and crashes.
//!
//! | module | holds |
//! |---|---|
//! | [`Store`] | the trait that the actors and the admin API use |
//! | [`Change`], [`Op`] | one atomic set of writes; [`Store::commit`] makes many durable with one flush |
//! | [`CertificateRecord`], [`TransactionRecord`], [`AuditEvent`], [`TokenRecord`] | what is kept |
//! | [`SledStore`] | the trait on sled, one tree, one writer |
//!
//! No clock is read here: `now` is an argument. Times are kept to the microsecond.

mod audit;
mod certificate;
mod change;
mod error;
mod page;
mod profile;
mod report;
mod reservation;
mod sled_store;
mod store;
mod token;
mod transaction;

pub use audit::{
    AuditAnchor, AuditCheck, AuditDetails, AuditEvent, AuditFault, AuditQuery, Outcome, StoredEvent,
};
pub use certificate::{
    CertificateQuery, CertificateRecord, CertificateStatus, CrlRecord, Revocation,
    RevokedCertificate,
};
pub use change::{Change, Committed, Conflict, Op};
pub use error::Error;
pub use page::Page;
pub use profile::{Mark, ProfileState};
pub use report::{Fault, Sizes, VerifyReport};
pub use reservation::Reservation;
pub use sled_store::{BackupSummary, SledOptions, SledStore};
pub use store::Store;
pub use token::{TokenRecord, TokenRole};
pub use transaction::{TransactionRecord, TransactionState};

/// The result of everything that reads or writes the store.
pub type Result<T> = std::result::Result<T, Error>;

/// The layout of records that this build writes; it reads earlier ones too. A store of an earlier
/// version becomes one of this version with its first change.
///
/// | version | since it |
/// |---|---|
/// | 1 | |
/// | 2 | letting audit events go is an audit event, without which the chain's check finds fault |
pub const SCHEMA_VERSION: u32 = 2;
