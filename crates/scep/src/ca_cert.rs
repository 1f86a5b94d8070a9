//! GetCACert and GetNextCACert (RFC 8894, sections 4.2 and 4.7).

use pki::cms::{self, Signed, SignedParts};
use pki::{Certificate, Digest, PrivateKey, oid};

use crate::{Error, content_type};

/// The content type and body of a GetCACert reply.
///
/// `chain` is the issuing CA first, then whatever of the way to the root is shown. The reply is the RA certificates in the
/// order given, then `chain`. Where the CA itself opens requests and signs replies, `ras` is empty; and where such a CA is
/// a root, the reply is its certificate alone (section 4.2.1.1). One below a root comes with its chain (4.2.1.2): clients
/// that are set up with the root's digest look for the root.
///
/// # Errors
/// [`Error::Incomplete`] when `chain` is empty.
pub fn ca_cert_body(
    ras: &[&Certificate],
    chain: &[Certificate],
) -> Result<(&'static str, Vec<u8>), Error> {
    let Some(issuing) = chain.first() else {
        return Err(Error::Incomplete(
            "a GetCACert reply needs the issuing CA's certificate",
        ));
    };
    if ras.is_empty() && issuing.is_self_issued() {
        return Ok((content_type::CA_CERT, issuing.der().to_vec()));
    }
    let all: Vec<&Certificate> = ras.iter().copied().chain(chain).collect();
    Ok((content_type::CA_RA_CERT, cms::degenerate(&all, &[])))
}

/// The body of a GetNextCACert reply: the next CA's certificates, signed by the current CA.
///
/// `next` is the next issuing CA first. The CA's key may be RSA or EC.
///
/// # Errors
/// [`Error::Incomplete`] when `next` is empty, [`Error::Pki`] when the signature cannot be made.
pub fn next_ca_body(
    current: &Certificate,
    key: &PrivateKey,
    next: &[Certificate],
) -> Result<Vec<u8>, Error> {
    if next.is_empty() {
        return Err(Error::Incomplete("there is no next CA certificate"));
    }
    let next: Vec<&Certificate> = next.iter().collect();
    let content = cms::degenerate(&next, &[]);
    Ok(Signed::build(&SignedParts {
        content_type: oid::DATA,
        content: Some(&content),
        certificates: &[current],
        signer: (current, key),
        digest: Digest::Sha256,
        attributes: &[],
        rsa_encryption_oid: false,
    })?)
}
