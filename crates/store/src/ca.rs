//! What names a CA, whatever a configuration calls it.

use std::fmt;

use pki::{Certificate, Crl, Name};

/// Keeps this digest apart from any other use of SHA-256.
const DOMAIN: &[u8] = b"scepd CA 1\0";

/// The domain of CAs of which nothing but the configured name is known.
const NAMED_DOMAIN: &[u8] = b"scepd CA by configured name 1\0";

/// A CA: a digest of its name and its key identifier. Certificates, revocations and CRL numbers
/// belong to it, so that they stay with the key when the configuration names the issuer otherwise.
/// A renewed CA certificate with the same name and key identifier is the same CA; a rollover to
/// another key is another CA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaId([u8; 16]);

impl CaId {
    /// The CA with this certificate. Where the certificate has no subjectKeyIdentifier, the
    /// identifier is the SHA-1 of the key (RFC 5280 section 4.2.1.2, method 1), as in the
    /// certificates that it issues.
    #[must_use]
    pub fn of_ca(ca: &Certificate) -> Self {
        match ca.ski() {
            Some(key_id) => Self::of(ca.subject(), key_id),
            None => Self::of(ca.subject(), &ca.public_key().key_id()),
        }
    }

    /// The CA that signed this certificate, as its issuer name and authorityKeyIdentifier say. `None`
    /// when it does not name a key.
    #[must_use]
    pub fn of_issuer(certificate: &Certificate) -> Option<Self> {
        Some(Self::of(certificate.issuer(), certificate.aki()?))
    }

    /// The CA that signed this CRL. `None` when the CRL does not name a key.
    #[must_use]
    pub fn of_crl(crl: &Crl) -> Option<Self> {
        Some(Self::of(crl.issuer(), crl.aki()?))
    }

    /// Stands for the CA of records that do not say which it is, by the name that the configuration
    /// gave the issuer.
    pub(crate) fn of_configured_name(issuer_id: &str) -> Self {
        Self::digest(&[NAMED_DOMAIN, issuer_id.as_bytes()])
    }

    fn of(name: &Name, key_id: &[u8]) -> Self {
        let length = (name.der().len() as u64).to_be_bytes();
        Self::digest(&[DOMAIN, &length, name.der(), key_id])
    }

    fn digest(parts: &[&[u8]]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in parts {
            context.update(part);
        }
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(id)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The CA with this digest.
    #[must_use]
    pub const fn from_bytes(id: [u8; 16]) -> Self {
        Self(id)
    }
}

/// 32 hex digits.
impl fmt::Display for CaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for CaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaId({self})")
    }
}
