//! What can go wrong on the client's side of an enrollment.

use std::path::PathBuf;

/// Errors of the SCEP client. The texts are for the person who typed the command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used.
    #[error("the URL {url:?} cannot be used: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection.
    #[error("cannot connect to {address}: {why}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system or the TLS library said.
        why: String,
    },
    /// The TLS settings cannot be used.
    #[error("TLS: {0}")]
    Tls(String),
    /// The connection broke or took too long.
    #[error("{operation}: {why}")]
    Exchange {
        /// The SCEP operation.
        operation: &'static str,
        /// What happened.
        why: String,
    },
    /// The server answered, but not with what was asked for.
    #[error("{operation}: the server answered HTTP {status}{}", said(.body))]
    Status {
        /// The SCEP operation.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body, printable.
        body: String,
    },
    /// A reply that cannot be what it should be.
    #[error("{operation}: {why}")]
    Reply {
        /// The SCEP operation.
        operation: &'static str,
        /// Which check failed.
        why: String,
    },
    /// The CA of the server is not the expected one.
    #[error("the server's CA is not the expected one: {0}")]
    Untrusted(String),
    /// What the server shows as its RA is none, or may be a device.
    #[error(
        "the server's RA is not believed: {0}. Give the server an RA certificate with the extended key usage \
         1.3.6.1.4.1.311.20.2.1, or with none; --insecure takes any RA, and any CA"
    )]
    UnfitRa(String),
    /// The protocol layer refused.
    #[error(transparent)]
    Scep(#[from] scep::Error),
    /// Keys, names, certificates.
    #[error(transparent)]
    Pki(#[from] pki::Error),
    /// A file.
    #[error("{}: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// A file error.
    pub fn file(path: impl Into<PathBuf>, why: impl ToString) -> Error {
        Error::File {
            path: path.into(),
            why: why.to_string(),
        }
    }

    pub(crate) fn reply(operation: &'static str, why: impl ToString) -> Error {
        Error::Reply {
            operation,
            why: why.to_string(),
        }
    }
}

/// The beginning of an error body, with everything unprintable replaced: it goes to a terminal.
pub(crate) fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body)
        .trim()
        .chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn said(body: &str) -> String {
    if body.is_empty() {
        String::new()
    } else {
        format!(": {body}")
    }
}
