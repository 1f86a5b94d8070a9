//! A PKCS#10 request (RFC 2986), read and its signature verified, by this crate's own code.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use crate::der::{BOOLEAN, Element, INTEGER, OCTET_STRING, SEQUENCE, SET};
use crate::name::Name;

/// An extension of a certificate or a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) oid: String,
    pub(crate) critical: bool,
    /// The DER inside its OCTET STRING.
    pub(crate) value: Vec<u8>,
}

/// A certificate request, read.
#[derive(Debug, Clone)]
pub(crate) struct Csr {
    pub(crate) subject: Name,
    /// SubjectPublicKeyInfo, DER.
    pub(crate) key: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";
pub(crate) const SUBJECT_ALT_NAME: &str = "2.5.29.17";

impl Csr {
    /// Reads DER and verifies the signature.
    ///
    /// # Errors
    /// A phrase that says what is wrong.
    pub(crate) fn parse(octets: &[u8]) -> Result<Self, &'static str> {
        let request = Element::only(octets, SEQUENCE).ok_or("it is not one DER SEQUENCE")?;
        let parts = request.children().ok_or("it is not DER")?;
        let [info, algorithm, proof] = parts.as_slice() else {
            return Err("it has not three parts");
        };
        let fields = info
            .children()
            .ok_or("its certificationRequestInfo is not DER")?;
        let [version, subject, key, attributes @ ..] = fields.as_slice() else {
            return Err("its certificationRequestInfo is incomplete");
        };
        if version.tag != INTEGER || version.content != [0] {
            return Err("its version is not 0");
        }
        verify(info.whole, algorithm, proof, key)?;
        let mut csr = Self {
            subject: Name::read(subject).ok_or("its subject is not a Name")?,
            key: key.whole.to_vec(),
            extensions: Vec::new(),
        };
        for set in attributes {
            for attribute in set.children().ok_or("its attributes are not DER")? {
                csr.attribute(&attribute)
                    .ok_or("an attribute of it is not DER")?;
            }
        }
        Ok(csr)
    }

    /// Reads PEM, with or without its lines of dashes, or DER in base64.
    ///
    /// # Errors
    /// A phrase that says what is wrong.
    pub(crate) fn parse_text(text: &str) -> Result<(Self, Vec<u8>), &'static str> {
        let octets = crate::text::unarmoured(text).ok_or("it is not base64")?;
        let csr = Self::parse(&octets)?;
        Ok((csr, octets))
    }

    fn attribute(&mut self, attribute: &Element<'_>) -> Option<()> {
        let parts = attribute.children()?;
        let [kind, values] = parts.as_slice() else {
            return None;
        };
        let values = (values.tag == SET).then(|| values.children())??;
        if let (EXTENSION_REQUEST, [extensions]) = (kind.identifier()?.as_str(), values.as_slice())
        {
            for extension in extensions.children()? {
                self.extensions.push(read_extension(&extension)?);
            }
        }
        Some(())
    }

    /// An extension that is asked for.
    pub(crate) fn extension(&self, oid: &str) -> Option<&Extension> {
        self.extensions.iter().find(|known| known.oid == oid)
    }
}

fn read_extension(extension: &Element<'_>) -> Option<Extension> {
    let parts = extension.children()?;
    let (kind, value) = (parts.first()?.identifier()?, parts.last()?);
    let critical = parts
        .get(1)
        .is_some_and(|flag| flag.tag == BOOLEAN && flag.content == [0xff]);
    (value.tag == OCTET_STRING).then(|| Extension {
        oid: kind,
        critical,
        value: value.content.to_vec(),
    })
}

/// # Errors
/// A phrase that says what is wrong with the signature.
fn verify(
    signed: &[u8],
    algorithm: &Element<'_>,
    proof: &Element<'_>,
    key: &Element<'_>,
) -> Result<(), &'static str> {
    const BAD: &str = "its signature does not hold";
    let kind = algorithm
        .children()
        .and_then(|parts| parts.first()?.identifier())
        .ok_or("its signature algorithm is not DER")?;
    let parts = key.children().ok_or("its key is not DER")?;
    let [key_algorithm, key_bits] = parts.as_slice() else {
        return Err("its key has not two parts");
    };
    let curve = key_algorithm
        .children()
        .and_then(|parts| parts.get(1)?.identifier());
    let p384 = curve.as_deref() == Some("1.3.132.0.34");
    let verifier: &dyn VerificationAlgorithm = match kind.as_str() {
        "1.2.840.113549.1.1.11" => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.12" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "1.2.840.113549.1.1.13" => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.5" => &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "1.2.840.10045.4.3.2" if p384 => &signature::ECDSA_P384_SHA256_ASN1,
        "1.2.840.10045.4.3.2" => &signature::ECDSA_P256_SHA256_ASN1,
        "1.2.840.10045.4.3.3" if p384 => &signature::ECDSA_P384_SHA384_ASN1,
        "1.2.840.10045.4.3.3" => &signature::ECDSA_P256_SHA384_ASN1,
        "1.3.101.112" => &signature::ED25519,
        _ => return Err("its signature algorithm is unknown"),
    };
    let (Some(key), Some(proof)) = (key_bits.bits(), proof.bits()) else {
        return Err(BAD);
    };
    UnparsedPublicKey::new(verifier, key)
        .verify(signed, proof)
        .map_err(|_| BAD)
}
