//! The connector certificates that a profile trusts.

use crate::error::{Error, ExpiredAnchor};
use crate::intune::Algorithm;
use chrono::{DateTime, Utc};
use josekit::jws::{ES256, JwsVerifier, RS256};
use pki::{Certificate, Curve, KeyKind};

/// The pool of one trust-anchor file. Immutable: a reload makes another one.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    certificates: Vec<Certificate>,
    verifiers: Vec<Verifier>,
}

/// One anchor's key, ready for use.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    pub(crate) algorithm: Algorithm,
    pub(crate) certificate: Certificate,
    verifier: Box<dyn JwsVerifier>,
}

impl TrustAnchors {
    /// Reads a bundle: CERTIFICATE blocks in PEM, other blocks skipped, or one certificate in DER.
    /// `file` is how messages name it.
    ///
    /// A certificate whose key cannot sign challenges (a CA's P-384 key, say) is kept and shown,
    /// but matches nothing; the file must hold at least one that can.
    ///
    /// # Errors
    /// No certificate, one that cannot be read, any that expired before `now`, or none with a
    /// usable key. Each message names the file, and the certificate and date where there is one.
    pub fn parse(file: &str, bytes: &[u8], now: DateTime<Utc>) -> Result<Self, Error> {
        let file = || file.to_owned();
        if !holds_certificate(bytes) {
            return Err(Error::NoAnchor { file: file() });
        }
        let certificates =
            Certificate::bundle_from_pem(bytes).map_err(|source| Error::UnreadableAnchor {
                file: file(),
                source,
            })?;
        if certificates.is_empty() {
            return Err(Error::NoAnchor { file: file() });
        }
        let expired: Vec<_> = certificates
            .iter()
            .filter(|certificate| certificate.not_after() < now)
            .map(|certificate| ExpiredAnchor {
                subject: certificate.subject().to_string(),
                not_after: certificate.not_after(),
            })
            .collect();
        if !expired.is_empty() {
            return Err(Error::ExpiredAnchor {
                file: file(),
                expired,
            });
        }
        let verifiers: Vec<_> = certificates.iter().filter_map(Verifier::new).collect();
        if verifiers.is_empty() {
            let found: Vec<_> = certificates
                .iter()
                .map(|certificate| {
                    format!(
                        "{} ({})",
                        certificate.subject(),
                        certificate.public_key().kind()
                    )
                })
                .collect();
            return Err(Error::NoUsableAnchor {
                file: file(),
                found: found.join("; "),
            });
        }
        Ok(Self {
            certificates,
            verifiers,
        })
    }

    /// The certificates in the order of the file.
    #[must_use]
    pub fn anchors(&self) -> &[Certificate] {
        &self.certificates
    }

    /// When the first of them expires.
    #[must_use]
    pub fn soonest_expiry(&self) -> Option<DateTime<Utc>> {
        self.certificates.iter().map(Certificate::not_after).min()
    }

    /// The keys for one algorithm, in the order of the file.
    pub(crate) fn verifiers(&self, algorithm: Algorithm) -> impl Iterator<Item = &Verifier> {
        self.verifiers
            .iter()
            .filter(move |verifier| verifier.algorithm == algorithm)
    }
}

impl Verifier {
    fn new(certificate: &Certificate) -> Option<Self> {
        let key = certificate.public_key();
        let (algorithm, verifier): (_, Box<dyn JwsVerifier>) = match key.kind() {
            KeyKind::Rsa { bits } if *bits >= 2048 => (
                Algorithm::Rs256,
                Box::new(RS256.verifier_from_der(key.spki_der()).ok()?),
            ),
            KeyKind::Ec(Curve::P256) => (
                Algorithm::Es256,
                Box::new(ES256.verifier_from_der(key.spki_der()).ok()?),
            ),
            _ => return None,
        };
        Some(Self {
            algorithm,
            certificate: certificate.clone(),
            verifier,
        })
    }

    /// Whether this key made `signature` over `message`. ES256 takes `r || s`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(message, signature).is_ok()
    }
}

/// Whole days until `not_after`: the floor of the seconds left by 86,400; negative once past.
#[must_use]
pub fn days_to_expiry(not_after: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (not_after - now).num_milliseconds().div_euclid(86_400_000)
}

/// Tells "no certificate" from "a bad certificate": the two need different advice.
fn holds_certificate(bytes: &[u8]) -> bool {
    const LABEL: &[u8] = b"-----BEGIN CERTIFICATE-----";
    // DER starts with a SEQUENCE.
    bytes.first() == Some(&0x30) || bytes.windows(LABEL.len()).any(|window| window == LABEL)
}
