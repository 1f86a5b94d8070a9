//! The connector certificates that a profile trusts.

use crate::error::{Error, ExpiredAnchor};
use crate::intune::Algorithm;
use chrono::{DateTime, Utc};
use josekit::jws::{ES256, JwsVerifier, RS256};
use pki::{Certificate, Curve, KeyKind};
use std::sync::Arc;

/// The pool of a profile's trust-anchor files. Immutable: a reload makes another one.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    certificates: Vec<Certificate>,
    /// Whose each certificate is, in the same order.
    owners: Vec<Option<Arc<AnchorTenant>>>,
    verifiers: Vec<Verifier>,
}

/// A tenant with anchors of its own, and what these may vouch for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorTenant {
    /// Its name in the configuration, for the log and the audit.
    pub id: String,
    /// What the claim `iss` of its challenges must equal.
    pub issuer: String,
    /// What their claim `aud` must equal.
    pub audience: String,
}

/// One anchor's key, ready for use.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    pub(crate) algorithm: Algorithm,
    pub(crate) certificate: Certificate,
    /// `None` for an anchor of the profile itself.
    pub(crate) tenant: Option<Arc<AnchorTenant>>,
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
            owners: vec![None; certificates.len()],
            certificates,
            verifiers,
        })
    }

    /// The pool of a profile with tenants: its own anchors, where it has any, and each tenant's. A key that two of them
    /// have counts for the first alone.
    #[must_use]
    pub fn with_tenants(own: Option<Self>, tenants: Vec<(AnchorTenant, Self)>) -> Self {
        let mut all = own.unwrap_or_else(|| Self {
            certificates: Vec::new(),
            owners: Vec::new(),
            verifiers: Vec::new(),
        });
        for (tenant, anchors) in tenants {
            let tenant = Arc::new(tenant);
            let owners = anchors
                .certificates
                .iter()
                .map(|_| Some(Arc::clone(&tenant)));
            all.owners.extend(owners);
            all.certificates.extend(anchors.certificates);
            all.verifiers
                .extend(anchors.verifiers.into_iter().map(|verifier| Verifier {
                    tenant: Some(Arc::clone(&tenant)),
                    ..verifier
                }));
        }
        all
    }

    /// Each certificate with the audience that its challenges must have; `own` is that of the profile itself.
    pub fn audiences<'a>(
        &'a self,
        own: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Certificate, Option<&'a str>)> {
        let each = self.certificates.iter().zip(&self.owners);
        each.map(move |(certificate, owner)| match owner {
            Some(tenant) => (certificate, Some(tenant.audience.as_str())),
            None => (certificate, own),
        })
    }

    /// The tenant whose challenges have this issuer.
    pub(crate) fn tenant_of_issuer(&self, issuer: &str) -> Option<&AnchorTenant> {
        let tenants = self.owners.iter().flatten();
        tenants
            .map(|tenant| &**tenant)
            .find(|tenant| tenant.issuer == issuer)
    }

    /// The certificates in the order of the files: the profile's own, then those of its tenants.
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
            tenant: None,
            verifier,
        })
    }

    /// Whether this key made `signature` over `message`. ES256 takes `r || s`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(message, signature).is_ok()
    }
}

/// The same certificates of the same owners: what else is in a pool follows from these.
impl PartialEq for TrustAnchors {
    fn eq(&self, other: &Self) -> bool {
        (&self.certificates, &self.owners) == (&other.certificates, &other.owners)
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
