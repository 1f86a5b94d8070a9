//! Building and signing certificates.

use chrono::{DateTime, Datelike, Utc};

use crate::der;
use crate::{
    Certificate, Error, Extension, Name, PrivateKey, PublicKey, Serial, SignatureScheme, extension,
    signed_object,
};

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
    pub fn sign(&self, key: &PrivateKey, scheme: &SignatureScheme) -> Result<Certificate, Error> {
        let what = "certificate to be signed";
        if self.serial.as_bytes().is_empty() {
            return Err(Error::text(what, "its serial number is empty"));
        }
        if self.not_after < self.not_before
            || self.not_after.year() > 9999
            || self.not_before.year() < 1950
        {
            return Err(Error::text(
                what,
                "its validity is no period between 1950 and 9999",
            ));
        }
        let version = der::explicit(0, &der::integer_u64(2));
        let validity = der::seq(&[&der::time(self.not_before), &der::time(self.not_after)]);
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            list => der::explicit(3, &extension::write_extensions(list)?),
        };
        let tbs = der::seq(&[
            &version,
            &der::integer(self.serial.as_bytes()),
            &scheme.to_identifier(),
            self.issuer.der(),
            &validity,
            self.subject.der(),
            self.public_key.spki_der(),
            &extensions,
        ]);
        Certificate::from_der(&signed_object::sign(&tbs, key, scheme)?)
    }
}
