//! The checks from the private key on: what goes wrong here has one answer.

use pki::cms::{CertificateId, Enveloped, Recipient};
use pki::{CsrProof, oid};

use super::checks::{Opening, Refusal, refuse};
use super::possession::{self, Proof};
use super::{NOT_FOUND, RaIdentity};
use crate::body::Kind;
use crate::{Body, FailInfo};

/// The one text for everything that goes wrong with a certificate request from the recipient's key on. It helps where
/// help is possible: a client that kept an old RA certificate.
const NOT_OPENED: &str = "the message could not be opened; get the CA certificates again and retry";

/// So many recipients of a message that is not for us are named; no client sends as many.
const MOST_NAMED: usize = 4;
/// Characters of each that are shown.
const LONGEST_NAMED: usize = 200;

impl Opening<'_> {
    /// Decrypts the envelope and reads and proves what is in it.
    pub(super) fn open_envelope(&mut self, kind: Kind) -> Result<Body, Refusal> {
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

        if envelope.content_type() != oid::DATA {
            return refuse(
                FailInfo::BadRequest,
                "the content type inside the message's envelope must be id-data (RFC 8894, 3.2)",
                format!("it is {}", envelope.content_type()),
            );
        }

        let Some((ra, recipient)) = addressed(&self.ras, &envelope) else {
            return Err(for_others(&envelope));
        };
        if !recipient.id().names(&ra.certificate) {
            self.findings.push(
                "the envelope names the RA certificate by its serial number and another issuer than it has: \
                 its own subject, or the issuer's name with its parts in reverse order"
                    .to_owned(),
            );
        }
        self.reply.recipient = Some(ra.certificate.clone());
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

        // Known by now: how the reply would be encrypted.
        self.check_signer_key("use a larger key, or OAEP with a shorter digest")?;

        let plaintext = match envelope.open(&ra.certificate, &ra.key) {
            Ok(plaintext) => plaintext,
            Err(error) => {
                possession::spend(&ra.certificate);
                return not_opened(kind, error.to_string());
            }
        };
        let read = kind.read(plaintext.bytes());
        let signer = self.reply.signer.public_key();
        let proof = possession::prove(
            kind,
            read.as_ref().ok(),
            plaintext.bytes(),
            signer,
            &ra.certificate,
        );
        match (plaintext.well_padded(), read, proof) {
            (true, Ok(body), Proof::Good) => {
                self.check_csr_digest(&body)?;
                Ok(body)
            }
            (true, read, Proof::Unusable(proof)) => unusable(read.err(), &proof),
            (padded, read, _) => not_opened(
                kind,
                match read {
                    _ if !padded => "the envelope does not decrypt".to_owned(),
                    Ok(_) => "the signature of the certificate request is wrong".to_owned(),
                    Err(error) => format!("what was in the envelope cannot be read: {error}"),
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

/// The RA that the envelope names, or else means: a name that is right goes before one that is nearly so.
fn addressed<'a, 'e>(
    ras: &[&'a RaIdentity],
    envelope: &'e Enveloped,
) -> Option<(&'a RaIdentity, &'e Recipient)> {
    let all = || {
        ras.iter().filter_map(|&ra| {
            let recipient = envelope.recipient_for(&ra.certificate)?;
            Some((ra, recipient))
        })
    };
    all()
        .find(|(ra, recipient)| recipient.id().names(&ra.certificate))
        .or_else(|| all().next())
}

/// The refusal of a message for somebody else. Nothing secret in whom it is for: the identifiers are in the clear, and no
/// key has been used.
fn for_others(envelope: &Enveloped) -> Refusal {
    let recipients = envelope.recipients().iter().map(Recipient::id);
    let strangers: Vec<CertificateId> = recipients.take(MOST_NAMED).cloned().collect();
    let shortened = |id: &CertificateId| id.to_string().chars().take(LONGEST_NAMED).collect();
    let named: Vec<String> = strangers.iter().map(shortened).collect();
    let whom = match named.as_slice() {
        [] => "it has none that is known by a certificate".to_owned(),
        named => format!("it is for {}", named.join("; ")),
    };
    Refusal {
        fail_info: FailInfo::BadMessageCheck,
        text: NOT_OPENED.into(),
        detail: format!(
            "no recipient of the envelope is an RA certificate of this profile: {whom}"
        ),
        opaque: false,
        strangers,
    }
}

/// The one refusal for whatever goes wrong from the decryption on.
fn not_opened<T>(kind: Kind, detail: String) -> Result<T, Refusal> {
    let (fail_info, text) = if kind.holds_csr() {
        (FailInfo::BadMessageCheck, NOT_OPENED)
    } else {
        (FailInfo::BadCertId, NOT_FOUND)
    };
    Err(Refusal {
        fail_info,
        text: text.into(),
        detail,
        opaque: true,
        strangers: Vec::new(),
    })
}

/// A request that its maker has signed well, and that is of no use all the same. The refusal may say why: nobody else
/// can make such a request out of a ciphertext.
fn unusable<T>(unread: Option<pki::Error>, proof: &CsrProof) -> Result<T, Refusal> {
    let (fail_info, text) = match (&proof.unfit, unread) {
        (Some(unfit), _) => (
            FailInfo::BadAlg,
            format!("the certificate request {unfit}, which is not taken"),
        ),
        (None, Some(error)) => (FailInfo::BadRequest, error.to_string()),
        (None, None) => (
            FailInfo::BadRequest,
            "the certificate request cannot be used".to_owned(),
        ),
    };
    refuse(fail_info, text.clone(), text)
}
