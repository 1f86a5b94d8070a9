//! Parameters of RSASSA-PSS and RSAES-OAEP (RFC 8017, A.2.1 and A.2.3; RFC 4055).

use super::identifier;
use crate::der::{self, Reader, Tlv, tag};
use crate::{Digest, Error, KeyTransport, SignatureScheme, oid};

/// Parameters that are absent, or an absent field, mean SHA-1, MGF1 with SHA-1, a salt of 20 octets.
const DEFAULT: Digest = Digest::Sha1;
const DEFAULT_SALT: u16 = 20;

pub(super) fn pss(parameters: Option<Tlv<'_>>) -> Result<SignatureScheme, Error> {
    let mut fields = fields(parameters, "RSASSA-PSS parameters")?;
    let digest = hash(&mut fields)?;
    let mgf = mask(&mut fields)?;
    let salt_len = match fields.optional(tag::context_constructed(2))? {
        None => DEFAULT_SALT,
        Some(field) => {
            let length = field.reader("RSASSA-PSS parameters").unsigned()?;
            u16::try_from(length).map_err(|_| fields.error("the salt is too long"))?
        }
    };
    if let Some(field) = fields.optional(tag::context_constructed(3))?
        && field.reader("RSASSA-PSS parameters").unsigned()? != 1
    {
        return Err(fields.error("the trailer field is not 1"));
    }
    fields.finish()?;
    Ok(SignatureScheme::RsaPss {
        digest,
        mgf,
        salt_len,
    })
}

pub(super) fn pss_der(digest: Digest, mgf: Digest, salt_len: u16) -> Vec<u8> {
    let salt = if salt_len == DEFAULT_SALT {
        Vec::new()
    } else {
        der::explicit(2, &der::integer_u64(u64::from(salt_len)))
    };
    der::seq(&[&hash_der(digest), &mask_der(mgf), &salt])
}

pub(super) fn oaep(parameters: Option<Tlv<'_>>) -> Result<KeyTransport, Error> {
    let mut fields = fields(parameters, "RSAES-OAEP parameters")?;
    let digest = hash(&mut fields)?;
    let mgf = mask(&mut fields)?;
    if let Some(field) = fields.optional(tag::context_constructed(2))? {
        let mut source = field.reader("RSAES-OAEP parameters").sequence()?;
        let name = source.oid()?;
        let label = source.expect(tag::OCTET_STRING)?;
        if name != oid::P_SPECIFIED || !label.content.is_empty() {
            return Err(Error::Unsupported {
                what: "OAEP label source",
                oid: name,
            });
        }
    }
    fields.finish()?;
    if [digest, mgf].contains(&Digest::Md5) {
        return Err(Error::Unsupported {
            what: "OAEP digest",
            oid: oid::MD5.to_owned(),
        });
    }
    Ok(KeyTransport::Oaep { digest, mgf })
}

pub(super) fn oaep_der(digest: Digest, mgf: Digest) -> Vec<u8> {
    der::seq(&[&hash_der(digest), &mask_der(mgf)])
}

fn fields<'a>(parameters: Option<Tlv<'a>>, what: &'static str) -> Result<Reader<'a>, Error> {
    match parameters {
        None | Some(Tlv { tag: tag::NULL, .. }) => Ok(Reader::new(&[], what)),
        Some(
            sequence @ Tlv {
                tag: tag::SEQUENCE, ..
            },
        ) => Ok(sequence.reader(what)),
        Some(_) => Err(Error::malformed(what, "they are not a SEQUENCE")),
    }
}

/// `[0] hashAlgorithm`.
fn hash(fields: &mut Reader<'_>) -> Result<Digest, Error> {
    match fields.optional(tag::context_constructed(0))? {
        None => Ok(DEFAULT),
        Some(field) => Digest::from_identifier(&Tlv::parse(field.content, "digest algorithm")?),
    }
}

/// `[1] maskGenAlgorithm`.
fn mask(fields: &mut Reader<'_>) -> Result<Digest, Error> {
    let Some(field) = fields.optional(tag::context_constructed(1))? else {
        return Ok(DEFAULT);
    };
    let what = "mask generation function";
    let (name, parameters) = super::split(&Tlv::parse(field.content, what)?, what)?;
    match (name.as_str(), parameters) {
        (oid::MGF1, Some(parameters)) => Digest::from_identifier(&parameters),
        (oid::MGF1, None) => Err(Error::malformed(what, "its digest is missing")),
        _ => Err(Error::Unsupported { what, oid: name }),
    }
}

fn hash_der(digest: Digest) -> Vec<u8> {
    if digest == DEFAULT {
        Vec::new()
    } else {
        der::explicit(0, &digest.to_identifier())
    }
}

fn mask_der(mgf: Digest) -> Vec<u8> {
    if mgf == DEFAULT {
        Vec::new()
    } else {
        der::explicit(1, &identifier(oid::MGF1, &mgf.to_identifier()))
    }
}
