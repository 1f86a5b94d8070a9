use std::ops::ControlFlow;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    AuditCheck, AuditQuery, CertificateQuery, CertificateRecord, Change, Committed, Conflict,
    CrlRecord, Mark, Page, ProfileState, Result, RevokedCertificate, Sizes, StoredEvent,
    TokenRecord, TransactionRecord, VerifyReport,
};

/// The durable store. Every method blocks on memory or disk: call it off the async threads.
///
/// # Errors
///
/// Every method that returns [`Result`] fails when the disk does ([`Error::Io`](crate::Error::Io),
/// [`Error::Engine`](crate::Error::Engine)) or when a stored record cannot be read
/// ([`Error::Corrupt`](crate::Error::Corrupt)); only further causes are named at a method.
pub trait Store: Send + Sync + 'static {
    /// Makes the changes durable with one flush, each of them whole or not at all, in their order.
    ///
    /// The answers stand in the order of the changes. A change that conflicts with what is stored
    /// (or with an earlier one of the slice) is refused alone. `now` decides which marks have
    /// passed their time; some of them are swept on the way, so it must not be ahead of the time
    /// that really passed.
    ///
    /// # Errors
    ///
    /// When writing fails nothing can be said about any of the changes, and the store takes no
    /// more ([`Error::Stopped`](crate::Error::Stopped)).
    fn commit(
        &self,
        changes: &[Change],
        now: DateTime<Utc>,
    ) -> Result<Vec<std::result::Result<Committed, Conflict>>>;

    /// Whether changes are still taken: `false` once a write has failed, for as long as the process
    /// lives. Never waits.
    fn writable(&self) -> bool;

    /// The request with this profile and key.
    fn transaction(&self, profile: &str, key: &[u8; 16]) -> Result<Option<TransactionRecord>>;

    /// The newest request with this profile and poll key.
    fn transaction_by_poll(
        &self,
        profile: &str,
        poll_key: &[u8; 16],
    ) -> Result<Option<TransactionRecord>>;

    /// The open requests of a profile or, without one, of all; oldest first.
    fn pending(&self, profile: Option<&str>) -> Result<Vec<TransactionRecord>>;

    /// The certificate with this issuer and serial.
    fn certificate(&self, issuer_id: &str, serial: &[u8]) -> Result<Option<CertificateRecord>>;

    /// Whether this certificate is known, and if so whether it is revoked; never reads the disk.
    fn is_revoked(&self, issuer_id: &str, serial: &[u8]) -> Option<bool>;

    /// Certificates that match, newest first. `now` decides what has expired.
    fn certificates(
        &self,
        query: &CertificateQuery,
        now: DateTime<Utc>,
    ) -> Result<Page<CertificateRecord>>;

    /// The revoked certificates of an issuer, for its CRL, in the order they were issued.
    fn revoked(&self, issuer_id: &str) -> Result<Vec<RevokedCertificate>>;

    /// The issuer's newest CRL.
    fn crl(&self, issuer_id: &str) -> Result<Option<CrlRecord>>;

    /// What the profile's actor starts from: marks that are live at `now`, counters, open requests.
    fn profile_state(&self, profile: &str, now: DateTime<Utc>) -> Result<ProfileState>;

    /// The live replay marks of a profile one by one, for when there are too many to list.
    fn replay_marks(
        &self,
        profile: &str,
        now: DateTime<Utc>,
        visit: &mut dyn FnMut(Mark),
    ) -> Result<()>;

    /// Events that match, newest first.
    fn audit(&self, query: &AuditQuery) -> Result<Page<StoredEvent>>;

    /// One event.
    fn audit_event(&self, id: u64) -> Result<Option<StoredEvent>>;

    /// The events from `from_id` on, oldest first, until `visit` breaks.
    fn audit_each(
        &self,
        from_id: u64,
        visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Reads the whole audit chain and checks it.
    fn audit_verify(&self) -> Result<AuditCheck>;

    /// Removes the oldest events up to the first that is not older than `retention`, at most
    /// `limit`; says how many. The chain's new beginning is kept, so that it can still be checked,
    /// and an event (`audit_prune`) says what went, all in one step.
    ///
    /// Where all that is old enough are such events, they stay until another one goes: else each
    /// would leave another one behind, for ever.
    fn audit_prune(&self, retention: TimeDelta, limit: usize, now: DateTime<Utc>) -> Result<u64>;

    /// All tokens, oldest first, revoked ones too.
    fn tokens(&self) -> Vec<TokenRecord>;

    /// The token with this SHA-256, revoked or not; never reads the disk.
    fn token_by_hash(&self, hash: &[u8; 32]) -> Option<TokenRecord>;

    /// The octets kept under a name.
    fn setting(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Names and octets of the settings whose name begins so, by name.
    fn settings(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>>;

    /// The layout version of what is stored.
    fn schema_version(&self) -> u32;

    /// How much there is.
    fn sizes(&self) -> Result<Sizes>;

    /// Reads and checks everything: records, what they refer to, and the audit chain.
    fn verify(&self) -> Result<VerifyReport>;
}
