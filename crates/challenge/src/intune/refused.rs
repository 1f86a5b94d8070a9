//! What a refusal says, and to whom.

use super::binding::Mismatch;
use super::claim::Claim;
use crate::Label;
use std::fmt;

/// A challenge that did not pass. For the log and the audit event; the device gets no more than
/// [`Refused::fail_info`] and the label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is counted.
    pub label: Label,
    /// Plain words for the operator. Text from the challenge is quoted, escaped and cut.
    pub reason: String,
    /// What the challenge says, as far as it can be read. Unless it is [`Refused::authentic`],
    /// anybody may have written it.
    pub claim: Option<Claim>,
    /// Whether a trust anchor's key made the signature, in date or not.
    pub authentic: bool,
    /// The number of the gate that refused.
    pub gate: u8,
    /// Gate 6: each dimension in which claim and CSR differ.
    pub mismatches: Vec<Mismatch>,
}

impl Refused {
    /// A refusal by the gate that is being asked; who asks it fills in which one that is.
    pub(super) fn new(label: Label, reason: String) -> Self {
        Self {
            label,
            reason,
            claim: None,
            authentic: false,
            gate: 0,
            mismatches: Vec::new(),
        }
    }

    /// The failInfo for the CertRep: 1 = badMessageCheck, 2 = badRequest.
    #[must_use]
    pub fn fail_info(&self) -> u8 {
        crate::fail_info(self.label)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, self.reason)
    }
}

impl std::error::Error for Refused {}
