//! Digests and random octets.

use ring::rand::SecureRandom;

use crate::{Error, oid};

/// A message digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digest {
    /// MD5. Recognised so that a refusal can name it; nothing that uses it ever verifies.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// The digest of `data`: 16, 20, 32, 48 or 64 octets.
    #[must_use]
    pub fn hash(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Md5 => return md5(data),
            Self::Sha1 => &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &ring::digest::SHA256,
            Self::Sha384 => &ring::digest::SHA384,
            Self::Sha512 => &ring::digest::SHA512,
        };
        ring::digest::digest(algorithm, data).as_ref().to_vec()
    }

    /// Length of the digest in octets.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The name that people and GetCACaps use: `SHA-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// The object identifier in dotted form.
    #[must_use]
    pub const fn oid(self) -> &'static str {
        match self {
            Self::Md5 => oid::MD5,
            Self::Sha1 => oid::SHA1,
            Self::Sha256 => oid::SHA256,
            Self::Sha384 => oid::SHA384,
            Self::Sha512 => oid::SHA512,
        }
    }

    /// The digest with that object identifier in dotted form.
    #[must_use]
    pub fn from_oid(dotted: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.oid() == dotted)
    }

    pub(crate) fn openssl(self) -> &'static openssl::md::MdRef {
        use openssl::md::Md;
        match self {
            Self::Md5 => Md::md5(),
            Self::Sha1 => Md::sha1(),
            Self::Sha256 => Md::sha256(),
            Self::Sha384 => Md::sha384(),
            Self::Sha512 => Md::sha512(),
        }
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// MD5 of `data`, or nothing where the library has no MD5.
fn md5(data: &[u8]) -> Vec<u8> {
    openssl::hash::hash(openssl::hash::MessageDigest::md5(), data)
        .map_or_else(|_| Vec::new(), |digest| digest.to_vec())
}

/// SHA-256 of `data`.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, data).as_ref());
    octets
}

/// HMAC with SHA-256 (RFC 2104) of `data`.
#[must_use]
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let mut octets = [0; 32];
    octets.copy_from_slice(ring::hmac::sign(&key, data).as_ref());
    octets
}

pub(crate) fn sha1(data: &[u8]) -> [u8; 20] {
    let mut octets = [0; 20];
    octets.copy_from_slice(
        ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref(),
    );
    octets
}

/// `N` octets that nobody can foretell, from the operating system.
///
/// # Errors
/// `Crypto` when the operating system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut octets = [0; N];
    fill_random(&mut octets)?;
    Ok(octets)
}

pub(crate) fn fill_random(octets: &mut [u8]) -> Result<(), Error> {
    ring::rand::SystemRandom::new()
        .fill(octets)
        .map_err(|_| Error::crypto("drawing random octets"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn digests_of_abc() {
        let starts = [
            "900150983cd24fb0",
            "a9993e364706816a",
            "ba7816bf8f01cfea",
            "cb00753f45a35e8b",
            "ddaf35a193617aba",
        ];
        for (digest, start) in Digest::ALL.into_iter().zip(starts) {
            let value = digest.hash(b"abc");
            assert_eq!(value.len(), digest.length());
            assert!(hex::encode(value).starts_with(start), "{digest}");
            assert_eq!(Digest::from_oid(digest.oid()), Some(digest));
        }
        assert_eq!(sha256(b"abc").to_vec(), Digest::Sha256.hash(b"abc"));
        assert_eq!(sha1(b"abc").to_vec(), Digest::Sha1.hash(b"abc"));
    }

    /// RFC 4231, section 4.3.
    #[test]
    fn a_code_of_authentication_is_that_of_the_rfc() {
        let code = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert!(hex::encode(code).starts_with("5bdcc146bf60754e6a042426089575c7"));
    }

    #[test]
    fn random_octets_differ() {
        assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
    }
}
