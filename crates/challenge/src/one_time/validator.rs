//! Challenges that are made for one device, as one of a profile's validators.

use super::binding::Binding;
use super::making::Alphabet;
use crate::StaticChallenges;
use crate::validator::{Check, Grounds, NotVouched, Proven, Request, Reservation, Validator};
use chrono::{DateTime, Utc};
use pki::Csr;
use std::sync::Arc;

/// Where the challenges are that were made.
pub trait Made: Send + Sync {
    /// The one that this text is, if it is one. `now` is the wall clock.
    ///
    /// # Errors
    /// They cannot be read; why, in words.
    fn find(&self, challenge: &str, now: DateTime<Utc>) -> Result<Option<Standing>, String>;
}

/// A challenge that was made, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is taken by: a keyed digest.
    pub key: [u8; 16],
    /// Its id, for records and lists.
    pub id: String,
    /// The SCEP profile that it is for; `None`: this one.
    pub other_profile: Option<String>,
    /// Why it cannot be used: `used`, `expired` or `withdrawn`; `None`: it can.
    pub over: Option<&'static str>,
    /// How many certificates it is good for.
    pub uses: u32,
    /// When it is over.
    pub expires: DateTime<Utc>,
    /// What it is bound to.
    pub binding: Binding,
}

/// The validator of challenges that are made for one device.
pub struct OneTime {
    made: Arc<dyn Made>,
    /// Static challenges of the profile, which are somebody else's even where they have the shape.
    fixed: StaticChallenges,
    /// Whether no other validator takes what is left: then any challenge is a wrong one of this one's.
    alone: bool,
    alphabet: Alphabet,
    certificate_profile: String,
}

impl OneTime {
    /// The name of this validator.
    pub const ID: &str = "one-time";

    /// The audit's reason of a challenge that was used before.
    pub const USED: &str = "challenge_used";

    /// The audit's reasons of its refusals.
    pub const REASONS: [&str; 6] = [
        "challenge_unknown",
        Self::USED,
        "challenge_expired",
        "challenge_withdrawn",
        "challenge_bound",
        "challenge_unreadable",
    ];

    /// For a profile with these static challenges that uses this certificate profile.
    #[must_use]
    pub fn new(
        made: Arc<dyn Made>,
        fixed: StaticChallenges,
        alone: bool,
        alphabet: Alphabet,
        certificate_profile: &str,
    ) -> Self {
        Self {
            made,
            fixed,
            alone,
            alphabet,
            certificate_profile: certificate_profile.to_owned(),
        }
    }
}

impl Validator for OneTime {
    fn id(&self) -> &str {
        Self::ID
    }

    fn recognises(&self, challenge: Option<&str>) -> bool {
        // Those that were made before the alphabet was changed from the default are good still.
        let is_shaped = |text| self.alphabet.fits(text) || Alphabet::Hex.fits(text);
        self.alone || challenge.is_some_and(|text| is_shaped(text) && !self.fixed.has(text))
    }

    fn check(&self, request: &Request<'_>, now: DateTime<Utc>) -> Check {
        let Some(challenge) = request.challenge else {
            return guess("the CSR holds no challengePassword");
        };
        let standing = match self.made.find(challenge, now) {
            Ok(Some(standing)) => standing,
            Ok(None) => {
                return guess("no such challenge was made here, or it ended more than a week ago");
            }
            Err(why) => {
                return refused(
                    "challenge_unreadable",
                    format!("the challenges cannot be read: {why}"),
                );
            }
        };
        let id = &standing.id;
        if let Some(profile) = &standing.other_profile {
            let words = format!("the challenge {id} was made for the profile `{profile}`");
            return refused("challenge_bound", words);
        }
        let expires = standing.expires;
        match standing.over {
            Some("used") => {
                return refused(Self::USED, format!("the challenge {id} was used before"));
            }
            Some("withdrawn") => {
                return refused(
                    "challenge_withdrawn",
                    format!("the challenge {id} was withdrawn"),
                );
            }
            Some(_) => {
                let words = format!("the challenge {id} expired: it was good until {expires}");
                return refused("challenge_expired", words);
            }
            None => {}
        }
        let mut note = None;
        if !standing.binding.is_empty() {
            let subject = match Csr::from_der(request.csr) {
                Ok(csr) => csr.subject().clone(),
                Err(error) => {
                    let words = format!("the CSR cannot be read: {error}");
                    return refused("challenge_bound", words);
                }
            };
            let binding = &standing.binding;
            let mismatch = binding.mismatch(&subject, request.names, &self.certificate_profile);
            match mismatch {
                Some(words) if !binding.observe => {
                    let words = format!("the challenge {id} is bound to something else: {words}");
                    return refused("challenge_bound", words);
                }
                mismatch => {
                    note = mismatch.map(|words| {
                        format!("the challenge {id} was made for something else, which is observed only: {words}")
                    });
                }
            }
        }
        let grounds = Grounds {
            device: standing.binding.device,
            challenge: Some(standing.id),
            note,
            ..Grounds::default()
        };
        Check::Proven(Box::new(Proven {
            grounds,
            reservations: vec![Reservation::OneOf {
                key: standing.key,
                places: standing.uses,
                until: standing.expires,
            }],
        }))
    }
}

/// Anybody could have written it.
fn guess(words: &str) -> Check {
    Check::Refused(Box::new(NotVouched {
        reason: "challenge_unknown",
        is_guess: true,
        ..NotVouched::of_challenge(words)
    }))
}

/// Whoever sent it had a challenge of this server's. The device is told what every wrong challenge is told.
fn refused(reason: &'static str, words: String) -> Check {
    Check::Refused(Box::new(NotVouched {
        reason,
        is_anonymous: false,
        ..NotVouched::of_challenge(&words)
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::CsrFacts;

    const VALUE: &str = "0123456789ABCDEF";

    struct Fixed(Result<Option<Standing>, String>);

    impl Made for Fixed {
        fn find(&self, challenge: &str, _: DateTime<Utc>) -> Result<Option<Standing>, String> {
            let found = self.0.clone()?;
            Ok(found.filter(|_| challenge == VALUE))
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn good() -> Standing {
        Standing {
            key: [7; 16],
            id: "c1".to_owned(),
            other_profile: None,
            over: None,
            uses: 1,
            expires: at(3600),
            binding: Binding::default(),
        }
    }

    fn check(standing: Result<Option<Standing>, String>, challenge: Option<&str>) -> Check {
        let validator = OneTime::new(
            Arc::new(Fixed(standing)),
            StaticChallenges::default(),
            false,
            Alphabet::Hex,
            "device",
        );
        let names = CsrFacts::default();
        let request = Request {
            challenge,
            names: &names,
            transaction_id: "1",
            csr: &[],
            source: None,
        };
        validator.check(&request, at(0))
    }

    #[test]
    fn a_good_one_takes_one_of_its_places_until_it_is_over() {
        let Check::Proven(proven) = check(Ok(Some(good())), Some(VALUE)) else {
            panic!("it is good");
        };
        assert_eq!(proven.grounds.challenge.as_deref(), Some("c1"));
        assert_eq!(
            proven.reservations,
            [Reservation::OneOf {
                key: [7; 16],
                places: 1,
                until: at(3600)
            }]
        );
    }

    #[test]
    fn the_operator_has_a_reason_for_each_and_the_device_one_for_all() {
        let with = |change: fn(&mut Standing)| {
            let mut standing = good();
            change(&mut standing);
            check(Ok(Some(standing)), Some(VALUE))
        };
        let cases = [
            (
                "challenge_unknown",
                true,
                check(Ok(Some(good())), Some("ABCDEF0123456789")),
            ),
            ("challenge_unknown", true, check(Ok(None), None)),
            (
                "challenge_unreadable",
                false,
                check(Err("disk".to_owned()), Some(VALUE)),
            ),
            ("challenge_used", false, with(|one| one.over = Some("used"))),
            (
                "challenge_expired",
                false,
                with(|one| one.over = Some("expired")),
            ),
            (
                "challenge_withdrawn",
                false,
                with(|one| one.over = Some("withdrawn")),
            ),
            (
                "challenge_bound",
                false,
                with(|one| one.other_profile = Some("iot".to_owned())),
            ),
            (
                "challenge_bound",
                false,
                with(|one| one.binding.device = Some("d".to_owned())),
            ),
        ];
        for (reason, is_guess, check) in cases {
            let Check::Refused(refused) = check else {
                panic!("{reason}: let in");
            };
            assert_eq!((refused.reason, refused.is_guess), (reason, is_guess));
            assert_eq!(refused.told, "the challenge was refused");
            assert_eq!(refused.fail_info, 2);
            assert!(!refused.message.contains(VALUE), "{}", refused.message);
        }
    }

    #[test]
    fn only_its_own_shape_is_taken_unless_nobody_else_is_there() {
        let validator = |fixed: StaticChallenges, alone| {
            let made = Arc::new(Fixed(Ok(None)));
            OneTime::new(made, fixed, alone, Alphabet::Base32, "device")
        };
        let beside = validator(StaticChallenges::only(VALUE), false);
        assert!(!beside.recognises(Some(VALUE)) && !beside.recognises(Some("open-sesame")));
        assert!(!beside.recognises(None) && beside.recognises(Some("ABCDEF0123456789")));
        assert!(beside.recognises(Some("ABCDEFGHIJKLMNOP")));
        assert!(!beside.recognises(Some("ABCDEFGHIJKLMN09")));
        let alone = validator(StaticChallenges::default(), true);
        assert!(alone.recognises(None) && alone.recognises(Some("open-sesame")));
    }
}
