//! Who may enroll: validators of the challengePassword, and what they remember.
//!
//! | part | what |
//! |---|---|
//! | [`StaticChallenge`] | a profile's one password |
//! | [`verify`] | the Intune connector's signed challenge, gates 1 to 6, pure: a [`Verified`] or a [`Refused`] |
//! | [`TrustAnchors`] | whose signatures count |
//! | [`ReplayMemory`], [`RateWindow`] | gates 7 and 8 as plain data, owned by the profile's actor |
//! | [`Label`], [`Counters`] | the eleven outcomes |
//! | [`WebhookKey`] | how the compliance hook's questions are signed |
//! | [`mint`], [`inspect`] | making challenges for tests, and explaining them |
//!
//! # Where other validators fit
//! A validator is a function of the challenge, its own settings, the [`CsrFacts`] and the time.
//! It decides nothing that needs state: what is to be reserved (a [`ReplayKey`] until a
//! deadline, one enrollment of a [`DeviceKey`]) is data in [`Verified`], and the actor reserves
//! it in one step and gives it back on failure. A validator that must ask over the network
//! (Intune's cloud API, a webhook) splits in two: the part here that recognises and reads the
//! challenge, and a hook asked by the actor, like compliance.
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
mod label;
mod memory;
mod static_challenge;
mod webhook;

pub use anchors::{TrustAnchors, days_to_expiry};
pub use counters::Counters;
pub use error::{Error, ExpiredAnchor};
pub use intune::mint;
pub use intune::{
    Algorithm, Claim, CsrFacts, DeviceKey, Dimension, ExtraNames, GateReport, GateVerdict,
    IntuneSettings, Mismatch, Refused, ReplayKey, Report, SID_URI_PREFIX, Verified, inspect,
    looks_like_challenge, verify,
};
pub use label::{Label, fail_info};
pub use memory::{RateLimited, RateWindow, ReplayMemory, Ticket};
pub use static_challenge::StaticChallenge;
pub use webhook::WebhookKey;
