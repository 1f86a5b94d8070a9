//! crates/scep against captured messages, against itself, against OpenSSL, and against hostile input.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod ca_certificates;
mod forge;
mod hostile;
mod naming;
mod oracle;
mod outside;
mod refusals;
mod round_trip;
mod test_env;
mod unusable;
mod vectors;
