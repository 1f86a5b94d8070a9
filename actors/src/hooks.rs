//! What an enrollment may ask of the outside world.

use chrono::{DateTime, Utc};
use pki::Certificate;
use std::future::Future;
use std::pin::Pin;

/// What the compliance hook is told about an enrollment (gate 9).
#[derive(Debug, Clone)]
pub struct ComplianceQuestion {
    /// The profile's path id.
    pub profile: String,
    /// The SCEP transactionID.
    pub transaction_id: String,
    /// What the challenge claims.
    pub claim: challenge::Claim,
    /// What the CSR says.
    pub csr: challenge::CsrFacts,
}

/// What the hook answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The device may have its certificate.
    Compliant,
    /// It may not.
    NotCompliant {
        /// The hook's reason, untrusted text, or why it could not be asked; may be empty.
        reason: String,
    },
    /// Nobody knows, and the hook is set to let such devices in.
    LetIn {
        /// Why there was no answer, in words; for the audit.
        why: String,
    },
}

/// A boxed answer to come.
pub type VerdictFuture = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// Asked last, before anything is issued. How an error or a timeout counts (fail closed or fail
/// open) is the hook's own setting: what comes back is a verdict either way.
pub trait ComplianceHook: Send + Sync {
    /// Asks about one device.
    fn ask(&self, question: ComplianceQuestion) -> VerdictFuture;
}

/// What a former server's revocations say of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Whether it is revoked.
    pub revoked: bool,
    /// Which list says so, in words; for the audit.
    pub list: String,
}

/// The revocations of the server that issued certificates of a CA before this one did.
pub trait FormerRevocations: Send + Sync {
    /// Looks a certificate up. Called on a compute thread: it may read a file and does not wait for a network.
    ///
    /// # Errors
    /// There is no list that is whole, fresh at `now` and signed by the CA; why, in words.
    fn look(&self, certificate: &Certificate, now: DateTime<Utc>) -> Result<Former, String>;
}
