//! The Intune connector's signed challenge: gates 1 to 6, pure.
//!
//! | gate | where | what |
//! |---|---|---|
//! | all | [`gates`] | the table, and what a profile sets |
//! | 2 | [`jws`], [`ecdsa`], [`signature`] | three segments, header, signature by an anchor |
//! | 3 | [`version`], [`claim`] | strict JSON, version table, claims |
//! | 4, 5 | [`time`] | times and audience |
//! | 6 | [`binding`] | the CSR asks for exactly what the claim says |
//!
//! Gates 7 to 9 need state or the network and belong to the profile's actor; what they need is
//! in [`Verified`].

mod binding;
mod claim;
mod csr_facts;
pub(crate) mod ecdsa;
mod gates;
mod inspect;
mod jws;
mod keys;
pub mod mint;
mod quoted;
mod refused;
mod signature;
mod time;
mod validator;
mod verdict;
mod verify;
mod version;

pub use binding::{Dimension, ExtraNames, Mismatch, SID_URI_PREFIX};
pub use claim::Claim;
pub use csr_facts::CsrFacts;
pub use gates::{
    Check, Facts, GATES, Gate, Input, IntuneSettings, Judged, Seen, looks_like_challenge,
};
pub use inspect::{GateReport, Report, inspect};
pub use jws::Algorithm;
pub use keys::{DeviceKey, ReplayKey};
pub use refused::Refused;
pub use validator::SignedChallenges;
pub use verdict::GateVerdict;
pub use verify::{Verified, verify};
