//! Building SignedData.

use super::{CertificateId, Signed};
use crate::der::tag;
use crate::{Certificate, Digest, Error, PrivateKey, SignatureScheme, der, oid};

/// What goes into a new SignedData message.
#[derive(Clone, Copy)]
pub struct SignedParts<'a> {
    /// Dotted identifier of the content's type.
    pub content_type: &'a str,
    /// The content; None leaves it out, `Some(&[])` is a zero-length one.
    pub content: Option<&'a [u8]>,
    /// The certificates, in this order.
    pub certificates: &'a [&'a Certificate],
    /// Who signs: the certificate is named by issuer and serial number.
    pub signer: (&'a Certificate, &'a PrivateKey),
    /// The digest.
    pub digest: Digest,
    /// Signed attributes beside contentType and messageDigest: dotted identifier and the DER of the single value.
    pub attributes: &'a [(&'a str, Vec<u8>)],
    /// Name an RSA signature as rsaEncryption and not by its digest (some clients know nothing else).
    pub rsa_encryption_oid: bool,
}

impl Signed {
    /// Builds a ContentInfo with a SignedData, in DER but for the order of the certificates.
    ///
    /// # Errors
    /// What [`PrivateKey::sign`] says; `Text` for an identifier that is none.
    pub fn build(parts: &SignedParts<'_>) -> Result<Vec<u8>, Error> {
        let (certificate, key) = parts.signer;
        let scheme = key.scheme(parts.digest)?;
        let attributes = signed_attributes(parts)?;
        let signature = key.sign(&scheme, &attributes)?;
        let signature_algorithm = match scheme {
            // The same identifier, NULL parameters and all, as for the key transport.
            SignatureScheme::RsaPkcs1(_) if parts.rsa_encryption_oid => {
                crate::KeyTransport::Pkcs1v15.to_identifier()
            }
            scheme => scheme.to_identifier(),
        };
        let digest_algorithm = parts.digest.to_identifier();
        // [0] IMPLICIT in place of the SET that was signed.
        let mut attributes = attributes;
        if let Some(first) = attributes.first_mut() {
            *first = tag::context_constructed(0);
        }
        let signer_info = der::seq(&[
            &der::integer_u64(1),
            &CertificateId::issuer_and_serial(certificate),
            &digest_algorithm,
            &attributes,
            &signature_algorithm,
            &der::octet_string(&signature),
        ]);
        let content = parts.content.map_or_else(Vec::new, |content| {
            der::explicit(0, &der::octet_string(content))
        });
        // Version 3 where the content is other than plain data (RFC 5652, 5.1).
        let version = if parts.content_type == oid::DATA {
            1
        } else {
            3
        };
        let signed_data = der::seq(&[
            &der::integer_u64(version),
            &der::set_of(vec![digest_algorithm]),
            &der::seq(&[&der::oid(parts.content_type)?, &content]),
            &super::write_certificates(parts.certificates),
            &der::set_of(vec![signer_info]),
        ]);
        super::content_info(oid::SIGNED_DATA, &signed_data)
    }
}

/// The SET of the signed attributes.
fn signed_attributes(parts: &SignedParts<'_>) -> Result<Vec<u8>, Error> {
    let digest = parts.digest.hash(parts.content.unwrap_or_default());
    let attribute = |oid: &str, value: &[u8]| -> Result<Vec<u8>, Error> {
        let oid = der::oid_element(oid)?;
        let content = oid.len() + der::tlv_octets(value.len());
        let mut der = Vec::with_capacity(der::tlv_octets(content));
        der::push_header(&mut der, tag::SEQUENCE, content);
        der.extend_from_slice(&oid);
        der::push_tlv(&mut der, tag::SET, value);
        Ok(der)
    };
    let mut attributes = vec![
        attribute(oid::CONTENT_TYPE, &der::oid_element(parts.content_type)?)?,
        attribute(oid::MESSAGE_DIGEST, &der::octet_string(&digest))?,
    ];
    for (oid, value) in parts.attributes {
        attributes.push(attribute(oid, value)?);
    }
    Ok(der::set_of(attributes))
}
