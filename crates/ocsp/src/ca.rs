//! Which CA a request means.

use pki::{Certificate, Digest};

use crate::CertId;

/// The digests that clients use in a CertID.
const DIGESTS: [Digest; 4] = [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512];

/// A CA as requests name it: its name and its key in each of the digests that clients use. Made once for each CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaNames([Hashes; DIGESTS.len()]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hashes {
    digest: Digest,
    name: Vec<u8>,
    key: Vec<u8>,
}

impl CaNames {
    /// Of the CA with this certificate.
    #[must_use]
    pub fn of(ca: &Certificate) -> Self {
        Self(DIGESTS.map(|digest| Hashes {
            digest,
            name: digest.hash(ca.subject().der()),
            key: digest.hash(ca.public_key().bits()),
        }))
    }

    /// Whether this CA is the issuer that the id names.
    #[must_use]
    pub fn match_id(&self, id: &CertId) -> bool {
        self.0.iter().any(|hashes| {
            Some(hashes.digest) == id.digest
                && hashes.key == id.key_hash
                && hashes.name == id.name_hash
        })
    }
}
