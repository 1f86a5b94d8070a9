//! Everything known of one device or transaction, stage by stage.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{AuditEvent, Certificate, Outcome};

/// Query of `GET /api/v1/admin/timeline`. What is given is combined with AND; without any of the first four
/// the story is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct TimelineQuery {
    /// Intune device, whole, in any case.
    #[param(example = "3f0c4a7e-laptop-17")]
    pub device: Option<String>,
    /// transactionID, whole, in any case.
    pub transaction_id: Option<String>,
    /// Serial number, whole, as tools print it - hex in any case, with colons or blanks, with 0x, or decimal.
    pub serial: Option<String>,
    /// Common name, whole, in any case.
    pub common_name: Option<String>,
    /// Exact path id of a profile. Given and empty, the root profile; absent, all.
    #[param(example = "corp")]
    pub profile: Option<String>,
}

/// The story of a device or transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// What happened, oldest first.
    pub entries: Vec<TimelineEntry>,
    /// The certificates that came of it, newest first.
    pub certificates: Vec<Certificate>,
    /// Whether older entries were left out because there are too many.
    pub truncated: bool,
    /// When this was put together.
    #[serde(with = "crate::time")]
    pub generated_at: DateTime<Utc>,
}

/// A stage in a device's life with its certificate. `lapsed`: nobody decided in time. `expires`: the validity ended, or
/// will end when the time is in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// One step of a timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// Path id of the profile; empty is the root profile.
    pub profile: String,
    /// The certificate concerned, in lower-case hex. Omitted when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The transactionID. Omitted when there is none. Text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The audit event behind it. Omitted when it follows from something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<AuditEvent>,
}
