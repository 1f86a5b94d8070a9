//! Building and signing certificates.

use chrono::{DateTime, Utc};

use crate::{Certificate, Error, Extension, Name, PrivateKey, PublicKey, Serial, SignatureScheme};

/// What goes into a new certificate.
#[derive(Debug, Clone)]
pub struct CertificateBuilder {
    /// Whose certificate it is.
    pub subject: Name,
    /// The name of the signing CA.
    pub issuer: Name,
    /// The serial number.
    pub serial: Serial,
    /// The first second of its validity.
    pub not_before: DateTime<Utc>,
    /// The last second of its validity.
    pub not_after: DateTime<Utc>,
    /// The key that it is about.
    pub public_key: PublicKey,
    /// The extensions, in this order.
    pub extensions: Vec<Extension>,
}

impl CertificateBuilder {
    /// Signs it.
    ///
    /// # Errors
    /// What [`PrivateKey::sign`] says; `Text` when an extension has no valid identifier or the validity is no period.
    pub fn sign(&self, _key: &PrivateKey, _scheme: &SignatureScheme) -> Result<Certificate, Error> {
        Err(Error::crypto("signing a certificate"))
    }
}
