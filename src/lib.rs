//! scepd: a SCEP (RFC 8894) enrollment server.
//!
//! The binary builds a [`config::Config`] and runs this library; tests do the same on port 0.
//! - [`cli`]: the commands, one file each
//! - [`client`]: the SCEP client of `enroll`, `renew`, `poll`, `probe` and `bench`
//! - [`config`]: file, environment and flags merged into one immutable configuration

pub mod checks;
pub mod cli;
pub mod client;
pub mod config;
pub mod http;
pub mod server;
