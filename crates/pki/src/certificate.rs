//! X.509 certificates.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::der::{Reader, Tlv, tag};
use crate::signed_object::Outline;
use crate::{
    Error, Extension, KeyUsage, Name, PublicKey, Serial, SubjectAltNames, extension, oid, pem,
};

const WHAT: &str = "certificate";

/// An X.509 certificate (RFC 5280, 4.1), with the DER that it came in. Cheap to clone. Reading is lax: what real clients
/// sign their requests with is a carrier of a key and need not be a good certificate.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    outline: Outline,
    version: u8,
    serial: Serial,
    issuer: Name,
    subject: Name,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    public_key: PublicKey,
    sans: SubjectAltNames,
    extensions: Vec<Extension>,
}

impl Certificate {
    /// Reads the DER of a certificate: version 1 to 3, serial numbers of any length, any validity.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let (outline, mut fields) = Outline::read(der, WHAT)?;
        let version = match fields.optional(tag::context_constructed(0))? {
            None => 1,
            Some(version) => match version.reader(WHAT).unsigned()? {
                version @ 0..=2 => u8::try_from(version).unwrap_or(0) + 1,
                _ => return Err(fields.error("its version is unknown")),
            },
        };
        let serial = Serial::new(fields.integer()?);
        fields.expect(tag::SEQUENCE)?;
        let issuer = Name::read(&mut fields)?;
        let mut validity = fields.sequence()?;
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        validity.finish()?;
        let subject = Name::read(&mut fields)?;
        let public_key = PublicKey::from_spki_der(fields.expect(tag::SEQUENCE)?.raw)?;
        let extensions = read_tail(fields)?;
        let sans = extension::find(&extensions, oid::SUBJECT_ALT_NAME).map_or_else(
            SubjectAltNames::default,
            |value| {
                SubjectAltNames::from_extension_der(value).unwrap_or_else(|_| SubjectAltNames {
                    other: vec!["a subjectAltName that cannot be read".to_owned()],
                    ..Default::default()
                })
            },
        );
        Ok(Self(Arc::new(Inner {
            der: der.to_vec(),
            outline,
            version,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            public_key,
            sans,
            extensions,
        })))
    }

    /// Reads the first CERTIFICATE block.
    ///
    /// # Errors
    /// `Malformed`, also when there is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let blocks = pem::blocks(pem)?;
        let block = blocks.iter().find(|block| is_certificate(block.label));
        Self::from_der(
            &block
                .ok_or(Error::malformed(
                    WHAT,
                    "there is no CERTIFICATE block in it",
                ))?
                .decode()?,
        )
    }

    /// Reads every CERTIFICATE block and skips other blocks; a lone certificate in DER is accepted too.
    ///
    /// # Errors
    /// `Malformed` when there is no certificate or a block is cut short; `InBundle` when one cannot be read.
    pub fn bundle_from_pem(bytes: &[u8]) -> Result<Vec<Self>, Error> {
        let blocks = pem::blocks(bytes)?;
        if blocks.is_empty() && bytes.first() == Some(&tag::SEQUENCE) {
            return Ok(vec![Self::from_der(bytes)?]);
        }
        let certificates = blocks
            .iter()
            .filter(|block| is_certificate(block.label))
            .zip(1..);
        let certificates = certificates
            .map(|(block, position)| {
                let read = block.decode().and_then(|der| Self::from_der(&der));
                read.map_err(|error| Error::InBundle {
                    position,
                    error: Box::new(error),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(Error::malformed(
                WHAT,
                "there is no CERTIFICATE block in it",
            ));
        }
        Ok(certificates)
    }

    /// The DER, as it came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// One CERTIFICATE block, with a line feed at the end.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", self.der())
    }

    /// 1, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.0.version
    }

    /// Whose certificate it is.
    #[must_use]
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// Who signed it, it says.
    #[must_use]
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// The serial number, as it came.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.0.serial
    }

    /// The first second of its validity.
    #[must_use]
    pub fn not_before(&self) -> DateTime<Utc> {
        self.0.not_before
    }

    /// The last second of its validity.
    #[must_use]
    pub fn not_after(&self) -> DateTime<Utc> {
        self.0.not_after
    }

    /// True from notBefore to notAfter, both included.
    #[must_use]
    pub fn valid_at(&self, now: DateTime<Utc>) -> bool {
        self.not_before() <= now && now <= self.not_after()
    }

    /// The key that it is about.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// The subject's alternative names. A subjectAltName that cannot be read counts as one name of another kind.
    #[must_use]
    pub fn sans(&self) -> &SubjectAltNames {
        &self.0.sans
    }

    /// The keyUsage extension, where there is one that can be read.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        KeyUsage::from_extension_der(self.extension(oid::KEY_USAGE)?).ok()
    }

    /// The extended key usages as dotted identifiers; none when there is no such extension.
    #[must_use]
    pub fn ext_key_usages(&self) -> Vec<String> {
        self.extension(oid::EXT_KEY_USAGE)
            .and_then(|value| extension::usages(value).ok())
            .unwrap_or_default()
    }

    /// True when basicConstraints says CA:TRUE.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.extension(oid::BASIC_CONSTRAINTS)
            .is_some_and(|value| extension::is_ca(value) == Ok(true))
    }

    /// The subject key identifier.
    #[must_use]
    pub fn ski(&self) -> Option<&[u8]> {
        let value =
            Tlv::parse(self.extension(oid::SUBJECT_KEY_ID)?, "subjectKeyIdentifier").ok()?;
        (value.tag == tag::OCTET_STRING).then_some(value.content)
    }

    /// The key identifier in the authorityKeyIdentifier.
    #[must_use]
    pub fn aki(&self) -> Option<&[u8]> {
        extension::authority_key_id(self.extension(oid::AUTHORITY_KEY_ID)?)
    }

    /// All extensions, in the order of the encoding.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// The value of the first extension with this dotted identifier.
    #[must_use]
    pub fn extension(&self, oid: &str) -> Option<&[u8]> {
        extension::find(&self.0.extensions, oid)
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        crate::sha256(self.der())
    }

    /// True when subject and issuer are the same name. It says nothing about the signature.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.subject().matches(self.issuer())
    }

    /// Checks the certificate's signature with a key.
    ///
    /// # Errors
    /// `BadSignature`, or what [`PublicKey::verify`] says.
    pub fn verify_signature_by(&self, key: &PublicKey) -> Result<(), Error> {
        self.0.outline.verify(self.der(), key, WHAT)
    }

    /// How it is signed.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed`.
    pub fn signature_scheme(&self) -> Result<crate::SignatureScheme, Error> {
        self.0.outline.scheme(self.der())
    }
}

/// The optional fields at the end: two unique identifiers, which nobody uses, and the extensions.
fn read_tail(mut fields: Reader<'_>) -> Result<Vec<Extension>, Error> {
    for number in [1, 2] {
        fields.optional(tag::context(number))?;
    }
    let extensions = match fields.optional(tag::context_constructed(3))? {
        Some(list) => extension::read_extensions(list.content)?,
        None => Vec::new(),
    };
    fields.finish()?;
    Ok(extensions)
}

fn is_certificate(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE")
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl AsRef<Self> for Certificate {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Certificate({}, serial {})",
            self.subject(),
            self.serial()
        )
    }
}

#[cfg(test)]
mod tests;
