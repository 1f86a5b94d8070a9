//! EnvelopedData.

use std::borrow::Cow;

use subtle::Choice;
use zeroize::Zeroizing;

use super::{CertificateId, cbc};
use crate::ber::{self, Limits};
use crate::der::{self, Reader, Tlv, tag};
use crate::digest::fill_random;
use crate::{Certificate, ContentCipher, Error, KeyTransport, PrivateKey, oid};

const WHAT: &str = "enveloped message";

/// An EnvelopedData message (RFC 5652, 6).
#[derive(Clone)]
pub struct Enveloped {
    content_type: String,
    pub(super) recipients: Vec<Recipient>,
    /// The cipher and its initialisation vector.
    pub(super) cipher: Result<(ContentCipher, Vec<u8>), Error>,
    /// The initialisation vector of single DES, which is none of the ciphers.
    single_des: Option<Vec<u8>>,
    pub(super) encrypted: Vec<u8>,
}

/// One recipient of an EnvelopedData, by key transport (RFC 5652, 6.2.1).
#[derive(Clone)]
pub struct Recipient {
    id: CertificateId,
    transport: Result<KeyTransport, Error>,
    pub(super) encrypted_key: Vec<u8>,
}

impl Recipient {
    /// How the recipient's certificate is named.
    #[must_use]
    pub const fn id(&self) -> &CertificateId {
        &self.id
    }

    /// How the content key is carried.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed`.
    pub fn key_transport(&self) -> Result<KeyTransport, Error> {
        self.transport.clone()
    }

    fn read(element: &Tlv<'_>) -> Result<Self, Error> {
        let mut fields = element.reader(WHAT);
        fields.integer()?;
        let id = CertificateId::read(&mut fields)?;
        let transport = KeyTransport::from_identifier(&fields.expect(tag::SEQUENCE)?);
        let encrypted_key = fields.expect(tag::OCTET_STRING)?.content.to_vec();
        fields.finish()?;
        Ok(Self {
            id,
            transport,
            encrypted_key,
        })
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
    pub fn parse(ber: &[u8]) -> Result<Self, Error> {
        let der = ber::normalise(ber, &Limits::default())?;
        let mut fields = super::content(&der, oid::ENVELOPED_DATA, WHAT)?;
        fields.integer()?;
        fields.optional(tag::context_constructed(0))?;
        let mut set = fields.nested(tag::SET)?;
        let mut recipients = Vec::new();
        while !set.is_empty() {
            let recipient = set.element()?;
            if recipient.tag == tag::SEQUENCE {
                recipients.push(Recipient::read(&recipient)?);
            }
        }
        let mut info = fields.sequence()?;
        fields.optional(tag::context_constructed(1))?;
        fields.finish()?;
        let content_type = info.oid()?;
        let identifier = info.expect(tag::SEQUENCE)?;
        let cipher = ContentCipher::from_identifier(&identifier);
        let single_des = single_des_iv(&identifier);
        let encrypted = implicit_octets(&info.element()?)?.into_owned();
        info.finish()?;
        Ok(Self {
            content_type,
            recipients,
            cipher,
            single_des,
            encrypted,
        })
    }

    /// Encrypts `content` (a fresh key, a fresh IV) to the keys of these certificates, each named by issuer and serial
    /// number, and gives a ContentInfo in DER.
    ///
    /// # Errors
    /// `WrongKey` when one has no RSA key, `Crypto`.
    pub fn build(
        content: &[u8],
        to: &[&Certificate],
        cipher: ContentCipher,
        transport: &KeyTransport,
    ) -> Result<Vec<u8>, Error> {
        let mut key = Zeroizing::new(vec![0; cipher.key_length()]);
        let mut iv = vec![0; cipher.block_length()];
        fill_random(&mut key)?;
        fill_random(&mut iv)?;
        if cipher == ContentCipher::DesEde3Cbc {
            key.iter_mut()
                .for_each(|octet| *octet = with_odd_parity(*octet));
        }
        let recipient = |certificate: &&Certificate| {
            Ok(der::seq(&[
                &der::integer_u64(0),
                &CertificateId::issuer_and_serial(certificate),
                &transport.to_identifier(),
                &der::octet_string(&certificate.public_key().encrypt(transport, &key)?),
            ]))
        };
        let recipients = to
            .iter()
            .map(recipient)
            .collect::<Result<Vec<_>, Error>>()?;
        let encrypted = cbc::encrypt(cipher, &key, &iv, content)?;
        let info = der::seq(&[
            &der::oid(oid::DATA)?,
            &cipher.to_identifier(&iv),
            &der::implicit(0, false, &encrypted),
        ]);
        let enveloped = der::seq(&[&der::integer_u64(0), &der::set_of(recipients), &info]);
        super::content_info(oid::ENVELOPED_DATA, &enveloped)
    }

    /// The recipients by key transport, in the order sent. Others (key agreement, passwords) are left out.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// The recipient that names this certificate, or else means it ([`CertificateId::means`]).
    #[must_use]
    pub fn recipient_for(&self, certificate: &Certificate) -> Option<&Recipient> {
        let mut all = self.recipients.iter();
        all.find(|recipient| recipient.id.names(certificate))
            .or_else(|| {
                self.recipients
                    .iter()
                    .find(|recipient| recipient.id.means(certificate))
            })
    }

    /// Dotted identifier of the encrypted content's type.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// How the content is encrypted.
    ///
    /// # Errors
    /// `Unsupported` with the identifier (single DES, for instance), `Malformed` when its parameters are wrong.
    pub fn cipher(&self) -> Result<ContentCipher, Error> {
        self.cipher
            .as_ref()
            .map(|(cipher, _)| *cipher)
            .map_err(Clone::clone)
    }

    /// Decrypts the content for one recipient. Whatever the RSA decryption gives, the same work is done: where it gives
    /// no key of the cipher's length, a random one goes on to the cipher; and the padding is looked at in constant time.
    ///
    /// # Errors
    /// Only what anybody can see on the message: `NotARecipient`, `Unsupported`, `Malformed`, `WrongKey`.
    pub fn open(&self, certificate: &Certificate, key: &PrivateKey) -> Result<Plaintext, Error> {
        let recipient = self
            .recipient_for(certificate)
            .ok_or(Error::NotARecipient)?;
        let (cipher, iv) = self.cipher.as_ref().map_err(Clone::clone)?;
        let transport = recipient.key_transport()?;
        let content_key =
            key.decrypt_content_key(&transport, &recipient.encrypted_key, cipher.key_length())?;
        let (bytes, well_padded) = cbc::decrypt(*cipher, &content_key, iv, &self.encrypted)?;
        Ok(Plaintext { bytes, well_padded })
    }

    /// As [`open`](Self::open), and single DES opens, too: anybody can break it, so it is for content that is no secret.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_public(
        &self,
        certificate: &Certificate,
        key: &PrivateKey,
    ) -> Result<Plaintext, Error> {
        let Some(iv) = &self.single_des else {
            return self.open(certificate, key);
        };
        let recipient = self
            .recipient_for(certificate)
            .ok_or(Error::NotARecipient)?;
        let transport = recipient.key_transport()?;
        let single =
            key.decrypt_content_key(&transport, &recipient.encrypted_key, SINGLE_DES_KEY)?;
        // Triple DES with the same key three times is single DES, which OpenSSL no longer has by itself.
        let triple = Zeroizing::new(single.repeat(3));
        let cipher = ContentCipher::DesEde3Cbc;
        let (bytes, well_padded) = cbc::decrypt(cipher, &triple, iv, &self.encrypted)?;
        Ok(Plaintext { bytes, well_padded })
    }
}

impl std::fmt::Debug for Enveloped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Enveloped({:?}, to {:?})",
            self.cipher(),
            self.recipients
        )
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipient({:?}, {:?})", self.id, self.transport)
    }
}

/// Octets of a key of single DES.
const SINGLE_DES_KEY: usize = 8;

/// The initialisation vector, where an AlgorithmIdentifier names DES-CBC (1.3.14.3.2.7) and is whole.
fn single_des_iv(identifier: &Tlv<'_>) -> Option<Vec<u8>> {
    let mut fields = identifier.reader(WHAT);
    if fields.oid().ok()? != oid::DES_CBC {
        return None;
    }
    let iv = fields.expect(tag::OCTET_STRING).ok()?.content;
    fields.finish().ok()?;
    (iv.len() == ContentCipher::DesEde3Cbc.block_length()).then(|| iv.to_vec())
}

/// The octets of a `[0] IMPLICIT OCTET STRING`: primitive, or constructed of OCTET STRINGs, which the pass over the BER
/// cannot know to be pieces of one.
fn implicit_octets<'a>(element: &Tlv<'a>) -> Result<Cow<'a, [u8]>, Error> {
    const PRIMITIVE: u8 = tag::context(0);
    const CONSTRUCTED: u8 = tag::context_constructed(0);
    match element.tag {
        PRIMITIVE => Ok(Cow::Borrowed(element.content)),
        CONSTRUCTED => {
            let mut pieces: Reader<'_> = element.reader(WHAT);
            let mut octets = Vec::with_capacity(element.content.len());
            while !pieces.is_empty() {
                octets.extend_from_slice(pieces.expect(tag::OCTET_STRING)?.content);
            }
            Ok(Cow::Owned(octets))
        }
        _ => Err(Error::malformed(WHAT, "its encrypted content is missing")),
    }
}

/// DES keys carry a parity bit in each octet; some implementations look at it.
const fn with_odd_parity(octet: u8) -> u8 {
    let seven = octet & 0xfe;
    if seven.count_ones().is_multiple_of(2) {
        seven | 1
    } else {
        seven
    }
}
