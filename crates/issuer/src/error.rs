//! Everything that can go wrong when a CA is loaded or signs.

use chrono::{DateTime, Utc};

/// Why a CA could not be loaded, or could not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Encoding or a private-key operation failed.
    #[error("{0}")]
    Pki(#[from] pki::Error),
    /// The private key is not that of the CA certificate.
    #[error("the private key does not belong to the CA certificate `{subject}`")]
    KeyMismatch {
        /// Subject of the CA certificate.
        subject: String,
    },
    /// The certificate may not sign certificates (RFC 5280, sections 4.2.1.3 and 4.2.1.9).
    #[error("`{subject}` is not a CA certificate: {missing}")]
    NotACa {
        /// Subject of the certificate.
        subject: String,
        /// What it lacks, in words.
        missing: &'static str,
    },
    /// The CA key is of a kind this server does not sign with.
    #[error("CA keys are RSA of 2048 bits or more, EC P-256 or EC P-384; `{subject}` has {kind}")]
    KeyKind {
        /// Subject of the CA certificate.
        subject: String,
        /// The kind found.
        kind: String,
    },
    /// Two neighbours in a chain file do not belong together.
    #[error(
        "the chain is broken: `{subject}` was not signed by the certificate after it, `{issuer}`"
    )]
    BrokenChain {
        /// Subject of the certificate whose issuer was expected next.
        subject: String,
        /// Subject of the certificate that was found there.
        issuer: String,
    },
    /// The CA certificate has ended or has not started.
    #[error("the CA certificate `{subject}` is valid from {not_before} to {not_after} only")]
    CaNotValid {
        /// Subject of the CA certificate.
        subject: String,
        /// First moment of its validity.
        not_before: DateTime<Utc>,
        /// Last moment of its validity.
        not_after: DateTime<Utc>,
    },
    /// The key to be certified is the CA's own.
    #[error("the request is for the CA's own key")]
    OwnKey,
    /// A date cannot be computed or written into a certificate.
    #[error("a date is out of range")]
    DateOutOfRange,
    /// This CA holds no key for what was asked.
    #[error("no private key is held for the CA certificate `{subject}`")]
    NoKey {
        /// Subject of the CA certificate.
        subject: String,
    },
    /// This server makes no CRLs for this issuer.
    #[error("no CRLs are made here for the issuer `{id}`")]
    NoCrl {
        /// The issuer's id.
        id: String,
    },
    /// This issuer certifies no registration authorities.
    #[error("the issuer `{id}` makes no RA certificates")]
    NoRa {
        /// The issuer's id.
        id: String,
    },
    /// A caller's mistake: the argument makes no certificate.
    #[error("{0}")]
    Argument(&'static str),
}
