//! SignedData with exactly one signer.

use super::CertificateId;
use crate::ber::{self, Limits};
use crate::der::{self, Reader, Tlv, tag};
use crate::{Attribute, Certificate, Digest, Error, SignatureScheme, oid};

const WHAT: &str = "signed message";

/// A SignedData message with exactly one SignerInfo (RFC 5652, 5). Cheap queries; [`check`](Self::check) does the
/// cryptography.
#[derive(Clone)]
pub struct Signed {
    content_type: String,
    content: Option<Vec<u8>>,
    certificates: Vec<Certificate>,
    signer: Signer,
}

/// The SignerInfo.
#[derive(Clone)]
struct Signer {
    id: CertificateId,
    digest: Result<Digest, Error>,
    scheme: Result<SignatureScheme, Error>,
    /// The attributes as sent, their tag replaced by that of a SET; empty when there are none.
    attributes_der: Vec<u8>,
    attributes: Vec<Attribute>,
    signature: Vec<u8>,
}

impl Signed {
    /// Reads a ContentInfo (BER or DER) that holds a SignedData with exactly one SignerInfo.
    ///
    /// # Errors
    /// `Malformed`, `TooDeep`, `TooManyElements`. Algorithms that are not known are no error here.
    pub fn parse(ber: &[u8]) -> Result<Self, Error> {
        let der = ber::normalise(ber, &Limits::default())?;
        let mut fields = super::content(&der, oid::SIGNED_DATA, WHAT)?;
        fields.integer()?;
        fields.expect(tag::SET)?;
        let mut encapsulated = fields.sequence()?;
        let content_type = encapsulated.oid()?;
        let content = match encapsulated.optional(tag::context_constructed(0))? {
            None => None,
            Some(wrapper) => {
                let mut wrapper = wrapper.reader(WHAT);
                let content = wrapper.expect(tag::OCTET_STRING)?.content.to_vec();
                wrapper.finish()?;
                Some(content)
            }
        };
        encapsulated.finish()?;
        let certificates = match fields.optional(tag::context_constructed(0))? {
            Some(set) => super::read_certificates(set.reader(WHAT))?,
            None => Vec::new(),
        };
        fields.optional(tag::context_constructed(1))?;
        let mut signers = fields.nested(tag::SET)?;
        fields.finish()?;
        if signers.is_empty() {
            return Err(signers.error("it has no signer"));
        }
        let signer = Signer::read(signers.sequence()?)?;
        if !signers.is_empty() {
            return Err(signers.error("it has more than one signer"));
        }
        Ok(Self {
            content_type,
            content,
            certificates,
            signer,
        })
    }

    /// Dotted identifier of the content's type.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The content octets; None when there is none.
    #[must_use]
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// The certificates in the message, in the order sent.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// How the signer's certificate is named.
    #[must_use]
    pub const fn signer_id(&self) -> &CertificateId {
        &self.signer.id
    }

    /// The signer's certificate, if it is in the message: the one that is named, or else meant
    /// ([`CertificateId::means`]).
    #[must_use]
    pub fn signer_certificate(&self) -> Option<&Certificate> {
        let id = &self.signer.id;
        let mut all = self.certificates.iter();
        all.find(|certificate| id.names(certificate)).or_else(|| {
            self.certificates
                .iter()
                .find(|certificate| id.means(certificate))
        })
    }

    /// The digest that the signer used for the content.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn digest(&self) -> Result<Digest, Error> {
        self.signer.digest.clone()
    }

    /// The signature scheme that the signer used. Its digest may be another than [`digest`](Self::digest): who forbids
    /// one must look at both.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed`.
    pub fn scheme(&self) -> Result<SignatureScheme, Error> {
        self.signer.scheme.clone()
    }

    /// The signed attributes, in the order sent.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.signer.attributes
    }

    /// The raw DER of the single value of a signed attribute; None when it is missing or has not exactly one value.
    #[must_use]
    pub fn attribute(&self, oid: &str) -> Option<&[u8]> {
        self.signer
            .attributes
            .iter()
            .find(|attribute| attribute.oid == oid)?
            .single()
    }

    /// Checks that contentType and messageDigest are there and right, that no attribute is there twice, and that the
    /// signature over the signed attributes is that of the signer's certificate's key (RFC 5652, 5.4 and 5.6).
    ///
    /// # Errors
    /// `SignerCertificateMissing`, `SignedAttribute`, `BadSignature`, `Unsupported`, `WrongKey`.
    pub fn check(&self) -> Result<(), Error> {
        let digest = self.digest()?;
        let scheme = self.scheme()?;
        if digest == Digest::Md5 {
            return Err(Error::Unsupported {
                what: "digest algorithm",
                oid: oid::MD5.to_owned(),
            });
        }
        let certificate = self
            .signer_certificate()
            .ok_or(Error::SignerCertificateMissing)?;
        self.check_attributes(digest)?;
        let key = certificate.public_key();
        let signer = &self.signer;
        match key.verify(&scheme, &signer.attributes_der, &signer.signature) {
            // Some clients sign the attributes in DER order and send them in another.
            Err(Error::BadSignature { .. }) => match signer.sorted_attributes()? {
                Some(sorted) => key.verify(&scheme, &sorted, &signer.signature),
                None => Err(Error::BadSignature { what: "message" }),
            },
            outcome => outcome,
        }
    }

    fn check_attributes(&self, digest: Digest) -> Result<(), Error> {
        let wrong = |attribute, problem| Err(Error::SignedAttribute { attribute, problem });
        let attributes = self.attributes();
        if attributes.is_empty() {
            return wrong("set", "missing");
        }
        let mut seen = std::collections::HashSet::with_capacity(attributes.len());
        if !attributes
            .iter()
            .all(|attribute| seen.insert(attribute.oid.as_str()))
        {
            return wrong("set", "not a set: one of them is there twice");
        }
        match self.attribute(oid::CONTENT_TYPE) {
            None => return wrong("contentType", "missing"),
            Some(value) if Reader::new(value, WHAT).oid().as_ref() != Ok(&self.content_type) => {
                return wrong("contentType", "not the type of the content");
            }
            Some(_) => {}
        }
        match self
            .attribute(oid::MESSAGE_DIGEST)
            .map(|value| Tlv::parse(value, WHAT))
        {
            Some(Ok(Tlv {
                tag: tag::OCTET_STRING,
                content,
                ..
            })) if content == digest.hash(self.content().unwrap_or_default()) => {}
            None => return wrong("messageDigest", "missing"),
            _ => return wrong("messageDigest", "not the digest of the content"),
        }
        Ok(())
    }
}

impl Signer {
    fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        fields.integer()?;
        let id = CertificateId::read(&mut fields)?;
        let digest = Digest::from_identifier(&fields.expect(tag::SEQUENCE)?);
        let (attributes_der, attributes) = match fields.optional(tag::context_constructed(0))? {
            None => (Vec::new(), Vec::new()),
            Some(list) => {
                // What is signed is the SET, not the [0] in its place (RFC 5652, 5.4).
                let mut der = list.raw.to_vec();
                if let Some(first) = der.first_mut() {
                    *first = tag::SET;
                }
                (der, Attribute::read_all(list.reader(WHAT))?)
            }
        };
        let scheme = SignatureScheme::from_identifier(
            &fields.expect(tag::SEQUENCE)?,
            digest.as_ref().ok().copied(),
        );
        let signature = fields.expect(tag::OCTET_STRING)?.content.to_vec();
        fields.optional(tag::context_constructed(1))?;
        fields.finish()?;
        Ok(Self {
            id,
            digest,
            scheme,
            attributes_der,
            attributes,
            signature,
        })
    }

    /// The SET of the attributes in DER order, if they were sent in another.
    fn sorted_attributes(&self) -> Result<Option<Vec<u8>>, Error> {
        let mut list = Reader::new(&self.attributes_der, WHAT).nested(tag::SET)?;
        let mut elements = Vec::with_capacity(self.attributes.len());
        while !list.is_empty() {
            elements.push(list.element()?.raw.to_vec());
        }
        if elements.is_sorted() {
            Ok(None)
        } else {
            Ok(Some(der::set_of(elements)))
        }
    }
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Signed({}, signer {:?})",
            self.content_type, self.signer.id
        )
    }
}
