//! `[[profile]]`: a SCEP profile, one URL with its own rules.

use std::path::PathBuf;

use challenge::{ExtraNames, IntuneSettings};
use serde::{Deserialize, Deserializer, Serialize};

use super::{AskedUrl, ChallengeWebhook, IntuneCloud, Jamf, Moment, Ndes, OneTime, Secret, Span};

/// Where the RA certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ra {
    /// From `ra_cert_path` and `ra_key_path`.
    #[default]
    Files,
    /// Kept by the server: issued by the profile's issuer and renewed before it expires.
    Auto,
    /// The CA itself, which must be RSA: its key opens requests and signs replies.
    Ca,
}

/// Which algorithms of the past are still spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crypto {
    /// AES and SHA-2 only.
    #[default]
    Modern,
    /// SHA-1 and triple DES as well, for old clients.
    Compatible,
}

/// `[[profile]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The URL is `/scep/<path_id>`, `[a-z0-9-]+`; empty = `/scep`, the root profile.
    pub path_id: String,
    /// Path ids under which this profile was served before: what was used, counted and is waiting there goes on here.
    #[serde(deserialize_with = "one_or_more")]
    pub formerly: Vec<String>,
    /// The issuer that signs.
    pub issuer_id: String,
    /// The certificate profile that decides what is signed.
    pub profile_id: String,
    /// The static challenge password.
    pub challenge_password: Option<Secret>,
    /// File that holds `challenge_password`.
    pub challenge_password_file: Option<PathBuf>,
    /// Further static challenges by name: any of them lets a device in.
    pub challenge_passwords: Vec<ChallengePassword>,
    /// Where the RA certificate comes from.
    pub ra: Ra,
    /// The issuer that an automatic RA certificate is from; unset = the profile's own.
    pub ra_issuer_id: Option<String>,
    /// Whether an RA that the server keeps has one certificate that signs and another one that devices encrypt to.
    pub ra_split: bool,
    /// RA certificate (RSA), PEM.
    pub ra_cert_path: Option<PathBuf>,
    /// Key of the RA certificate, PEM, mode 0600.
    pub ra_key_path: Option<PathBuf>,
    /// RA certificate (RSA) that signs replies, where `ra_cert_path` is the one that devices encrypt to alone, PEM.
    pub ra_sign_cert_path: Option<PathBuf>,
    /// Its key, PEM, mode 0600.
    pub ra_sign_key_path: Option<PathBuf>,
    /// The RA certificate before the present one, while devices still encrypt to it.
    pub ra_previous_cert_path: Option<PathBuf>,
    /// Key of the RA certificate before.
    pub ra_previous_key_path: Option<PathBuf>,
    /// The certificate that signs replies to those who encrypt to `ra_previous_cert_path`, where it was another one.
    pub ra_previous_sign_cert_path: Option<PathBuf>,
    /// Its key.
    pub ra_previous_sign_key_path: Option<PathBuf>,
    /// Whether a local RSA CA opens what devices encrypt to it instead of to the RA.
    pub open_for_ca: bool,
    /// How long an RA certificate that was replaced is still accepted.
    pub ra_overlap: Span,
    /// Whether first requests wait for an admin; renewals do not.
    pub approval: bool,
    /// How long a request waits for an admin before it is refused.
    pub approval_timeout: Span,
    /// How long a request waits for those outside that the profile needs before its device is told PENDING.
    pub answer_within: Span,
    /// Which algorithms of the past are still spoken.
    pub crypto: Crypto,
    /// Whether GetCACert's chain ends with the root.
    pub ca_chain_root: bool,
    /// Whether a reply carries the chain after the device's certificate.
    pub reply_chain: bool,
    /// Whether the message must be signed with the CSR's own key (Jamf's proxy does not).
    pub require_signer_key_match: bool,
    /// Where first requests come through a proxy alone: the certificates of which one must sign them, PEM.
    pub signers_path: Option<PathBuf>,
    /// Whether anyone may ask for any certificate by GetCert, or only holders of one of this profile.
    pub get_cert_open: bool,
    /// Most enrollments being worked on at once; more are answered 503 with Retry-After.
    pub max_in_flight: usize,
    /// `[profile.renewal]`.
    pub renewal: Renewal,
    /// `[profile.limits]`.
    pub limits: Limits,
    /// `[profile.outside]`.
    pub outside: Outside,
    /// `[profile.mtls]`.
    pub mtls: Mtls,
    /// `[profile.one_time]`.
    pub one_time: OneTime,
    /// `[profile.jamf]`.
    pub jamf: Jamf,
    /// `[profile.ndes]`.
    pub ndes: Ndes,
    /// `[profile.challenge_webhook]`.
    pub challenge_webhook: ChallengeWebhook,
    /// `[profile.intune]`.
    pub intune: Intune,
    /// `[profile.intune_cloud]`.
    pub intune_cloud: IntuneCloud,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            path_id: String::new(),
            formerly: Vec::new(),
            issuer_id: String::new(),
            profile_id: String::new(),
            challenge_password: None,
            challenge_password_file: None,
            challenge_passwords: Vec::new(),
            ra: Ra::Files,
            ra_issuer_id: None,
            ra_split: false,
            ra_cert_path: None,
            ra_key_path: None,
            ra_sign_cert_path: None,
            ra_sign_key_path: None,
            ra_previous_cert_path: None,
            ra_previous_key_path: None,
            ra_previous_sign_cert_path: None,
            ra_previous_sign_key_path: None,
            open_for_ca: false,
            ra_overlap: Span::days(7),
            approval: false,
            approval_timeout: Span::hours(72),
            answer_within: Span::seconds(15),
            crypto: Crypto::Modern,
            ca_chain_root: true,
            reply_chain: false,
            require_signer_key_match: false,
            signers_path: None,
            get_cert_open: false,
            max_in_flight: 256,
            renewal: Renewal::default(),
            limits: Limits::default(),
            outside: Outside::default(),
            mtls: Mtls::default(),
            one_time: OneTime::default(),
            jamf: Jamf::default(),
            ndes: Ndes::default(),
            challenge_webhook: ChallengeWebhook::default(),
            intune: Intune::default(),
            intune_cloud: IntuneCloud::default(),
        }
    }
}

/// One of `[[profile.challenge_passwords]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChallengePassword {
    /// What the audit calls it.
    pub name: String,
    /// The password.
    pub value: Option<Secret>,
    /// File that holds `value`.
    pub value_file: Option<PathBuf>,
    /// From when on it is refused; absent = never.
    pub expires: Option<Moment>,
}

/// A list, or a single text with commas between the items: no path id holds one.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a path id, or a list of path ids")]
    enum Given {
        One(String),
        More(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
        Given::More(items) => items,
    })
}

impl Profile {
    /// How messages name this profile: its path id, or `(root)`.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.path_id.is_empty() {
            "(root)"
        } else {
            &self.path_id
        }
    }
}

/// `[profile.renewal]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Renewal {
    /// Whether certificates are renewed at all.
    pub enabled: bool,
    /// Whether a renewal needs the challenge as well.
    pub require_challenge: bool,
    /// Whether the subject may change.
    pub allow_subject_change: bool,
    /// Whether subject alternative names may change.
    pub allow_san_change: bool,
    /// Whether what was issued to a signed challenge is renewed without one.
    pub without_gates: bool,
    /// Whether a certificate is revoked (superseded) once it was renewed.
    pub revoke_previous_on_renewal: bool,
    /// How long after its renewal.
    pub revoke_previous_after: Span,
    /// What becomes of a RenewalReq that is signed with an expired certificate.
    pub expired: Expired,
    /// What becomes of a certificate of the issuer that the store does not know.
    pub unknown_certificates: UnknownCertificates,
    /// The CRL of the server that issued those certificates: a file, or an http or https address.
    pub unknown_crl: Option<AskedUrl>,
}

/// What becomes of a certificate of the issuer that the store does not know: another server issued it, or the store was
/// lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCertificates {
    /// It renews nothing.
    #[default]
    Refuse,
    /// It renews as one of this profile, unless `unknown_crl` lists it.
    Accept,
}

/// What becomes of a RenewalReq that is signed with an expired certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expired {
    /// With a good challenge it is a first enrollment.
    #[default]
    WithChallenge,
    /// It is refused.
    Never,
}

impl Default for Renewal {
    fn default() -> Self {
        Self {
            enabled: true,
            require_challenge: false,
            allow_subject_change: false,
            allow_san_change: false,
            without_gates: false,
            revoke_previous_on_renewal: false,
            revoke_previous_after: Span::days(7),
            expired: Expired::WithChallenge,
            unknown_certificates: UnknownCertificates::Refuse,
            unknown_crl: None,
        }
    }
}

/// `[profile.limits]`: requests; 0 = no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// PKIOperations a minute from one source: an IPv4 address, or a /64 of IPv6.
    pub per_source_per_minute: u32,
    /// PKIOperations a second to this profile.
    pub per_profile_per_second: u32,
    /// Refused challenges, and messages that cannot be opened, a minute from one source; more are refused unread.
    pub bad_challenges_per_source_per_minute: u32,
    /// Requests that may wait for an admin at once, with `approval`.
    pub max_pending: usize,
    /// Of these from one source.
    pub max_pending_per_source: usize,
    /// Most octets of a CSR.
    pub max_csr_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_source_per_minute: 120,
            per_profile_per_second: 0,
            bad_challenges_per_source_per_minute: 10,
            max_pending: 1000,
            max_pending_per_source: 200,
            max_csr_bytes: 32 * 1024,
        }
    }
}

/// `[profile.outside]`: how those outside that a profile needs are called, an issuer or a validator that is somewhere else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outside {
    /// How long one call may take.
    pub call_timeout: Span,
    /// Failed calls after which an enrollment fails; 0 = as many as its time allows.
    pub tries: u32,
    /// How long one stage of an enrollment may take, all calls and pauses together.
    pub budget: Span,
    /// The pause after the first failed call; it doubles with each,
    pub first_pause: Span,
    /// up to this.
    pub longest_pause: Span,
    /// Failures in a row, of all enrollments of the profile, after which nobody is called,
    pub failures: u32,
    /// until this time has passed and one call has come through.
    pub rest: Span,
    /// Calls at a time.
    pub calls: usize,
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            call_timeout: Span::seconds(10),
            tries: 0,
            budget: Span::minutes(30),
            first_pause: Span::seconds(1),
            longest_pause: Span::minutes(1),
            failures: 5,
            rest: Span::seconds(30),
            calls: 16,
        }
    }
}

/// A kind of name of which no Intune claim speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtraName {
    /// IP addresses.
    Ip,
    /// URIs, but for a SID URI, which the challenge itself must vouch for.
    Uri,
    /// Any other kind.
    Other,
}

/// `[profile.mtls]`: the same profile at `/scep-mtls/<path_id>` with a client certificate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mtls {
    /// Whether the profile is served over mTLS.
    pub enabled: bool,
    /// Whether it is served over mTLS only: requests to `/scep/<path_id>` are answered 401.
    pub required: bool,
    /// CA certificates to which client certificates must chain, PEM bundle.
    pub client_ca_trust_bundle_path: Option<PathBuf>,
}

/// `[profile.intune]`: challenges signed by the Intune Certificate Connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intune {
    /// Whether signed challenges are accepted.
    pub enabled: bool,
    /// The connectors' certificates (trust anchors), PEM bundle.
    pub connector_cert_path: Option<PathBuf>,
    /// The `aud` that challenges must carry; absent = not looked at.
    pub audience: Option<String>,
    /// How old a challenge may be besides its own expiry; 0 = not looked at.
    pub challenge_validity: Span,
    /// Enrollments of one device within 24 hours; 0 = no limit.
    pub per_device_rate_limit_24h: u32,
    /// Difference of clocks that is tolerated.
    pub clock_skew_tolerance: Span,
    /// Compare only the names that the challenge pins; a name that it leaves out may be in the CSR.
    pub pinned_only: bool,
    /// Kinds of names in the CSR that are accepted although no challenge can vouch for them.
    pub extra_names: Vec<ExtraName>,
    /// In this time the very same message gets its stored certificate again; 0 = it is a replay.
    pub retransmission_window: Span,
    /// `[profile.intune.compliance]`.
    pub compliance: Compliance,
    /// `[[profile.intune.tenant]]`: tenants with connectors of their own.
    pub tenant: Vec<IntuneTenant>,
}

/// One of `[[profile.intune.tenant]]`: a connector that vouches under its own issuer and audience alone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IntuneTenant {
    /// Its name, for the audit.
    pub id: String,
    /// Its connectors' certificates (trust anchors), PEM bundle.
    pub connector_cert_path: Option<PathBuf>,
    /// The `iss` that its challenges must carry.
    pub issuer: String,
    /// The `aud` that its challenges must carry; absent = that of the profile.
    pub audience: Option<String>,
}

impl IntuneTenant {
    /// The `aud` that its challenges must carry in this profile, where one is set.
    #[must_use]
    pub fn audience_in<'a>(&'a self, profile: &'a Intune) -> Option<&'a str> {
        let own = self.audience.as_deref();
        own.or(profile.audience.as_deref())
            .filter(|audience| !audience.is_empty())
    }
}

impl Intune {
    /// Every trust-anchor file: the profile's own, then those of its tenants.
    pub fn anchor_files(&self) -> impl Iterator<Item = &PathBuf> {
        let tenants = self.tenant.iter();
        let own = self.connector_cert_path.iter();
        own.chain(tenants.filter_map(|tenant| tenant.connector_cert_path.as_ref()))
    }
}

impl Default for Intune {
    fn default() -> Self {
        Self {
            enabled: false,
            connector_cert_path: None,
            audience: None,
            challenge_validity: Span::minutes(60),
            per_device_rate_limit_24h: 3,
            clock_skew_tolerance: Span::seconds(60),
            pinned_only: false,
            extra_names: Vec::new(),
            retransmission_window: Span::ZERO,
            compliance: Compliance::default(),
            tenant: Vec::new(),
        }
    }
}

/// What the gates go by.
impl From<&Intune> for IntuneSettings {
    fn from(settings: &Intune) -> Self {
        Self {
            audience: settings.audience.clone(),
            challenge_validity: settings.challenge_validity.unless_zero().map(Span::chrono),
            clock_skew: settings.clock_skew_tolerance.chrono(),
            per_device_limit_24h: settings.per_device_rate_limit_24h,
            pinned_only: settings.pinned_only,
            extra_names: ExtraNames {
                ip: settings.extra_names.contains(&ExtraName::Ip),
                uri: settings.extra_names.contains(&ExtraName::Uri),
                other: settings.extra_names.contains(&ExtraName::Other),
            },
        }
    }
}

/// `[profile.intune.compliance]`: a webhook asked last. Off while `url` is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compliance {
    /// https address that is asked.
    pub url: Option<AskedUrl>,
    /// Hosts that may be asked.
    pub allowed_hosts: Vec<String>,
    /// Key of the HMAC-SHA256 that signs what is sent.
    pub hmac_secret: Option<Secret>,
    /// File that holds `hmac_secret`.
    pub hmac_secret_file: Option<PathBuf>,
    /// CA certificates that the webhook's certificate must chain to, PEM; absent = the system's.
    pub ca_bundle_path: Option<PathBuf>,
    /// Time for the answer.
    pub timeout: Span,
    /// Let devices in when the webhook cannot be asked.
    pub fail_open: bool,
}

impl Default for Compliance {
    fn default() -> Self {
        Self {
            url: None,
            allowed_hosts: Vec::new(),
            hmac_secret: None,
            hmac_secret_file: None,
            ca_bundle_path: None,
            timeout: Span::seconds(5),
            fail_open: false,
        }
    }
}
