//! Requests out (RFC 8894, section 3.3).

use chrono::{DateTime, Utc};
use pki::cms::{Enveloped, Signed, SignedParts};
use pki::{
    Certificate, CertificateBuilder, ContentCipher, Csr, Digest, Extension, KeyTransport, KeyUsage,
    Name, PrivateKey, PublicKey, Serial, der, oid,
};

use crate::body::{write_issuer_and_serial, write_issuer_and_subject};
use crate::{Error, MessageType};

/// What a request asks for.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// 19: a certificate.
    PkcsReq(&'a Csr),
    /// 17: a certificate in place of the one that signs the request.
    RenewalReq(&'a Csr),
    /// 20: what became of the request with the same transactionID.
    CertPoll {
        /// The CA's name.
        issuer: &'a Name,
        /// The name asked for.
        subject: &'a Name,
        /// The key that the certificate will be about.
        key: &'a PublicKey,
    },
    /// 21: a certificate.
    GetCert {
        /// Its issuer.
        issuer: &'a Name,
        /// Its serial number.
        serial: &'a Serial,
    },
    /// 22: a CRL.
    GetCrl {
        /// The issuer of the certificate that is asked about.
        issuer: &'a Name,
        /// Its serial number.
        serial: &'a Serial,
    },
}

impl Content<'_> {
    fn message_type(&self) -> MessageType {
        match self {
            Content::PkcsReq(_) => MessageType::PkcsReq,
            Content::RenewalReq(_) => MessageType::RenewalReq,
            Content::CertPoll { .. } => MessageType::CertPoll,
            Content::GetCert { .. } => MessageType::GetCert,
            Content::GetCrl { .. } => MessageType::GetCrl,
        }
    }

    fn octets(&self) -> Vec<u8> {
        match self {
            Content::PkcsReq(csr) | Content::RenewalReq(csr) => csr.der().to_vec(),
            Content::CertPoll {
                issuer, subject, ..
            } => write_issuer_and_subject(issuer, subject),
            Content::GetCert { issuer, serial } | Content::GetCrl { issuer, serial } => {
                write_issuer_and_serial(issuer, serial)
            }
        }
    }

    fn expected(&self) -> Expected {
        match self {
            Content::PkcsReq(csr) | Content::RenewalReq(csr) => {
                Expected::CertificateFor(csr.public_key().clone())
            }
            Content::CertPoll { key, .. } => Expected::CertificateFor((*key).clone()),
            Content::GetCert { serial, .. } => Expected::CertificateWith((*serial).clone()),
            Content::GetCrl { .. } => Expected::Crl,
        }
    }
}

/// What SUCCESS has to bring.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    CertificateFor(PublicKey),
    CertificateWith(Serial),
    Crl,
}

/// A request that can be sent, and what is needed to check its reply.
pub struct Request {
    pub(crate) message: Vec<u8>,
    pub(crate) transaction_id: String,
    pub(crate) sender_nonce: Option<Vec<u8>>,
    pub(crate) signer: Certificate,
    pub(crate) key: PrivateKey,
    pub(crate) expected: Expected,
    pub(crate) takes_single_des: bool,
}

impl Request {
    /// The PKIMessage in DER.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes the PKIMessage out, so that it can be sent without a copy; the checks of the reply do not need it.
    pub fn take_message(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.message)
    }

    /// The transactionID.
    pub fn transaction_id(&self) -> &str {
        &self.transaction_id
    }

    /// The senderNonce.
    pub fn sender_nonce(&self) -> Option<&[u8]> {
        self.sender_nonce.as_deref()
    }
}

/// Makes a [`Request`]. What is not set is AES-128, SHA-256, PKCS #1 v1.5, a random transactionID and a random nonce of
/// 16 octets.
#[derive(Clone)]
pub struct RequestBuilder<'a> {
    content: Content<'a>,
    signer: (&'a Certificate, &'a PrivateKey),
    recipients: &'a [&'a Certificate],
    cipher: ContentCipher,
    digest: Digest,
    key_transport: KeyTransport,
    transaction_id: Option<String>,
    sender_nonce: Option<Option<Vec<u8>>>,
    message_type: Option<MessageType>,
    takes_single_des: bool,
}

impl<'a> RequestBuilder<'a> {
    /// A request signed by `signer` and encrypted to all of `recipients`.
    pub fn new(
        content: Content<'a>,
        signer: (&'a Certificate, &'a PrivateKey),
        recipients: &'a [&'a Certificate],
    ) -> RequestBuilder<'a> {
        RequestBuilder {
            content,
            signer,
            recipients,
            cipher: ContentCipher::Aes128Cbc,
            digest: Digest::Sha256,
            key_transport: KeyTransport::Pkcs1v15,
            transaction_id: None,
            sender_nonce: None,
            message_type: None,
            takes_single_des: false,
        }
    }

    /// Whether a reply may be encrypted with single DES, which some servers use whatever they offer. It carries certificates
    /// or a CRL and no secret, and is signed.
    #[must_use]
    pub fn takes_single_des(mut self, takes: bool) -> Self {
        self.takes_single_des = takes;
        self
    }

    /// The content cipher.
    #[must_use]
    pub fn cipher(mut self, cipher: ContentCipher) -> Self {
        self.cipher = cipher;
        self
    }

    /// The digest of the message's signature.
    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// How the content key is carried.
    #[must_use]
    pub fn key_transport(mut self, transport: KeyTransport) -> Self {
        self.key_transport = transport;
        self
    }

    /// The transactionID, PrintableString characters only.
    #[must_use]
    pub fn transaction_id(mut self, id: impl Into<String>) -> Self {
        self.transaction_id = Some(id.into());
        self
    }

    /// The senderNonce; `None` leaves it out.
    #[must_use]
    pub fn sender_nonce(mut self, nonce: Option<Vec<u8>>) -> Self {
        self.sender_nonce = Some(nonce);
        self
    }

    /// Another messageType than the content's own: for probing servers.
    #[must_use]
    pub fn message_type(mut self, message_type: MessageType) -> Self {
        self.message_type = Some(message_type);
        self
    }

    /// Encrypts and signs.
    ///
    /// # Errors
    /// [`Error::Pki`] when a recipient has no RSA key or the signature cannot be made.
    pub fn build(self) -> Result<Request, Error> {
        let transaction_id = match self.transaction_id {
            Some(id) => id,
            None => new_transaction_id()?,
        };
        let sender_nonce = match self.sender_nonce {
            Some(nonce) => nonce,
            None => Some(pki::random::<16>()?.to_vec()),
        };
        let message_type = self
            .message_type
            .unwrap_or_else(|| self.content.message_type());
        let envelope = Enveloped::build(
            &self.content.octets(),
            self.recipients,
            self.cipher,
            &self.key_transport,
        )?;
        let mut attributes = vec![
            (
                oid::SCEP_MESSAGE_TYPE,
                der::printable_string(message_type.as_text()),
            ),
            (
                oid::SCEP_TRANSACTION_ID,
                der::printable_string(&transaction_id),
            ),
        ];
        if let Some(nonce) = &sender_nonce {
            attributes.push((oid::SCEP_SENDER_NONCE, der::octet_string(nonce)));
        }
        let (certificate, key) = self.signer;
        let message = Signed::build(&SignedParts {
            content_type: oid::DATA,
            content: Some(&envelope),
            certificates: &[certificate],
            signer: self.signer,
            digest: self.digest,
            attributes: &attributes,
            rsa_encryption_oid: true,
        })?;
        Ok(Request {
            message,
            transaction_id,
            sender_nonce,
            signer: certificate.clone(),
            key: key.clone(),
            expected: self.content.expected(),
            takes_single_des: self.takes_single_des,
        })
    }
}

/// 32 hexadecimal digits that no other transaction has.
///
/// # Errors
/// [`Error::Pki`] when there is no randomness.
pub fn new_transaction_id() -> Result<String, Error> {
    let mut text = String::with_capacity(32);
    for octet in pki::random::<16>()? {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    Ok(text)
}

/// The self-signed certificate that a first request is signed with (RFC 8894, section 2.3): the subject of the request,
/// a week of validity around `now`.
///
/// # Errors
/// [`Error::Pki`] when the key cannot sign.
pub fn self_signed(
    subject: &Name,
    key: &PrivateKey,
    now: DateTime<Utc>,
) -> Result<Certificate, Error> {
    let day = chrono::TimeDelta::days(1);
    let builder = CertificateBuilder {
        subject: subject.clone(),
        issuer: subject.clone(),
        serial: Serial::random()?,
        not_before: now.checked_sub_signed(day).unwrap_or(now),
        not_after: now.checked_add_signed(day * 7).unwrap_or(now),
        public_key: key.public_key().clone(),
        extensions: vec![Extension::key_usage(
            KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT,
        )],
    };
    Ok(builder.sign(key, &key.scheme(Digest::Sha256)?)?)
}
