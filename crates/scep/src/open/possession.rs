//! The request's own signature, and the same work where there is none to verify.

use pki::{Certificate, Csr, CsrProof, Digest, KeyKind, PublicKey, SignatureScheme};

use crate::Body;
use crate::body::Kind;

/// What the request's own signature says of it.
pub(super) enum Proof {
    /// It is good; or there is none to be had, and the content could be read.
    Good,
    /// It is good, but the request is of no use: a key or an algorithm that is not taken, or a part that cannot be read.
    Unusable(CsrProof),
    /// It is wrong, or there is nothing to verify.
    None,
}

/// Verifies the request's own signature. Where there is nothing to verify though there should be, the RA's certificate
/// stands in: reading it and verifying with its key costs about the same and tells nothing.
///
/// `signer` is who signed the message, in most cases with the very key that is in the request.
pub(super) fn prove(
    kind: Kind,
    body: Option<&Body>,
    content: &[u8],
    signer: &PublicKey,
    stand_in: &Certificate,
) -> Proof {
    if !kind.holds_csr() {
        return if body.is_some() {
            Proof::Good
        } else {
            Proof::None
        };
    }
    if let Some(Body::PkcsReq(csr) | Body::RenewalReq(csr)) = body {
        match csr.verify_with(signer) {
            Ok(()) => return Proof::Good,
            Err(pki::Error::BadSignature { .. }) => return Proof::None,
            // Nothing was verified: the algorithm is unknown, or not for this key.
            Err(_) => {}
        }
    }
    match Csr::proof(content) {
        Some(proof) => Proof::Unusable(proof),
        None => {
            spend(stand_in);
            Proof::None
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
