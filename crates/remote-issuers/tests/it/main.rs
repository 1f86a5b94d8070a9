//! The issuers against fakes that misbehave on demand, and against the real OpenBao where `OPENBAO` names its program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod adcs;
mod ejbca;
mod expressing;
mod fake_adcs;
mod fake_ejbca;
mod fake_vault;
mod maker;
mod openbao;
mod support;
mod vault;
mod web;
