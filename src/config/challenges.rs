//! Challenges that are made for one device: `[profile.one_time]` and who else may have them made.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{AskedUrl, Secret, Span};

/// `[profile.one_time]`: challenges that are made for one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneTime {
    /// Whether they are made and accepted.
    pub enabled: bool,
    /// For how long one is good, unless it is made for a shorter time.
    pub lifetime: Span,
    /// How many characters it has.
    pub length: usize,
    /// What it is made of.
    pub alphabet: Alphabet,
    /// How many may be open at once.
    pub max_open: u32,
    /// How many one client may have made in a minute; 0 = no limit.
    pub per_client_per_minute: u32,
}

impl Default for OneTime {
    fn default() -> Self {
        Self {
            enabled: false,
            lifetime: Span::minutes(60),
            length: 16,
            alphabet: Alphabet::Hex,
            max_open: 10_000,
            per_client_per_minute: 600,
        }
    }
}

/// What challenges for one device are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alphabet {
    /// 0 to 9 and A to F.
    #[default]
    Hex,
    /// A to Z and 2 to 7.
    Base32,
    /// 0 to 9, A to Z and a to z.
    Alphanumeric,
}

/// Whether a challenge is held to what its webhook named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binding {
    /// It is good for any request of its profile.
    Off,
    /// What does not fit is noted in the audit.
    #[default]
    Observe,
    /// What does not fit is refused.
    Enforce,
}

/// `[profile.jamf]`: the webhook `SCEPChallenge` of Jamf Pro, which Fleet calls too, at `/hooks/jamf/<path_id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jamf {
    /// Whether it is answered.
    pub enabled: bool,
    /// The name that Basic authentication must give.
    pub username: String,
    /// Its password.
    pub password: Option<Secret>,
    /// File that holds `password`.
    pub password_file: Option<PathBuf>,
    /// The header that must hold `header_value`, instead of Basic authentication.
    pub header_name: String,
    /// What it must hold.
    pub header_value: Option<Secret>,
    /// File that holds `header_value`.
    pub header_value_file: Option<PathBuf>,
    /// Certificates of those who may call, or of CAs that issue certificates to them alone, PEM; then it is served on the
    /// mTLS listener only.
    pub client_cert_path: Option<PathBuf>,
    /// For how long a challenge is good.
    pub lifetime: Span,
    /// Whether it is held to the profile and device that the webhook names.
    pub binding: Binding,
    /// How many are made in a minute; 0 = no limit.
    pub per_minute: u32,
}

impl Default for Jamf {
    fn default() -> Self {
        Self {
            enabled: false,
            username: String::new(),
            password: None,
            password_file: None,
            header_name: String::new(),
            header_value: None,
            header_value_file: None,
            client_cert_path: None,
            lifetime: Span::minutes(15),
            binding: Binding::Observe,
            per_minute: 60,
        }
    }
}

/// How the NDES page is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PageEncoding {
    /// As its own meta element says.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// As NDES sends it: UTF-16, little-endian, without a mark and without a word of it.
    #[serde(rename = "utf-16le")]
    Utf16Le,
}

/// `[profile.ndes]`: the page of NDES from which MDMs take a challenge, at `/ndes/<path_id>/certsrv/mscep_admin/`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ndes {
    /// Whether it is served.
    pub enabled: bool,
    /// Whether it is served at `/certsrv/mscep_admin/` as well, for MDMs that add that path to a host; in one profile.
    pub at_root: bool,
    /// The name that Basic authentication must give; a domain before it (`CORP\name`) is passed over.
    pub username: String,
    /// Its password.
    pub password: Option<Secret>,
    /// File that holds `password`.
    pub password_file: Option<PathBuf>,
    /// Certificates of those who may call, or of CAs that issue certificates to them alone, PEM; then it is served on the
    /// mTLS listener only, and still asks for name and password.
    pub client_cert_path: Option<PathBuf>,
    /// How the page is encoded.
    pub encoding: PageEncoding,
}

/// `[profile.challenge_webhook]`: somebody else who says whether a challenge is good, and who is told how enrollments ended. In
/// the form of step-ca's webhooks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChallengeWebhook {
    /// https address that is asked about challenges.
    pub url: Option<AskedUrl>,
    /// https address that is told how enrollments ended.
    pub notify_url: Option<AskedUrl>,
    /// Hosts that may be called.
    pub allowed_hosts: Vec<String>,
    /// What the receiver knows the webhook by (`X-Smallstep-Webhook-ID`).
    pub id: String,
    /// Key of the HMAC-SHA256 that signs what is sent, in base64.
    pub secret: Option<Secret>,
    /// File that holds `secret`.
    pub secret_file: Option<PathBuf>,
    /// CA certificates that the webhook's certificate must chain to, PEM; absent = the system's.
    pub ca_bundle_path: Option<PathBuf>,
    /// Time for an answer.
    pub timeout: Span,
}

impl Default for ChallengeWebhook {
    fn default() -> Self {
        Self {
            url: None,
            notify_url: None,
            allowed_hosts: Vec::new(),
            id: String::new(),
            secret: None,
            secret_file: None,
            ca_bundle_path: None,
            timeout: Span::seconds(10),
        }
    }
}
