//! Serial numbers, kept as they came.

use crate::{Error, random};

/// A certificate's serial number: the content octets of the INTEGER as sent, a leading zero octet included.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// A serial number with these content octets, two's complement, big-endian.
    #[must_use]
    pub fn new(content: impl Into<Vec<u8>>) -> Self {
        Self(content.into())
    }

    /// Twenty octets of which 158 bits are random: positive, and written in 20 octets always (RFC 5280, 4.1.2.2).
    ///
    /// # Errors
    /// `Crypto` when no random octets are to be had.
    pub fn random() -> Result<Self, Error> {
        let mut octets = random::<20>()?;
        octets[0] = (octets[0] & 0x3f) | 0x40;
        Ok(Self(octets.to_vec()))
    }

    /// The content octets as sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lower-case hex of the content octets as sent.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    /// Reads hex as [`to_hex`](Self::to_hex) writes it; upper case and colons are taken too.
    ///
    /// # Errors
    /// `Text` when it is not hex, or empty.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        let digits: String = text.chars().filter(|character| *character != ':').collect();
        match hex::decode(&digits) {
            Ok(octets) if !octets.is_empty() => Ok(Self(octets)),
            _ => Err(Error::text(
                "serial number",
                "it is not an even number of hexadecimal digits",
            )),
        }
    }

    /// The octets without those leading octets that say nothing, for comparison: 00 before a clear top bit, ff before a
    /// set one.
    #[must_use]
    pub fn minimal(&self) -> &[u8] {
        let mut octets = self.0.as_slice();
        while let [first, rest @ ..] = octets {
            match (first, rest.first()) {
                (0x00, Some(next)) if next & 0x80 == 0 => octets = rest,
                (0xff, Some(next)) if next & 0x80 != 0 => octets = rest,
                _ => break,
            }
        }
        octets
    }

    /// True when both are the same number.
    #[must_use]
    pub fn same_number(&self, other: &Self) -> bool {
        self.minimal() == other.minimal()
    }
}

impl std::fmt::Debug for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl std::fmt::Display for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn random_serials_are_positive_and_twenty_octets() {
        for _ in 0..64 {
            let serial = Serial::random().unwrap();
            assert_eq!(serial.as_bytes().len(), 20);
            assert_eq!(serial.minimal(), serial.as_bytes());
            assert!(serial.as_bytes()[0] < 0x80);
        }
        assert_ne!(Serial::random().unwrap(), Serial::random().unwrap());
    }

    #[test]
    fn leading_octets_are_kept_and_do_not_count() {
        let sent = Serial::from_hex("00:C5:01").unwrap();
        assert_eq!(sent.to_hex(), "00c501");
        assert_eq!(sent.minimal(), [0, 0xc5, 1]);
        assert!(Serial::new([0, 0, 0x11]).same_number(&Serial::new([0x11])));
        assert!(!Serial::new([0xff, 0x11]).same_number(&Serial::new([0x11])));
        assert!(Serial::from_hex("abc").is_err());
        assert!(Serial::from_hex("").is_err());
    }
}
