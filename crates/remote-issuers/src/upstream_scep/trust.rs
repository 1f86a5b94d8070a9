//! Who vouches for the CA that another SCEP server shows.

use chrono::{DateTime, Utc};
use pki::Certificate;
use scep::client::CaCertificates;

/// Who vouches for the CA certificates of GetCACert.
#[derive(Clone)]
pub enum CaTrust {
    /// The TLS connection.
    Connection,
    /// SHA-256 of the issuing CA, or of a CA above it in the answer.
    Fingerprint([u8; 32]),
    /// The issuing CA is one of these or was issued by one of them.
    Anchors(Vec<Certificate>),
}

impl CaTrust {
    /// Whether the issuing CA is vouched for at `now`.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn check(&self, ca: &CaCertificates, now: DateTime<Utc>) -> Result<(), String> {
        let issuing = ca.issuing();
        // The server may leave out what is above the issuing CA; then that one itself has to be vouched for.
        let above = ca.above(issuing, now).map_err(|error| error.to_string())?;
        let mut path = std::iter::once(issuing).chain(&above);
        let is_vouched_for = match self {
            Self::Connection => true,
            Self::Fingerprint(wanted) => path.any(|one| one.fingerprint() == *wanted),
            Self::Anchors(anchors) => path.any(|one| {
                anchors.iter().any(|anchor| {
                    anchor == one
                        || (one.is_ca()
                            && one.issuer().matches(anchor.subject())
                            && one.verify_signature_by(anchor.public_key()).is_ok())
                })
            }),
        };
        if is_vouched_for {
            return Ok(());
        }
        Err(format!(
            "its CA, {} with the fingerprint {}, is not the one that `scep.ca_fingerprint` or `scep.ca_path` names",
            crate::words::quoted(&issuing.subject().to_string()),
            hex::encode(issuing.fingerprint())
        ))
    }
}
