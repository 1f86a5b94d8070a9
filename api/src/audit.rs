//! Audit events and how to ask for them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How an action ended: done, refused or gone wrong, or waiting for an operator or an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused or went wrong.
    Failure,
    /// It waits for an operator or an issuer.
    Pending,
}

/// One event of the append-only audit chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// Number in the chain.
    pub id: u64,
    /// When it was recorded.
    #[serde(with = "crate::time")]
    pub timestamp: DateTime<Utc>,
    /// Who did it: an operator's name, a device, or `scepd` itself.
    pub actor: String,
    /// `APIKey`, `OIDC`, `Device`, `CLI` or `System`.
    pub actor_type: String,
    /// What was done, such as `scep_pkcsreq_intune` or `cert_revoke`.
    pub action: String,
    /// What it was done to: `certificate`, `scep_request` (a request without one), `scep_profile`, `token`, and so on.
    pub resource_type: String,
    /// Which one; the serial number of a `certificate`, the transactionID of a `scep_request`. Empty when there is none.
    pub resource_id: String,
    /// The rest.
    pub details: AuditDetails,
}

/// The particulars of an event. Everything is omitted when absent. Some actions have more to say, under names of their
/// own, such as `file` or `findings`; those values are strings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditDetails {
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The Intune label or a policy reason, such as `claim_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Path id of the profile; empty is the root profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_id: Option<String>,
    /// Serial number in lower-case hex, when a certificate was issued or is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Common name the request asked for. Text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// Alternative names the request asked for, as `dns:a, email:b`. Text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sans: Option<String>,
    /// The transactionID. Text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// Address that the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// The client's User-Agent. Text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The Intune device (claim `sub`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The Intune issuer (claim `iss`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_issuer: Option<String>,
    /// What the challenge says, as far as it can be read. With a member `unverified` beside it, no trusted connector
    /// signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// What the CSR asked for, in the same dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<CsrNames>,
    /// What an operator wrote beside an approval, denial or revocation, or what else is to be known, such as `sent
    /// again`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Id of the HTTP request, as in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whatever else an action has to say, by name, such as `file` or `findings`.
    #[serde(flatten)]
    pub extra: BTreeMap<String, String>,
}

/// The claims of an Intune challenge. Absent claims are omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// Issuer: the connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Subject: the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Issued at, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Expires at, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Number used once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The common name the challenge was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// DNS names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_dns: Vec<String>,
    /// E-mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_rfc822: Vec<String>,
    /// User principal names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_upn: Vec<String>,
}

/// The names in a CSR, in the dimensions of `Claim`. Empty lists are omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CsrNames {
    /// Common names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device_name: Vec<String>,
    /// DNS names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_dns: Vec<String>,
    /// E-mail addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_rfc822: Vec<String>,
    /// User principal names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_upn: Vec<String>,
    /// IP addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_ip: Vec<String>,
    /// URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_uri: Vec<String>,
    /// Names of any other kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub san_other: Vec<String>,
}

/// Query of `GET /api/v1/audit`. All filters are combined with AND; empty ones don't filter,
/// except that `profile=` given and empty means the root profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct AuditQuery {
    /// Exact action. Enrollments: `scep_pkcsreq`, `scep_renewalreq`, `scep_pkcsreq_intune`, `scep_renewalreq_intune`.
    /// Refused questions of devices: `scep_certpoll`, `scep_getcert`, `scep_getcrl`. Operators: `scep_trust_reload`,
    /// `scep_config_reload`, `cert_revoke`, `scep_request_approve`, `scep_request_deny`, `token_create`, `token_revoke`,
    /// and so on. The server itself: `audit_prune` (events older than `audit.retention` were let go),
    /// `scep_profile_restart`, `scep_source_locked_out` (too many wrong challenges).
    #[param(example = "scep_pkcsreq_intune")]
    pub action: Option<String>,
    /// Exact path id of a profile. Given and empty, the root profile; absent, all.
    #[param(example = "corp")]
    pub profile: Option<String>,
    /// Exact outcome.
    pub outcome: Option<Outcome>,
    /// Only events at or after this time.
    #[serde(default, with = "crate::time::option")]
    pub since: Option<DateTime<Utc>>,
    /// Only events before this time.
    #[serde(default, with = "crate::time::option")]
    pub until: Option<DateTime<Utc>>,
    /// Text that appears in device, serial, common name, transactionID, reason, source address, actor, resource id,
    /// request id or, of what did not succeed, the message; without regard to case.
    pub q: Option<String>,
    /// Page number, from 1.
    #[param(minimum = 1, maximum = 2_147_483_647, default = 1)]
    pub page: Option<u32>,
    /// Rows on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub per_page: Option<u32>,
}
