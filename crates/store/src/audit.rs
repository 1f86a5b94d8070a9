use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

/// How what an event tells of ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused or failed.
    Failure,
    /// It waits for an operator.
    Pending,
}

impl Outcome {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Pending => "pending",
        }
    }

    /// The outcome that a word of the API names.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "success" => Some(Self::Success),
            "failure" => Some(Self::Failure),
            "pending" => Some(Self::Pending),
            _ => None,
        }
    }
}

/// Something that happened: an enrollment's outcome or an operator's action.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditEvent {
    /// When.
    pub timestamp: DateTime<Utc>,
    /// Who: a device, an operator, the server.
    pub actor: String,
    /// What kind of actor (`Device`, `APIKey`, `System`, ...).
    pub actor_type: String,
    /// What was done (`scep_pkcsreq`, `cert_revoke`, ...).
    pub action: String,
    /// What kind of thing it was done to.
    pub resource_type: String,
    /// Which one.
    pub resource_id: String,
    /// All else.
    pub details: AuditDetails,
}

/// What an event says besides who, what and when. Absent members are left out of JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AuditDetails {
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The label or policy reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in plain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The SCEP profile (path id; `""` is the root profile).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_id: Option<String>,
    /// The certificate's serial, lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The common name asked for or issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// The alternative names, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sans: Option<String>,
    /// The transactionID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// The client's User-Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The device that the challenge named (its `sub`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Who issued the challenge (its `iss`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_issuer: Option<String>,
    /// What the challenge said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<serde_json::Value>,
    /// What the CSR said in the same dimensions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csr: Option<serde_json::Value>,
    /// The request id that the logs carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// An operator's or policy's note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Anything else, by name.
    #[serde(flatten)]
    pub extra: BTreeMap<String, String>,
}

/// An event with its place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Its number: 1, 2, 3, ... without a gap.
    pub id: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: AuditEvent,
    /// SHA-256 over the previous event's digest, the id and the stored octets; hex in JSON.
    #[serde(serialize_with = "as_hex")]
    pub digest: [u8; 32],
}

/// A search in the audit events. Empty = all. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// One of these actions; empty = any.
    pub actions: Vec<String>,
    /// The SCEP profile, exactly (`""` is the root profile).
    pub profile: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// At this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// A part of the device, serial, common name, transactionID, reason, source address, actor, resource or request id or, of
    /// what did not succeed, the message; letter case ignored.
    pub q: Option<String>,
    /// The device, whole, letter case ignored.
    pub device: Option<String>,
    /// The certificate's serial in hex, whole; letter case, colons and leading zeros ignored.
    pub serial: Option<String>,
    /// The common name, whole, letter case ignored.
    pub common_name: Option<String>,
    /// The transactionID, whole, letter case ignored.
    pub transaction_id: Option<String>,
    /// The page, from 1; 0 counts as 1.
    pub page: u32,
    /// Items on a page, 1 to 1000; 0 counts as 50.
    pub per_page: u32,
}

/// Where the kept part of the chain begins after older events were pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditAnchor {
    /// The last pruned event.
    pub id: u64,
    /// Its digest, which the first kept event's digest covers.
    #[serde(serialize_with = "as_hex")]
    pub digest: [u8; 32],
    /// When it was pruned.
    pub pruned_at: DateTime<Utc>,
    /// The event that says so. `None` is a fault, unless a scepd pruned that wrote no such events
    /// yet.
    pub named_by: Option<u64>,
}

/// What checking the audit chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditCheck {
    /// Events read and checked.
    pub checked: u64,
    /// The oldest event kept; `None` when there is none.
    pub first_id: Option<u64>,
    /// The newest event by the head record; 0 when there never was one.
    pub last_id: u64,
    /// The newest event's digest by the head record: note it elsewhere to compare later.
    #[serde(serialize_with = "as_hex")]
    pub head: [u8; 32],
    /// Set when older events were pruned.
    pub anchor: Option<AuditAnchor>,
    /// What is wrong, by event; at most the first 1000.
    pub faults: Vec<AuditFault>,
}

impl AuditCheck {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// One thing wrong with the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum AuditFault {
    /// The stored octets do not fit the stored digest.
    #[error("event {id} was altered: its digest does not fit what is stored")]
    Altered {
        /// The event.
        id: u64,
    },
    /// These events are not there.
    #[error("events {from} to {to} were removed")]
    Removed {
        /// The first missing event.
        from: u64,
        /// The last missing event.
        to: u64,
    },
    /// There are events after the one that the head record names.
    #[error("event {id} is not covered by the head record")]
    Added {
        /// The event.
        id: u64,
    },
    /// The head record names another digest than the newest event has.
    #[error("the head record does not fit event {id}, the newest")]
    Head {
        /// The newest event.
        id: u64,
    },
    /// The chain had another event here: from it on, or from one before it, the chain was made anew.
    #[error("event {id} is not the one that was there when the witness was written")]
    Replaced {
        /// The event.
        id: u64,
    },
    /// The file beside the database that says how far the chain had come is not what was written.
    #[error("the witness of the chain's end, a file in the store's directory, cannot be read")]
    HighWaterMark,
    /// Older events are gone, and none of those kept says that they were let go.
    #[error("the events up to {id} are gone, and no event says that they were let go")]
    Unrecorded {
        /// The last event that is gone.
        id: u64,
    },
    /// The event fits the chain but cannot be decoded.
    #[error("event {id} cannot be decoded")]
    Unreadable {
        /// The event.
        id: u64,
    },
}

fn as_hex<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(digest))
}
