use serde::Serialize;

use crate::AuditCheck;

/// How much the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Bytes of the store's files.
    pub disk_bytes: u64,
    /// Certificates, revoked and expired ones too.
    pub certificates: u64,
    /// Enrollments known.
    pub transactions: u64,
    /// Of these, those that wait for an operator.
    pub pending: u64,
    /// Notices that are not yet delivered.
    pub notices: u64,
    /// Challenges that are open.
    pub challenges: u64,
    /// Audit events kept.
    pub audit_events: u64,
    /// API tokens, revoked ones too.
    pub tokens: u64,
    /// Approximate bytes of memory that the search indexes take.
    pub index_bytes: u64,
}

/// Something wrong in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which record, by kind and name.
    pub record: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What reading the whole store found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The schema version.
    pub schema_version: u32,
    /// Records read.
    pub records: u64,
    /// How much there is.
    pub sizes: Sizes,
    /// Replay marks, past ones that were not yet swept included.
    pub replay_marks: u64,
    /// Rate marks, past ones that were not yet swept included.
    pub rate_marks: u64,
    /// What is wrong with records, in order; at most the first 1000.
    pub faults: Vec<Fault>,
    /// The audit chain.
    pub audit: AuditCheck,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && self.audit.is_good()
    }
}
