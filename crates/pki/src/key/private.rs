//! Private keys.

use std::sync::Arc;

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::evp;
use super::ready::{self, Use};
use crate::digest::fill_random;
use crate::{Curve, Digest, Error, KeyKind, KeyTransport, PublicKey, SignatureScheme, pem};

const WHAT: &str = "private key";

/// A private key. Cheap to clone; never shown.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

pub(super) struct Inner {
    pub(super) key: PKey<Private>,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads a PEM private key that is not encrypted: PKCS #8 (`PRIVATE KEY`), or the older `RSA PRIVATE KEY` and
    /// `EC PRIVATE KEY`. Other PEM blocks before it are skipped.
    ///
    /// # Errors
    /// `Malformed`, with what is wrong; an encrypted key is said to be one.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let blocks = pem::blocks(pem)?;
        let block = blocks
            .iter()
            .find(|block| is_key(block))
            .ok_or(Error::malformed(
                WHAT,
                "there is no PRIVATE KEY block in it",
            ))?;
        Self::from_block(block)
    }

    /// All private keys of a PEM file in their order, each as [`from_pem`](Self::from_pem) reads it; none when there is
    /// none.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), of the first that cannot be read.
    pub fn bundle_from_pem(pem: &[u8]) -> Result<Vec<Self>, Error> {
        let blocks = pem::blocks(pem)?;
        let keys = blocks.iter().filter(|block| is_key(block));
        keys.map(Self::from_block).collect()
    }

    fn from_block(block: &pem::Block<'_>) -> Result<Self, Error> {
        if block.is_encrypted() {
            return Err(Error::malformed(
                WHAT,
                "it is encrypted; give it decrypted, in a file that only its user can read",
            ));
        }
        let der = block.decode()?;
        match block.label {
            "RSA PRIVATE KEY" => Self::from_evp(
                Rsa::private_key_from_der(&der)
                    .and_then(PKey::from_rsa)
                    .ok(),
            ),
            "EC PRIVATE KEY" => Self::from_evp(
                EcKey::private_key_from_der(&der)
                    .and_then(PKey::from_ec_key)
                    .ok(),
            ),
            _ => Self::from_pkcs8_der(&der),
        }
    }

    /// Reads the DER of a PKCS #8 PrivateKeyInfo.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, Error> {
        Self::from_evp(PKey::private_key_from_pkcs8(der).ok())
    }

    fn from_evp(key: Option<PKey<Private>>) -> Result<Self, Error> {
        let key = key.ok_or(Error::malformed(WHAT, "its octets are no key"))?;
        let spki = key
            .public_key_to_der()
            .map_err(|_| Error::malformed(WHAT, "it has no public half"))?;
        Ok(Self(Arc::new(Inner {
            key,
            public: PublicKey::from_spki_der(&spki)?,
        })))
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// `WrongKey` for kinds that cannot be made here: RSA below 2048 or above 8192 bits, and `Other`.
    pub fn generate(kind: KeyKind) -> Result<Self, Error> {
        let made = match &kind {
            KeyKind::Rsa {
                bits: bits @ 2048..=8192,
            } => Rsa::generate(*bits).and_then(PKey::from_rsa),
            KeyKind::Ec(curve) => {
                let nid = match curve {
                    Curve::P256 => Nid::X9_62_PRIME256V1,
                    Curve::P384 => Nid::SECP384R1,
                    Curve::P521 => Nid::SECP521R1,
                };
                EcGroup::from_curve_name(nid)
                    .and_then(|group| EcKey::generate(&group))
                    .and_then(PKey::from_ec_key)
            }
            other => {
                return Err(Error::WrongKey {
                    purpose: "a new key",
                    found: other.to_string(),
                });
            }
        };
        Self::from_evp(Some(made.map_err(|_| Error::crypto("generating a key"))?))
    }

    /// The PEM of the PKCS #8 PrivateKeyInfo, not encrypted.
    ///
    /// # Errors
    /// `Crypto` when the library cannot write the key.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, Error> {
        Ok(Zeroizing::new(pem::encode(
            "PRIVATE KEY",
            &self.to_pkcs8_der()?,
        )))
    }

    /// The DER of the PKCS #8 PrivateKeyInfo, not encrypted.
    ///
    /// # Errors
    /// `Crypto` when the library cannot write the key.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.0
            .key
            .private_key_to_pkcs8()
            .map(Zeroizing::new)
            .map_err(|_| Error::crypto("writing a private key"))
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
    pub fn sign(&self, scheme: &SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        evp::fits(self.kind(), scheme)?;
        let digest = scheme.digest().hash(message);
        let mut signature = vec![0; self.0.key.size()];
        let length = ready::with(&self.0, Use::Sign(*scheme), |context| {
            context.sign(&digest, Some(&mut signature))
        })
        .flatten()
        .map_err(|_| Error::crypto("signing"))?;
        signature.truncate(length);
        Ok(signature)
    }

    /// Decrypts a content key of `length` octets. Whatever comes out of the RSA operation, a key of that length is given:
    /// the decrypted one, or, where that is of another length or there is none, a random one. Which of the two it is, is
    /// not to be learnt here, nor from the time taken: PKCS #1 v1.5 is done with implicit rejection by the library, and
    /// the choice by length is made without a branch.
    ///
    /// # Errors
    /// `WrongKey` when this is no RSA key, `Crypto` when no random octets are to be had: neither depends on the
    /// ciphertext.
    pub(crate) fn decrypt_content_key(
        &self,
        transport: &KeyTransport,
        encrypted: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let KeyKind::Rsa { .. } = self.kind() else {
            return Err(Error::WrongKey {
                purpose: "decrypting",
                found: self.kind().to_string(),
            });
        };
        let mut key = Zeroizing::new(vec![0; length]);
        fill_random(&mut key)?;
        let mut decrypted = Zeroizing::new(vec![0; self.0.key.size().max(length)]);
        // What is no number below the modulus would be refused before any work: a number that is one takes its place.
        let in_range = self.is_in_range(encrypted);
        let stand_in;
        let ciphertext = if in_range {
            encrypted
        } else {
            stand_in = stand_in_ciphertext(self.0.key.size());
            &stand_in
        };
        let written = ready::with(&self.0, Use::Decrypt(*transport), |context| {
            let written = context.decrypt(ciphertext, Some(&mut decrypted));
            written.unwrap_or(0)
        })
        .map_err(|_| Error::crypto("decrypting a content key"))?;
        let usable = (written as u64).ct_eq(&(length as u64)) & Choice::from(u8::from(in_range));
        for (octet, decrypted) in key.iter_mut().zip(decrypted.iter()) {
            octet.conditional_assign(decrypted, usable);
        }
        Ok(key)
    }

    /// Whether these octets can be an RSA ciphertext of this key: as many as the modulus has, and below it. Anybody who
    /// knows the public key sees that.
    fn is_in_range(&self, ciphertext: &[u8]) -> bool {
        let modulus = self.public_key().modulus();
        ciphertext.len() == modulus.len() && ciphertext < modulus
    }
}

/// A number below every modulus of so many octets, and above those for which RSA is quick.
fn stand_in_ciphertext(octets: usize) -> Vec<u8> {
    let mut ciphertext = vec![0x5a; octets];
    if let Some(first) = ciphertext.first_mut() {
        *first = 0;
    }
    ciphertext
}

fn is_key(block: &pem::Block<'_>) -> bool {
    block.label.ends_with("PRIVATE KEY")
}
