//! Who may enroll: validators of the challengePassword, and what they remember.
//!
//! | part | what |
//! |---|---|
//! | [`Validator`] | the seam: a profile has a list of them, the first whose shape fits decides |
//! | [`StaticChallenges`] | a profile's static passwords |
//! | [`OneTime`], [`ChallengeKey`] | challenges that are made for one device |
//! | [`SignedChallenges`], [`verify`] | the Intune connector's signed challenge, gates 1 to 6, pure: a [`Verified`] or a [`Refused`] |
//! | [`TrustAnchors`] | whose signatures count |
//! | [`ReplayMemory`], [`RateWindow`] | gates 7 and 8 as plain data, owned by the profile's actor |
//! | [`GATES`], [`Label`], [`Counters`] | the gates as a table; the eleven outcomes |
//! | [`WebhookKey`] | how the compliance hook's questions are signed |
//! | [`mint`], [`inspect`] | making challenges for tests, and explaining them |
//!
//! Nothing here does I/O or reads a clock.
#![allow(
    clippy::result_large_err,
    reason = "a refusal is made once a request and carries the claim"
)]

mod anchors;
mod counters;
mod error;
mod intune;
pub mod json;
mod label;
mod memory;
mod one_time;
mod static_challenges;
mod validator;
mod webhook;

pub use anchors::{AnchorTenant, TrustAnchors, days_to_expiry};
pub use counters::Counters;
pub use error::{Error, ExpiredAnchor};
pub use intune::mint;
pub use intune::{
    Algorithm, Check as GateCheck, Claim, CsrFacts, DeviceKey, Dimension, ExtraNames, Facts, GATES,
    Gate, GateReport, GateVerdict, Input, IntuneSettings, Judged, Mismatch, Refused, ReplayKey,
    Report, SID_URI_PREFIX, Seen, SignedChallenges, Verified, inspect, looks_like_challenge,
    verify,
};
pub use label::{Label, fail_info};
pub use memory::{RateLimited, RateWindow, ReplayMemory, Ticket};
pub use one_time::{Alphabet, Binding, ChallengeKey, LENGTHS, Made, OneTime, Standing};
pub use static_challenges::{StaticChallenges, THE_STATIC_CHALLENGE};
pub use validator::{
    Again, Asked, Check, Grounds, NotVouched, Notice, NoticeOf, Proven, Question, Request,
    Reservation, Terms, Validator,
};
pub use webhook::WebhookKey;
