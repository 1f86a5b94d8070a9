//! The one question that an enrollment may ask of the outside world.

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
