//! What goes wrong, without addresses, headers and bodies.

use std::error::Error as _;
use std::io;
use std::time::Duration;

/// Why a client could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The trusted certificates cannot be used.
    #[error("the trusted CA certificates cannot be used: {0}")]
    Trust(String),
    /// The client's certificate or key cannot be used.
    #[error("the client certificate cannot be used: {0}")]
    Identity(String),
    /// The proxy cannot be used.
    #[error("the proxy cannot be used: {0}")]
    Proxy(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not everything within the time limit.
    #[error("no complete answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// No connection: nothing was sent.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The TLS handshake failed: nothing was sent.
    #[error("its TLS certificate or handshake is refused: {0}")]
    Tls(String),
    /// More octets than are read of an answer.
    #[error("its answer is larger than {limit} octets")]
    TooLong {
        /// The limit, in octets.
        limit: usize,
    },
    /// The connection broke after the request may have been sent.
    #[error("the connection broke: {0}")]
    Cut(String),
    /// The request could not be written: a header with a line break, say.
    #[error("the request cannot be made: {0}")]
    Invalid(&'static str),
}

impl CallError {
    /// Whether the other side may have got the request and done what it asks for, although no answer came.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::TimedOut(_) | Self::TooLong { .. } | Self::Cut(_) => true,
            Self::Unreachable(_) | Self::Tls(_) | Self::Invalid(_) => false,
        }
    }

    pub(crate) fn of(error: &reqwest::Error, limit: Duration) -> Self {
        if error.is_builder() {
            return Self::Invalid(
                "its address or a header has characters that HTTP does not allow",
            );
        }
        if error.is_connect() {
            let why = innermost(error);
            return if is_tls(error) {
                Self::Tls(why)
            } else if error.is_timeout() {
                Self::Unreachable("no connection in time".to_owned())
            } else {
                Self::Unreachable(why)
            };
        }
        if error.is_timeout() {
            return Self::TimedOut(limit);
        }
        Self::Cut(innermost(error))
    }
}

/// reqwest's own texts name the address; the cause at the bottom says what happened.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    match error.source() {
        None => "for an unknown cause".to_owned(),
        Some(first) => {
            let mut cause = first;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            cause.to_string()
        }
    }
}

fn is_tls(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<rustls::Error>() {
            return true;
        }
        // What an I/O error is made of stands in it and not below it.
        next = match cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    false
}
