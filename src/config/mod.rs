//! The configuration: one immutable value merged from a TOML file, the environment and flags.
//!
//! Settings are plain data with defaults; what they mean together, and whether the files they
//! name are good, is decided by the start-up checks.
//! - [`Config`] and its sections: `server`, `admin`, `issuer`, `profile`
//! - [`Secret`], [`Span`], [`Moment`], [`Cidr`]: the value types
//! - [`Sources`]: file, environment and flags, merged into an [`Effective`] configuration
//! - [`EXAMPLE`]: a commented file with every key

mod admin;
mod asked_url;
mod certificate_profile;
mod challenges;
mod cidr;
mod environment;
mod error;
mod example;
mod file;
pub mod issuer_kinds;
mod load;
mod moment;
mod overrides;
mod profile;
mod profiles;
mod publish;
mod schema;
mod secret;
mod server;
mod span;
mod tenant;

use serde::{Deserialize, Serialize};

pub use admin::{Admin, Oidc};
pub use asked_url::AskedUrl;
pub use certificate_profile::{CertificateProfile, KeyType, San, SanType};
pub use challenges::{Alphabet, Binding, ChallengeWebhook, Jamf, Ndes, OneTime, PageEncoding};
pub use cidr::{Cidr, CidrError};
pub use error::{Error, Errors};
pub use example::EXAMPLE;
pub use issuer_kinds::{Issuer, IssuerKind};
pub use load::{Effective, Notice, Sources};
pub use moment::{Moment, MomentError};
pub use profile::{
    ChallengePassword, Compliance, Crypto, Expired, ExtraName, Intune, IntuneTenant, Limits, Mtls,
    Outside, Profile, Ra, Renewal, UnknownCertificates,
};
pub use publish::Publish;
pub(crate) use schema::nearest;
pub use secret::{SHOWN, Secret};
pub(crate) use server::read_optional_address;
pub use server::{Access, Audit, Certificates, Log, LogFormat, Server, Store, StoreKind};
pub use span::{Span, SpanError};
pub use tenant::{Assertion, Cloud, DeviceState, IntuneCloud, Outage, Sid, Tenant};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[server]`.
    pub server: Server,
    /// `[store]`.
    pub store: Store,
    /// `[admin]`.
    pub admin: Admin,
    /// `[certificates]`.
    pub certificates: Certificates,
    /// `[audit]`.
    pub audit: Audit,
    /// `[log]`.
    pub log: Log,
    /// `[publish]`.
    pub publish: Publish,
    /// `[[issuer]]`.
    #[serde(rename = "issuer")]
    pub issuers: Vec<Issuer>,
    /// `[[certificate_profile]]`.
    #[serde(rename = "certificate_profile")]
    pub certificate_profiles: Vec<CertificateProfile>,
    /// `[[tenant]]`.
    #[serde(rename = "tenant")]
    pub tenants: Vec<Tenant>,
    /// `[[profile]]`.
    #[serde(rename = "profile")]
    pub profiles: Vec<Profile>,
}

impl Config {
    /// Reads a TOML text. `file` is how messages name it.
    ///
    /// # Errors
    /// All unknown keys, each with its line and the nearest known key; else the first value that
    /// does not fit its setting.
    pub fn parse(text: &str, file: &str) -> Result<Self, Errors> {
        file::parse(text, file)
    }

    /// The store's directory: `store.path`, or `store` under `server.data_dir`.
    #[must_use]
    pub fn store_path(&self) -> std::path::PathBuf {
        self.store
            .path
            .clone()
            .unwrap_or_else(|| self.server.data_dir.join("store"))
    }
}
