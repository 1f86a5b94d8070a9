//! The server itself: version, liveness, readiness.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// Always `scepd`.
    #[schema(schema_with = crate::constant::scepd)]
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Version of the OpenSSL it was built with.
    pub openssl: String,
    /// When this process started.
    #[serde(with = "crate::time")]
    pub started_at: DateTime<Utc>,
    /// The server's clock now.
    #[serde(with = "crate::time")]
    pub now: DateTime<Utc>,
}

/// Liveness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(schema_with = crate::constant::ok)]
    pub status: String,
}

/// Readiness, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether enrollments are answered.
    pub ready: bool,
    /// What was looked at.
    pub checks: Vec<ReadinessCheck>,
}

/// One part of the readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadinessCheck {
    /// `store` or `profiles`.
    pub name: String,
    /// Whether it is fine.
    pub ok: bool,
    /// What is wrong. Omitted when it is fine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
