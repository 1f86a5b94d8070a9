//! A certificate that is registered on an app: its key, and the thumbprints by which an assertion names it.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::csr::rsa_public_key;
use crate::der::{Element, SEQUENCE};
use crate::text::any_base64;

/// A certificate of an app registration.
#[derive(Debug, Clone)]
pub(crate) struct AppCertificate {
    pub(crate) sha1: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    /// An RSAPublicKey in DER.
    pub(crate) key: Vec<u8>,
}

impl AppCertificate {
    /// Reads the first certificate of a PEM text.
    pub(crate) fn from_pem(text: &str) -> Option<Self> {
        let (_, after) = text.split_once("-----BEGIN CERTIFICATE-----")?;
        let (body, _) = after.split_once("-----END CERTIFICATE-----")?;
        let body: String = body.split_whitespace().collect();
        let octets = any_base64(&body)?;
        let certificate = Element::only(&octets, SEQUENCE)?;
        let fields = certificate.children()?.first()?.children()?;
        // version [0], serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
        let key = rsa_public_key(fields.get(6)?)?.to_vec();
        Some(Self {
            sha1: digest(&SHA1_FOR_LEGACY_USE_ONLY, &octets).as_ref().to_vec(),
            sha256: digest(&SHA256, &octets).as_ref().to_vec(),
            key,
        })
    }
}
