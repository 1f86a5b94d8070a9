//! The Intune connector's signed challenge: gates 1 to 6, pure.
//!
//! | gate | where | what |
//! |---|---|---|
//! | 1 | [`looks_like_challenge`] | shape |
//! | 2 | [`jws`], [`ecdsa`], [`signature`] | three segments, header, signature by an anchor |
//! | 3 | [`version`], [`json`], [`claim`] | strict JSON, version table, claims |
//! | 4, 5 | [`time`] | times and audience |
//! | 6 | [`binding`] | the CSR asks for exactly what the claim says |
//!
//! Gates 7 to 9 need state or the network and belong to the profile's actor; what they need is
//! in [`Verified`].

mod binding;
mod claim;
mod csr_facts;
pub(crate) mod ecdsa;
mod inspect;
pub(crate) mod json;
mod jws;
mod keys;
pub mod mint;
mod refused;
mod settings;
mod signature;
mod time;
mod verify;
mod version;

pub use binding::{Dimension, Mismatch, SID_URI_PREFIX};
pub use claim::Claim;
pub use csr_facts::CsrFacts;
pub use inspect::{GateReport, GateVerdict, Report, inspect};
pub use jws::Algorithm;
pub use keys::{DeviceKey, ReplayKey};
pub use refused::Refused;
pub use settings::{ExtraNames, IntuneSettings};
pub use verify::{Verified, looks_like_challenge, verify};
