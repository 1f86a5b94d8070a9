//! A CA whose key this process holds.
//!
//! | module | holds |
//! |---|---|
//! | [`create`] | new roots and sub-CAs |
//! | `certificate` | what is written into certificates |

mod certificate;
pub mod create;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use pki::cms::{Signed, SignedParts, degenerate};
use pki::{
    Certificate, Crl, CrlBuilder, Curve, Digest, KeyKind, KeyUsage, PrivateKey, PublicKey,
    RevocationReason, RevokedEntry, SignatureScheme, SubjectAltNames, oid,
};
use std::sync::Arc;

pub use create::{certify_root, create_root, create_sub};

use crate::answer::Answering;
use crate::issuer::{
    CrlSigner, Found, Issuance, LocalSigner, Order, RaCertifier, RaRole, ResponderCertifier,
};
use crate::{Approved, Authority, Error, IssueError, Issuer};

/// What a [`LocalCa`] is made of. [`LocalCaParts::new`] fills in all but certificate and key.
pub struct LocalCaParts {
    /// The CA certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
    /// The certificates above it: its issuer first, the root last. Empty for a root; may repeat the CA certificate
    /// as its first.
    pub chain: Vec<Certificate>,
    /// The CA that takes over, while a rollover is announced.
    pub next: Option<NextCa>,
    /// CAs of the past whose certificates are still in use.
    pub previous: Vec<PreviousCa>,
    /// CRL distribution points for certificates.
    pub cdp_urls: Vec<String>,
    /// OCSP responders for certificates.
    pub ocsp_urls: Vec<String>,
    /// Places of the CA certificate, for certificates.
    pub ca_issuers_urls: Vec<String>,
    /// The digest of signatures; `None`: SHA-256, and SHA-384 with a P-384 key.
    pub digest: Option<Digest>,
    /// From a CRL's thisUpdate to its nextUpdate.
    pub crl_lifetime: Duration,
    /// Validity of RA certificates, at most.
    pub ra_lifetime: Duration,
    /// Validity of TLS certificates, at most.
    pub tls_lifetime: Duration,
}

impl LocalCaParts {
    /// A CA without a chain, URLs or neighbours: CRLs for a week, RA certificates for a year, TLS certificates for
    /// 397 days.
    #[must_use]
    pub fn new(certificate: Certificate, key: PrivateKey) -> LocalCaParts {
        LocalCaParts {
            certificate,
            key,
            chain: Vec::new(),
            next: None,
            previous: Vec::new(),
            cdp_urls: Vec::new(),
            ocsp_urls: Vec::new(),
            ca_issuers_urls: Vec::new(),
            digest: None,
            crl_lifetime: Duration::days(7),
            ra_lifetime: Duration::days(365),
            tls_lifetime: Duration::days(397),
        }
    }
}

/// The CA that takes over next.
pub struct NextCa {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its key, where it is here already: only checked, not yet used.
    pub key: Option<PrivateKey>,
    /// The certificates above it, as in [`LocalCaParts::chain`].
    pub chain: Vec<Certificate>,
}

/// A CA of the past.
pub struct PreviousCa {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its key, where it is kept for CRLs.
    pub key: Option<PrivateKey>,
}

/// A CA whose key this process holds: a root, or a sub-CA with its chain.
pub struct LocalCa {
    id: String,
    parts: LocalCaParts,
    authority: Arc<Authority>,
}

impl LocalCa {
    /// Checks that the parts belong together. Whether the CA is in its validity is looked at when it signs.
    ///
    /// # Errors
    /// When a key does not fit its certificate or cannot sign, when a certificate is no CA's, or when a chain does
    /// not hold together.
    pub fn from_parts(id: &str, parts: LocalCaParts) -> Result<LocalCa, Error> {
        check_ca(&parts.certificate)?;
        check_pair(&parts.certificate, &parts.key)?;
        let chain = whole_chain(&parts.certificate, &parts.chain)?;
        let next_chain = match &parts.next {
            Some(next) => {
                check_ca(&next.certificate)?;
                if let Some(key) = &next.key {
                    check_pair(&next.certificate, key)?;
                }
                Some(whole_chain(&next.certificate, &next.chain)?)
            }
            None => None,
        };
        for previous in &parts.previous {
            check_ca(&previous.certificate)?;
            if let Some(key) = &previous.key {
                check_pair(&previous.certificate, key)?;
            }
        }
        let previous = parts.previous.iter().map(|ca| ca.certificate.clone());
        let authority = Authority::new(parts.certificate.clone(), chain.into_iter().skip(1))
            .with_next(next_chain)
            .with_previous(previous.collect());
        Ok(LocalCa {
            id: id.to_owned(),
            parts,
            authority: Arc::new(authority),
        })
    }

    /// A CRL as the CA `of` makes it: the current one, or a previous or next one whose key is held. `revoked` holds
    /// certificates of that CA.
    ///
    /// # Errors
    /// When that CA's key is not here or may not sign CRLs.
    pub fn crl_of(
        &self,
        of: &Certificate,
        revoked: &[RevokedEntry],
        number: u64,
        now: DateTime<Utc>,
    ) -> Result<Crl, Error> {
        let key = self.key_of(of)?;
        if of
            .key_usage()
            .is_some_and(|usage| !usage.contains(KeyUsage::CRL_SIGN))
        {
            return Err(not_a_ca(of, "its key usage lacks cRLSign"));
        }
        let this_update = now.trunc_subsecs(0);
        let next_update = this_update
            .checked_add_signed(self.parts.crl_lifetime)
            .ok_or(Error::DateOutOfRange)?;
        let entries = revoked
            .iter()
            .map(|entry| RevokedEntry {
                serial: entry.serial.clone(),
                revoked_at: entry.revoked_at.trunc_subsecs(0),
                // RFC 5280, section 5.3.1: absent rather than unspecified; removeFromCRL is for delta CRLs alone.
                reason: entry.reason.filter(|reason| {
                    !matches!(
                        reason,
                        RevocationReason::Unspecified | RevocationReason::RemoveFromCrl
                    )
                }),
            })
            .collect();
        let builder = CrlBuilder {
            issuer: of.subject().clone(),
            entries,
            number,
            this_update,
            next_update,
            aki: Some(key_id_of(of)),
        };
        Ok(builder.sign(key, &scheme_for(key, self.parts.digest)?)?)
    }
}

impl LocalCa {
    /// The certificate whose key signs what is issued now.
    #[must_use]
    pub fn ca_certificate(&self) -> Certificate {
        self.parts.certificate.clone()
    }

    /// The key of this CA: the current one, or a previous or next one whose key is held.
    fn key_of(&self, ca: &Certificate) -> Result<&PrivateKey, Error> {
        let held = |certificate: &Certificate| certificate.fingerprint() == ca.fingerprint();
        if held(&self.parts.certificate) {
            return Ok(&self.parts.key);
        }
        let mut previous = self.parts.previous.iter();
        let previous = previous.find(|ca| held(&ca.certificate));
        let next = self.parts.next.as_ref();
        let next = next.filter(|ca| held(&ca.certificate));
        previous
            .and_then(|ca| ca.key.as_ref())
            .or_else(|| next.and_then(|ca| ca.key.as_ref()))
            .ok_or_else(|| Error::NoKey {
                subject: ca.subject().to_string(),
            })
    }

    /// A TLS server certificate for this server's own listeners, under DNS names and IP addresses.
    ///
    /// # Errors
    /// When `names` holds none, when the CA is not valid at `now`, or cannot sign.
    pub fn issue_tls(
        &self,
        key: &PublicKey,
        names: &SubjectAltNames,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        self.sign_tls(key, names, now)
    }
}

impl Issuer for LocalCa {
    fn id(&self) -> &str {
        &self.id
    }

    fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.authority)
    }

    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        let signed = self.device_certificate(&order.approved, order.at);
        let answer = signed.map(Issuance::Issued).map_err(IssueError::from);
        Box::pin(std::future::ready(answer))
    }

    /// What is not in the store was never issued: the CA keeps nothing.
    fn find<'a>(&'a self, _: &'a Order) -> Answering<'a, Found> {
        Box::pin(std::future::ready(Ok(Found::Nothing)))
    }

    fn local(&self) -> Option<&dyn LocalSigner> {
        Some(self)
    }

    fn crl(&self) -> Option<&dyn CrlSigner> {
        Some(self)
    }

    fn ra(&self) -> Option<&dyn RaCertifier> {
        Some(self)
    }

    fn responder(&self) -> Option<&dyn ResponderCertifier> {
        Some(self)
    }
}

impl LocalSigner for LocalCa {
    fn sign_approved(&self, approved: &Approved, now: DateTime<Utc>) -> Result<Certificate, Error> {
        self.device_certificate(approved, now)
    }

    fn sign_next_ca(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(next) = self.authority.next() else {
            return Ok(None);
        };
        let certificates: Vec<&Certificate> = next.iter().collect();
        let content = degenerate(&certificates, &[]);
        // jscep takes the next CA from the outer certificates and leaves the content unread.
        let outer: Vec<&Certificate> = std::iter::once(&self.parts.certificate)
            .chain(next)
            .collect();
        let body = Signed::build(&SignedParts {
            content_type: oid::DATA,
            content: Some(&content),
            certificates: &outer,
            signer: (&self.parts.certificate, &self.parts.key),
            digest: scheme_for(&self.parts.key, self.parts.digest)?.digest(),
            attributes: &[],
            rsa_encryption_oid: true,
        })?;
        Ok(Some(body))
    }
}

impl CrlSigner for LocalCa {
    fn sign_crl(
        &self,
        revoked: &[RevokedEntry],
        number: u64,
        now: DateTime<Utc>,
    ) -> Result<Crl, Error> {
        self.crl_of(&self.parts.certificate, revoked, number, now)
    }

    fn earlier(&self) -> Vec<Certificate> {
        let previous = self.parts.previous.iter();
        let kept = previous.filter(|ca| ca.key.is_some());
        kept.map(|ca| ca.certificate.clone()).collect()
    }

    fn sign_crl_of(
        &self,
        ca: &Certificate,
        revoked: &[RevokedEntry],
        number: u64,
        now: DateTime<Utc>,
    ) -> Result<Crl, Error> {
        self.crl_of(ca, revoked, number, now)
    }
}

impl ResponderCertifier for LocalCa {
    fn certify_responder(
        &self,
        ca: &Certificate,
        key: &PublicKey,
        lifetime: Duration,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        self.sign_responder(ca, key, lifetime, now)
    }
}

impl RaCertifier for LocalCa {
    fn certify_ra_for(
        &self,
        role: RaRole,
        key: &PublicKey,
        path_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Certificate, Error> {
        self.sign_ra(role, key, path_id, now)
    }
}

fn not_a_ca(certificate: &Certificate, missing: &'static str) -> Error {
    Error::NotACa {
        subject: certificate.subject().to_string(),
        missing,
    }
}

fn check_ca(certificate: &Certificate) -> Result<(), Error> {
    if !certificate.is_ca() {
        return Err(not_a_ca(
            certificate,
            "its basic constraints do not say CA:TRUE",
        ));
    }
    if certificate
        .key_usage()
        .is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN))
    {
        return Err(not_a_ca(certificate, "its key usage lacks keyCertSign"));
    }
    match certificate.public_key().kind() {
        KeyKind::Rsa { bits } if *bits >= 2048 => Ok(()),
        KeyKind::Ec(Curve::P256 | Curve::P384) => Ok(()),
        kind => Err(Error::KeyKind {
            subject: certificate.subject().to_string(),
            kind: kind.to_string(),
        }),
    }
}

fn check_pair(certificate: &Certificate, key: &PrivateKey) -> Result<(), Error> {
    if certificate.public_key().spki_der() == key.public_key().spki_der() {
        Ok(())
    } else {
        Err(Error::KeyMismatch {
            subject: certificate.subject().to_string(),
        })
    }
}

/// The CA certificate and those above it, each signed by the one after it.
fn whole_chain(
    certificate: &Certificate,
    above: &[Certificate],
) -> Result<Vec<Certificate>, Error> {
    let repeated = above
        .first()
        .is_some_and(|first| first.fingerprint() == certificate.fingerprint());
    let above = above.iter().skip(usize::from(repeated));
    let chain: Vec<Certificate> = std::iter::once(certificate).chain(above).cloned().collect();
    for pair in chain.windows(2) {
        let [below, issuer] = pair else { continue };
        let belongs = below.issuer().matches(issuer.subject())
            && issuer.is_ca()
            && below.verify_signature_by(issuer.public_key()).is_ok();
        if !belongs {
            return Err(Error::BrokenChain {
                subject: below.subject().to_string(),
                issuer: issuer.subject().to_string(),
            });
        }
    }
    Ok(chain)
}

/// What AKI says of certificates and CRLs that this CA signs: its own SKI, or else what that would be.
fn key_id_of(ca: &Certificate) -> Vec<u8> {
    ca.ski()
        .map_or_else(|| ca.public_key().key_id().to_vec(), <[u8]>::to_vec)
}

fn scheme_for(key: &PrivateKey, digest: Option<Digest>) -> Result<SignatureScheme, Error> {
    let usual = if *key.kind() == KeyKind::Ec(Curve::P384) {
        Digest::Sha384
    } else {
        Digest::Sha256
    };
    Ok(key.scheme(digest.unwrap_or(usual))?)
}
