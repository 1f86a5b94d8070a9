//! SignedData with exactly one signer.

use crate::{Attribute, Certificate, Digest, Error, PrivateKey, SignatureScheme};

use super::CertificateId;

/// A SignedData message with exactly one SignerInfo (RFC 5652, 5). Cheap queries; [`check`](Self::check) does the
/// cryptography.
#[derive(Clone)]
pub struct Signed {
    content_type: String,
    content: Option<Vec<u8>>,
    certificates: Vec<Certificate>,
    signer_id: CertificateId,
    digest: Result<Digest, Error>,
    scheme: Result<SignatureScheme, Error>,
    attributes: Vec<Attribute>,
}

/// What goes into a new SignedData message.
#[derive(Clone, Copy)]
pub struct SignedParts<'a> {
    /// Dotted identifier of the content's type.
    pub content_type: &'a str,
    /// The content; None leaves it out, `Some(&[])` is a zero-length one.
    pub content: Option<&'a [u8]>,
    /// The certificates, in this order.
    pub certificates: &'a [&'a Certificate],
    /// Who signs: the certificate is named by issuer and serial number.
    pub signer: (&'a Certificate, &'a PrivateKey),
    /// The digest.
    pub digest: Digest,
    /// Signed attributes beside contentType and messageDigest: dotted identifier and the DER of the single value.
    pub attributes: &'a [(&'a str, Vec<u8>)],
    /// Name an RSA signature as rsaEncryption and not by its digest (some clients know nothing else).
    pub rsa_encryption_oid: bool,
}

impl Signed {
    /// Reads a ContentInfo (BER or DER) that holds a SignedData with exactly one SignerInfo.
    ///
    /// # Errors
    /// `Malformed`, `TooDeep`, `TooManyElements`. Algorithms that are not known are no error here.
    pub fn parse(_ber: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a signed message"))
    }

    /// Builds a ContentInfo with a SignedData, in DER but for the order of the certificates.
    ///
    /// # Errors
    /// What [`PrivateKey::sign`] says; `Text` for an identifier that is none.
    pub fn build(_parts: &SignedParts<'_>) -> Result<Vec<u8>, Error> {
        Err(Error::crypto("signing a message"))
    }

    /// Dotted identifier of the content's type.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The content octets; None when there is none.
    #[must_use]
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// The certificates in the message, in the order sent.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// How the signer's certificate is named.
    #[must_use]
    pub fn signer_id(&self) -> &CertificateId {
        &self.signer_id
    }

    /// The signer's certificate, if it is in the message.
    #[must_use]
    pub fn signer_certificate(&self) -> Option<&Certificate> {
        None
    }

    /// The digest that the signer used.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn digest(&self) -> Result<Digest, Error> {
        self.digest.clone()
    }

    /// The signature scheme that the signer used.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed`.
    pub fn scheme(&self) -> Result<SignatureScheme, Error> {
        self.scheme.clone()
    }

    /// The signed attributes, in the order sent.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The raw DER of the single value of a signed attribute; None when it is missing or has not exactly one value.
    #[must_use]
    pub fn attribute(&self, _oid: &str) -> Option<&[u8]> {
        None
    }

    /// Checks that contentType and messageDigest are there and right, that no attribute is there twice, and that the
    /// signature over the signed attributes is that of the signer's certificate's key (RFC 5652, 5.4 and 5.6).
    ///
    /// # Errors
    /// `SignerCertificateMissing`, `SignedAttribute`, `BadSignature`, `Unsupported`, `WrongKey`.
    pub fn check(&self) -> Result<(), Error> {
        Err(Error::crypto("verifying a message"))
    }
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Signed({}, signer {:?})",
            self.content_type, self.signer_id
        )
    }
}
