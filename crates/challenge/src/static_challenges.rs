//! A profile's static passwords.

use crate::validator::{Check, Grounds, NotVouched, Proven, Request, Validator};
use chrono::{DateTime, Utc};
use ring::digest;
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// What the password of a profile that has one alone is called, in the audit.
pub const THE_STATIC_CHALLENGE: &str = "challenge_password";

/// Static challenges by name, of which only the digests are kept. Any of them lets a device in, so that one is exchanged
/// for another without a device that has the former one being refused.
#[derive(Clone, Default)]
pub struct StaticChallenges(Vec<Named>);

#[derive(Clone)]
struct Named {
    name: String,
    digest: [u8; 32],
    expires: Option<DateTime<Utc>>,
}

impl StaticChallenges {
    /// One that is called [`THE_STATIC_CHALLENGE`] and does not expire.
    #[must_use]
    pub fn only(password: &str) -> Self {
        Self::default().with(THE_STATIC_CHALLENGE, password, None)
    }

    /// With one more, which is refused from `expires` on. An empty password matches nothing, not even itself.
    #[must_use]
    pub fn with(mut self, name: &str, password: &str, expires: Option<DateTime<Utc>>) -> Self {
        if !password.is_empty()
            && let Some(digest) = digest_of(password)
        {
            self.0.push(Named {
                name: name.to_owned(),
                digest,
                expires,
            });
        }
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names with what they expire at, in the order of the configuration.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<DateTime<Utc>>)> {
        self.0.iter().map(|one| (one.name.as_str(), one.expires))
    }

    /// Whether `candidate` is one of them, expired or not.
    #[must_use]
    pub fn has(&self, candidate: &str) -> bool {
        self.find(candidate).is_some()
    }

    /// The one that `candidate` is. Digests are compared, each of them and in constant time, so that the time taken says
    /// nothing of how much of a guess was right.
    fn find(&self, candidate: &str) -> Option<&Named> {
        let given = digest_of(candidate)?;
        let mut found = None;
        for one in &self.0 {
            let same: Choice = one.digest.ct_eq(&given);
            if bool::from(same) && found.is_none() {
                found = Some(one);
            }
        }
        found
    }
}

impl Validator for StaticChallenges {
    fn id(&self) -> &str {
        "static"
    }

    /// Whatever no other validator took; what is no password is a wrong one.
    fn recognises(&self, _: Option<&str>) -> bool {
        true
    }

    fn check(&self, request: &Request<'_>, now: DateTime<Utc>) -> Check {
        let found = request.challenge.and_then(|password| self.find(password));
        let refused = match (found, request.challenge) {
            (
                Some(Named {
                    name,
                    expires: Some(end),
                    ..
                }),
                _,
            ) if *end <= now => {
                let words = format!("the static challenge `{name}` expired at {end}");
                // Who knows it does not guess.
                NotVouched {
                    reason: "challenge_expired",
                    ..NotVouched::of_challenge(&words)
                }
            }
            (Some(found), _) => {
                return Check::Proven(Box::new(Proven {
                    grounds: Grounds {
                        challenge: Some(found.name.clone()),
                        ..Grounds::default()
                    },
                    reservations: Vec::new(),
                }));
            }
            (None, given) => NotVouched {
                is_guess: true,
                ..NotVouched::of_challenge(match given {
                    Some(_) => "the static challenge is wrong",
                    None => "the CSR holds no challengePassword",
                })
            },
        };
        Check::Refused(Box::new(refused))
    }
}

impl fmt::Debug for StaticChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|one| &one.name))
            .finish()
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
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::CsrFacts;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn checked(challenges: &StaticChallenges, challenge: Option<&str>, now: i64) -> Check {
        let request = Request {
            challenge,
            names: &CsrFacts::default(),
            transaction_id: "1",
            csr: &[],
            source: None,
        };
        challenges.check(&request, at(now))
    }

    fn used(challenges: &StaticChallenges, challenge: &str, now: i64) -> Option<String> {
        match checked(challenges, Some(challenge), now) {
            Check::Proven(proven) => proven.grounds.challenge,
            _ => None,
        }
    }

    #[test]
    fn only_the_very_password_matches() {
        let challenges = StaticChallenges::only("correct horse");
        assert!(challenges.has("correct horse"));
        for guess in [
            "",
            "correct horse ",
            "Correct horse",
            "correct hors",
            "correct horse\0",
        ] {
            assert!(!challenges.has(guess), "{guess:?}");
        }
    }

    #[test]
    fn an_empty_password_is_no_way_in() {
        assert!(!StaticChallenges::only("").has(""));
        assert!(StaticChallenges::only("").is_empty());
    }

    #[test]
    fn each_lets_a_device_in_under_its_own_name_until_it_expires() {
        let challenges = StaticChallenges::only("zero")
            .with("spring", "one", Some(at(100)))
            .with("autumn", "two", None);
        assert_eq!(
            used(&challenges, "zero", 0).as_deref(),
            Some(THE_STATIC_CHALLENGE)
        );
        assert_eq!(used(&challenges, "one", 99).as_deref(), Some("spring"));
        assert_eq!(used(&challenges, "two", 1_000).as_deref(), Some("autumn"));
        let Check::Refused(refused) = checked(&challenges, Some("one"), 100) else {
            panic!("it is over");
        };
        assert_eq!(refused.reason, "challenge_expired");
        assert!(
            refused.message.contains("`spring`") && !refused.is_guess,
            "{refused:?}"
        );
        let Check::Refused(wrong) = checked(&challenges, Some("three"), 0) else {
            panic!("there is no such one");
        };
        assert!(wrong.is_guess);
        assert_eq!(
            wrong.told, refused.told,
            "the device learns no difference from it"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", StaticChallenges::only("canary"));
        assert_eq!(text, "[\"challenge_password\"]");
    }
}
