//! The checks that need no private key.

use std::borrow::Cow;

use pki::cms::{CertificateId, Signed};
use pki::{KeyKind, RsaWeakness, oid};

use super::{RaIdentity, ReplyTo, can_encrypt_to};
use crate::attributes::{self, BadAttribute};
use crate::body::Kind;
use crate::{Body, CryptoMode, FailInfo};

/// What a device is told, and what the log is told.
pub(super) struct Refusal {
    pub(super) fail_info: FailInfo,
    pub(super) text: Cow<'static, str>,
    pub(super) detail: String,
    /// The one refusal for everything from the decryption on.
    pub(super) opaque: bool,
    /// Whom the message is encrypted to, where none of them may open it.
    pub(super) strangers: Vec<CertificateId>,
}

pub(super) fn refuse<T>(
    fail_info: FailInfo,
    text: impl Into<Cow<'static, str>>,
    detail: impl Into<String>,
) -> Result<T, Refusal> {
    Err(Refusal {
        fail_info,
        text: text.into(),
        detail: detail.into(),
        opaque: false,
        strangers: Vec::new(),
    })
}

/// A message on its way through the checks.
pub(super) struct Opening<'a> {
    pub(super) signed: &'a Signed,
    pub(super) ras: Vec<&'a RaIdentity>,
    pub(super) mode: CryptoMode,
    /// Whether the signature was good.
    pub(super) verified: bool,
    pub(super) findings: Vec<String>,
    pub(super) reply: ReplyTo,
}

impl Opening<'_> {
    /// All checks, the cheap ones first.
    pub(super) fn run(&mut self) -> Result<Body, Refusal> {
        self.check_signature()?;
        self.check_content_type()?;
        let kind = self.check_attributes()?;
        self.check_signer_key("sign with an RSA key")?;
        self.open_envelope(kind)
    }

    fn check_signature(&mut self) -> Result<(), Refusal> {
        // Such keys are slow to verify with, and no device has one.
        if matches!(
            self.reply.signer.public_key().kind(),
            KeyKind::Rsa { bits: 8193.. }
        ) {
            return refuse(FailInfo::BadAlg, "the signer's key is too large", "");
        }
        if self.reply.signer.public_key().has_long_exponent() {
            return refuse(
                FailInfo::BadAlg,
                format!("the signer's RSA key {}", RsaWeakness::LongExponent),
                "",
            );
        }
        match self.signed.check() {
            Ok(()) => self.verified = true,
            Err(error @ (pki::Error::Unsupported { .. } | pki::Error::WrongKey { .. })) => {
                return refuse(
                    FailInfo::BadAlg,
                    "the signature algorithm is not supported; use SHA-256 with RSA",
                    error.to_string(),
                );
            }
            Err(error) => {
                return refuse(
                    FailInfo::BadMessageCheck,
                    "the signature of the message is not good",
                    error.to_string(),
                );
            }
        }
        let digests = [
            self.signed.digest(),
            self.signed.scheme().map(|scheme| scheme.digest()),
        ];
        for digest in digests.into_iter().flatten() {
            if !self.mode.allows_digest(digest) {
                return refuse(
                    FailInfo::BadAlg,
                    "the digest is not allowed here; use SHA-256",
                    format!("signed with {}", digest.name()),
                );
            }
        }
        Ok(())
    }

    /// RFC 8894, 3.2: what is signed is id-data.
    fn check_content_type(&self) -> Result<(), Refusal> {
        match self.signed.content_type() {
            oid::DATA => Ok(()),
            other => refuse(
                FailInfo::BadRequest,
                "the content type of the signed message must be id-data (RFC 8894, 3.2)",
                format!("it is {other}"),
            ),
        }
    }

    fn check_attributes(&mut self) -> Result<Kind, Refusal> {
        let bad = |name: &str, problem: BadAttribute| Refusal {
            fail_info: FailInfo::BadRequest,
            text: format!(
                "the {name} of the message cannot be used: {}",
                problem.words()
            )
            .into(),
            detail: String::new(),
            opaque: false,
            strangers: Vec::new(),
        };
        match attributes::message_type(self.signed)
            .map_err(|problem| bad("messageType", problem))?
        {
            Some(message_type) => self.reply.message_type = message_type,
            None => return refuse(FailInfo::BadRequest, "the message has no messageType", ""),
        }
        if attributes::transaction_id(self.signed)
            .map_err(|problem| bad("transactionID", problem))?
            .is_none()
        {
            return refuse(FailInfo::BadRequest, "the message has no transactionID", "");
        }
        match attributes::octets(self.signed, pki::oid::SCEP_SENDER_NONCE)
            .map_err(|problem| bad("senderNonce", problem))?
        {
            Some(nonce) if nonce.len() == 16 => {}
            Some(nonce) => self.findings.push(format!(
                "the senderNonce has {} octets, not 16",
                nonce.len()
            )),
            None => self
                .findings
                .push("the message has no senderNonce".to_owned()),
        }
        match Kind::of(&self.reply.message_type) {
            Some(kind) => Ok(kind),
            None => refuse(
                FailInfo::BadRequest,
                "this type of message is not supported",
                self.reply.message_type.to_string(),
            ),
        }
    }

    /// Whether a reply like the request could be encrypted to the signer, as far as the request has been read.
    pub(super) fn check_signer_key(&self, advice: &str) -> Result<(), Refusal> {
        let reply = &self.reply;
        can_encrypt_to(&reply.signer, &reply.key_transport, reply.cipher).or_else(|error| {
            refuse(
                FailInfo::BadAlg,
                format!("the reply cannot be encrypted to the signer's key; {advice}"),
                error.to_string(),
            )
        })
    }
}
