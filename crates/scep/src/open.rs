//! A PKIMessage in: from octets to a checked request (RFC 8894, section 3.2).
//!
//! Cheap checks come before RSA. Everything after the private key has been used ends in one of two ways: the request, or
//! one refusal with one text, and the same work was done for it whatever was wrong.

use pki::cms::{Enveloped, Signed};
use pki::{
    Certificate, ContentCipher, Digest, KeyKind, KeyTransport, PrivateKey, PublicKey,
    SignatureScheme,
};

use crate::attributes::{self, BadAttribute};
use crate::body::Kind;
use crate::{Body, CryptoMode, Error, FailInfo, MessageType};

/// The one text for everything that goes wrong from the recipient's key on. It helps where help is possible: a client
/// that kept an old RA certificate.
const NOT_OPENED: &str = "the message could not be opened; get the CA certificates again and retry";

/// A certificate and key that opens requests and signs replies.
#[derive(Clone)]
pub struct RaIdentity {
    /// As shown by GetCACert.
    pub certificate: Certificate,
    /// Its RSA key.
    pub key: PrivateKey,
}

/// Everything that a CertRep needs from its request.
#[derive(Clone)]
pub struct ReplyTo {
    /// As it came; at most 128 characters of PrintableString. `None` only in refusals of messages that had none to give back.
    pub transaction_id: Option<String>,
    /// As it came, at most 64 octets.
    pub sender_nonce: Option<Vec<u8>>,
    /// Who signed the request: the reply is encrypted to this key.
    pub signer: Certificate,
    /// The request's messageType.
    pub message_type: MessageType,
    /// The digest that the request was signed with.
    pub digest: Digest,
    /// The request's content cipher; AES-256 until it is known.
    pub cipher: ContentCipher,
    /// The request's key transport; PKCS #1 v1.5 until it is known.
    pub key_transport: KeyTransport,
}

/// A request that has passed every check that needs no policy and no store.
pub struct Opened {
    /// For the reply.
    pub reply: ReplyTo,
    /// What is asked for.
    pub body: Body,
    /// Oddities that were tolerated, for the log.
    pub findings: Vec<String>,
}

/// Why a message was not opened.
pub enum OpenError {
    /// It cannot be read as a PKIMessage at all: HTTP 400 with this sentence.
    Unreadable(String),
    /// It is answered with a signed CertRep FAILURE.
    Refused {
        /// For the reply.
        reply: Box<ReplyTo>,
        /// To the device.
        fail_info: FailInfo,
        /// To the device, as failInfoText.
        text: &'static str,
        /// To the log only.
        detail: String,
        /// Whether the message's signature was good: what was not even signed is not worth an audit event of its own.
        verified: bool,
    },
}

/// Opens a request.
///
/// `ras` are the identities that may open it, the current one first. The recipient is picked by the identifier in the
/// message, never by trying keys.
///
/// # Errors
/// [`OpenError`]; see there.
pub fn open(message: &[u8], ras: &[RaIdentity], mode: CryptoMode) -> Result<Opened, OpenError> {
    let unreadable =
        |error: pki::Error| OpenError::Unreadable(format!("this is not a SCEP message: {error}"));
    let signed = Signed::parse(message).map_err(unreadable)?;
    let Some(signer) = signed.signer_certificate() else {
        return Err(unreadable(pki::Error::SignerCertificateMissing));
    };

    let mut opening = Opening {
        signed: &signed,
        ras,
        mode,
        verified: false,
        findings: Vec::new(),
        reply: ReplyTo {
            // Attributes that cannot be used are refused below, in a reply that goes without them.
            transaction_id: attributes::transaction_id(&signed).unwrap_or_default(),
            sender_nonce: attributes::octets(&signed, pki::oid::SCEP_SENDER_NONCE)
                .unwrap_or_default(),
            signer: signer.clone(),
            message_type: MessageType::Unknown(String::new()),
            digest: signed.digest().unwrap_or(Digest::Sha256),
            cipher: ContentCipher::Aes256Cbc,
            key_transport: KeyTransport::Pkcs1v15,
        },
    };
    match opening.run() {
        Ok(body) => Ok(Opened {
            reply: opening.reply,
            body,
            findings: opening.findings,
        }),
        Err(refusal) => Err(OpenError::Refused {
            reply: Box::new(opening.reply),
            fail_info: refusal.fail_info,
            text: refusal.text,
            detail: refusal.detail,
            verified: opening.verified,
        }),
    }
}

/// Whether a reply can be encrypted to the key of this certificate. To be asked before anything is issued.
///
/// # Errors
/// [`Error::CannotEncryptTo`].
pub fn can_encrypt_to(certificate: &Certificate) -> Result<(), Error> {
    match certificate.public_key().kind() {
        KeyKind::Rsa { bits: 1024..=8192 } => Ok(()),
        other => Err(Error::CannotEncryptTo(other.to_string())),
    }
}

struct Refusal {
    fail_info: FailInfo,
    text: &'static str,
    detail: String,
}

fn refuse<T>(
    fail_info: FailInfo,
    text: &'static str,
    detail: impl Into<String>,
) -> Result<T, Refusal> {
    Err(Refusal {
        fail_info,
        text,
        detail: detail.into(),
    })
}

struct Opening<'a> {
    signed: &'a Signed,
    ras: &'a [RaIdentity],
    mode: CryptoMode,
    verified: bool,
    findings: Vec<String>,
    reply: ReplyTo,
}

impl Opening<'_> {
    fn run(&mut self) -> Result<Body, Refusal> {
        self.check_signature()?;
        let kind = self.check_attributes()?;
        self.check_signer_key()?;
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

    fn check_attributes(&mut self) -> Result<Kind, Refusal> {
        let bad = |name: &str, problem: BadAttribute| Refusal {
            fail_info: FailInfo::BadRequest,
            text: "a SCEP attribute of the message cannot be read",
            detail: format!("{name}: {}", problem.words()),
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

    fn check_signer_key(&self) -> Result<(), Refusal> {
        can_encrypt_to(&self.reply.signer).or_else(|error| {
            refuse(
                FailInfo::BadAlg,
                "the reply cannot be encrypted to the signer's key; sign with an RSA key",
                error.to_string(),
            )
        })
    }

    fn open_envelope(&mut self, kind: Kind) -> Result<Body, Refusal> {
        let Some(content) = self.signed.content().filter(|content| !content.is_empty()) else {
            return refuse(FailInfo::BadRequest, "the message has no envelope", "");
        };
        let envelope = match Enveloped::parse(content) {
            Ok(envelope) => envelope,
            Err(error) => {
                return refuse(
                    FailInfo::BadRequest,
                    "the message's envelope cannot be read",
                    error.to_string(),
                );
            }
        };

        let Some((ra, recipient)) = self.ras.iter().find_map(|ra| {
            envelope
                .recipient_for(&ra.certificate)
                .map(|recipient| (ra, recipient))
        }) else {
            // Nothing secret in this: the identifiers are in the clear.
            return refuse(
                FailInfo::BadMessageCheck,
                NOT_OPENED,
                "no recipient of the envelope is an RA certificate of this profile",
            );
        };
        self.reply.key_transport = match recipient.key_transport() {
            Ok(transport) => transport,
            Err(error) => {
                return refuse(
                    FailInfo::BadAlg,
                    "the key transport algorithm is not supported; use RSA",
                    error.to_string(),
                );
            }
        };
        self.reply.cipher = match envelope.cipher() {
            Ok(cipher) if self.mode.allows_cipher(cipher) => cipher,
            Ok(cipher) => {
                return refuse(
                    FailInfo::BadAlg,
                    "the content cipher is not allowed here; use AES",
                    format!("{cipher:?}"),
                );
            }
            Err(error) => {
                return refuse(
                    FailInfo::BadAlg,
                    "the content cipher is not supported; use AES",
                    error.to_string(),
                );
            }
        };

        let spare = ra.certificate.public_key();
        let plaintext = match envelope.open(&ra.certificate, &ra.key) {
            Ok(plaintext) => plaintext,
            Err(error) => {
                spend_a_verification(spare);
                return refuse(FailInfo::BadMessageCheck, NOT_OPENED, error.to_string());
            }
        };
        let read = kind.read(plaintext.bytes());
        let proven = prove_possession(kind, read.as_ref().ok(), spare);
        match (plaintext.well_padded(), read, proven) {
            (true, Ok(body), true) => {
                self.check_csr_digest(&body)?;
                Ok(body)
            }
            (padded, read, _) => refuse(
                FailInfo::BadMessageCheck,
                NOT_OPENED,
                match read {
                    Ok(_) => "the signature of the certificate request is wrong".to_owned(),
                    Err(error) if padded => {
                        format!("what was in the envelope cannot be read: {error}")
                    }
                    Err(_) => "the envelope does not decrypt".to_owned(),
                },
            ),
        }
    }

    /// Only after the signature is known to be good: before that it would tell of the decryption.
    fn check_csr_digest(&self, body: &Body) -> Result<(), Refusal> {
        let (Body::PkcsReq(csr) | Body::RenewalReq(csr)) = body else {
            return Ok(());
        };
        match csr.signature_scheme().map(|scheme| scheme.digest()) {
            Ok(digest) if !self.mode.allows_digest(digest) => refuse(
                FailInfo::BadAlg,
                "the digest of the certificate request is not allowed here; use SHA-256",
                format!("the request is signed with {}", digest.name()),
            ),
            _ => Ok(()),
        }
    }
}

/// Verifies the request's own signature. Where there is nothing to verify though there should be, a verification
/// with the RA's key costs the same and tells nothing.
fn prove_possession(kind: Kind, body: Option<&Body>, spare: &PublicKey) -> bool {
    if !kind.holds_csr() {
        return body.is_some();
    }
    let result = match body {
        Some(Body::PkcsReq(csr) | Body::RenewalReq(csr)) => csr.verify().map_err(Some),
        _ => Err(None),
    };
    match result {
        Ok(()) => true,
        Err(Some(pki::Error::BadSignature { .. })) => false,
        Err(_) => {
            spend_a_verification(spare);
            false
        }
    }
}

/// A verification that must fail, of the cost of one with an RSA key.
fn spend_a_verification(key: &PublicKey) {
    let octets = match key.kind() {
        KeyKind::Rsa { bits } => usize::try_from(*bits).unwrap_or(2048).div_ceil(8),
        _ => 256,
    };
    let signature = vec![0x5a; octets];
    let scheme = SignatureScheme::RsaPkcs1(Digest::Sha256);
    std::hint::black_box(
        key.verify(&scheme, NOT_OPENED.as_bytes(), &signature)
            .is_ok(),
    );
}
