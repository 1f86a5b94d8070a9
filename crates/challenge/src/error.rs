//! What can be wrong with files and keys that operators give.

use chrono::{DateTime, Utc};
use std::fmt;

/// Errors of this crate. A challenge that does not pass is no error but a [`crate::Refused`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The trust-anchor file holds no certificate.
    #[error(
        "{file}: no certificate in it; it must hold the Intune connector's certificate, PEM or DER"
    )]
    NoAnchor {
        /// The file as the operator named it.
        file: String,
    },
    /// A certificate in the trust-anchor file cannot be read.
    #[error(
        "{file}: a certificate in it cannot be read ({source}); export the connector's certificate again"
    )]
    UnreadableAnchor {
        /// The file as the operator named it.
        file: String,
        /// What is wrong with it.
        source: pki::Error,
    },
    /// Certificates in the trust-anchor file have expired.
    #[error(
        "{file}: {}; put the connector's present certificate into the file and take the expired one out",
        list(expired)
    )]
    ExpiredAnchor {
        /// The file as the operator named it.
        file: String,
        /// Each one of them.
        expired: Vec<ExpiredAnchor>,
    },
    /// No certificate in the trust-anchor file has a key that can sign challenges.
    #[error(
        "{file}: no certificate in it has a key that can sign challenges (RSA of 2048 bits or more, or EC P-256); it holds {found}"
    )]
    NoUsableAnchor {
        /// The file as the operator named it.
        file: String,
        /// The certificates with their key types.
        found: String,
    },
    /// A key that cannot sign challenges, or not with the algorithm asked for.
    #[error("a key of the type {kind} cannot sign a challenge{}", with.map(|alg| format!(" with {alg}")).unwrap_or_default())]
    WrongKey {
        /// The key's type.
        kind: String,
        /// The algorithm asked for.
        with: Option<&'static str>,
    },
    /// A challenge that would not be recognised as one.
    #[error(
        "the challenge would be {length} characters long and not be taken for one: it must be longer than 200; add claims"
    )]
    TooShort {
        /// Its length in characters.
        length: usize,
    },
    /// A lifetime or date that cannot be written into a challenge or certificate.
    #[error("{what} is out of range")]
    OutOfRange {
        /// What was asked for.
        what: &'static str,
    },
    /// Making a key, certificate or signature failed.
    #[error(transparent)]
    Pki(#[from] pki::Error),
    /// josekit could not make the signature.
    #[error("signing the challenge: {0}")]
    Signing(String),
}

/// One certificate of a trust-anchor file that has expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredAnchor {
    /// Its subject.
    pub subject: String,
    /// Its last second.
    pub not_after: DateTime<Utc>,
}

impl fmt::Display for ExpiredAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the certificate {:?} expired at {}",
            self.subject, self.not_after
        )
    }
}

fn list(expired: &[ExpiredAnchor]) -> String {
    expired
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
