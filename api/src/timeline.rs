//! Everything known of one device or transaction, stage by stage.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{AuditEvent, Certificate, Outcome};

/// Query of `GET /api/v1/admin/timeline`. What is given is combined with AND; without any of the first four
/// the story is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineQuery {
    /// Exact Intune device.
    pub device: Option<String>,
    /// Exact transactionID.
    pub transaction_id: Option<String>,
    /// Exact serial number in hex.
    pub serial: Option<String>,
    /// Exact common name.
    pub common_name: Option<String>,
    /// Exact path id; `""` is the root profile.
    pub profile: Option<String>,
}

/// Reply of `GET /api/v1/admin/timeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// What happened, oldest first; `[]` when nothing is known.
    pub entries: Vec<TimelineEntry>,
    /// The certificates that came of it, newest first.
    pub certificates: Vec<Certificate>,
    /// Whether older entries were left out because there are too many.
    pub truncated: bool,
    /// When this was put together.
    #[serde(with = "crate::time")]
    pub generated_at: DateTime<Utc>,
}

/// A stage in a device's life with its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// An enrollment or renewal that was refused.
    Refused,
    /// A request that waits for an operator.
    Pending,
    /// Somebody outside was asked (a validator, an issuer), and is to be asked again.
    Asked,
    /// An operator approved.
    Approved,
    /// An operator denied.
    Denied,
    /// A request that nobody decided in time.
    Lapsed,
    /// A first certificate was issued.
    Issued,
    /// A certificate was renewed.
    Renewed,
    /// A certificate was revoked.
    Revoked,
    /// A certificate's validity ended (or will end: the time is in the future).
    Expires,
    /// Anything else.
    Other,
}

/// One step of a [`Timeline`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    #[serde(with = "crate::time")]
    pub timestamp: DateTime<Utc>,
    /// The stage.
    pub stage: Stage,
    /// How it ended. Omitted where that is no question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What happened, in one plain sentence.
    pub message: String,
    /// Path id of the profile; `""` is the root profile.
    pub profile: String,
    /// The certificate concerned, in lower-case hex. Omitted when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The transactionID. Omitted when there is none. Text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The audit event behind it. Omitted when it follows from something else (such as an expiry).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<AuditEvent>,
}
