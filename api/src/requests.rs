//! Requests that wait for an operator.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An enrollment that waits for approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// Names the request in the approve and deny routes: `<path id>.<32 hex digits>`.
    pub id: String,
    /// Path id of the profile; `""` is the root profile.
    pub profile: String,
    /// The issuer that would sign.
    pub issuer_id: String,
    /// The transactionID. Text from outside.
    pub transaction_id: String,
    /// Whole subject of the CSR, as `O=Example, CN=device`. Text from outside.
    pub subject: String,
    /// Common name; `""` when the CSR has none. Text from outside.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestQuery {
    /// Exact path id; `""` is the root profile.
    pub profile: Option<String>,
    /// Page number from 1; 1 when absent.
    pub page: Option<u32>,
    /// Rows on a page, 1 to [`crate::MAX_PER_PAGE`]; [`crate::DEFAULT_PER_PAGE`] when absent.
    pub per_page: Option<u32>,
}

/// Body of the approve and deny routes; an empty body means the same as `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Why; goes into the audit event. At most 1000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// The certificate is issued; the device fetches it the next time it asks.
    Approved,
    /// The device is refused the next time it asks.
    Denied,
}

/// Reply of the approve and deny routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
