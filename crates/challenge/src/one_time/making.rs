//! Making a challenge, and the digest that is kept of it.

use ring::hmac;
use std::fmt;
use zeroize::Zeroizing;

/// How many characters a challenge may have.
pub const LENGTHS: std::ops::RangeInclusive<usize> = 12..=64;

/// Upper-case hexadecimal digits: they fit a PrintableString, XML and every scraper of an NDES page.
const ALPHABET: &[u8; 16] = b"0123456789ABCDEF";

/// Whether a text has the shape of a challenge that is made here.
#[must_use]
pub fn is_shaped(text: &str) -> bool {
    LENGTHS.contains(&text.len()) && text.bytes().all(|octet| ALPHABET.contains(&octet))
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
    pub fn make(length: usize) -> Result<Zeroizing<String>, pki::Error> {
        let octets = Zeroizing::new(pki::random::<32>()?);
        let digits = octets
            .iter()
            .flat_map(|octet| [octet >> 4, octet & 15])
            .map(|digit| char::from(ALPHABET[usize::from(digit)]));
        Ok(Zeroizing::new(digits.take(length).collect()))
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
    fn they_are_upper_case_hex_of_the_length_that_is_asked_for_and_never_the_same() {
        let mut seen = HashSet::new();
        for length in [12, 16, 32, 64] {
            for _ in 0..50 {
                let challenge = ChallengeKey::make(length).unwrap();
                assert_eq!(challenge.len(), length);
                assert!(is_shaped(&challenge), "{}", &*challenge);
                assert!(seen.insert(challenge.to_string()));
            }
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
            assert!(!is_shaped(text), "{text}");
        }
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
