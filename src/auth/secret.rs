//! Random texts that stand for a caller: token secrets, session ids, CSRF tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What every token secret begins with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "scepd_";

/// A secret text. Has no `Debug`; only [`SecretText::expose`] gives the text.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// A new token secret: `scepd_` and 256 random bits in base64url.
    ///
    /// # Errors
    /// No random octets are to be had.
    pub fn token() -> Result<Self, pki::Error> {
        Self::random(PREFIX)
    }

    /// 256 random bits in base64url.
    ///
    /// # Errors
    /// No random octets are to be had.
    pub fn opaque() -> Result<Self, pki::Error> {
        Self::random("")
    }

    fn random(prefix: &str) -> Result<Self, pki::Error> {
        let octets = Zeroizing::new(pki::random::<32>()?);
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 43));
        text.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(octets.as_slice(), &mut text);
        Ok(Self(text))
    }

    /// The text itself. Hand it to its owner; never log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// SHA-256 of a secret text: what is kept and compared. With 256 random bits underneath, a plain digest cannot be
/// searched backwards.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a text that somebody presents.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(pki::sha256(text.as_bytes()))
    }

    /// A digest computed before.
    #[must_use]
    pub const fn of_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are the same, in constant time.
    #[must_use]
    pub fn matches(&self, other: &[u8; 32]) -> bool {
        self.0.ct_eq(other).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn secrets_are_long_different_and_recognisable() {
        let (one, other) = (SecretText::token().unwrap(), SecretText::token().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), "scepd_".len() + 43);
        assert!(one.expose().starts_with("scepd_"));
        assert!(
            !SecretText::opaque().unwrap().expose().contains('.'),
            "never mistaken for a JWT"
        );
    }

    #[test]
    fn digests_match_their_own_text_only() {
        let secret = SecretText::token().unwrap();
        assert!(Digest::of(secret.expose()).matches(secret.digest().octets()));
        assert!(!Digest::of("scepd_x").matches(secret.digest().octets()));
    }
}
