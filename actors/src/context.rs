//! What a request that waits for an operator keeps of its arrival, for the events that end it.

use crate::enrollment::{Ended, EnrollmentRequest, Key, PriorResult, Reserved, Waiting};
use crate::excerpt;
use crate::messages::Origin;
use crate::network::network_of;
use challenge::{CsrFacts, DeviceKey, ReplayKey, Terms};
use chrono::{DateTime, Utc};
use pki::Csr;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use store::{EnrollmentRecord, Refusal, Stage};

/// Kept in [`EnrollmentRecord::context`], as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// Whether it came with an Intune challenge.
    #[serde(default)]
    pub(crate) intune: bool,
    /// What the CSR says in the dimensions of a claim.
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
    /// Which challenge it came with, by its name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) challenge: Option<String>,
    /// What whoever vouched says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vouched: Option<String>,
    /// What whoever vouches asks of the certificate.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) terms: Terms,
    /// What was taken for it while it is open, and is made durable with its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<Taken>,
    /// When its present stage began, by the store's clock: by this its time is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// How often somebody outside answered its present stage with a failure, or not at all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) failed: u32,
    /// Other transactions that ask for the same with the same key: they end as this one does. The oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) joined: Vec<Joined>,
}

fn is_default(terms: &Terms) -> bool {
    *terms == Terms::default()
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// [`Reserved`] as they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    once: Vec<(Key, DateTime<Utc>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<Box<Key>>,
    quota: Vec<Key>,
    limit: u32,
    at: DateTime<Utc>,
}

/// Other transactions that a waiting request remembers; of more the oldest are forgotten.
const MOST_JOINED: usize = 16;

/// A transaction that joined a waiting request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joined {
    /// [`EnrollmentRecord::key`]
    pub(crate) key: Key,
    /// [`EnrollmentRecord::poll_key`]
    pub(crate) poll: Key,
    /// [`EnrollmentRecord::transaction_id`]
    pub(crate) transaction_id: String,
    /// [`EnrollmentRecord::message_type`]
    pub(crate) message_type: u8,
    /// The version of its own record, if an earlier request of this key left one.
    #[serde(default)]
    pub(crate) version: u64,
    /// Its CSR, DER, where whoever vouched for it is to be told of the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) csr: Option<Vec<u8>>,
}

impl Ended {
    /// Of a request that waited.
    pub(crate) fn new(context: &Context, replaced: bool) -> Self {
        Self {
            message: context.message,
            replaced,
            told: None,
        }
    }

    /// Of a request that ended; records of earlier versions have nothing.
    pub(crate) fn of_record(record: &EnrollmentRecord) -> Self {
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
    pub(crate) fn of_candidate(origin: &Origin, asked: &EnrollmentRequest) -> Self {
        let mut context = Self {
            intune: asked.intune,
            csr: asked.intune.then(|| csr_facts(&asked.facts)),
            user_agent: origin.user_agent.clone(),
            request_id: Some(origin.request_id.clone()),
            message: Some(asked.message),
            challenge: asked.challenge().map(str::to_owned),
            vouched: None,
            terms: Terms::default(),
            taken: None,
            since: None,
            failed: 0,
            joined: Vec::new(),
        };
        context.shorten();
        context
    }

    /// Of a request that waits. One that came before contexts were kept has little.
    pub(crate) fn of_record(record: &EnrollmentRecord) -> Self {
        let kept = record.context.as_deref();
        kept.and_then(|octets| serde_json::from_slice(octets).ok())
            .unwrap_or_else(|| Self {
                intune: record.grounds.device.is_some(),
                ..Self::default()
            })
    }

    /// Notes what was taken for it.
    pub(crate) fn take(&mut self, reserved: &Reserved) {
        self.taken = Some(Taken {
            once: reserved
                .once
                .iter()
                .map(|(key, until)| (key.0, *until))
                .collect(),
            used: reserved.used.clone(),
            quota: reserved.quota.iter().map(|device| device.0).collect(),
            limit: reserved.limit,
            at: reserved.at,
        });
    }

    /// What was taken for it is durable by itself now.
    pub(crate) fn release(&mut self) {
        self.taken = None;
    }

    /// What was taken for it.
    pub(crate) fn taken(&self) -> Reserved {
        let Some(taken) = &self.taken else {
            return Reserved::none(DateTime::UNIX_EPOCH);
        };
        Reserved {
            once: taken
                .once
                .iter()
                .map(|(key, until)| (ReplayKey(*key), *until))
                .collect(),
            used: taken.used.clone(),
            quota: taken.quota.iter().copied().map(DeviceKey).collect(),
            limit: taken.limit,
            at: taken.at,
        }
    }

    /// Of texts from outside the beginning is kept.
    fn shorten(&mut self) {
        for text in [
            &mut self.user_agent,
            &mut self.request_id,
            &mut self.vouched,
        ] {
            excerpt::name(text);
        }
        if let Some(value) = &mut self.csr {
            excerpt::facts(value);
        }
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

impl From<&EnrollmentRecord> for PriorResult {
    fn from(record: &EnrollmentRecord) -> Self {
        Self {
            stage: record.stage.clone(),
            updated_at: record.times.updated,
            needs_approval: record.needs_approval,
            profile: Arc::new(record.profile.clone()),
            version: record.version,
            waiting: record
                .stage
                .awaits_approval()
                .then(|| Arc::new(Waiting::of_record(record))),
            ended: matches!(
                record.stage,
                Stage::Refused(Refusal::Denied { .. } | Refusal::ApprovalExpired)
            )
            .then(|| Box::new(Ended::of_record(record))),
            refused: matches!(
                record.stage,
                Stage::Refused(
                    Refusal::Gate { .. } | Refusal::Policy { .. } | Refusal::Failed { .. }
                )
            )
            .then(|| Box::new(Ended::of_record(record))),
        }
    }
}

impl Waiting {
    /// Of a record that waits. One whose CSR cannot be read is joined by nobody.
    pub(crate) fn of_record(record: &EnrollmentRecord) -> Self {
        let csr = record
            .csr
            .as_deref()
            .and_then(|der| Csr::from_der(der).ok());
        let mut waiting = match csr {
            Some(csr) => Self::new(&csr, record.source_ip),
            None => Self {
                spki: record.key,
                content: record.key,
                source: record.source_ip.map(network_of),
                joined: Vec::new(),
            },
        };
        let context = Context::of_record(record);
        waiting.joined = context
            .joined
            .iter()
            .map(|one| (one.key, one.poll))
            .collect();
        waiting
    }
}

/// What the CSR says in each of the dimensions that a claim has, under the claim's names, and in
/// those that no claim has.
pub(crate) fn csr_facts(facts: &CsrFacts) -> Value {
    serde_json::to_value(facts).unwrap_or_default()
}
