//! An enrollment: a request, where it stands, and on what grounds.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::CaId;

/// One enrollment as the server knows it, so that the same request gets the same answer, and so that
/// any node can go on with one that is not at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrollmentRecord {
    /// The SCEP profile (path id).
    pub profile: String,
    /// What makes it the same request: a digest of messageType, transactionID, signer certificate and CSR.
    pub key: [u8; 16],
    /// What a CertPoll names it by: a digest of transactionID and signer key. Need not be unique.
    pub poll_key: [u8; 16],
    /// How often it was put: 0 for one that is new. A put names here the version that it replaces,
    /// and is refused when another one is stored; what is stored then has the next version.
    pub version: u64,
    /// Where it stands.
    pub stage: Stage,
    /// Whether it waits, or waited, for an operator.
    pub needs_approval: bool,
    /// The transactionID as it came.
    pub transaction_id: String,
    /// The SCEP messageType number (19 PKCSReq, 17 RenewalReq).
    pub message_type: u8,
    /// The common name asked for, empty when there is none.
    pub common_name: String,
    /// The alternative names asked for, as text.
    pub sans: String,
    /// Where the request came from.
    pub source_ip: Option<IpAddr>,
    /// The CSR, DER. Leave out once decided: the certificate is what is kept.
    pub csr: Option<Vec<u8>>,
    /// Who vouched for the device, and for what.
    pub grounds: Grounds,
    /// What else is known of its arrival, opaque to the store. Leave out once decided.
    pub context: Option<Vec<u8>>,
    /// When somebody must look at it again; `None` = nobody need. Ignored once it is at its end.
    pub due: Option<DateTime<Utc>>,
    /// How often the present stage was tried.
    pub attempts: u32,
    /// Who works on it; `None` where nobody does, or where it is at its end.
    pub lease: Option<Lease>,
    /// When what happened.
    pub times: Times,
}

impl EnrollmentRecord {
    /// When it ends if no operator decides: only while it waits for one.
    #[must_use]
    pub const fn approval_ends(&self) -> Option<DateTime<Utc>> {
        match self.stage {
            Stage::AwaitingApproval { until } => until,
            _ => None,
        }
    }

    /// Whether another node than this one has the right to work on it, once so much time has passed.
    #[must_use]
    pub fn is_held_by_another(&self, node: &str, passed: DateTime<Utc>) -> bool {
        self.lease
            .as_ref()
            .is_some_and(|lease| lease.node != node && passed < lease.until)
    }
}

/// Where an enrollment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A validator outside this process is asked.
    Validating {
        /// By what the validator knows the question, where it has said so.
        handle: Option<String>,
    },
    /// It waits for an operator.
    AwaitingApproval {
        /// From then on it is refused; `None` = it waits for ever.
        until: Option<DateTime<Utc>>,
    },
    /// The issuer is asked. Durable before it is, where the issuer is outside this process.
    Issuing {
        /// The issuer's id in the configuration.
        issuer_id: String,
        /// By what the issuer knows the order, where it has said so.
        handle: Option<String>,
    },
    /// Its certificate is in the store, and leaves only once somebody outside knows of it.
    Notifying {
        /// The CA that signed it.
        ca: CaId,
        /// The certificate's serial octets.
        serial: Vec<u8>,
    },
    /// Its certificate is in the store.
    Issued {
        /// The CA that signed it.
        ca: CaId,
        /// The certificate's serial octets.
        serial: Vec<u8>,
    },
    /// It gets no certificate.
    Refused(Refusal),
}

impl Stage {
    /// Whether something is still to be done or decided.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Issued { .. } | Self::Refused(_))
    }

    /// Whether it waits for an operator.
    #[must_use]
    pub const fn awaits_approval(&self) -> bool {
        matches!(self, Self::AwaitingApproval { .. })
    }
}

/// Why an enrollment gets no certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The profile's policy refuses what it asks for.
    Policy {
        /// Which rule, in one word.
        reason: String,
        /// The rule in words.
        message: String,
    },
    /// A gate or a validator refuses it.
    Gate {
        /// Which, in one word.
        label: String,
        /// Why, in words.
        message: String,
    },
    /// An operator refused it.
    Denied {
        /// Who.
        by: String,
        /// What they noted.
        note: Option<String>,
    },
    /// No operator decided in time.
    ApprovalExpired,
    /// It could not be carried out, and is not tried again.
    Failed {
        /// Why, in words.
        message: String,
    },
}

/// Who vouched for an enrollment, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// What vouched: `static`, `intune`, `certificate` (one that it renews), or another validator's
    /// name. Empty where an earlier version of scepd did not note it.
    pub validator: String,
    /// The device, where the challenge named one.
    pub device: Option<String>,
    /// What the challenge says, in excerpts. Leave out once decided: the audit event is what is kept.
    pub claim: Option<Value>,
    /// Who minted the challenge.
    pub claim_issuer: Option<String>,
    /// The Windows SID that the challenge vouches for.
    pub vouched_sid: Option<String>,
    /// The serial of the certificate that it renews.
    pub renews: Option<Vec<u8>>,
}

/// The right of one node to work on an enrollment, and to ask others outside for it. Every put of an open stage renews it.
/// It binds by the record's version: who takes it over puts a record with another lease, and what its former holder puts
/// then is refused. Within a node the profile's actor sees to it that one piece of work is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which node.
    pub node: String,
    /// From then on others may take it over: a time of the store's, which has really passed.
    pub until: DateTime<Utc>,
}

/// When what happened to an enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// It first came.
    pub created: DateTime<Utc>,
    /// Its record last changed.
    pub updated: DateTime<Utc>,
    /// It was found to be authorised.
    pub validated: Option<DateTime<Utc>>,
    /// Its certificate was signed.
    pub issued: Option<DateTime<Utc>>,
    /// Whoever is to be told of it was told.
    pub notified: Option<DateTime<Utc>>,
    /// Its certificate was handed out, where that was noted.
    pub delivered: Option<DateTime<Utc>>,
}

impl Times {
    /// Of an enrollment that comes now.
    #[must_use]
    pub const fn starting(now: DateTime<Utc>) -> Self {
        Self {
            created: now,
            updated: now,
            validated: None,
            issued: None,
            notified: None,
            delivered: None,
        }
    }
}
