//! The start-up checks, run now.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChecksRequest {
    /// Only this profile (empty is the root profile); all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// What the checks found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChecksReply {
    /// Whether the server would start with what is on disk now (warnings allowed).
    pub ok: bool,
    /// What was found, errors first.
    pub findings: Vec<CheckFinding>,
    /// How many profiles were looked at.
    pub profiles_checked: usize,
    /// When.
    #[serde(with = "crate::time")]
    pub generated_at: DateTime<Utc>,
}

/// `error`: the server would not start with it; `warning`: it needs attention soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckLevel {
    /// The server would not start with it.
    Error,
    /// It needs attention soon.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckFinding {
    /// How bad it is.
    pub level: CheckLevel,
    /// Path id of the profile (empty is the root profile). Omitted when it concerns the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The setting, such as `ra_cert_path`. Omitted when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// The file. Omitted when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub action: String,
}
