use crate::checks::Problem;
use crate::config::Errors;
use crate::http::TlsError;
use crate::server::assembly::AssemblyError;
use std::net::SocketAddr;

/// Why the server did not start. Every message is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The configuration cannot be read.
    #[error("{0}")]
    Config(#[from] Errors),
    /// Start-up checks failed; one line for each failure.
    #[error("{}", joined(.0))]
    Checks(Vec<Problem>),
    /// Several of these at once; at least one line for each.
    #[error("{}", joined(.0))]
    Several(Vec<ServerError>),
    /// The cryptographic library tells a good RSA decryption from a bad one by its result.
    #[error(
        "{0} has no implicit rejection of bad RSA decryptions; use a build with OpenSSL 3.2 or later"
    )]
    Cryptography(String),
    /// A listener cannot be bound.
    #[error("{setting}: cannot listen on {address}: {source}; is another server running there?")]
    Bind {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("{0}")]
    Runtime(#[from] actors::RuntimeError),
    /// The profiles could not be started.
    #[error("{0}")]
    Apply(#[from] actors::ApplyError),
    /// A profile could not be put together.
    #[error("{0}")]
    Assembly(#[from] AssemblyError),
    /// An Intune tenant could not be set up.
    #[error("{0}")]
    Tenant(#[from] crate::intune::TenantError),
    /// A new RA certificate could not be written.
    #[error("{0}")]
    RaNotKept(#[from] crate::checks::RaNotKept),
    /// TLS could not be set up.
    #[error("{0}")]
    Tls(#[from] TlsError),
    /// The OIDC provider's keys or address cannot be used.
    #[error("admin: oidc: {0}")]
    Oidc(String),
    /// A write of the store failed while the server ran.
    #[error(
        "the store failed to write and its disk works again: start scepd anew, so that it goes on from what is on disk"
    )]
    StoreLost,
    /// The log of requests cannot be opened.
    #[error("log.access: {place} cannot be opened: {source}")]
    AccessLog {
        /// The file.
        place: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
}

impl ServerError {
    /// All of these as one; a single one as it is.
    pub(super) fn all(errors: impl Iterator<Item = Self>) -> Self {
        let mut errors: Vec<Self> = errors.collect();
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => {
                errors.extend(last);
                Self::Several(errors)
            }
        }
    }
}

fn joined<T: ToString>(all: &[T]) -> String {
    all.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
