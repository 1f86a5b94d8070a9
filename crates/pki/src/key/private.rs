//! Private keys.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{Digest, Error, KeyKind, PublicKey, SignatureScheme};

/// A private key. Cheap to clone; never shown.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    public: PublicKey,
}

impl PrivateKey {
    /// Reads a PEM private key that is not encrypted: PKCS #8 (`PRIVATE KEY`), or the older `RSA PRIVATE KEY` and
    /// `EC PRIVATE KEY`. Other PEM blocks before it are skipped.
    ///
    /// # Errors
    /// `Malformed`, with what is wrong; an encrypted key is said to be one.
    pub fn from_pem(_pem: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a private key"))
    }

    /// Reads the DER of a PKCS #8 PrivateKeyInfo.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_pkcs8_der(_der: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading a private key"))
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// `WrongKey` for kinds that cannot be made here: RSA below 2048 or above 8192 bits, and `Other`.
    pub fn generate(_kind: KeyKind) -> Result<Self, Error> {
        Err(Error::crypto("generating a key"))
    }

    /// The PEM of the PKCS #8 PrivateKeyInfo, not encrypted.
    ///
    /// # Errors
    /// `Crypto` when the library cannot write the key.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, Error> {
        Err(Error::crypto("writing a private key"))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> &KeyKind {
        self.public_key().kind()
    }

    /// The usual scheme for this kind of key with this digest: RSA PKCS #1 v1.5, or ECDSA.
    ///
    /// # Errors
    /// `WrongKey` when it can make neither.
    pub fn scheme(&self, digest: Digest) -> Result<SignatureScheme, Error> {
        match self.kind() {
            KeyKind::Rsa { .. } => Ok(SignatureScheme::RsaPkcs1(digest)),
            KeyKind::Ec(_) => Ok(SignatureScheme::Ecdsa(digest)),
            KeyKind::Other(name) => Err(Error::WrongKey {
                purpose: "signing",
                found: name.clone(),
            }),
        }
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// `WrongKey` when the scheme is not for this kind of key; `Unsupported` for MD5.
    pub fn sign(&self, _scheme: &SignatureScheme, _message: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::crypto("signing"))
    }
}
