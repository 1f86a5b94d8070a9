//! What a request that waits for an operator keeps of its arrival, for the events that end it.

use crate::audit;
use crate::candidate::Candidate;
use crate::excerpt;
use crate::messages::Origin;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::TransactionRecord;

/// Kept in [`TransactionRecord::context`], as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// Whether it came with an Intune challenge.
    #[serde(default)]
    pub(crate) intune: bool,
    /// What the challenge says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<Value>,
    /// Who minted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim_issuer: Option<String>,
    /// What the CSR says in the same dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) csr: Option<Value>,
    /// The client's User-Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
    /// The id under which the request is in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

impl Context {
    /// Of a request that begins to wait.
    pub(crate) fn of_candidate(origin: &Origin, candidate: &Candidate) -> Self {
        let claim = candidate.claim();
        let mut context = Self {
            intune: candidate.intune,
            claim: claim.and_then(|claim| serde_json::to_value(claim).ok()),
            claim_issuer: claim.map(|claim| claim.iss.clone()),
            csr: candidate.intune.then(|| audit::csr_facts(&candidate.facts)),
            user_agent: origin.user_agent.clone(),
            request_id: Some(origin.request_id.clone()),
        };
        excerpt::context(&mut context);
        context
    }

    /// Of a request that waits. One that came before contexts were kept has little.
    pub(crate) fn of_record(record: &TransactionRecord) -> Self {
        let kept = record.context.as_deref();
        kept.and_then(|octets| serde_json::from_slice(octets).ok())
            .unwrap_or_else(|| Self {
                intune: record.device.is_some(),
                ..Self::default()
            })
    }

    /// For the record.
    pub(crate) fn octets(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }
}
