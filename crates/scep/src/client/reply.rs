//! Replies in: every check that a CertRep has to pass (RFC 8894, sections 3.2 and 3.3.2).

use pki::cms::{self, Enveloped, Signed};
use pki::{Certificate, Crl, oid};

use super::Request;
use super::request::Expected;
use crate::{Error, FailInfo, MessageType, PkiStatus, ReplyProblem, attributes};

/// What a reply says, once it has passed every check.
#[derive(Clone)]
pub enum Reply {
    /// The certificate that was asked for.
    Certificate {
        /// It is about the key of the request, or has the serial number that was asked for.
        leaf: Certificate,
        /// What came with it.
        others: Vec<Certificate>,
        /// Whether it stood first. Many clients store the first certificate, whatever it is.
        leaf_first: bool,
    },
    /// The CRL.
    Crl(Crl),
    /// Ask again later.
    Pending,
    /// Refused.
    Failure {
        /// Why.
        fail_info: FailInfo,
        /// failInfoText.
        text: Option<String>,
    },
}

impl Request {
    /// Opens and checks a reply to this request. `signers` are the certificates that may sign it; see
    /// [`CaCertificates::reply_signers`](super::CaCertificates::reply_signers).
    ///
    /// The chain of the certificate is not looked at: that needs the time.
    ///
    /// # Errors
    /// [`Error::Reply`] with the check that it did not pass.
    pub fn open_reply(&self, body: &[u8], signers: &[&Certificate]) -> Result<Reply, Error> {
        self.check(body, signers).map_err(Error::Reply)
    }

    fn check(&self, body: &[u8], signers: &[&Certificate]) -> Result<Reply, ReplyProblem> {
        let signed = Signed::parse(body).map_err(ReplyProblem::Unreadable)?;
        let signer = signed.signer_certificate().ok_or(ReplyProblem::Signer)?;
        if !signers.contains(&signer) {
            return Err(ReplyProblem::Signer);
        }
        signed.check().map_err(ReplyProblem::Signature)?;

        match attributes::message_type(&signed) {
            Ok(Some(MessageType::CertRep)) => {}
            Ok(Some(_)) => return Err(ReplyProblem::MessageType),
            _ => return Err(ReplyProblem::Attribute("messageType")),
        }
        match attributes::transaction_id(&signed) {
            Ok(Some(id)) if id == self.transaction_id => {}
            Ok(Some(_)) => return Err(ReplyProblem::TransactionId),
            _ => return Err(ReplyProblem::Attribute("transactionID")),
        }
        match attributes::octets(&signed, oid::SCEP_RECIPIENT_NONCE) {
            Ok(nonce) if nonce == self.sender_nonce => {}
            Ok(Some(_)) => return Err(ReplyProblem::Nonce),
            _ => return Err(ReplyProblem::Attribute("recipientNonce")),
        }
        let status = attributes::pki_status(&signed).ok_or(ReplyProblem::Attribute("pkiStatus"))?;
        let fail_info = attributes::fail_info(&signed);
        match (status, fail_info) {
            (PkiStatus::Success, None) => self.open_success(&signed),
            (PkiStatus::Pending, None) => Ok(Reply::Pending),
            (PkiStatus::Failure, Some(fail_info)) => Ok(Reply::Failure {
                fail_info,
                text: attributes::fail_info_text(&signed),
            }),
            (status, fail_info) => Err(ReplyProblem::Status(status, fail_info)),
        }
    }

    fn open_success(&self, signed: &Signed) -> Result<Reply, ReplyProblem> {
        let envelope = |error: pki::Error| ReplyProblem::Envelope(error.to_string());
        let content = signed.content().unwrap_or_default();
        let enveloped = Enveloped::parse(content).map_err(envelope)?;
        let plaintext = match self.takes_single_des {
            true => enveloped.open_public(&self.signer, &self.key),
            false => enveloped.open(&self.signer, &self.key),
        };
        let plaintext = plaintext.map_err(envelope)?;
        if !plaintext.well_padded() {
            return Err(ReplyProblem::Envelope("it does not decrypt".to_owned()));
        }
        let (mut certificates, crls) =
            cms::parse_degenerate(plaintext.bytes()).map_err(envelope)?;
        let wanted = |certificate: &Certificate| match &self.expected {
            // By identifier: a server may write the same key with other algorithm parameters.
            Expected::CertificateFor(key) => certificate.public_key().key_id() == key.key_id(),
            Expected::CertificateWith(serial) => certificate.serial().same_number(serial),
            Expected::Crl => false,
        };
        if let Expected::Crl = self.expected {
            return match crls.into_iter().next() {
                Some(crl) => Ok(Reply::Crl(crl)),
                None => Err(ReplyProblem::Content("there is no CRL in the reply")),
            };
        }
        match certificates.iter().position(wanted) {
            Some(at) => {
                let leaf = certificates.remove(at);
                Ok(Reply::Certificate {
                    leaf,
                    others: certificates,
                    leaf_first: at == 0,
                })
            }
            None if certificates.is_empty() => Err(ReplyProblem::Content(
                "there is no certificate in the reply",
            )),
            None => Err(ReplyProblem::Content(match self.expected {
                Expected::CertificateFor(_) => {
                    "the certificate in the reply is about another key than that of the request"
                }
                _ => "no certificate in the reply is the one that was asked for",
            })),
        }
    }
}

/// A quick, unchecked look at the pkiStatus of a reply, for counting. `None` when it is not where DER has it.
pub fn peek_status(body: &[u8]) -> Option<PkiStatus> {
    peek(body, PKI_STATUS).and_then(|text| PkiStatus::from_text(&text))
}

/// The same for failInfo.
pub fn peek_fail_info(body: &[u8]) -> Option<FailInfo> {
    peek(body, FAIL_INFO).and_then(|text| FailInfo::from_text(&text))
}

/// The DER of an attribute with a PrintableString of one character, up to that character.
const PKI_STATUS: &[u8] = b"\x06\x0a\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x03\x31\x03\x13\x01";
const FAIL_INFO: &[u8] = b"\x06\x0a\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x04\x31\x03\x13\x01";

fn peek(body: &[u8], attribute: &[u8]) -> Option<String> {
    // The signed attributes stand after the content: look from the end.
    let at = body
        .windows(attribute.len())
        .rposition(|window| window == attribute)?;
    let digit = body.get(at.checked_add(attribute.len())?)?;
    digit
        .is_ascii_digit()
        .then(|| char::from(*digit).to_string())
}
