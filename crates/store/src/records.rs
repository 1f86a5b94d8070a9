//! What is looked at: certificates, CRLs, audit events, sizes.

use std::ops::ControlFlow;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    AuditCheck, AuditQuery, CaId, CertificateQuery, CertificateRecord, ChallengeCounts,
    ChallengeQuery, Challenges, CrlRecord, Page, Result, RevokedCertificate, Sizes, Standing,
    StoreTime, StoredEvent, VerifyReport,
};

/// The face of the store that is looked at. Every method blocks on memory or disk: call it off the
/// async threads.
///
/// # Errors
///
/// As those of [`Ledger`](crate::Ledger).
pub trait Records: Send + Sync + 'static {
    /// The certificate with this CA and serial.
    fn certificate(&self, ca: &CaId, serial: &[u8]) -> Result<Option<CertificateRecord>>;

    /// Where the certificate with this CA and serial stands. Its DER is not read.
    fn standing(&self, ca: &CaId, serial: &[u8]) -> Result<Standing>;

    /// The certificate whose DER has this SHA-1 (20 octets) or SHA-256 (32 octets). The first search of a store
    /// reads every certificate once; later ones those that are new.
    fn certificate_by_thumbprint(&self, thumbprint: &[u8]) -> Result<Option<CertificateRecord>>;

    /// The certificates with this serial, of whatever CA.
    fn certificates_with_serial(&self, serial: &[u8]) -> Result<Vec<CertificateRecord>>;

    /// Certificates that match, newest first. `now` decides what has expired.
    fn certificates(
        &self,
        query: &CertificateQuery,
        now: DateTime<Utc>,
    ) -> Result<Page<CertificateRecord>>;

    /// The CAs that signed certificates here, each with what the configuration called its issuer then;
    /// one that was renamed comes more than once. Never reads the disk.
    fn cas(&self) -> Vec<(String, CaId)>;

    /// The revoked certificates of a CA, for its CRL, in the order they were issued.
    fn revoked(&self, ca: &CaId) -> Result<Vec<RevokedCertificate>>;

    /// The CA's newest CRL.
    fn crl(&self, ca: &CaId) -> Result<Option<CrlRecord>>;

    /// The newest CRL of every CA that ever made one, those of before a rollover too.
    fn crls(&self) -> Result<Vec<CrlRecord>>;

    /// Events that match, newest first.
    fn audit(&self, query: &AuditQuery) -> Result<Page<StoredEvent>>;

    /// The events from `from_id` on, oldest first, until `visit` breaks.
    fn audit_each(
        &self,
        from_id: u64,
        visit: &mut dyn FnMut(StoredEvent) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Reads the whole audit chain and checks it.
    fn audit_verify(&self) -> Result<AuditCheck>;

    /// Removes the oldest events up to the first that is not older than `retention` by the time that
    /// has passed, at most `limit`; says how many. The chain's new beginning is kept, so that it can still be checked,
    /// and an event (`audit_prune`) says what went, all in one step.
    ///
    /// Where all that is old enough are such events, they stay until another one goes: else each
    /// would leave another one behind, for ever.
    fn audit_prune(&self, retention: TimeDelta, limit: usize, time: StoreTime) -> Result<u64>;

    /// Removes certificates that ended longer ago than `retention`, by the time that has passed, at most `limit`; says
    /// how many. An event (`certificate_prune`) says what went, in the same step. Those whose key was compromised stay: it
    /// gets no certificate for as long as that is known.
    fn certificates_prune(
        &self,
        retention: TimeDelta,
        limit: usize,
        time: StoreTime,
    ) -> Result<u64>;

    /// Challenges that match, newest first; `time` says which of them are open.
    fn challenges(&self, query: &ChallengeQuery, time: StoreTime) -> Result<Challenges>;

    /// How many challenges of a profile there are at `time`, and were.
    fn challenge_counts(&self, profile: &str, time: StoreTime) -> Result<ChallengeCounts>;

    /// How much there is.
    fn sizes(&self) -> Result<Sizes>;

    /// Reads and checks everything: records, what they refer to, and the audit chain.
    fn verify(&self) -> Result<VerifyReport>;
}
