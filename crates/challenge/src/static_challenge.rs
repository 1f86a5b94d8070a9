//! The profile's one static password.

use crate::validator::{Check, NotVouched, Request, Validator};
use chrono::{DateTime, Utc};
use ring::digest;
use std::fmt;
use subtle::ConstantTimeEq;

/// A static challenge, of which only the digest is kept.
#[derive(Clone)]
pub struct StaticChallenge {
    /// `None` for an empty password, which no device can give.
    digest: Option<[u8; 32]>,
}

impl StaticChallenge {
    /// Keeps the digest of `password`. An empty password matches nothing, not even itself.
    #[must_use]
    pub fn new(password: &str) -> Self {
        Self {
            digest: if password.is_empty() {
                None
            } else {
                digest_of(password)
            },
        }
    }

    /// Whether `candidate` is the password. Digests are compared, in constant time, so that the
    /// time taken says nothing of how much of a guess was right.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        match (self.digest, digest_of(candidate)) {
            (Some(expected), Some(given)) => expected.ct_eq(&given).into(),
            _ => false,
        }
    }
}

impl Validator for StaticChallenge {
    fn id(&self) -> &str {
        "static"
    }

    /// Whatever no other validator took; what is no password is a wrong one.
    fn recognises(&self, _: Option<&str>) -> bool {
        true
    }

    fn check(&self, request: &Request<'_>, _: DateTime<Utc>) -> Check {
        let message = match request.challenge {
            Some(password) if self.matches(password) => return Check::Proven(Box::default()),
            Some(_) => "the static challenge is wrong",
            None => "the CSR holds no challengePassword",
        };
        Check::Refused(Box::new(NotVouched {
            is_guess: true,
            ..NotVouched::of_challenge(message)
        }))
    }
}

impl fmt::Debug for StaticChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticChallenge(<set>)")
    }
}

fn digest_of(text: &str) -> Option<[u8; 32]> {
    digest::digest(&digest::SHA256, text.as_bytes())
        .as_ref()
        .try_into()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_password_matches() {
        let challenge = StaticChallenge::new("correct horse");
        assert!(challenge.matches("correct horse"));
        for guess in [
            "",
            "correct horse ",
            "Correct horse",
            "correct hors",
            "correct horse\0",
        ] {
            assert!(!challenge.matches(guess), "{guess:?}");
        }
    }

    #[test]
    fn an_empty_password_is_no_way_in() {
        assert!(!StaticChallenge::new("").matches(""));
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", StaticChallenge::new("canary"));
        assert_eq!(text, "StaticChallenge(<set>)");
    }
}
