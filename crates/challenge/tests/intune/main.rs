//! The Intune verifier against real keys, certificates and requests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::result_large_err
)]

mod anchors;
mod binding;
mod ecdsa;
mod hostile;
mod inspecting;
mod minting;
mod never_panics;
mod support;
mod tenants;
mod time;
mod verifying;
