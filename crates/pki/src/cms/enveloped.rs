//! EnvelopedData.

use subtle::Choice;
use zeroize::Zeroizing;

use super::CertificateId;
use crate::{Certificate, ContentCipher, Error, KeyTransport, PrivateKey};

/// An EnvelopedData message (RFC 5652, 6).
#[derive(Debug, Clone)]
pub struct Enveloped {
    recipients: Vec<Recipient>,
    cipher: Result<ContentCipher, Error>,
}

/// One recipient of an EnvelopedData, by key transport (RFC 5652, 6.2.1).
#[derive(Debug, Clone)]
pub struct Recipient {
    id: CertificateId,
    transport: Result<KeyTransport, Error>,
}

impl Recipient {
    /// How the recipient's certificate is named.
    #[must_use]
    pub fn id(&self) -> &CertificateId {
        &self.id
    }

    /// How the content key is carried.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed`.
    pub fn key_transport(&self) -> Result<KeyTransport, Error> {
        self.transport.clone()
    }
}

/// What came out of an envelope: the content, or, when key or padding were wrong, something else of no meaning.
pub struct Plaintext {
    bytes: Zeroizing<Vec<u8>>,
    well_padded: Choice,
}

impl Plaintext {
    /// The octets without their padding; when [`well_padded`](Self::well_padded) is false, whatever came out.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the padding was right. Ask only after all the work on [`bytes`](Self::bytes) has been done: what is done
    /// and how long it takes must not depend on it.
    #[must_use]
    pub fn well_padded(&self) -> bool {
        self.well_padded.into()
    }
}

impl Enveloped {
    /// Reads a ContentInfo (BER or DER) that holds an EnvelopedData.
    ///
    /// # Errors
    /// `Malformed`, `TooDeep`, `TooManyElements`. Algorithms that are not known are no error here.
    pub fn parse(_ber: &[u8]) -> Result<Self, Error> {
        Err(Error::crypto("reading an envelope"))
    }

    /// Encrypts `content` (a fresh key, a fresh IV) to the keys of these certificates, each named by issuer and serial
    /// number, and gives a ContentInfo in DER.
    ///
    /// # Errors
    /// `WrongKey` when one has no RSA key, `Crypto`.
    pub fn build(
        _content: &[u8],
        _to: &[&Certificate],
        _cipher: ContentCipher,
        _transport: &KeyTransport,
    ) -> Result<Vec<u8>, Error> {
        Err(Error::crypto("encrypting a message"))
    }

    /// The recipients by key transport, in the order sent. Others (key agreement, passwords) are left out.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// The recipient that names this certificate.
    #[must_use]
    pub fn recipient_for(&self, certificate: &Certificate) -> Option<&Recipient> {
        self.recipients
            .iter()
            .find(|recipient| recipient.id.names(certificate))
    }

    /// How the content is encrypted.
    ///
    /// # Errors
    /// `Unsupported` with the identifier (single DES, for instance), `Malformed` when its parameters are wrong.
    pub fn cipher(&self) -> Result<ContentCipher, Error> {
        self.cipher.clone()
    }

    /// Decrypts the content for one recipient. Whatever the RSA decryption gives, the same work is done: where it gives
    /// no key of the cipher's length, a random one goes on to the cipher; and the padding is looked at in constant time.
    ///
    /// # Errors
    /// Only what anybody can see on the message: `NotARecipient`, `Unsupported`, `Malformed`, `WrongKey`.
    pub fn open(&self, _certificate: &Certificate, _key: &PrivateKey) -> Result<Plaintext, Error> {
        Err(Error::crypto("opening an envelope"))
    }
}
