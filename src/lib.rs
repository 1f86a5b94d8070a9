//! scepd: a SCEP (RFC 8894) enrollment server.
//!
//! The binary builds a [`config::Config`] and runs this library; tests do the same on port 0.
//! - [`auth`]: tokens, OIDC, sessions and the proofs of permission that handlers ask for
//! - `certificates`: issued certificates, shown, and many of them changed at once
//! - `challenges`: challenges that are made for one device, whoever asks for them
//! - [`cli`]: the commands, one file each
//! - [`client`]: the SCEP client of `enroll`, `renew`, `poll`, `probe` and `bench`
//! - [`hooks`]: questions asked of other services
//! - [`config`]: file, environment and flags merged into one immutable configuration
//! - [`control`]: how commands get at the store of a running server
//! - [`checks`]: every file that it names, read and checked, all findings at once
//! - [`publish`]: CRLs, CA certificates and OCSP answers for relying parties
//! - [`quickstart`]: a directory with everything a first server needs
//! - [`running`]: what is in force, and what may be asked of a running server
//! - [`server`], [`http`]: the running server and its listeners
//! - [`telemetry`]: log lines and metrics

pub mod auth;
mod certificates;
mod challenges;
pub mod checks;
pub mod cli;
pub mod client;
pub mod config;
pub mod control;
pub mod hooks;
pub mod http;
pub mod intune;
pub mod publish;
pub mod quickstart;
pub mod running;
pub mod server;
mod stable_read;
pub mod telemetry;
