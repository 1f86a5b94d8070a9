//! Intune's tenants: how each fares, and the revocations that it asks for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All tenants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantsReply {
    /// The tenants, by id; `[]` when there are none.
    pub data: Vec<TenantStatus>,
    /// When.
    #[serde(with = "crate::time")]
    pub generated_at: DateTime<Utc>,
}

/// How one tenant fares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantStatus {
    /// Its id in the configuration.
    pub id: String,
    /// The tenant: a GUID or a domain.
    pub tenant: String,
    /// The app's client id.
    pub client_id: String,
    /// What the app authenticates with: `client_secret`, `certificate`, `federated_token` or `managed_identity`.
    pub credential: String,
    /// Path ids of the profiles whose devices are the tenant's.
    pub profiles: Vec<String>,
    /// Those of them that do not ask just now, because none of their last calls was answered; one call after half a minute
    /// decides whether they ask again.
    pub resting_profiles: Vec<String>,
    /// When Intune last answered. Omitted while it was not asked since the server started.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::option"
    )]
    pub last_success: Option<DateTime<Utc>>,
    /// What is wrong now. Omitted when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<TenantTrouble>,
    /// When the present token was issued. Omitted when there is none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::option"
    )]
    pub token_issued: Option<DateTime<Utc>>,
    /// When the present token ends. Omitted when there is none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::option"
    )]
    pub token_expires: Option<DateTime<Utc>>,
    /// The roles in the present token. Omitted when there is none, or it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// When the secret or certificate ends. Omitted when that is not known.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::option"
    )]
    pub credential_expires: Option<DateTime<Utc>>,
    /// Whole days left until then, rounded down; negative once it has ended. Omitted when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_days_to_expiry: Option<i64>,
    /// This server's clock minus Microsoft's, in seconds. Omitted while nothing has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_difference: Option<i64>,
    /// Certificates that are made and not handed out yet, because Intune has to know of them first.
    pub notifications_waiting: usize,
    /// What Intune said of challenges, hour by hour, of the last 48 hours; the oldest first.
    pub codes: Vec<TenantHour>,
    /// The revocations that Intune asks for. Omitted when they are not handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<TenantRevocations>,
    /// What the last sweep of devices found. Omitted while there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<TenantSweep>,
}

/// What a sweep of devices found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantSweep {
    /// When it began.
    #[serde(with = "crate::time")]
    pub at: DateTime<Utc>,
    /// Devices in Intune.
    pub managed_devices: usize,
    /// Devices in Entra ID.
    pub registered_devices: usize,
    /// Valid certificates of such devices and users.
    pub certificates: usize,
    /// Certificates whose device or user is deleted, wiped or retired.
    pub gone: usize,
    /// Certificates whose device or user is disabled.
    pub disabled: usize,
    /// Certificates that were taken off hold.
    pub released: usize,
    /// Certificates that sweeps have put on hold.
    pub on_hold: usize,
}

/// What is wrong with a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantTrouble {
    /// Since when.
    #[serde(with = "crate::time")]
    pub since: DateTime<Utc>,
    /// In plain words, with what to do.
    pub message: String,
    /// Whether somebody has to mend it: trying again is of no use.
    pub lasting: bool,
}

/// What Intune said of challenges in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantHour {
    /// The hour's beginning.
    #[serde(with = "crate::time")]
    pub begins: DateTime<Utc>,
    /// How often which code came.
    pub codes: BTreeMap<String, u64>,
}

/// The revocations that Intune asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantRevocations {
    /// When Intune was last asked for them; the next time is 65 minutes later. Omitted when it never was.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::option"
    )]
    pub last_asked: Option<DateTime<Utc>>,
    /// How many came and are not reported yet.
    pub waiting: usize,
    /// Since when they are held because there are too many at once. Omitted when they are not.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::option"
    )]
    pub held_since: Option<DateTime<Utc>>,
    /// The certificates that are held, 100 at most.
    pub held: Vec<HeldRevocation>,
}

/// A certificate that Intune wants revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldRevocation {
    /// Its serial in lower-case hex.
    pub serial: String,
    /// Its common name. Text from outside.
    pub common_name: String,
    /// Its device. Omitted when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// What became of a batch that was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevocationsDecided {
    /// The tenant's id.
    pub tenant: String,
    /// How many revocations were decided on.
    pub decided: usize,
}
