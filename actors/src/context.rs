//! What a request that waits for an operator keeps of its arrival, for the events that end it.

use crate::audit;
use crate::candidate::Candidate;
use crate::excerpt;
use crate::messages::Origin;
use crate::transactions::Key;
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
    /// A digest of the PKIMessage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Key>,
    /// Other transactions that ask for the same with the same key: they end as this one does. The oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) joined: Vec<Joined>,
}

/// Other transactions that a waiting request remembers; of more the oldest are forgotten.
const MOST_JOINED: usize = 16;

/// A transaction that joined a waiting request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// [`TransactionRecord::key`]
    pub(crate) key: Key,
    /// [`TransactionRecord::poll_key`]
    pub(crate) poll: Key,
    /// [`TransactionRecord::transaction_id`]
    pub(crate) transaction_id: String,
    /// [`TransactionRecord::message_type`]
    pub(crate) message_type: u8,
}

/// What is kept of the context of a request that was not approved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// A digest of the PKIMessage that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Key>,
    /// Whether a newer request of the same key took its place.
    #[serde(default)]
    pub(crate) replaced: bool,
}

impl Ended {
    /// Of a request that waited.
    pub(crate) fn new(context: &Context, replaced: bool) -> Self {
        Self {
            message: context.message,
            replaced,
        }
    }

    /// Of a request that ended; records of earlier versions have nothing.
    pub(crate) fn of_record(record: &TransactionRecord) -> Self {
        let kept = record.context.as_deref();
        kept.and_then(|octets| serde_json::from_slice(octets).ok())
            .unwrap_or_default()
    }

    /// For the record.
    pub(crate) fn octets(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }
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
            message: Some(candidate.message),
            joined: Vec::new(),
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

    /// Notes that another transaction joined.
    pub(crate) fn join(&mut self, joined: Joined) {
        self.joined.retain(|one| one.key != joined.key);
        if self.joined.len() >= MOST_JOINED {
            self.joined.remove(0);
        }
        self.joined.push(joined);
    }

    /// For the record.
    pub(crate) fn octets(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }
}
