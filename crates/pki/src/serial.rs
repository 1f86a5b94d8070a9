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

    /// What a text may mean that some tool has printed, the likeliest first: hex in upper or lower case, with colons, blanks
    /// or hyphens between the digits, `0x` or `serial=` before them, or both notations (`4660 (0x1234)`); of digits alone
    /// also the decimal number. Empty when it is no number.
    #[must_use]
    pub fn readings(text: &str) -> Vec<Self> {
        let text = text.trim();
        if text.len() > LONGEST_TEXT {
            return Vec::new();
        }
        let text = text
            .split_at_checked("serial=".len())
            .filter(|(name, _)| name.eq_ignore_ascii_case("serial="))
            .map_or(text, |(_, rest)| rest.trim());
        let inside = |text: &'_ str| {
            let (_, inside) = text.split_once('(')?;
            inside.split_once(')').map(|(inside, _)| inside.to_owned())
        };
        let text = inside(text).unwrap_or_else(|| text.to_owned());
        let digits: String = text
            .chars()
            .filter(|character| !matches!(character, ':' | '-' | ' ' | '\t' | '\u{a0}'))
            .collect();
        let prefixed = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
        let hex = prefixed.unwrap_or(&digits);
        let even = if hex.len().is_multiple_of(2) {
            hex.to_owned()
        } else {
            format!("0{hex}")
        };
        let mut readings = Vec::new();
        readings.extend(Self::from_hex(&even).ok());
        if prefixed.is_none() {
            readings.extend(decimal(&digits).map(Self));
        }
        readings
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

/// The longest text that may be a serial number, in octets.
const LONGEST_TEXT: usize = 256;

/// The octets of a decimal number, big-endian, with a clear top bit.
fn decimal(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // Least significant first.
    let mut octets: Vec<u8> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for octet in &mut octets {
            let value = u32::from(*octet) * 10 + carry;
            *octet = u8::try_from(value & 0xff).ok()?;
            carry = value >> 8;
        }
        if carry > 0 {
            octets.push(u8::try_from(carry).ok()?);
        }
    }
    if octets.last().is_none_or(|top| top & 0x80 != 0) {
        octets.push(0);
    }
    octets.reverse();
    Some(octets)
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

    #[test]
    fn every_way_in_which_tools_print_a_number_is_read() {
        let number = Serial::from_hex("0d1eaf00").unwrap();
        for text in [
            "0d1eaf00",
            "0D1EAF00",
            "0d:1e:af:00",
            "0D:1E:AF:00",
            "0d 1e af 00",
            " 0d1e-af00\n",
            "0x0d1eaf00",
            "0XD1EAF00",
            "d1eaf00",
            "serial=0D1EAF00",
            "Serial=0x0d1eaf00",
            "220114688",
            "220114688 (0xd1eaf00)",
        ] {
            let read = Serial::readings(text);
            assert!(
                read.iter().any(|one| one.same_number(&number)),
                "{text}: {read:?}"
            );
        }
        let both = Serial::readings("1234");
        assert_eq!(both, [Serial::new([0x12, 0x34]), Serial::new([0x04, 0xd2])]);
        assert_eq!(Serial::readings("0x1234"), [Serial::new([0x12, 0x34])]);
        let large = "340282366920938463463374607431768211456";
        let read = Serial::readings(large);
        assert_eq!(read[1].as_bytes(), [&[1][..], &[0; 16]].concat());
        assert_eq!(Serial::readings("255").last(), Some(&Serial::new([0, 255])));
        for text in ["", "0x", "box-4", "12 34 zz", &"1".repeat(300)] {
            assert!(Serial::readings(text).is_empty(), "{text}");
        }
    }
}
