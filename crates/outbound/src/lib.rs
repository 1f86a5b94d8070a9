//! The one HTTP client for whomever scepd asks outside: validators, issuers, receivers of notices.
//!
//! What every such call needs is decided here once: redirects are never followed, an answer is bounded in time and in
//! octets, TLS is verified against the system's roots, a bundle or a pinned certificate, and no error carries an
//! address, a header or a body, so that a secret in one of them cannot reach a log.
//!
//! ```
//! use outbound::{Client, Options, Request, Trust, endpoint};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Options::new(Trust::System))?;
//! let url = endpoint("https://ca.example.org/v1/sys/health")?;
//! let response = client.send(Request::get(url)).await?;
//! println!("status {}", response.status());
//! # Ok(())
//! # }
//! ```

mod client;
mod endpoint;
mod error;
mod identity;
mod pinned;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod trust;

pub use client::{Client, Options};
pub use endpoint::{EndpointError, endpoint};
pub use error::{CallError, SetupError};
pub use identity::Identity;
pub use pinned::{PinError, pinned};
pub use request::Request;
pub use reqwest::{Method, Url};
pub use response::Response;
pub use trust::Trust;
