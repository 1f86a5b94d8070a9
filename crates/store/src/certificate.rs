use chrono::{DateTime, Utc};

use crate::CaId;

/// An issued certificate and what is known of how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRecord {
    /// What the configuration called the issuer then. For people to read: what belongs together is
    /// told by `ca`.
    pub issuer_id: String,
    /// The CA that signed it.
    pub ca: CaId,
    /// The serial number's octets. A leading zero octet makes no difference in look-ups.
    pub serial: Vec<u8>,
    /// The SCEP profile (path id) it was enrolled through.
    pub profile: String,
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// The subject's common name, empty when it has none.
    pub common_name: String,
    /// The subject alternative names as text (`dns:a, email:b`), empty when there are none.
    pub sans: String,
    /// Start of validity.
    pub not_before: DateTime<Utc>,
    /// End of validity.
    pub not_after: DateTime<Utc>,
    /// When it was signed.
    pub issued_at: DateTime<Utc>,
    /// The transactionID of the request.
    pub transaction_id: String,
    /// The device, where the challenge named one.
    pub device: Option<String>,
    /// The serial of the certificate that this one renews.
    pub renews: Option<Vec<u8>>,
    /// Whether the gates of a signed challenge let its device in, as against a static challenge. `None`: written before
    /// this was kept, see [`is_through_gates`](Self::is_through_gates).
    pub through_gates: Option<bool>,
    /// Set once revoked. Not written by `PutCertificate`: use `Op::Revoke`.
    pub revoked: Option<Revocation>,
}

impl CertificateRecord {
    /// Whether the gates of a signed challenge let its device in. Of a record that does not say, the device tells: only
    /// those gates name one.
    #[must_use]
    pub fn is_through_gates(&self) -> bool {
        self.through_gates.unwrap_or(self.device.is_some())
    }
}

/// certificateHold (RFC 5280 section 5.3.1): the one reason with which a revocation can be taken back.
pub const ON_HOLD: u8 = 6;

/// When and why a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: DateTime<Utc>,
    /// The CRLReason number (RFC 5280 section 5.3.1).
    pub reason: u8,
}

/// Where a certificate stands, as far as its CA can say (RFC 6960, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The CA never issued it here.
    Unknown,
    /// It was issued, and is not revoked.
    Good,
    /// It is revoked.
    Revoked(Revocation),
}

/// One entry for a CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// The serial number's octets as in the certificate.
    pub serial: Vec<u8>,
    /// When and why.
    pub revocation: Revocation,
    /// When the certificate ends: a CRL may leave it out some time after.
    pub not_after: DateTime<Utc>,
}

/// A CA's newest CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlRecord {
    /// What the configuration called the issuer then.
    pub issuer_id: String,
    /// The CA that signed it.
    pub ca: CaId,
    /// The cRLNumber; the next CRL takes this plus one.
    pub number: u64,
    /// thisUpdate.
    pub this_update: DateTime<Utc>,
    /// nextUpdate.
    pub next_update: DateTime<Utc>,
    /// The CRL, DER.
    pub der: Vec<u8>,
}

/// Where a certificate stands at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateStatus {
    /// Neither revoked nor past its end.
    Valid,
    /// Past its end and not revoked.
    Expired,
    /// Revoked, whether past its end or not.
    Revoked,
}

/// A search for certificates. Empty = all. Everything given must hold.
#[derive(Clone, Debug, Default)]
pub struct CertificateQuery {
    /// What the configuration called the issuer when it signed, exactly.
    pub issuer_id: Option<String>,
    /// The CA; where `issuer_id` is given as well, one of the two is enough.
    pub ca: Option<CaId>,
    /// The SCEP profile, exactly (`""` is the root profile).
    pub profile: Option<String>,
    /// The device, whole, letter case ignored.
    pub device: Option<String>,
    /// The serial in hex, whole; letter case, colons and leading zeros ignored.
    pub serial: Option<String>,
    /// The common name, whole, letter case ignored.
    pub common_name: Option<String>,
    /// The transactionID of the request, whole, letter case ignored.
    pub transaction_id: Option<String>,
    /// A part of the device, serial (hex), common name, alternative names or transactionID, letter case ignored.
    pub q: Option<String>,
    /// Where it stands at the query's `now`.
    pub status: Option<CertificateStatus>,
    /// Issued at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Issued before this time.
    pub until: Option<DateTime<Utc>>,
    /// The page, from 1; 0 counts as 1.
    pub page: u32,
    /// Items on a page, 1 to 1000; 0 counts as 50.
    pub per_page: u32,
}
