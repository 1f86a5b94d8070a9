//! Issued certificates: search, detail, revocation, download.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `valid`: not revoked and not past its end; `expired`; `revoked`, whether or not it is past its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateStatus {
    /// In its validity (or before it) and not revoked.
    Valid,
    /// Its validity is over.
    Expired,
    /// Revoked, whether or not its validity is over.
    Revoked,
}

/// One issued certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    /// The issuer.
    pub issuer_id: String,
    /// Serial number in lower-case hex.
    pub serial: String,
    /// Path id of the profile it was issued through; empty is the root profile.
    pub profile: String,
    /// Common name; empty when it has none. Text from outside.
    pub common_name: String,
    /// Alternative names as `dns:a, email:b`. Omitted when it has none. Text from outside.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sans: String,
    /// Start of its validity.
    #[serde(with = "crate::time")]
    pub not_before: DateTime<Utc>,
    /// End of its validity.
    #[serde(with = "crate::time")]
    pub not_after: DateTime<Utc>,
    /// Whole days left, rounded down; negative once expired.
    pub days_to_expiry: i64,
    /// When it was issued.
    #[serde(with = "crate::time")]
    pub issued_at: DateTime<Utc>,
    /// Where it stands now.
    pub status: CertificateStatus,
    /// The transactionID it was issued under. Omitted when unknown. Text from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The Intune device. Omitted when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When it was revoked. Omitted unless it was.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why it was revoked. Omitted unless it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<RevocationReason>,
}

/// Everything about one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateDetail {
    /// What the list shows.
    pub certificate: Certificate,
    /// The whole subject. Text from outside.
    pub subject: String,
    /// The whole issuer name.
    pub issuer: String,
    /// The key, as `RSA 2048` or `EC P-256`.
    pub public_key: String,
    /// Key usages by name. Empty when there is no such extension.
    pub key_usage: Vec<String>,
    /// Extended key usages by name where known, else as dotted OIDs.
    pub ext_key_usage: Vec<String>,
    /// All extensions in order.
    pub extensions: Vec<Extension>,
    /// SHA-256 over the DER in lower-case hex.
    pub sha256_fingerprint: String,
    /// The certificate as PEM.
    pub pem: String,
}

/// One extension of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Extension {
    /// Dotted object identifier.
    pub oid: String,
    /// Its usual name. Omitted when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is marked critical.
    pub critical: bool,
}

/// Query of `GET /api/v1/admin/certificates`. All filters are combined with AND.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct CertificateQuery {
    /// Text that appears in common name, alternative names, serial, device or transactionID, without regard to case; else
    /// a serial number as tools print it, or a thumbprint (SHA-1 or SHA-256).
    #[param(example = "laptop")]
    pub q: Option<String>,
    /// Exact path id of a profile. Given and empty, the root profile; absent, all.
    #[param(example = "corp")]
    pub profile: Option<String>,
    /// Exact issuer.
    pub issuer_id: Option<String>,
    /// Serial number, whole, as tools print it - hex in any case, with colons or blanks, with 0x, or decimal.
    pub serial: Option<String>,
    /// Intune device, whole, in any case.
    pub device: Option<String>,
    /// Where the certificates stand now.
    pub status: Option<CertificateStatus>,
    /// Page number, from 1.
    #[param(minimum = 1, maximum = 2_147_483_647, default = 1)]
    pub page: Option<u32>,
    /// Rows on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub per_page: Option<u32>,
}

/// Why a certificate is revoked (RFC 5280, section 5.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// No reason given.
    #[default]
    Unspecified,
    /// The device's key is no longer its own.
    KeyCompromise,
    /// The CA's key is no longer its own.
    CaCompromise,
    /// Names or other content have changed.
    AffiliationChanged,
    /// Replaced by another certificate.
    Superseded,
    /// No longer needed.
    CessationOfOperation,
    /// The device may no longer have it.
    PrivilegeWithdrawn,
    /// On hold: revoked until it is released, or revoked for good.
    CertificateHold,
}

/// Why a certificate is revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Goes into the CRL; `unspecified` when absent.
    #[serde(default)]
    pub reason: RevocationReason,
    /// Anything else worth keeping; goes into the audit event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// A revocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokeReply {
    /// Whether it is done; else it `waits` (202).
    pub revoked: bool,
    /// Why the issuer elsewhere could not be asked yet. The certificate is revoked as soon as it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// The issuer.
    pub issuer_id: String,
    /// Serial number in lower-case hex.
    pub serial: String,
    /// The reason on record.
    pub reason: RevocationReason,
    /// When it was revoked, or ordered to be.
    #[serde(with = "crate::time")]
    pub revoked_at: DateTime<Utc>,
}

/// Why a certificate is released from hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// Anything worth keeping; goes into the audit event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub note: Option<String>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseReply {
    /// Always true: a failure is an error reply.
    #[schema(schema_with = crate::constant::yes)]
    pub released: bool,
    /// The issuer.
    pub issuer_id: String,
    /// Serial number in lower-case hex.
    pub serial: String,
    /// When it was released.
    #[serde(with = "crate::time")]
    pub released_at: DateTime<Utc>,
}

/// What is done with many certificates at once. `revoke` changes those that are valid and, unless the reason is
/// `certificate_hold`, those on hold; `release` those on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// They are revoked: those that are valid, and, unless this is a hold, those on hold.
    Revoke,
    /// Those on hold are released.
    Release,
}

/// Which certificates. Everything given must hold, and something has to be given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateSelection {
    /// Exact issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_id: Option<String>,
    /// Exact path id; `""` is the root profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Exact device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Text that appears in common name, alternative names, serial, device or transactionID, without regard to case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Issued at this time or later.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub issued_since: Option<DateTime<Utc>>,
    /// Issued before this time.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub issued_before: Option<DateTime<Utc>>,
    /// Revoked at exactly this time: what one step did, to be undone where it was a hold.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Serial numbers, hex as tools print it; any when absent or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub serials: Vec<String>,
}

/// Serial numbers in one [`CertificateSelection`], at most.
pub const MAX_SERIALS: usize = 1_000;

/// A change of many certificates, or the preview of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// What is done.
    pub action: BulkAction,
    /// With which certificates.
    pub selection: CertificateSelection,
    /// Why they are revoked; goes into the CRL. `unspecified` when absent; of no meaning for a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevocationReason>,
    /// Anything else worth keeping; goes into the audit event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub note: Option<String>,
    /// How many certificates the preview counted. Absent: nothing is changed, this is the preview.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::whole_number::u64"
    )]
    pub expected: Option<u64>,
}

/// How many certificates of a selection are of one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfileCount {
    /// Path id; `""` is the root profile.
    pub profile: String,
    /// How many.
    pub count: u64,
}

/// What a change of many certificates did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkReply {
    /// Whether it was done; false: this is a preview.
    pub done: bool,
    /// How many certificates.
    pub count: u64,
    /// How many of them have a CA somewhere else: it is asked to revoke each, again and again until it has answered.
    pub ordered: u64,
    /// How many of each profile, the most first. `[]` once it was done.
    pub profiles: Vec<ProfileCount>,
    /// The newest of them, at most ten. `[]` once it was done.
    pub newest: Vec<Certificate>,
    /// As of when it was done: the `revoked_at` of what was revoked. Omitted in a preview.
    #[serde(
        default,
        with = "crate::time::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub at: Option<DateTime<Utc>>,
}

/// File format of a download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DownloadFormat {
    /// PEM, the certificate alone (`application/x-pem-file`).
    #[default]
    Pem,
    /// DER, the certificate alone (`application/pkix-cert`).
    Der,
    /// PEM, the certificate and its chain (`application/x-pem-file`).
    Chain,
}

/// Query of `GET /api/v1/admin/certificates/{issuer_id}/{serial}/download`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct DownloadQuery {
    /// `pem` (the default): the certificate as PEM; `der`: as DER; `chain`: the certificate and its chain as PEM.
    #[serde(default)]
    #[param(inline)]
    pub format: DownloadFormat,
}
