//! Certificate revocation lists.

use chrono::{DateTime, Utc};

use crate::{Error, Name, PrivateKey, PublicKey, Serial, SignatureScheme};

/// Why a certificate was revoked (RFC 5280, 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// No reason given.
    Unspecified = 0,
    /// The subject's key is known or suspected to be in other hands.
    KeyCompromise = 1,
    /// The CA's key is known or suspected to be in other hands.
    CaCompromise = 2,
    /// The subject's name or other facts have changed.
    AffiliationChanged = 3,
    /// Another certificate has taken its place.
    Superseded = 4,
    /// It is no longer needed.
    CessationOfOperation = 5,
    /// Revoked for the time being.
    CertificateHold = 6,
    /// Taken off a list that is kept by differences.
    RemoveFromCrl = 8,
    /// A right that it states was withdrawn.
    PrivilegeWithdrawn = 9,
    /// The attribute authority's key is known or suspected to be in other hands.
    AaCompromise = 10,
}

impl RevocationReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The name as RFC 5280 writes it: `keyCompromise`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// The reason with this name, letter case set aside.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.name().eq_ignore_ascii_case(name))
    }

    /// The number in the encoding.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.number() == number)
    }
}

/// One revoked certificate of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Its serial number.
    pub serial: Serial,
    /// When it was revoked.
    pub revoked_at: DateTime<Utc>,
    /// Why, where that is said.
    pub reason: Option<RevocationReason>,
}

/// A certificate revocation list (RFC 5280, 5), with the DER that it came in.
#[derive(Clone)]
pub struct Crl {
    der: Vec<u8>,
    issuer: Name,
    number: Option<u64>,
    this_update: DateTime<Utc>,
    next_update: Option<DateTime<Utc>>,
    entries: Vec<RevokedEntry>,
}

impl Crl {
    /// Reads the DER of a list.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der(_der: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a CRL"))
    }

    /// The DER, as it came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Who made the list.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The number of the list, where it has one that fits.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// When the list was made.
    #[must_use]
    pub fn this_update(&self) -> DateTime<Utc> {
        self.this_update
    }

    /// When the next one is due at the latest.
    #[must_use]
    pub fn next_update(&self) -> Option<DateTime<Utc>> {
        self.next_update
    }

    /// The revoked certificates, in the order of the list.
    #[must_use]
    pub fn entries(&self) -> &[RevokedEntry] {
        &self.entries
    }

    /// Checks the list's signature with a key.
    ///
    /// # Errors
    /// `BadSignature`, or what [`PublicKey::verify`] says.
    pub fn verify_signature_by(&self, _key: &PublicKey) -> Result<(), Error> {
        Err(Error::crypto("verifying a CRL"))
    }
}

impl std::fmt::Debug for Crl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crl({}, {} entries)", self.issuer, self.entries.len())
    }
}

/// What goes into a new list.
#[derive(Debug, Clone)]
pub struct CrlBuilder {
    /// The name of the signing CA.
    pub issuer: Name,
    /// The revoked certificates, in this order.
    pub entries: Vec<RevokedEntry>,
    /// The number of the list; each new one is larger.
    pub number: u64,
    /// When the list is made.
    pub this_update: DateTime<Utc>,
    /// When the next one is due at the latest.
    pub next_update: DateTime<Utc>,
    /// The key identifier of the signing CA's certificate.
    pub aki: Option<Vec<u8>>,
}

impl CrlBuilder {
    /// Signs it.
    ///
    /// # Errors
    /// What [`PrivateKey::sign`] says.
    pub fn sign(&self, _key: &PrivateKey, _scheme: &SignatureScheme) -> Result<Crl, Error> {
        Err(Error::crypto("signing a CRL"))
    }
}
