//! The seam for whoever says that a device may enroll.
//!
//! A profile has an ordered list of validators, and the first whose shape fits a challenge decides. [`Validator::check`] is
//! pure and runs on the compute pool; a validator that has to ask over the network recognises and reads the challenge
//! there, and leaves a [`Question`] that the profile's actor has asked for it. None of them has policy or state: what is
//! to be remembered are [`Reservation`]s, which the actor takes in one step and gives back when anything later fails.

use crate::intune::{Claim, CsrFacts, Mismatch};
use crate::{Label, Refused};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

/// An answer from outside that is still to come.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Again>> + Send + 'a>>;

/// Decides by the challengePassword whether a device may enroll.
pub trait Validator: Send + Sync {
    /// Its name: in records, logs and metrics. Stable over restarts.
    fn id(&self) -> &str;

    /// Whether this challenge (`None`: the CSR holds none) is for this validator to decide on.
    fn recognises(&self, challenge: Option<&str>) -> bool;

    /// Looks at the challenge. Costs no more than signatures do, waits for nothing, changes nothing.
    fn check(&self, request: &Request<'_>, now: DateTime<Utc>) -> Check;

    /// Whether each of its enrollments counts under one of the eleven [`Label`]s and its challenges are good for one
    /// enrollment: true of signed challenges.
    fn is_counted(&self) -> bool {
        false
    }

    /// Whether it reaches outside: then [`ask`](Self::ask) and [`notify`](Self::notify) are called, and an enrollment
    /// with it is more than one step.
    fn is_remote(&self) -> bool {
        false
    }

    /// Whether [`notify`](Self::notify) must have got through before a certificate leaves.
    fn is_told_first(&self) -> bool {
        false
    }

    /// Whether a certificate that it let in is renewed only by way of it: true of whoever judges each enrollment anew.
    fn guards_renewals(&self) -> bool {
        self.is_counted()
    }

    /// How many enrollments a device may have within 24 hours, where it counts them; 0 = any number.
    fn device_limit(&self) -> Option<u32> {
        None
    }

    /// Whether it is told of the end of every enrollment of its profile, whoever vouched.
    fn hears_of_all(&self) -> bool {
        false
    }

    /// Asks over the network what [`check`](Self::check) left open. It may be asked the same thing more than once.
    ///
    /// # Errors
    /// [`Again`]: nobody knows; it is asked again later. A "no" is a [`Check::Refused`].
    fn ask<'a>(&'a self, question: &'a Question) -> Asked<'a, Check> {
        let _ = question;
        Box::pin(std::future::ready(Err(Again::because(
            "this validator asks nobody",
        ))))
    }

    /// Tells whoever was asked how the enrollment ended, and says in words for the audit how that went; empty = nothing
    /// to say. It may be told the same thing more than once.
    ///
    /// # Errors
    /// [`Again`]: it could not be told; it is told again later.
    fn notify<'a>(&'a self, notice: &'a Notice) -> Asked<'a, String> {
        let _ = notice;
        Box::pin(std::future::ready(Ok(String::new())))
    }
}

/// What a validator is shown.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The challengePassword, if the CSR holds one.
    pub challenge: Option<&'a str>,
    /// The names in the CSR.
    pub names: &'a CsrFacts,
    /// The SCEP transactionID; empty when there is none.
    pub transaction_id: &'a str,
    /// The CSR, DER.
    pub csr: &'a [u8],
    /// Where it came from, if that is known.
    pub source: Option<IpAddr>,
}

/// What a validator says.
#[derive(Debug, Clone)]
pub enum Check {
    /// The device may enroll, if what is to be reserved can be.
    Proven(Box<Proven>),
    /// Somebody outside has to be asked.
    Ask(Question),
    /// Whoever was asked is still thinking: to be asked again.
    Later {
        /// In how long.
        after: Duration,
    },
    /// The device may not. Final.
    Refused(Box<NotVouched>),
}

/// A device that may enroll.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proven {
    /// Why.
    pub grounds: Grounds,
    /// What the enrollment takes.
    pub reservations: Vec<Reservation>,
}

/// Why a device may enroll. Kept with the enrollment until it ends, so that whoever goes on with it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grounds {
    /// What a signed challenge vouches for.
    pub claim: Option<Claim>,
    /// The device, as the validator knows it, for records and lists.
    pub device: Option<String>,
    /// The Windows security identifier (SID) that is vouched for: the `S-1-...` form.
    pub sid: Option<String>,
    /// Which challenge it was, where the validator tells several apart: a name or an id, never the value. For the audit.
    pub challenge: Option<String>,
    /// Who of several vouched: a tenant.
    pub by: Option<String>,
    /// What the audit is to say of it beside the certificate.
    pub note: Option<String>,
    /// What speaks against the device although it is vouched for: it is refused, and whoever vouched is told so.
    pub objection: Option<String>,
    /// What the certificate has beside what policy says.
    pub terms: Terms,
}

/// What whoever vouches asks of the certificate, beside what policy says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// The longest that it may be valid from now, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest: Option<i64>,
    /// Whether URIs that name a Windows SID are left out.
    pub without_sid: bool,
    /// The SID that its security extension names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

/// Something that an enrollment takes, and that is given back when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// Taken once, until a moment.
    Once {
        /// What is taken.
        key: [u8; 16],
        /// Until when it stays taken.
        until: DateTime<Utc>,
    },
    /// One of so many places, until a moment.
    OneOf {
        /// Whose places they are.
        key: [u8; 16],
        /// How many there are; at least 1.
        places: u32,
        /// Until when a place stays taken.
        until: DateTime<Utc>,
    },
    /// One of as many as the profile allows in a window.
    Quota {
        /// Whose they are.
        key: [u8; 16],
        /// How many there are; 0 = any number.
        limit: u32,
        /// In how long a time.
        window: TimeDelta,
    },
}

/// What is to be asked outside. Holds a secret: the challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// The SCEP transactionID; empty when there is none.
    pub transaction_id: String,
    /// The challengePassword.
    pub challenge: String,
    /// The CSR, DER.
    pub csr: Vec<u8>,
    /// Where it came from, if that is known.
    pub source: Option<IpAddr>,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question")
            .field("transaction_id", &self.transaction_id)
            .finish_non_exhaustive()
    }
}

/// How an enrollment ended, for whoever vouched for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The SCEP transactionID; empty when there is none.
    pub transaction_id: String,
    /// The CSR, DER.
    pub csr: Vec<u8>,
    /// Who of several vouched: a tenant.
    pub by: Option<String>,
    /// What became of it.
    pub end: NoticeOf,
}

/// What became of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeOf {
    /// It has its certificate, DER.
    Issued(Vec<u8>),
    /// It was refused.
    Refused {
        /// The audit's reason, one word.
        reason: String,
        /// Plain words.
        message: String,
    },
}

/// Nobody knows yet: to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Again {
    /// Why, for the log.
    pub why: String,
    /// How long the other side wants to be left alone, where it says so (`Retry-After`).
    pub after: Option<Duration>,
}

impl Again {
    /// To be tried again when that seems good.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            after: None,
        }
    }
}

/// Why a validator does not vouch for a device. What the device is told and what the operator reads are separate fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotVouched {
    /// The audit's reason, one word.
    pub reason: &'static str,
    /// The counter, where it is one of the eleven labels.
    pub label: Option<Label>,
    /// failInfo (RFC 8894, section 3.2.1.4.5): 0 = badAlg, 1 = badMessageCheck, 2 = badRequest.
    pub fail_info: u8,
    /// failInfoText, for the device: says nothing that helps to guess.
    pub told: String,
    /// Plain words for the operator. Text from outside is quoted, escaped and cut.
    pub message: String,
    /// What the challenge says, as far as it can be read.
    pub claim: Option<Claim>,
    /// Where challenge and CSR differ.
    pub mismatches: Vec<Mismatch>,
    /// Whether nothing was proven: anybody could have written it.
    pub is_anonymous: bool,
    /// Whether it may be one of many guesses at a secret.
    pub is_guess: bool,
}

impl NotVouched {
    /// A challenge that is wrong, or missing, where no secret is set that could be guessed.
    #[must_use]
    pub fn of_challenge(message: &str) -> Self {
        Self {
            reason: "challenge_wrong",
            label: None,
            fail_info: 2,
            told: "the challenge was refused".to_owned(),
            message: message.to_owned(),
            claim: None,
            mismatches: Vec::new(),
            is_anonymous: true,
            is_guess: false,
        }
    }
}

impl From<Refused> for NotVouched {
    fn from(refused: Refused) -> Self {
        Self {
            reason: refused.label.as_str(),
            label: Some(refused.label),
            fail_info: refused.fail_info(),
            told: refused.label.told(),
            message: refused.reason,
            claim: refused.claim,
            mismatches: refused.mismatches,
            is_anonymous: !refused.authentic,
            is_guess: false,
        }
    }
}
