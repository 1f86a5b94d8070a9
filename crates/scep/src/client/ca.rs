//! What GetCACert and GetNextCACert gave, and who in it does what.

use chrono::{DateTime, Utc};
use pki::cms::{self, Signed};
use pki::{Certificate, KeyKind, KeyUsage};

use crate::{Error, ReplyProblem};

/// The certificates of a GetCACert reply, by role.
///
/// Servers send them in any order; roles follow from the certificates themselves.
#[derive(Debug, Clone)]
pub struct CaCertificates {
    /// All, as sent.
    all: Vec<Certificate>,
    /// The CA that issues: a CA that did not issue another CA of the reply.
    issuing: Certificate,
    /// RA certificates, each with the signature of a CA of the reply. Empty when the CA does its own SCEP.
    ras: Vec<Certificate>,
}

impl CaCertificates {
    /// Reads a GetCACert body: one certificate, or a degenerate PKCS #7, whatever the content type says.
    ///
    /// # Errors
    /// [`ReplyProblem::CaCertificates`] when there is no CA among them, or an RA that none of the CAs issued.
    pub fn read(body: &[u8]) -> Result<CaCertificates, Error> {
        let all = match Certificate::from_der(body) {
            Ok(one) => vec![one],
            Err(_) => {
                cms::parse_degenerate(body)
                    .map_err(|error| {
                        problem(format!(
                            "the reply is neither a certificate nor certificates ({error})"
                        ))
                    })?
                    .0
            }
        };
        CaCertificates::from_certificates(all)
    }

    /// Sorts certificates into roles.
    ///
    /// # Errors
    /// As [`CaCertificates::read`].
    pub fn from_certificates(all: Vec<Certificate>) -> Result<CaCertificates, Error> {
        // Old CAs have no basicConstraints; a certificate that comes alone is the CA.
        let cas: Vec<&Certificate> = all.iter().filter(|c| c.is_ca() || all.len() == 1).collect();
        let issues = |ca: &Certificate, other: &Certificate| {
            ca != other
                && other.issuer().matches(ca.subject())
                && other.verify_signature_by(ca.public_key()).is_ok()
        };
        let ras: Vec<&Certificate> = all.iter().filter(|c| !cas.contains(c)).collect();
        for ra in &ras {
            if !cas.iter().any(|ca| issues(ca, ra)) {
                return Err(problem(format!(
                    "the RA certificate \"{}\" was not issued by a CA of the reply",
                    ra.subject()
                )));
            }
        }
        // The CA that vouches for the RA, else the one at the bottom of the chain.
        let issuing = cas
            .iter()
            .find(|ca| ras.iter().any(|ra| issues(ca, ra)))
            .or_else(|| {
                cas.iter()
                    .find(|ca| !cas.iter().any(|other| issues(ca, other)))
            })
            .map(|ca| (*ca).clone())
            .ok_or_else(|| problem("there is no CA certificate in the reply".to_owned()))?;
        let ras = ras.into_iter().cloned().collect();
        Ok(CaCertificates { all, issuing, ras })
    }

    /// All certificates, as sent.
    pub fn all(&self) -> &[Certificate] {
        &self.all
    }

    /// The CA that issues.
    pub fn issuing(&self) -> &Certificate {
        &self.issuing
    }

    /// The RA certificates; none when the CA itself opens requests and signs replies.
    pub fn ras(&self) -> &[Certificate] {
        &self.ras
    }

    /// The certificate that requests are encrypted to: the RA's for encryption, else the issuing CA's.
    ///
    /// # Errors
    /// [`ReplyProblem::CaCertificates`] when it has no RSA key.
    pub fn recipient(&self) -> Result<&Certificate, Error> {
        let allows = |c: &&Certificate| {
            c.key_usage()
                .is_none_or(|usage| usage.contains(KeyUsage::KEY_ENCIPHERMENT))
        };
        let recipient = match self.ras.iter().find(allows) {
            Some(ra) => ra,
            None if self.ras.is_empty() => &self.issuing,
            None => {
                return Err(problem(
                    "no RA certificate has the key usage keyEncipherment".to_owned(),
                ));
            }
        };
        match recipient.public_key().kind() {
            KeyKind::Rsa { .. } => Ok(recipient),
            other => Err(problem(format!(
                "requests cannot be encrypted to \"{}\": its key is {other}",
                recipient.subject()
            ))),
        }
    }

    /// The certificates that may sign replies: RA certificates that may sign, else the issuing CA's.
    pub fn reply_signers(&self) -> Vec<&Certificate> {
        if self.ras.is_empty() {
            return vec![&self.issuing];
        }
        let allows = |c: &&Certificate| {
            c.key_usage()
                .is_none_or(|usage| usage.contains(KeyUsage::DIGITAL_SIGNATURE))
        };
        self.ras.iter().filter(allows).collect()
    }

    /// The way from `leaf` to the last CA of the reply: `leaf`'s issuer first. Signatures, names, CA:TRUE and, at `now`,
    /// validity of each are checked, and the validity of `leaf`.
    ///
    /// # Errors
    /// [`ReplyProblem::CaCertificates`] that names the certificate and what is wrong.
    pub fn chain(&self, leaf: &Certificate, now: DateTime<Utc>) -> Result<Vec<Certificate>, Error> {
        let chain = self.above(leaf, now)?;
        if chain.is_empty() {
            return Err(problem(format!(
                "the certificate \"{}\" was not issued by a CA that GetCACert gave (its issuer is \"{}\")",
                leaf.subject(),
                leaf.issuer()
            )));
        }
        Ok(chain)
    }

    /// As [`chain`](Self::chain), but the way may end at once: above the issuing CA there need not be another in the
    /// reply. It proves nothing then, so whoever asks has to know `leaf` otherwise.
    ///
    /// # Errors
    /// [`ReplyProblem::CaCertificates`] when a certificate is not valid at `now`.
    pub fn above(&self, leaf: &Certificate, now: DateTime<Utc>) -> Result<Vec<Certificate>, Error> {
        let mut chain: Vec<Certificate> = Vec::new();
        let mut current = leaf.clone();
        loop {
            if !current.valid_at(now) {
                return Err(problem(format!(
                    "the certificate \"{}\" is valid from {} to {}, not now",
                    current.subject(),
                    current.not_before(),
                    current.not_after()
                )));
            }
            if chain.len() > self.all.len() || (!chain.is_empty() && current.is_self_issued()) {
                return Ok(chain);
            }
            let next = self.all.iter().find(|ca| {
                (ca.is_ca() || *ca == &self.issuing)
                    && current.issuer().matches(ca.subject())
                    && current.verify_signature_by(ca.public_key()).is_ok()
            });
            match next {
                Some(ca) => {
                    chain.push(ca.clone());
                    current = ca.clone();
                }
                // Servers may leave out the root.
                None => return Ok(chain),
            }
        }
    }
}

/// Reads a GetNextCACert body: SignedData by a CA that is known already, over the next CA's certificates.
///
/// # Errors
/// [`Error::Reply`] when the signer is not one of `current`, or the signature is wrong.
pub fn open_next_ca(body: &[u8], current: &CaCertificates) -> Result<CaCertificates, Error> {
    let signed =
        Signed::parse(body).map_err(|error| Error::Reply(ReplyProblem::Unreadable(error)))?;
    let signer = signed
        .signer_certificate()
        .ok_or(Error::Reply(ReplyProblem::Signer))?;
    if !current.all().contains(signer) {
        return Err(Error::Reply(ReplyProblem::Signer));
    }
    signed
        .check()
        .map_err(|error| Error::Reply(ReplyProblem::Signature(error)))?;
    let content = signed.content().unwrap_or_default();
    CaCertificates::read(content)
}

fn problem(words: String) -> Error {
    Error::Reply(ReplyProblem::CaCertificates(words))
}
