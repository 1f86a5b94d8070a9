//! The server itself: version, liveness, readiness.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Reply of `GET /api/v1/about`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Always `scepd`.
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

/// Reply of `GET /healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// Reply of `GET /readyz`, with 200 when ready and 503 when not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether enrollments are answered.
    pub ready: bool,
    /// What was looked at.
    pub checks: Vec<ReadinessCheck>,
}

/// One part of [`Readiness`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessCheck {
    /// `store` or `profiles`.
    pub name: String,
    /// Whether it is fine.
    pub ok: bool,
    /// What is wrong. Omitted when it is fine.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
