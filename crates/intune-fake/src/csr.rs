//! What Intune reads in a PKCS#10 request (RFC 2986): names, key, challengePassword, and whether its signature holds.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};

use crate::der::{BIT_STRING, Element, INTEGER, OCTET_STRING, SEQUENCE, SET};

/// A certificate request, read.
#[derive(Debug)]
pub(crate) struct Csr {
    /// The subject's attributes in their order, as `("CN", "laptop-1")`.
    pub(crate) subject: Vec<(String, String)>,
    /// Alternative names as `dns:`, `uri:`, `email:`, `upn:` and `ip:` texts.
    pub(crate) alternative_names: Vec<String>,
    /// The challengePassword attribute, whatever its string type.
    pub(crate) challenge: Option<String>,
    /// Bits of an RSA modulus; `None` for other keys.
    pub(crate) rsa_bits: Option<usize>,
    /// The first octet of the keyUsage bits, if it is asked for.
    pub(crate) key_usage: Option<u8>,
    /// Extended key usages by object identifier.
    pub(crate) extended_key_usages: Vec<String>,
}

const CHALLENGE_PASSWORD: &str = "1.2.840.113549.1.9.7";
const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";

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
            subject: subject_of(subject).ok_or("its subject is not a Name")?,
            alternative_names: Vec::new(),
            challenge: None,
            rsa_bits: rsa_bits(key),
            key_usage: None,
            extended_key_usages: Vec::new(),
        };
        for set in attributes {
            for attribute in set.children().ok_or("its attributes are not DER")? {
                csr.attribute(&attribute)
                    .ok_or("an attribute of it is not DER")?;
            }
        }
        Ok(csr)
    }

    fn attribute(&mut self, attribute: &Element<'_>) -> Option<()> {
        let parts = attribute.children()?;
        let [kind, values] = parts.as_slice() else {
            return None;
        };
        let values = (values.tag == SET).then(|| values.children())??;
        match (kind.identifier()?.as_str(), values.as_slice()) {
            (CHALLENGE_PASSWORD, [value]) => self.challenge = Some(value.text()),
            (EXTENSION_REQUEST, [extensions]) => {
                for extension in extensions.children()? {
                    self.extension(&extension)?;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn extension(&mut self, extension: &Element<'_>) -> Option<()> {
        let parts = extension.children()?;
        let (kind, value) = (parts.first()?.identifier()?, parts.last()?);
        let value = (value.tag == OCTET_STRING)
            .then(|| Element::first(value.content))??
            .0;
        match kind.as_str() {
            // subjectAltName
            "2.5.29.17" => {
                let names = value.children()?;
                self.alternative_names = names.iter().filter_map(alternative_name).collect();
            }
            "2.5.29.15" => self.key_usage = value.content.get(1).copied(),
            "2.5.29.37" => {
                let usages = value.children()?;
                self.extended_key_usages = usages.iter().filter_map(Element::identifier).collect();
            }
            _ => {}
        }
        Some(())
    }
}

fn subject_of(name: &Element<'_>) -> Option<Vec<(String, String)>> {
    let mut attributes = Vec::new();
    for set in name.children()? {
        for attribute in set.children()? {
            let parts = attribute.children()?;
            let [kind, value] = parts.as_slice() else {
                return None;
            };
            attributes.push((short_name(&kind.identifier()?), value.text()));
        }
    }
    Some(attributes)
}

fn short_name(identifier: &str) -> String {
    let known = match identifier {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "1.2.840.113549.1.9.1" => "E",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        other => other,
    };
    known.to_owned()
}

fn alternative_name(name: &Element<'_>) -> Option<String> {
    Some(match name.tag {
        0x81 => format!("email:{}", String::from_utf8_lossy(name.content)),
        0x82 => format!("dns:{}", String::from_utf8_lossy(name.content)),
        0x86 => format!("uri:{}", String::from_utf8_lossy(name.content)),
        0x87 => format!("ip:{}", hex::encode(name.content)),
        0xa0 => {
            let parts = name.children()?;
            let [kind, value] = parts.as_slice() else {
                return None;
            };
            let value = Element::first(value.content)?.0.text();
            match kind.identifier()?.as_str() {
                UPN => format!("upn:{value}"),
                other => format!("{other}:{value}"),
            }
        }
        _ => return None,
    })
}

/// The RSAPublicKey of a SubjectPublicKeyInfo.
pub(crate) fn rsa_public_key<'a>(key: &Element<'a>) -> Option<&'a [u8]> {
    let parts = key.children()?;
    let [algorithm, bits] = parts.as_slice() else {
        return None;
    };
    let kind = algorithm.children()?.first()?.identifier()?;
    (kind == "1.2.840.113549.1.1.1").then(|| bits.bits())?
}

fn rsa_bits(key: &Element<'_>) -> Option<usize> {
    let numbers = Element::only(rsa_public_key(key)?, SEQUENCE)?.children()?;
    let modulus = numbers.first()?.content;
    let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
    let modulus = modulus.get(zeros..)?;
    let unused = modulus.first()?.leading_zeros() as usize;
    Some(modulus.len() * 8 - unused)
}

/// Signatures that this judge cannot verify are passed, as the key may be of any kind.
fn verify(
    signed: &[u8],
    algorithm: &Element<'_>,
    proof: &Element<'_>,
    key: &Element<'_>,
) -> Result<(), &'static str> {
    let kind = algorithm
        .children()
        .and_then(|parts| parts.first()?.identifier())
        .ok_or("its signature algorithm is not DER")?;
    let bits = proof.bits().ok_or("its signature is not a BIT STRING")?;
    let point = || {
        let parts = key.children()?;
        parts.get(1).filter(|bits| bits.tag == BIT_STRING)?.bits()
    };
    let ec = |length: usize| point().filter(|point| point.len() == length);
    let rsa = rsa_public_key(key);
    let (algorithm, public): (&dyn VerificationAlgorithm, Option<&[u8]>) = match kind.as_str() {
        "1.2.840.113549.1.1.5" => (
            &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            rsa.filter(|_| rsa_bits(key).is_some_and(|bits| bits >= 2048)),
        ),
        "1.2.840.113549.1.1.11" => (
            &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            rsa,
        ),
        "1.2.840.113549.1.1.12" => (
            &signature::RSA_PKCS1_2048_8192_SHA384,
            rsa.filter(|_| rsa_bits(key).is_some_and(|bits| bits >= 2048)),
        ),
        "1.2.840.113549.1.1.13" => (
            &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            rsa,
        ),
        "1.2.840.10045.4.3.2" => (&signature::ECDSA_P256_SHA256_ASN1, ec(65)),
        "1.2.840.10045.4.3.3" => (&signature::ECDSA_P384_SHA384_ASN1, ec(97)),
        _ => return Ok(()),
    };
    let Some(public) = public else {
        return Ok(());
    };
    UnparsedPublicKey::new(algorithm, public)
        .verify(signed, bits)
        .map_err(|_| "its signature does not verify")
}
