//! Kinds of keys.

use crate::der::{Reader, Tlv, tag};
use crate::{Error, oid};

/// A named elliptic curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256 (secp256r1).
    P256,
    /// NIST P-384 (secp384r1).
    P384,
    /// NIST P-521 (secp521r1).
    P521,
}

impl Curve {
    /// `P-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }
}

impl Curve {
    /// Its object identifier, dotted.
    #[must_use]
    pub const fn oid(self) -> &'static str {
        match self {
            Self::P256 => oid::P256,
            Self::P384 => oid::P384,
            Self::P521 => oid::P521,
        }
    }
}

/// What kind of key it is. Written as `RSA 2048` or `EC P-256`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// An RSA key.
    Rsa {
        /// Bits of the modulus.
        bits: u32,
    },
    /// An elliptic-curve key.
    Ec(Curve),
    /// Anything else, by name or object identifier.
    Other(String),
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::Ec(curve) => write!(f, "EC {}", curve.name()),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// The kind of a key, by its AlgorithmIdentifier and the octets of its bit string.
pub(super) fn of(algorithm: &Tlv<'_>, bits: &[u8]) -> Result<KeyKind, Error> {
    let mut algorithm = algorithm.reader("public key");
    let identifier = algorithm.oid()?;
    Ok(match identifier.as_str() {
        oid::RSA_ENCRYPTION | oid::RSA_PSS | oid::RSA_OAEP => {
            let (modulus, _) = rsa_numbers(bits)?;
            let unused = modulus.first().map_or(0, |first| first.leading_zeros());
            let total = u32::try_from(modulus.len())
                .ok()
                .and_then(|octets| octets.checked_mul(8));
            KeyKind::Rsa {
                bits: total.unwrap_or(u32::MAX).saturating_sub(unused),
            }
        }
        oid::EC_PUBLIC_KEY => match algorithm.optional(tag::OID)? {
            Some(curve) => match oid::to_dotted(curve.content)?.as_str() {
                oid::P256 => KeyKind::Ec(Curve::P256),
                oid::P384 => KeyKind::Ec(Curve::P384),
                oid::P521 => KeyKind::Ec(Curve::P521),
                other => KeyKind::Other(format!("EC {}", oid::known_as(other))),
            },
            None => KeyKind::Other("EC with explicit parameters".to_owned()),
        },
        oid::ED25519 => KeyKind::Other("Ed25519".to_owned()),
        oid::ED448 => KeyKind::Other("Ed448".to_owned()),
        _ => KeyKind::Other(identifier),
    })
}

/// Modulus and exponent of an RSAPublicKey (RFC 8017, A.1.1), without leading zero octets.
pub(super) fn rsa_numbers(bits: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let mut reader = Reader::new(bits, "RSA public key");
    let mut numbers = reader.sequence()?;
    reader.finish()?;
    let mut number = || -> Result<&[u8], Error> {
        let content = numbers.integer()?;
        if content.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(numbers.error("a number is negative"));
        }
        let zeros = content.iter().take_while(|octet| **octet == 0).count();
        Ok(content.get(zeros..).unwrap_or_default())
    };
    let both = (number()?, number()?);
    numbers.finish()?;
    Ok(both)
}
