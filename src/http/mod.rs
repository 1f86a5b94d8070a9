//! The front: listeners and TLS, the SCEP routes, the admin API and the page.
//!
//! | module | holds |
//! |---|---|
//! | `listener`, `tls` | accept loops, drain; certificates that can be exchanged, client certificates |
//! | `timeout_stream`, `watched`, `connection_limit`, `per_source` | how slow a client may be, how many connections there are, how many of one address |
//! | `linger` | the end of a connection: the last reply arrives although the client was still sending |
//! | `form`, `target` | request targets with and without a path; which profile a URL means |
//! | `scep`, `visit` | the SCEP operations; the line about each request |
//! | [`admin`] | the admin API, health and metrics |
//! | `mdm` | where MDMs get challenges for one device: Jamf's webhook, the NDES page |
//! | `mtls` | whether a client certificate belongs to a profile |
//! | `page` | the administration page's files |
//! | `published` | CRLs, CA certificates and OCSP |
//! | `routes` | which route a request takes on which listener |

pub mod admin;
mod connection_limit;
mod form;
mod linger;
mod listener;
mod mdm;
mod mtls;
mod origin;
mod page;
mod per_source;
mod published;
mod routes;
mod scep;
mod target;
mod timeout_stream;
mod tls;
mod visit;
mod watched;

pub(crate) use connection_limit::ConnectionLimit;
pub use listener::{ConnectionLimits, Listener, Phase};
pub(crate) use listener::{Told, serve};
pub use mdm::{Callers, Credentials, Interfaces, JamfHook, NdesPage};
pub use origin::request_id;
pub use page::page;
pub(crate) use published::published;
pub use routes::{Front, FrontSettings, routes};
pub use target::is_path_id;
pub use tls::{TlsAcceptor, TlsError, TlsIdentity};

use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;

/// Which listener a request came in through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// https: SCEP, admin API and page.
    Https,
    /// Plain http: SCEP only.
    Plain,
    /// https with client certificates: `/scep-mtls/*` only.
    Mutual,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address of the TCP connection.
    pub address: SocketAddr,
    /// The listener.
    pub channel: Channel,
    /// The client certificates shown on the mTLS listener, leaf first; the client holds the
    /// leaf's key, nothing more is known.
    pub certificates: Arc<Vec<CertificateDer<'static>>>,
    /// Its place among the connections.
    seat: Arc<connection_limit::Seat>,
}
