//! PKCS #10 certification requests.

use chrono::{DateTime, Utc};

use crate::{
    Attribute, Error, Extension, KeyUsage, Name, PrivateKey, PublicKey, SignatureScheme,
    SubjectAltNames,
};

/// A certification request (RFC 2986), with the octets that it came in.
#[derive(Clone)]
pub struct Csr {
    der: Vec<u8>,
    subject: Name,
    public_key: PublicKey,
    attributes: Vec<Attribute>,
    extensions: Vec<Extension>,
    sans: SubjectAltNames,
    challenge_password: Option<String>,
}

impl Csr {
    /// Reads the DER of a request. Attributes may stand in any order.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der(_der: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a certification request"))
    }

    /// Builds and signs a request.
    ///
    /// # Errors
    /// `Text` when a name cannot be written; what [`PrivateKey::sign`] says.
    pub fn build(
        _subject: &Name,
        _sans: &SubjectAltNames,
        _challenge: Option<&str>,
        _extra_extensions: &[Extension],
        _key: &PrivateKey,
    ) -> Result<Self, Error> {
        Err(Error::crypto("building a certification request"))
    }

    /// The octets, as they came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The name asked for.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The key to be certified.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The alternative names asked for.
    #[must_use]
    pub fn sans(&self) -> &SubjectAltNames {
        &self.sans
    }

    /// The challengePassword, whatever its string type.
    #[must_use]
    pub fn challenge_password(&self) -> Option<&str> {
        self.challenge_password.as_deref()
    }

    /// Every extension asked for, in the order of the encoding.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Every attribute, in the order of the encoding.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The key usage asked for.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        None
    }

    /// The extended key usages asked for, as dotted identifiers.
    #[must_use]
    pub fn ext_key_usages(&self) -> Vec<String> {
        Vec::new()
    }

    /// True when basicConstraints asks for CA:TRUE, or cannot be read.
    #[must_use]
    pub fn wants_ca(&self) -> bool {
        false
    }

    /// The validity asked for by Windows' name/value pairs (ExpirationDate, or ValidityPeriod with ValidityPeriodUnits,
    /// which Android swaps), a period being counted from `now`: first and last second, each if asked for.
    #[must_use]
    pub fn validity_request(
        &self,
        _now: DateTime<Utc>,
    ) -> Option<(Option<DateTime<Utc>>, Option<DateTime<Utc>>)> {
        None
    }

    /// True when Microsoft's SID extension is asked for.
    #[must_use]
    pub fn has_sid_extension(&self) -> bool {
        self.extensions
            .iter()
            .any(|extension| extension.oid == crate::oid::MS_SID)
    }

    /// How the request is signed.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed`.
    pub fn signature_scheme(&self) -> Result<SignatureScheme, Error> {
        Err(Error::crypto("reading a signature algorithm"))
    }

    /// Checks the request's own signature, over its raw octets, with the key that it holds.
    ///
    /// # Errors
    /// `BadSignature`, `Unsupported`, `WrongKey`.
    pub fn verify(&self) -> Result<(), Error> {
        Err(Error::crypto("verifying a certification request"))
    }
}

impl std::fmt::Debug for Csr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The challenge is a secret.
        write!(f, "Csr({})", self.subject)
    }
}
