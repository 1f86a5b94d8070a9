//! Key usage.

use crate::Error;
use crate::der::{self, Tlv, tag};

/// The bits of a keyUsage extension (RFC 5280, 4.2.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// digitalSignature.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// nonRepudiation (contentCommitment).
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// keyEncipherment.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// dataEncipherment.
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 3);
    /// keyAgreement.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// keyCertSign.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// cRLSign.
    pub const CRL_SIGN: Self = Self(1 << 6);
    /// encipherOnly.
    pub const ENCIPHER_ONLY: Self = Self(1 << 7);
    /// decipherOnly.
    pub const DECIPHER_ONLY: Self = Self(1 << 8);
    /// Every bit with its name as RFC 5280 writes it, in the order of the bits.
    pub const NAMES: [(Self, &'static str); 9] = [
        (Self::DIGITAL_SIGNATURE, "digitalSignature"),
        (Self::NON_REPUDIATION, "nonRepudiation"),
        (Self::KEY_ENCIPHERMENT, "keyEncipherment"),
        (Self::DATA_ENCIPHERMENT, "dataEncipherment"),
        (Self::KEY_AGREEMENT, "keyAgreement"),
        (Self::KEY_CERT_SIGN, "keyCertSign"),
        (Self::CRL_SIGN, "cRLSign"),
        (Self::ENCIPHER_ONLY, "encipherOnly"),
        (Self::DECIPHER_ONLY, "decipherOnly"),
    ];

    /// No bit at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self(0)
    }

    /// True when no bit is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when every bit of `other` is set here.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bit with this name, as RFC 5280 writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(bit, _)| *bit)
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(bit, _)| self.contains(*bit))
            .map(|(_, name)| name)
    }

    /// Reads the value of a keyUsage extension.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_extension_der(value: &[u8]) -> Result<Self, Error> {
        let what = "keyUsage";
        let bits = Tlv::parse(value, what)?;
        match bits.content {
            [unused, octets @ ..]
                if bits.tag == tag::BIT_STRING && *unused < 8 && octets.len() <= 2 =>
            {
                let bit = |index: usize| {
                    octets
                        .get(index / 8)
                        .is_some_and(|octet| octet & (0x80 >> (index % 8)) != 0)
                };
                Ok((0..9)
                    .filter(|index| bit(*index))
                    .fold(Self::empty(), |usage, index| usage.union(Self(1 << index))))
            }
            _ => Err(Error::malformed(
                what,
                "it is not a BIT STRING of at most 16 bits",
            )),
        }
    }

    /// The value of a keyUsage extension.
    #[must_use]
    pub fn to_extension_der(self) -> Vec<u8> {
        // A named bit list: the last octet is the last with a bit set (X.690, 11.2.2).
        let last = 15_u32.saturating_sub(self.0.leading_zeros());
        let octets = (self.0.reverse_bits()).to_be_bytes();
        match last {
            _ if self.is_empty() => der::bit_string(0, &[]),
            0..8 => der::bit_string(u8::try_from(7 - last).unwrap_or(0), &octets[..1]),
            _ => der::bit_string(u8::try_from(15 - last).unwrap_or(0), &octets),
        }
    }
}

impl std::ops::BitOr for KeyUsage {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl std::fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, name) in self.names().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for KeyUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyUsage({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn known_encodings() {
        let usage = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
        assert_eq!(hex::encode(usage.to_extension_der()), "030205a0");
        assert_eq!(usage.to_string(), "digitalSignature, keyEncipherment");
        assert_eq!(
            hex::encode(KeyUsage::DECIPHER_ONLY.to_extension_der()),
            "0303070080"
        );
        assert_eq!(
            hex::encode((KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN).to_extension_der()),
            "03020106"
        );
        assert_eq!(hex::encode(KeyUsage::empty().to_extension_der()), "030100");
    }

    #[test]
    fn every_combination_survives_the_round_trip() {
        for bits in 0..512 {
            let usage = KeyUsage(bits);
            assert_eq!(
                KeyUsage::from_extension_der(&usage.to_extension_der()).unwrap(),
                usage
            );
            assert_eq!(
                usage
                    .names()
                    .map(|name| KeyUsage::from_name(name).unwrap())
                    .fold(KeyUsage(0), KeyUsage::union),
                usage
            );
        }
        // Bits that a careless encoder left in place.
        assert_eq!(
            KeyUsage::from_extension_der(&[3, 2, 0, 0xa0]).unwrap(),
            KeyUsage(5)
        );
        for bad in [
            &[][..],
            &[3, 0],
            &[3, 2, 8, 1],
            &[4, 2, 0, 1],
            &[3, 4, 0, 1, 1, 1],
        ] {
            assert!(KeyUsage::from_extension_der(bad).is_err());
        }
    }
}
