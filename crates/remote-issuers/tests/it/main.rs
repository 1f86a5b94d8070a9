//! The issuers against fakes that misbehave on demand, and against the real OpenBao where `OPENBAO` names its program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod expressing;
mod fake_vault;
mod openbao;
mod support;
mod vault;
