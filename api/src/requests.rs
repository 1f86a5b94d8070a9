//! Requests that wait for an operator.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// An enrollment that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingRequest {
    /// Names the request in the approve and deny routes: `<path id>.<32 hex digits>`.
    pub id: String,
    /// Path id of the profile; empty is the root profile.
    pub profile: String,
    /// The issuer that would sign.
    pub issuer_id: String,
    /// The transactionID. Text from outside.
    pub transaction_id: String,
    /// Whole subject of the CSR. Text from outside.
    pub subject: String,
    /// Common name; empty when the CSR has none. Text from outside.
    pub common_name: String,
    /// Alternative names as `dns:a, email:b`. Omitted when the CSR has none. Text from outside.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sans: String,
    /// The key, as `RSA 2048` or `EC P-256`.
    pub public_key: String,
    /// Whether the device renews a certificate it already has.
    pub renewal: bool,
    /// The Intune device. Omitted when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Address that the request came from. Omitted when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// When the device first asked.
    #[serde(with = "crate::time")]
    pub requested_at: DateTime<Utc>,
    /// When the request lapses by itself. Omitted when it does not.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<DateTime<Utc>>,
}

/// Query of `GET /api/v1/admin/scep/requests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct RequestQuery {
    /// Exact path id of a profile. Given and empty, the root profile; absent, all.
    #[param(example = "corp")]
    pub profile: Option<String>,
    /// Page number, from 1.
    #[param(minimum = 1, maximum = 2_147_483_647, default = 1)]
    pub page: Option<u32>,
    /// Rows on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub per_page: Option<u32>,
}

/// What to keep beside a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Why; goes into the audit event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// `approved`: the certificate is issued, and the device fetches it at its next poll; `denied`: it is told so then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// The certificate is issued; the device fetches it the next time it asks.
    Approved,
    /// The device is refused the next time it asks.
    Denied,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecisionReply {
    /// The request.
    pub id: String,
    /// What became of it.
    pub state: RequestState,
    /// Who decided.
    pub decided_by: String,
    /// When.
    #[serde(with = "crate::time")]
    pub decided_at: DateTime<Utc>,
}
