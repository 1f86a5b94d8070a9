//! Public keys.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use openssl::bn::BigNum;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Rsa;

use super::weak::LONGEST_EXPONENT;
use super::{evp, kind, ready};
use crate::der::{Reader, tag};
use crate::{Error, KeyKind, KeyTransport, SignatureScheme, oid};

/// A public key. Cheap to clone.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

pub(super) struct Inner {
    spki: Vec<u8>,
    kind: KeyKind,
    /// Where the octets of the bit string stand in `spki`.
    bits: Range<usize>,
    /// The library's form of it, made when it is first used: many keys are only looked at.
    evp: OnceLock<Option<PKey<Public>>>,
}

impl PublicKey {
    /// Reads the DER of a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7). A key of an unknown kind is read too; it can do
    /// nothing.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(spki, "public key");
        let mut info = reader.sequence()?;
        reader.finish()?;
        let algorithm = info.expect(tag::SEQUENCE)?;
        let bits = info.bit_octets()?;
        info.finish()?;
        Ok(Self(Arc::new(Inner {
            spki: spki.to_vec(),
            kind: kind::of(&algorithm, bits)?,
            bits: spki.len() - bits.len()..spki.len(),
            evp: OnceLock::new(),
        })))
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
        crate::digest::sha1(self.bits())
    }

    /// Whether `id` is an identifier of this key: that of [`key_id`](Self::key_id), or one of the methods of RFC 7093, section
    /// 2 (the left 160 bits of SHA-256, SHA-384 or SHA-512 of the bit string; SHA-256 of the SubjectPublicKeyInfo).
    #[must_use]
    pub fn is_key_id(&self, id: &[u8]) -> bool {
        let cut = |digest: crate::Digest| digest.hash(self.bits()).starts_with(id);
        id == self.key_id()
            || (id.len() == 20
                && (cut(crate::Digest::Sha256)
                    || cut(crate::Digest::Sha384)
                    || cut(crate::Digest::Sha512)))
            || id == crate::sha256(self.spki_der())
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// `BadSignature` when it is not this key's; `WrongKey` when the scheme is not for this kind of key, or the key is of
    /// a kind or size that is not used; `Unsupported` for MD5.
    pub fn verify(
        &self,
        scheme: &SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        evp::fits(self.kind(), scheme)?;
        let key = self.evp("verifying")?;
        let bad = Err(Error::BadSignature { what: "message" });
        // The library takes a PSS signature without its leading zero octets; RFC 8017 (8.1.2) does not.
        if !matches!(scheme, SignatureScheme::Ecdsa(_)) && signature.len() != key.size() {
            return bad;
        }
        let digest = scheme.digest().hash(message);
        let verified = ready::verify(&self.0, key, scheme, &digest, signature);
        // An error here is a signature of the wrong length or form: wrong like any other.
        if matches!(verified, Ok(true)) {
            Ok(())
        } else {
            bad
        }
    }

    /// Encrypts a content key to this key.
    ///
    /// # Errors
    /// `WrongKey` when it is no RSA key; `Crypto` when the plaintext is too long for it.
    pub fn encrypt(&self, transport: &KeyTransport, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let purpose = "encrypting";
        if !matches!(self.kind(), KeyKind::Rsa { .. }) {
            return Err(self.wrong(purpose));
        }
        let key = self.evp(purpose)?;
        let mut ciphertext = Vec::with_capacity(key.size());
        PkeyCtx::new(key)
            .and_then(|mut context| {
                context.encrypt_init()?;
                evp::configure_transport(&mut context, transport)?;
                context.encrypt_to_vec(plaintext, &mut ciphertext)
            })
            .map_err(|_| Error::crypto("encrypting a content key"))?;
        Ok(ciphertext)
    }

    /// The modulus of an RSA key, big-endian, without leading zero octets; else nothing.
    pub(crate) fn modulus(&self) -> &[u8] {
        match self.kind() {
            KeyKind::Rsa { .. } => kind::rsa_numbers(self.bits()).unwrap_or_default().0,
            _ => &[],
        }
    }

    /// Whether it can verify anything here.
    pub(crate) fn is_usable(&self) -> bool {
        self.evp("verifying").is_ok()
    }

    /// Whether the scheme is for this kind of key, and its digest one that is used.
    pub(crate) fn fits(&self, scheme: &SignatureScheme) -> bool {
        evp::fits(self.kind(), scheme).is_ok()
    }

    /// Whether verifying with it costs no more than with keys that somebody has, or than an RSA signature, even where
    /// nothing here uses such a key. The library takes long exponents only with a modulus of up to 3072 bits.
    pub(crate) fn is_affordable(&self) -> bool {
        match self.kind() {
            KeyKind::Rsa { bits } => {
                *bits <= 3072 || (*bits <= 16_384 && !self.has_long_exponent())
            }
            KeyKind::Ec(_) => true,
            KeyKind::Other(_) => {
                let algorithm = || -> Result<String, Error> {
                    let mut info = Reader::new(self.spki_der(), "public key").sequence()?;
                    info.sequence()?.oid()
                };
                algorithm().is_ok_and(|algorithm| {
                    [oid::EC_PUBLIC_KEY, oid::ED25519, oid::ED448].contains(&algorithm.as_str())
                })
            }
        }
    }

    /// The octets of the bit string in the SubjectPublicKeyInfo.
    #[must_use]
    pub fn bits(&self) -> &[u8] {
        self.0.spki.get(self.0.bits.clone()).unwrap_or_default()
    }

    fn wrong(&self, purpose: &'static str) -> Error {
        Error::WrongKey {
            purpose,
            found: self.kind().to_string(),
        }
    }

    pub(super) fn evp(&self, purpose: &'static str) -> Result<&PKey<Public>, Error> {
        self.0
            .evp
            .get_or_init(|| self.load())
            .as_ref()
            .ok_or_else(|| self.wrong(purpose))
    }

    fn load(&self) -> Option<PKey<Public>> {
        match self.kind() {
            KeyKind::Rsa { bits } => {
                let (modulus, exponent) = kind::rsa_numbers(self.bits()).ok()?;
                // Larger ones are nobody's keys and cost us more than they cost their makers.
                if !(1024..=8192).contains(bits) || exponent.len() > LONGEST_EXPONENT {
                    return None;
                }
                let (n, e) = (
                    BigNum::from_slice(modulus).ok()?,
                    BigNum::from_slice(exponent).ok()?,
                );
                PKey::from_rsa(Rsa::from_public_components(n, e).ok()?).ok()
            }
            KeyKind::Ec(_) => PKey::public_key_from_der(self.spki_der()).ok(),
            KeyKind::Other(_) => None,
        }
    }
}

impl PublicKey {
    /// What makes it the key that it is, however it is encoded: for RSA its two numbers.
    fn identity(&self) -> (&KeyKind, &[u8], &[u8]) {
        let (first, second) = match self.kind() {
            KeyKind::Rsa { .. } => kind::rsa_numbers(self.bits()).unwrap_or_default(),
            KeyKind::Ec(_) => (self.bits(), &[][..]),
            KeyKind::Other(_) => (self.spki_der(), &[][..]),
        };
        (self.kind(), first, second)
    }
}

/// Two are equal when they are the same key, even where one is encoded with parameters that the other leaves out.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.identity() == other.identity()
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.0.kind)
    }
}
