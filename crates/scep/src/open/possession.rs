//! The request's own signature, and the same work where there is none to verify.

use pki::{Certificate, Digest, KeyKind, SignatureScheme};

use crate::Body;
use crate::body::Kind;

/// Verifies the request's own signature. Where there is nothing to verify though there should be, the RA's certificate
/// stands in: reading it and verifying with its key costs about the same and tells nothing.
pub(super) fn prove(kind: Kind, body: Option<&Body>, stand_in: &Certificate) -> bool {
    if !kind.holds_csr() {
        return body.is_some();
    }
    let Some(Body::PkcsReq(csr) | Body::RenewalReq(csr)) = body else {
        spend(stand_in);
        return false;
    };
    match csr.verify() {
        Ok(()) => true,
        Err(pki::Error::BadSignature { .. }) => false,
        // Nothing was verified: the algorithm is unknown, or not for this key.
        Err(_) => {
            verify_in_vain(stand_in);
            false
        }
    }
}

/// The work of reading and verifying a request, for nothing.
pub(super) fn spend(stand_in: &Certificate) {
    if let Ok(read) = Certificate::from_der(stand_in.der()) {
        verify_in_vain(&read);
    }
}

fn verify_in_vain(stand_in: &Certificate) {
    let key = stand_in.public_key();
    let octets = match key.kind() {
        KeyKind::Rsa { bits } => usize::try_from(*bits).unwrap_or(2048).div_ceil(8),
        _ => 256,
    };
    // Below every modulus, and no signature of anything.
    let signature = vec![0x5a; octets];
    let scheme = SignatureScheme::RsaPkcs1(Digest::Sha256);
    std::hint::black_box(key.verify(&scheme, stand_in.der(), &signature).is_ok());
}
