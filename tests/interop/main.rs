//! Clients that others wrote, against the real binary.
//!
//! Each test starts a server of its own and judges what a client got by OpenSSL. They need programs that a developer's
//! machine may lack, so they are ignored by default; `cargo xtask test --only interop` installs the programs, names the
//! built binary in `SCEPD_BIN`, and runs them.
//!
//! | module | holds |
//! |---|---|
//! | `server` | a `scepd quickstart` with profiles added to its configuration |
//! | `admin` | the operator: what waits, approve it |
//! | `http` | plain requests |
//! | `published` | a server that publishes CRL and OCSP |
//! | `tool` | running programs, judging certificates |
//! | `openbao`, `step_ca`, `scepserver` | the real OpenBao, step-ca and scepserver as issuers |
//! | the rest | one module a client |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod admin;
mod certmonger;
mod freeradius;
mod http;
mod ocsp;
mod openbao;
mod openssl;
mod published;
mod pyscep;
mod scepclient;
mod scepserver;
mod server;
mod step_ca;
#[path = "../../crates/remote-issuers/tests/it/step_ca_server.rs"]
mod step_ca_server;
mod strongswan;
mod tool;
