//! Making a challenge, and the digest that is kept of it.

use ring::hmac;
use std::fmt;
use zeroize::Zeroizing;

/// How many characters a challenge may have.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 12..=64;

/// What challenges are made of. All of it fits a PrintableString, XML and every scraper of an NDES page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alphabet {
    /// Upper-case hexadecimal digits, as NDES makes them: 4 bits each.
    #[default]
    Hex,
    /// A to Z and 2 to 7 (RFC 4648, section 6), for those who type them: 5 bits each.
    Base32,
    /// Digits and letters in both cases: nearly 6 bits each.
    Alphanumeric,
}

impl Alphabet {
    const fn letters(self) -> &'static [u8] {
        match self {
            Self::Hex => b"0123456789ABCDEF",
            Self::Base32 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
            Self::Alphanumeric => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        }
    }

    /// Whether a text has the shape of a challenge that is made of it.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        let letters = self.letters();
        LENGTHS.contains(&text.len()) && text.bytes().all(|octet| letters.contains(&octet))
    }
}

/// The key by which challenges are kept: who has the store without it cannot try out what they might be.
#[derive(Clone)]
pub struct ChallengeKey(hmac::Key);

impl ChallengeKey {
    /// From 32 random octets.
    #[must_use]
    pub fn new(octets: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, octets))
    }

    /// What is kept of a challenge. Nobody without the key can choose a challenge by its digest, so that how long a look-up
    /// takes tells nothing of others.
    #[must_use]
    pub fn digest(&self, challenge: &str) -> [u8; 16] {
        let tag = hmac::sign(&self.0, challenge.as_bytes());
        let mut digest = [0; 16];
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }

    /// A new challenge of that many characters.
    ///
    /// # Errors
    /// The operating system gives no random octets.
    pub fn make(length: usize, alphabet: Alphabet) -> Result<Zeroizing<String>, pki::Error> {
        let letters = alphabet.letters();
        // What lies above would make the first letters likelier.
        let even = 256 / letters.len() * letters.len();
        let mut challenge = Zeroizing::new(String::with_capacity(length));
        while challenge.len() < length {
            let octets = Zeroizing::new(pki::random::<64>()?);
            let drawn = octets.iter().map(|octet| usize::from(*octet));
            let drawn = drawn.filter(|octet| *octet < even);
            let drawn = drawn.filter_map(|octet| letters.get(octet % letters.len()));
            let missing = length.saturating_sub(challenge.len());
            challenge.extend(drawn.take(missing).map(|letter| char::from(*letter)));
        }
        Ok(challenge)
    }
}

impl fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKey(<set>)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn they_have_the_length_and_letters_that_are_asked_for_and_are_never_the_same() {
        let mut seen = HashSet::new();
        for alphabet in [Alphabet::Hex, Alphabet::Base32, Alphabet::Alphanumeric] {
            let mut letters = HashSet::new();
            for length in [12, 16, 32, 64] {
                for _ in 0..50 {
                    let challenge = ChallengeKey::make(length, alphabet).unwrap();
                    assert_eq!(challenge.len(), length);
                    assert!(alphabet.fits(&challenge), "{}", &*challenge);
                    letters.extend(challenge.bytes());
                    assert!(seen.insert(challenge.to_string()));
                }
            }
            assert_eq!(letters.len(), alphabet.letters().len(), "each is drawn");
        }
    }

    #[test]
    fn other_texts_have_another_shape() {
        for text in [
            "",
            "ABCDEF01234",
            "abcdef0123456789",
            "ABCDEF 0123456789",
            "open-sesame-2931",
            &"A".repeat(65),
        ] {
            assert!(!Alphabet::Hex.fits(text), "{text}");
        }
        assert!(Alphabet::Base32.fits("ABCDEFGHIJKLMNOP"));
        assert!(!Alphabet::Base32.fits("ABCDEFGHIJKLMNO0"));
        assert!(Alphabet::Alphanumeric.fits("abcdef0123456789"));
        assert!(!Alphabet::Alphanumeric.fits("open-sesame-2931"));
    }

    #[test]
    fn the_digest_depends_on_key_and_challenge() {
        let (one, other) = (ChallengeKey::new(&[1; 32]), ChallengeKey::new(&[2; 32]));
        assert_eq!(one.digest("A"), ChallengeKey::new(&[1; 32]).digest("A"));
        assert_ne!(one.digest("A"), other.digest("A"));
        assert_ne!(one.digest("A"), one.digest("B"));
        assert_eq!(format!("{one:?}"), "ChallengeKey(<set>)");
    }
}
