//! `[[tenant]]`: an Intune tenant whose service is asked; `[profile.intune_cloud]`: what a profile asks it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{AskedUrl, Secret, Span};

/// One of Microsoft's clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// The world-wide cloud, GCC included.
    #[default]
    Global,
    /// US Government, GCC High.
    GccHigh,
    /// US Government, Department of Defense.
    Dod,
    /// China, run by 21Vianet.
    China,
}

impl From<Cloud> for intune_cloud::Cloud {
    fn from(cloud: Cloud) -> Self {
        match cloud {
            Cloud::Global => Self::Global,
            Cloud::GccHigh => Self::GccHigh,
            Cloud::Dod => Self::Dod,
            Cloud::China => Self::China,
        }
    }
}

/// How a certificate credential signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assertion {
    /// RSA-PSS with the SHA-256 thumbprint, as Microsoft asks for now.
    #[default]
    Ps256,
    /// RSA PKCS#1 with the SHA-1 thumbprint, as before.
    Rs256,
}

/// `[[tenant]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tenant {
    /// Name that profiles refer to.
    pub id: String,
    /// The tenant: a GUID, or a domain such as contoso.onmicrosoft.com.
    pub tenant: String,
    /// The app's (client) id.
    pub client_id: String,
    /// The app's secret.
    pub client_secret: Option<Secret>,
    /// File that holds `client_secret`.
    pub client_secret_file: Option<PathBuf>,
    /// The app's certificate, PEM, instead of a secret.
    pub client_cert_path: Option<PathBuf>,
    /// Its key (RSA), PEM, mode 0600.
    pub client_key_path: Option<PathBuf>,
    /// How it signs.
    pub assertion: Assertion,
    /// File with another identity provider's token (workload identity federation), instead of a secret.
    pub federated_token_file: Option<PathBuf>,
    /// Whether Azure gives this machine its tokens; `client_id` then names an identity that was assigned, or is empty.
    pub managed_identity: bool,
    /// Which of Microsoft's clouds.
    pub cloud: Cloud,
    /// Where tokens come from, instead of the cloud's.
    pub authority_url: Option<String>,
    /// Microsoft Graph, instead of the cloud's.
    pub graph_url: Option<String>,
    /// The resource of Graph's tokens, instead of `graph_url`.
    pub graph_resource: Option<String>,
    /// The resource of Intune's tokens, instead of the cloud's.
    pub intune_resource: Option<String>,
    /// Where Intune's services are listed, instead of at Graph.
    pub discovery_url: Option<String>,
    /// Hosts that a listed service may be on, instead of the cloud's domain.
    pub allowed_hosts: Vec<String>,
    /// A proxy for all calls of this tenant.
    pub proxy: Option<AskedUrl>,
    /// CA certificates that Microsoft's must chain to, PEM, where a proxy looks into TLS; absent = the system's.
    pub ca_bundle_path: Option<PathBuf>,
    /// When the secret ends, as the portal shows it: `2027-11-30`.
    pub secret_expires: Option<String>,
    /// Whether certificates are revoked that Intune wants revoked.
    pub revoke: bool,
    /// More than this share of the tenant's valid certificates is not revoked in 24 hours without an admin, in percent,
    pub max_revocations_percent: u32,
    /// where it is more than this number.
    pub max_revocations_least: u64,
    /// Whether Graph is asked again and again for devices and users that are deleted, wiped, retired or disabled.
    pub device_sweep: DeviceState,
    /// How often.
    pub device_sweep_every: Span,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            id: String::new(),
            tenant: String::new(),
            client_id: String::new(),
            client_secret: None,
            client_secret_file: None,
            client_cert_path: None,
            client_key_path: None,
            assertion: Assertion::Ps256,
            federated_token_file: None,
            managed_identity: false,
            cloud: Cloud::Global,
            authority_url: None,
            graph_url: None,
            graph_resource: None,
            intune_resource: None,
            discovery_url: None,
            allowed_hosts: Vec::new(),
            proxy: None,
            ca_bundle_path: None,
            secret_expires: None,
            revoke: true,
            max_revocations_percent: 5,
            max_revocations_least: 20,
            device_sweep: DeviceState::Off,
            device_sweep_every: Span::hours(4),
        }
    }
}

/// What becomes of what Graph says of a device and its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// It is not asked.
    #[default]
    Off,
    /// It stands in the audit.
    Observe,
    /// It decides.
    Enforce,
}

/// What becomes of a device of which nothing is known while Graph does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outage {
    /// It waits (PENDING).
    #[default]
    Wait,
    /// It is let in, and the audit says so.
    Allow,
}

/// `[profile.intune_cloud]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntuneCloud {
    /// Ids of the tenants whose devices enroll here; empty = off.
    pub tenants: Vec<String>,
    /// Whether Intune must know of a certificate before its device gets it.
    pub wait_for_notification: bool,
    /// Enrollments of one device within 24 hours; 0 = no limit.
    pub per_device_rate_limit_24h: u32,
    /// The subject attribute (such as `O`) that names the tenant, where there are several.
    pub tenant_attribute: Option<String>,
    /// What becomes of what Graph says of the device and its user.
    pub compliance: DeviceState,
    /// For how long after it was enrolled a device need not be compliant.
    pub compliance_grace: Span,
    /// How long the certificate of a device is valid that need not be compliant yet; 0 = as long as others.
    pub bootstrap_lifetime: Span,
    /// For how long Graph's last answer counts while it gives none, if nothing spoke against the device; 0 = it does not.
    pub compliance_remembered: Span,
    /// What becomes of a device without such an answer.
    pub compliance_outage: Outage,
    /// What is done with a SID (strong mapping) in the alternative names.
    pub sid: Sid,
}

/// What is done with a SID in the alternative names, once Intune let the device in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sid {
    /// It is kept: Intune compared it with what it asked for.
    #[default]
    Keep,
    /// It is kept if Graph has it for the user of the request; else the request is refused.
    Verify,
    /// As with `verify`, and the certificate has the extension with the SID that Graph has for the user.
    Extension,
    /// It is left out.
    Strip,
}

impl From<Sid> for intune_cloud::SidRule {
    fn from(sid: Sid) -> Self {
        match sid {
            Sid::Keep => Self::Keep,
            Sid::Verify => Self::Verify,
            Sid::Extension => Self::Extension,
            Sid::Strip => Self::Strip,
        }
    }
}

impl Default for IntuneCloud {
    fn default() -> Self {
        Self {
            tenants: Vec::new(),
            wait_for_notification: true,
            per_device_rate_limit_24h: 10,
            tenant_attribute: None,
            compliance: DeviceState::Off,
            compliance_grace: Span::hours(24),
            bootstrap_lifetime: Span::ZERO,
            compliance_remembered: Span::hours(24),
            compliance_outage: Outage::Wait,
            sid: Sid::Keep,
        }
    }
}

impl IntuneCloud {
    /// Whether the profile takes cloud challenges.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.tenants.is_empty()
    }
}
