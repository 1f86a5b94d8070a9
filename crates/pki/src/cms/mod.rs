//! Cryptographic Message Syntax (RFC 5652), as far as SCEP needs it.
//!
//! [`Signed`] and [`Enveloped`] read BER and write DER; [`degenerate`] is the certs-only message.

mod build;
mod cbc;
mod degenerate;
mod enveloped;
mod identifier;
mod signed;
#[cfg(test)]
mod tests;

use crate::der::{self, Reader, tag};
use crate::{Certificate, Error};

pub use build::SignedParts;
pub use degenerate::{degenerate, parse_degenerate};
pub use enveloped::{Enveloped, Plaintext, Recipient};
pub use identifier::CertificateId;
pub use signed::Signed;

/// Opens a ContentInfo whose content must be of this type.
fn content<'a>(der: &'a [u8], content_type: &str, what: &'static str) -> Result<Reader<'a>, Error> {
    let mut reader = Reader::new(der, what);
    let mut info = reader.sequence()?;
    reader.finish()?;
    if info.oid()? != content_type {
        return Err(Error::malformed(what, "its content is of another type"));
    }
    let mut wrapper = info.nested(tag::context_constructed(0))?;
    info.finish()?;
    let content = wrapper.sequence()?;
    wrapper.finish()?;
    Ok(content)
}

/// Writes a ContentInfo.
fn content_info(content_type: &str, content: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(der::seq(&[
        &der::oid(content_type)?,
        &der::explicit(0, content),
    ]))
}

/// Reads a CertificateSet. Attribute certificates and the like are skipped.
fn read_certificates(mut set: Reader<'_>) -> Result<Vec<Certificate>, Error> {
    let mut certificates = Vec::new();
    while !set.is_empty() {
        let element = set.element()?;
        if element.tag == tag::SEQUENCE {
            certificates.push(Certificate::from_der(element.raw)?);
        }
    }
    Ok(certificates)
}

/// Writes a CertificateSet in the order given, or nothing.
fn write_certificates(certificates: &[&Certificate]) -> Vec<u8> {
    if certificates.is_empty() {
        return Vec::new();
    }
    der::implicit(
        0,
        true,
        &certificates
            .iter()
            .map(|certificate| certificate.der())
            .collect::<Vec<_>>()
            .concat(),
    )
}
