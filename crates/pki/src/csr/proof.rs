//! Requests that are of no use, and whose own signature is good all the same: their refusal may say what is wrong.

use openssl::x509::X509Req;

use super::{Csr, WHAT};
use crate::PublicKey;
use crate::der::{Tlv, tag};
use crate::oid;
use crate::signed_object::Outline;

/// What is known of a request whose signature is that of the key in it, by any algorithm that the library can verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrProof {
    /// What [`Csr::verify`] does not do, as the end of a sentence that begins with the request: `holds a key of the kind
    /// RSA 512`, `is signed with RSA-MD5`. `None`: key and algorithm are usual ones.
    pub unfit: Option<String>,
}

impl Csr {
    /// Whether the octets are a request that is signed with the key in it: also one with a key or an algorithm that
    /// nothing here uses, or with attributes that [`Csr::from_der`] refuses. Good for telling its maker what is wrong,
    /// and for nothing else.
    ///
    /// Keys that nobody has and that cost time are left out: RSA above 16384 bits, exponents above 64 bits with a modulus
    /// above 3072, and all but RSA, elliptic curves, Ed25519 and Ed448.
    #[must_use]
    pub fn proof(der: &[u8]) -> Option<CsrProof> {
        let (outline, mut info) = Outline::read(der, WHAT).ok()?;
        info.integer().ok()?;
        info.expect(tag::SEQUENCE).ok()?;
        let key = PublicKey::from_spki_der(info.expect(tag::SEQUENCE).ok()?.raw).ok()?;
        if !key.is_affordable() {
            return None;
        }
        let request = X509Req::from_der(der).ok()?;
        let theirs = request.public_key().ok()?;
        if !request.verify(&theirs).unwrap_or(false) {
            return None;
        }
        let unfit = if key.has_long_exponent() {
            Some("holds an RSA key with a public exponent of more than 64 bits".to_owned())
        } else if !key.is_usable() {
            Some(format!("holds a key of the kind {}", key.kind()))
        } else if outline.scheme(der).is_ok_and(|scheme| key.fits(&scheme)) {
            None
        } else {
            let algorithm = Tlv::parse(outline.algorithm(der), WHAT).ok()?;
            let name = algorithm.reader(WHAT).oid().ok()?;
            Some(format!("is signed with {}", oid::known_as(&name)))
        };
        Some(CsrProof { unfit })
    }
}
