//! What is answered: OCSPResponse (RFC 6960, section 4.2).

use chrono::{DateTime, SubsecRound, Utc};
use pki::der::{self, tag};
use pki::{Certificate, Digest, Error, PrivateKey, RevocationReason, SignatureScheme, oid};

use crate::CertId;

/// An answer that says why there is none. Nobody signs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request cannot be read.
    MalformedRequest,
    /// The responder has a fault.
    InternalError,
    /// The responder has too much to do.
    TryLater,
    /// The responder does not speak for the CA that is asked about.
    Unauthorized,
}

impl Refusal {
    /// The response in DER: five octets.
    #[must_use]
    pub const fn der(self) -> [u8; 5] {
        let status = match self {
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::TryLater => 3,
            Self::Unauthorized => 6,
        };
        [tag::SEQUENCE, 3, tag::ENUMERATED, 1, status]
    }
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was issued, and is not revoked.
    Good,
    /// It is revoked.
    Revoked {
        /// Since when.
        at: DateTime<Utc>,
        /// Why, where that is said.
        reason: Option<RevocationReason>,
    },
    /// The CA never issued it, as far as is known.
    Unknown,
}

/// What is said of one certificate.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The certificate, as the request names it.
    pub id: &'a CertId,
    /// Where it stands.
    pub status: Status,
    /// As of when.
    pub this_update: DateTime<Utc>,
    /// When there is a newer answer at the latest.
    pub next_update: DateTime<Utc>,
}

/// Who signs answers: a certificate that the CA issued for that (RFC 6960, section 4.2.2.2), and its key.
#[derive(Clone)]
pub struct Responder {
    certificate: Certificate,
    key: PrivateKey,
    scheme: SignatureScheme,
    /// The responderID, the AlgorithmIdentifier, and the certificates behind the signature: the same in all answers.
    id: Vec<u8>,
    algorithm: Vec<u8>,
    certificates: Vec<u8>,
}

impl Responder {
    /// # Errors
    /// The key is not the certificate's, or cannot sign.
    pub fn new(certificate: Certificate, key: PrivateKey) -> Result<Self, Error> {
        if certificate.public_key().spki_der() != key.public_key().spki_der() {
            return Err(Error::WrongKey {
                purpose: "the OCSP responder's certificate",
                found: key.kind().to_string(),
            });
        }
        let scheme = key.scheme(Digest::Sha256)?;
        let key_id = key.public_key().key_id();
        Ok(Self {
            id: der::explicit(2, &der::octet_string(&key_id)),
            algorithm: scheme.to_identifier(),
            certificates: der::explicit(0, &der::seq(&[certificate.der()])),
            certificate,
            key,
            scheme,
        })
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Signs an answer, made at `produced_at`, and gives the whole OCSPResponse in DER. Times are to the second. `nonce`
    /// is what the request's extension holds.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(
        &self,
        answers: &[Answer<'_>],
        produced_at: DateTime<Utc>,
        nonce: Option<&[u8]>,
    ) -> Result<Vec<u8>, Error> {
        let single: Vec<Vec<u8>> = answers.iter().map(single).collect();
        let single: Vec<&[u8]> = single.iter().map(Vec::as_slice).collect();
        let extensions = match nonce {
            Some(nonce) => {
                let nonce = der::seq(&[&der::oid(oid::OCSP_NONCE)?, &der::octet_string(nonce)]);
                der::explicit(1, &der::seq(&[&nonce]))
            }
            None => Vec::new(),
        };
        let data = der::seq(&[
            &self.id,
            &time(produced_at),
            &der::seq(&single),
            &extensions,
        ]);
        let signature = self.key.sign(&self.scheme, &data)?;
        let basic = der::seq(&[
            &data,
            &self.algorithm,
            &der::bit_string(0, &signature),
            &self.certificates,
        ]);
        let bytes = der::seq(&[&der::oid(oid::OCSP_BASIC)?, &der::octet_string(&basic)]);
        Ok(der::seq(&[
            &der::tlv(tag::ENUMERATED, &[0]),
            &der::explicit(0, &bytes),
        ]))
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Responder({})", self.certificate.subject())
    }
}

fn single(answer: &Answer<'_>) -> Vec<u8> {
    let status = match answer.status {
        Status::Good => der::implicit(0, false, &[]),
        Status::Revoked { at, reason } => {
            // RFC 5280, section 5.3.1: absent rather than unspecified.
            let reason = reason
                .filter(|reason| *reason != RevocationReason::Unspecified)
                .map_or_else(Vec::new, |reason| {
                    der::explicit(0, &der::tlv(tag::ENUMERATED, &[reason.number()]))
                });
            der::implicit(1, true, &[time(at), reason].concat())
        }
        Status::Unknown => der::implicit(2, false, &[]),
    };
    der::seq(&[
        &answer.id.der,
        &status,
        &time(answer.this_update),
        &der::explicit(0, &time(answer.next_update)),
    ])
}

fn time(instant: DateTime<Utc>) -> Vec<u8> {
    der::generalized_time(instant.trunc_subsecs(0))
}
