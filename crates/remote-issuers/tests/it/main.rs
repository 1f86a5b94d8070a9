//! The issuers against fakes that misbehave on demand, against the real OpenBao where `OPENBAO` names its program, and against
//! the real step-ca where `STEP_CA` does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod adcs;
mod aws_pca;
mod aws_pca_strict;
mod ejbca;
mod expressing;
mod fake_adcs;
mod fake_aws;
mod fake_ejbca;
mod fake_step_ca;
mod fake_upstream;
mod fake_vault;
mod google_cas;
mod google_cas_strict;
mod maker;
mod openbao;
mod real_step_ca;
mod scripted;
mod step_ca;
mod step_ca_server;
mod support;
mod upstream_scep;
mod vault;
mod web;
