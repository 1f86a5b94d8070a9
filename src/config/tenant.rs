//! `[[tenant]]`: an Intune tenant whose service is asked; `[profile.intune_cloud]`: what a profile asks it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{AskedUrl, Secret};

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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
}

impl Default for IntuneCloud {
    fn default() -> Self {
        Self {
            tenants: Vec::new(),
            wait_for_notification: true,
            per_device_rate_limit_24h: 10,
            tenant_attribute: None,
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
