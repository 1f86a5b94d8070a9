//! What GetCACert and GetNextCACert gave, and who in it does what.

use chrono::{DateTime, Utc};
use pki::cms::{self, Signed};
use pki::{Certificate, KeyKind, KeyUsage, oid};

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
    /// RA certificates, each with the signature of the issuing CA. Empty when the CA does its own SCEP.
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
        // Who knows the issuing CA knows nothing of another CA that came along, nor of its RA.
        let ras = ras.into_iter().filter(|ra| issues(&issuing, ra));
        let ras = ras.cloned().collect();
        Ok(CaCertificates { all, issuing, ras })
    }

    /// Drops the RA certificates that [`unfit_as_ra`] speaks against at `now`, and gives what it says of each.
    ///
    /// # Errors
    /// [`ReplyProblem::CaCertificates`] when there were RA certificates, and none is left to encrypt to or to sign.
    pub fn keep_fit_ras(&mut self, now: DateTime<Utc>) -> Result<Vec<String>, Error> {
        if self.ras.is_empty() {
            return Ok(Vec::new());
        }
        let mut unfit = Vec::new();
        self.ras.retain(|ra| match unfit_as_ra(ra, now) {
            None => true,
            Some(why) => {
                unfit.push(why);
                false
            }
        });
        for (usage, what) in [
            (KeyUsage::KEY_ENCIPHERMENT, "to encrypt to"),
            (KeyUsage::DIGITAL_SIGNATURE, "to sign replies"),
        ] {
            let allows = |ra: &Certificate| ra.key_usage().is_some_and(|has| has.contains(usage));
            if !self.ras.iter().any(allows) {
                let mut words = format!("no certificate of an RA is fit {what}");
                for why in &unfit {
                    words.push_str("; ");
                    words.push_str(why);
                }
                return Err(problem(words));
            }
        }
        Ok(unfit)
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

/// The extended key usages of an RA: Microsoft's Certificate Request Agent, which NDES and scepd have, and id-kp-cmcRA
/// (RFC 6402, section 2.10).
const RA_USAGES: [&str; 2] = ["1.3.6.1.4.1.311.20.2.1", "1.3.6.1.5.5.7.3.28"];

/// Why a certificate that a CA has issued is none of its RA at `now`; `None` where it may be.
///
/// Every device has a certificate of the CA. What tells an RA from a device is its keyUsage, which must be there with
/// digitalSignature or keyEncipherment, and its extKeyUsage: one of an RA, or none at all.
#[must_use]
pub fn unfit_as_ra(certificate: &Certificate, now: DateTime<Utc>) -> Option<String> {
    let why = if !certificate.valid_at(now) {
        format!(
            "is valid from {} to {}, not now",
            certificate.not_before(),
            certificate.not_after()
        )
    } else {
        let role = |usage: KeyUsage| {
            usage.contains(KeyUsage::DIGITAL_SIGNATURE)
                || usage.contains(KeyUsage::KEY_ENCIPHERMENT)
        };
        let usages = certificate.ext_key_usages();
        let has_usages = certificate.extension(oid::EXT_KEY_USAGE).is_some();
        if !certificate.key_usage().is_some_and(role) {
            "has no keyUsage with digitalSignature or keyEncipherment".to_owned()
        } else if has_usages
            && !usages
                .iter()
                .any(|usage| RA_USAGES.contains(&usage.as_str()))
        {
            let usages = if usages.is_empty() {
                "one that cannot be read".to_owned()
            } else {
                usages.join(", ")
            };
            format!(
                "has an extKeyUsage of a device and not of an RA ({usages}): whoever holds it could read challenges"
            )
        } else {
            return None;
        }
    };
    Some(format!("\"{}\" {why}", certificate.subject()))
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
