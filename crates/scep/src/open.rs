//! A PKIMessage in: from octets to a checked request (RFC 8894, section 3.2).
//!
//! Cheap checks come before RSA. Everything after the private key has been used ends in one of two ways: the request, or
//! one refusal with one text for the message's type, and the same work was done for it whatever was wrong. A certificate
//! request whose own signature is good may be refused with a reason: nobody but its maker has made that.
//!
//! A CertPoll, GetCert or GetCRL carries no signature of its own, and nothing ties its messageType to the ciphertext: who
//! has caught an envelope can send it again as one of them, with changes. So its refusal is the very one
//! ([`NOT_FOUND`]) that who answers must give where there is nothing to answer with.

mod checks;
mod envelope;
mod possession;

use std::borrow::Cow;

use pki::cms::{CertificateId, Signed};
use pki::{Certificate, ContentCipher, Digest, KeyKind, KeyTransport, PrivateKey};

use crate::attributes;
use crate::{Body, CryptoMode, Error, FailInfo, MessageType};
use checks::Opening;

/// A certificate and key that opens requests and signs replies.
#[derive(Clone)]
pub struct RaIdentity {
    /// As shown by GetCACert.
    pub certificate: Certificate,
    /// Its RSA key.
    pub key: PrivateKey,
}

/// A registration authority as devices meet it: one pair that does both, or two, as NDES has them.
#[derive(Clone)]
pub struct Ra {
    /// What devices encrypt to: its key opens requests.
    pub opens: RaIdentity,
    /// What signs the replies to them.
    pub signs: RaIdentity,
}

impl Ra {
    /// Its certificates, the one that devices encrypt to first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        let signs = self.is_split().then_some(&self.signs.certificate);
        std::iter::once(&self.opens.certificate).chain(signs)
    }

    /// Whether another certificate signs than the one that devices encrypt to.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.opens.certificate != self.signs.certificate
    }
}

impl From<RaIdentity> for Ra {
    fn from(identity: RaIdentity) -> Self {
        Self {
            opens: identity.clone(),
            signs: identity,
        }
    }
}

/// Everything that a CertRep needs from its request.
#[derive(Clone)]
pub struct ReplyTo {
    /// As it came; at most 128 characters of PrintableString. `None` only in refusals of messages that had none to give back.
    pub transaction_id: Option<String>,
    /// Where there is no usable transactionID: the text that stood in its place, at most 128 characters of any kind. It
    /// belongs into the reply, by which the client finds its request again, and nowhere else.
    pub unusable_transaction_id: Option<String>,
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
    /// The RA certificate that the request is encrypted to: that of the RA which its sender knows, and expects the reply
    /// to be signed by. `None` until it is known.
    pub recipient: Option<Certificate>,
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
        text: Cow<'static, str>,
        /// To the log only.
        detail: String,
        /// Whether the message's signature was good: what was not even signed is not worth an audit event of its own.
        verified: bool,
        /// Whether it is the one refusal for whatever went wrong from the decryption on. Then the moment of the reply
        /// must tell nothing either, and many of them from one source are a search.
        opaque: bool,
        /// Whom the message is encrypted to, where none of them may open it. Said by the message itself, in the clear.
        strangers: Vec<CertificateId>,
    },
}

/// failInfoText, beside badCertId, for a CertPoll, GetCert or GetCRL that cannot be answered, whatever the reason: not
/// decrypted, not read, another issuer, or nothing there. Any difference would tell of the decryption.
pub const NOT_FOUND: &str = "no such request, certificate or CRL; if there should be one, get the CA certificates again and retry";

/// Opens a request.
///
/// `ras` are the identities that may open it, the current one first. The recipient is picked by the identifier in the
/// message, never by trying keys.
///
/// # Errors
/// [`OpenError`]; see there.
pub fn open<'a>(
    message: &[u8],
    ras: impl IntoIterator<Item = &'a RaIdentity>,
    mode: CryptoMode,
) -> Result<Opened, OpenError> {
    let unreadable =
        |error: pki::Error| OpenError::Unreadable(format!("this is not a SCEP message: {error}"));
    let signed = Signed::parse(message).map_err(unreadable)?;
    let Some(signer) = signed.signer_certificate() else {
        return Err(unreadable(pki::Error::SignerCertificateMissing));
    };

    let mut findings = Vec::new();
    if !signed.signer_id().names(signer) {
        findings.push(
            "the signer's certificate is named by its serial number and another issuer than it has"
                .to_owned(),
        );
    }
    let mut opening = Opening {
        signed: &signed,
        ras: ras.into_iter().collect(),
        mode,
        verified: false,
        findings,
        reply: ReplyTo {
            // Attributes that cannot be used are refused below, in a reply that goes without them.
            transaction_id: attributes::transaction_id(&signed).unwrap_or_default(),
            unusable_transaction_id: attributes::unusable_transaction_id(&signed),
            sender_nonce: attributes::octets(&signed, pki::oid::SCEP_SENDER_NONCE)
                .unwrap_or_default(),
            signer: signer.clone(),
            message_type: MessageType::Unknown(String::new()),
            digest: signed.digest().unwrap_or(Digest::Sha256),
            cipher: ContentCipher::Aes256Cbc,
            key_transport: KeyTransport::Pkcs1v15,
            recipient: None,
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
            opaque: refusal.opaque,
            strangers: refusal.strangers,
        }),
    }
}

/// Whether a reply can be encrypted to the key of this certificate: it is an RSA key, and large enough to carry a content
/// key of `cipher` by `transport`. To be asked before anything is issued.
///
/// # Errors
/// [`Error::CannotEncryptTo`].
pub fn can_encrypt_to(
    certificate: &Certificate,
    transport: &KeyTransport,
    cipher: ContentCipher,
) -> Result<(), Error> {
    let needed = transport.overhead() + cipher.key_length();
    match certificate.public_key().kind() {
        KeyKind::Rsa {
            bits: bits @ 1024..=8192,
        } if bits.div_ceil(8) as usize >= needed => Ok(()),
        other => Err(Error::CannotEncryptTo(other.to_string())),
    }
}
