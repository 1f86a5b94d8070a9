//! How a message names a certificate.

use crate::der::{self, Reader, tag};
use crate::{Certificate, Error, Name, Serial};

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

impl std::fmt::Display for CertificateId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                write!(f, "serial {} of {issuer}", serial.to_hex())
            }
            Self::KeyId(key_id) => write!(f, "key identifier {}", hex::encode(key_id)),
        }
    }
}

impl CertificateId {
    /// True when it names this certificate. Issuers are compared as [`Name::matches`] does, serial numbers as numbers; a
    /// certificate without a subject key identifier is found by the usual identifier of its key.
    #[must_use]
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                serial.same_number(certificate.serial()) && issuer.matches(certificate.issuer())
            }
            Self::KeyId(key_id) => match certificate.ski() {
                Some(ski) => ski == key_id,
                None => certificate.public_key().key_id() == key_id.as_slice(),
            },
        }
    }

    /// True when it names this certificate, and also when it can mean no other although it is written otherwise: by the
    /// right serial number under the issuer's name with its parts in reverse order, as Java programs write it, or under
    /// the certificate's own subject. Who goes by this must see that the key fits as well.
    #[must_use]
    pub fn means(&self, certificate: &Certificate) -> bool {
        let Self::IssuerAndSerial { issuer, serial } = self else {
            return self.names(certificate);
        };
        serial.same_number(certificate.serial())
            && [certificate.issuer(), certificate.subject()]
                .iter()
                .any(|name| issuer.matches(name) || issuer.matches_reversed(name))
    }

    /// Reads the next element: a SEQUENCE of issuer and serial number, or a key identifier tagged `[0]`.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        if let Some(key_id) = reader.optional(tag::context(0))? {
            return Ok(Self::KeyId(key_id.content.to_vec()));
        }
        let mut fields = reader.sequence()?;
        let issuer = Name::read(&mut fields)?;
        let serial = Serial::new(fields.integer()?);
        fields.finish()?;
        Ok(Self::IssuerAndSerial { issuer, serial })
    }

    /// Issuer and serial number of a certificate, in DER.
    pub(super) fn issuer_and_serial(certificate: &Certificate) -> Vec<u8> {
        der::seq(&[
            certificate.issuer().der(),
            &der::integer(certificate.serial().as_bytes()),
        ])
    }
}
