//! Certificates for scepd's own registration authorities: is one of use?

use crate::base::again;
use issuer::{Authority, IssueError};
use pki::{Certificate, Csr, KeyUsage};

/// What an RA that signs and opens needs.
pub(crate) const NEEDED: KeyUsage = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);

/// Whether a certificate is one of this CA's for the key of the CSR, with which an RA can sign and open.
///
/// # Errors
/// Why not, in words.
pub(crate) fn is_of_use(
    certificate: &Certificate,
    csr: &Csr,
    authority: &Authority,
) -> Result<(), String> {
    if certificate.public_key().spki_der() != csr.public_key().spki_der() {
        return Err("it is for another key".to_owned());
    }
    authority
        .made(certificate)
        .map_err(|difference| difference.to_string())?;
    if certificate.is_ca() {
        return Err("it is a CA certificate".to_owned());
    }
    match certificate.key_usage() {
        Some(usage) if usage.contains(NEEDED) => Ok(()),
        _ => Err(format!("its keyUsage is not {NEEDED}")),
    }
}

/// Says that what makes RA certificates over there makes useless ones.
pub(crate) fn useless(by: &str, wrong: &str) -> IssueError {
    again(&format!(
        "the certificate that {by} makes is of no use for an RA: {wrong}; it needs {NEEDED}"
    ))
}
