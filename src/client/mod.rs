//! A SCEP client over HTTP: what `scepd enroll`, `renew`, `poll`, `probe` and `bench` do.
//!
//! | module | holds |
//! |---|---|
//! | `endpoint`, `trust`, `http` | the server's address, which https servers are believed, requests and replies |
//! | `session` | the SCEP operations over such a connection |
//! | `server` | a server that has been met: capabilities, CA certificates, and who vouches for them |
//! | `enroll` | asking for a certificate, and for what became of the request |
//! | `difference` | a certificate that came, held against what was asked for |
//! | `folder` | the directory in which keys and certificates are kept |
//! | `probe` | what a server can do |
//! | [`mod@bench`] | many enrollments at once, and what the machine could do at best |
//!
//! The protocol itself is [`scep::client`]; here are the network, files and the clock.

pub mod bench;
mod difference;
mod endpoint;
mod enroll;
mod error;
pub mod folder;
mod http;
mod probe;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod responder;
mod server;
mod session;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod trust;

pub use difference::{Asked, Difference, differences};
pub use endpoint::Endpoint;
pub use enroll::{Device, Issued, Outcome, Patience, Request, ask, wait_for_decision};
pub use error::Error;
pub use folder::{Folder, Pending};
pub use probe::{AlgorithmReport, CertificateReport, Probe, ProbeOptions, Trial, probe};
pub use server::{CaTrust, Dialect, Server};
pub use session::{Method, Session};
pub use trust::{ServerTrust, TlsIdentity};
