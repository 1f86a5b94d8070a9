//! Extensions of certificates, requests and CRLs, and the attributes of requests and messages.

use rasn_pkix::{AccessDescription, DistributionPoint, DistributionPointName, GeneralName};

use crate::der::{self, Reader, Tlv, tag};
use crate::{Error, KeyUsage, Name, PublicKey, SubjectAltNames, oid};

/// An extension (RFC 5280, 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Dotted object identifier.
    pub oid: String,
    /// Whether a reader that does not know it must refuse.
    pub critical: bool,
    /// The DER inside the OCTET STRING.
    pub value: Vec<u8>,
}

/// An attribute of a CSR or of a CMS message: an identifier and the raw DER of each of its values, in the order sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Dotted object identifier.
    pub oid: String,
    /// The DER of each value.
    pub values: Vec<Vec<u8>>,
}

/// Makers of the extensions that certificates are built with.
impl Extension {
    fn new(oid: &str, critical: bool, value: Vec<u8>) -> Self {
        Self {
            oid: oid.to_owned(),
            critical,
            value,
        }
    }

    /// basicConstraints, critical: whether the subject is a CA, and how many CAs may stand below it.
    #[must_use]
    pub fn basic_constraints(ca: bool, path_len: Option<u8>) -> Self {
        let flag = if ca { der::boolean(true) } else { Vec::new() };
        let path_len = path_len
            .filter(|_| ca)
            .map_or_else(Vec::new, |length| der::integer_u64(u64::from(length)));
        Self::new(oid::BASIC_CONSTRAINTS, true, der::seq(&[&flag, &path_len]))
    }

    /// keyUsage, critical.
    #[must_use]
    pub fn key_usage(usage: KeyUsage) -> Self {
        Self::new(oid::KEY_USAGE, true, usage.to_extension_der())
    }

    /// extKeyUsage, not critical, from dotted identifiers.
    ///
    /// # Errors
    /// `Text` when one of them is no identifier or there are none.
    pub fn ext_key_usage<S: AsRef<str>>(oids: &[S]) -> Result<Self, Error> {
        if oids.is_empty() {
            return Err(Error::text("extKeyUsage", "there are no usages"));
        }
        let oids = oids
            .iter()
            .map(|oid| der::oid(oid.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(oid::EXT_KEY_USAGE, false, seq_of(&oids)))
    }

    /// subjectKeyIdentifier: the key's [`key_id`](PublicKey::key_id).
    #[must_use]
    pub fn subject_key_id(key: &PublicKey) -> Self {
        Self::new(oid::SUBJECT_KEY_ID, false, der::octet_string(&key.key_id()))
    }

    /// authorityKeyIdentifier with this key identifier.
    #[must_use]
    pub fn authority_key_id(key_id: &[u8]) -> Self {
        Self::new(
            oid::AUTHORITY_KEY_ID,
            false,
            der::seq(&[&der::implicit(0, false, key_id)]),
        )
    }

    /// subjectAltName; critical where the subject is the empty name (RFC 5280, 4.2.1.6).
    ///
    /// # Errors
    /// As [`SubjectAltNames::to_extension_der`].
    pub fn subject_alt_names(names: &SubjectAltNames, subject: &Name) -> Result<Self, Error> {
        Ok(Self::new(
            oid::SUBJECT_ALT_NAME,
            subject.is_empty(),
            names.to_extension_der()?,
        ))
    }

    /// cRLDistributionPoints: one point with these URLs, which are all places of the same CRL.
    ///
    /// # Errors
    /// `Text` when there are none, or one is not ASCII.
    pub fn crl_distribution_points<S: AsRef<str>>(urls: &[S]) -> Result<Self, Error> {
        let names = urls
            .iter()
            .map(|url| location(url.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() {
            return Err(Error::text("cRLDistributionPoints", "there are no URLs"));
        }
        let point = DistributionPointName::FullName(names);
        let points = vec![DistributionPoint {
            distribution_point: Some(point),
            ..Default::default()
        }];
        Ok(Self::new(
            oid::CRL_DISTRIBUTION_POINTS,
            false,
            encode(&points, "cRLDistributionPoints")?,
        ))
    }

    /// authorityInfoAccess: OCSP responders and places of the issuer's certificate.
    ///
    /// # Errors
    /// `Text` when there are none, or one is not ASCII.
    pub fn authority_info_access<S: AsRef<str>>(
        ocsp: &[S],
        ca_issuers: &[S],
    ) -> Result<Self, Error> {
        let ocsp = ocsp.iter().map(|url| (oid::AD_OCSP, url));
        let places = ocsp.chain(ca_issuers.iter().map(|url| (oid::AD_CA_ISSUERS, url)));
        let descriptions = places
            .map(|(method, url)| {
                Ok(AccessDescription {
                    access_method: rasn_oid(method)?,
                    access_location: location(url.as_ref())?,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        if descriptions.is_empty() {
            return Err(Error::text("authorityInfoAccess", "there are no URLs"));
        }
        Ok(Self::new(
            oid::AUTHORITY_INFO_ACCESS,
            false,
            encode(&descriptions, "authorityInfoAccess")?,
        ))
    }

    /// tlsfeature with status_request: a TLS server must staple an OCSP response (RFC 7633).
    #[must_use]
    pub fn must_staple() -> Self {
        Self::new(oid::TLS_FEATURE, false, der::seq(&[&der::integer_u64(5)]))
    }

    /// ocsp-nocheck: this is an OCSP responder's certificate, and nobody has to ask about it (RFC 6960, 4.2.2.2.1).
    #[must_use]
    pub fn ocsp_no_check() -> Self {
        Self::new(oid::OCSP_NO_CHECK, false, der::null())
    }

    /// Microsoft's security extension: the Windows SID that the certificate is mapped to (MS-WCCE, 2.2.2.7.7.4).
    ///
    /// # Errors
    /// Never for a text; object identifiers are fixed.
    pub fn ms_sid(sid: &str) -> Result<Self, Error> {
        let value = der::explicit(0, &der::octet_string(sid.as_bytes()));
        // A GeneralNames with one otherName.
        let name = [der::oid(oid::MS_SID_VALUE)?, value].concat();
        let names = der::seq(&[&der::implicit(0, true, &name)]);
        Ok(Self::new(oid::MS_SID, false, names))
    }

    /// The Extension, in DER.
    pub(crate) fn to_der(&self) -> Result<Vec<u8>, Error> {
        let oid = der::oid_element(&self.oid)?;
        let critical: &[u8] = match self.critical {
            true => &[tag::BOOLEAN, 1, 0xff],
            false => &[],
        };
        let content = oid.len() + critical.len() + der::tlv_octets(self.value.len());
        let mut der = Vec::with_capacity(der::tlv_octets(content));
        der::push_header(&mut der, tag::SEQUENCE, content);
        der.extend_from_slice(&oid);
        der.extend_from_slice(critical);
        der::push_tlv(&mut der, tag::OCTET_STRING, &self.value);
        Ok(der)
    }
}

/// The key identifier in an authorityKeyIdentifier (RFC 5280 section 4.2.1.1), where it has one.
pub(crate) fn authority_key_id(value: &[u8]) -> Option<&[u8]> {
    const WHAT: &str = "authorityKeyIdentifier";
    let value = Tlv::parse(value, WHAT).ok()?;
    Some(value.reader(WHAT).optional(tag::context(0)).ok()??.content)
}

/// Reads Extensions, a SEQUENCE OF Extension.
pub(crate) fn read_extensions(der: &[u8]) -> Result<Vec<Extension>, Error> {
    let mut reader = Reader::new(der, "extensions");
    let mut list = reader.sequence()?;
    reader.finish()?;
    let mut extensions = Vec::new();
    while !list.is_empty() {
        let mut extension = list.sequence()?;
        let oid = extension.oid()?;
        let critical = extension.optional(tag::BOOLEAN)?;
        let value = extension.expect(tag::OCTET_STRING)?;
        extension.finish()?;
        extensions.push(Extension {
            oid,
            critical: critical.is_some_and(|flag| flag.content != [0]),
            value: value.content.to_vec(),
        });
    }
    Ok(extensions)
}

/// Writes Extensions.
pub(crate) fn write_extensions(extensions: &[Extension]) -> Result<Vec<u8>, Error> {
    Ok(seq_of(
        &extensions
            .iter()
            .map(Extension::to_der)
            .collect::<Result<Vec<_>, _>>()?,
    ))
}

/// The value of the first extension with this identifier.
pub(crate) fn find<'a>(extensions: &'a [Extension], oid: &str) -> Option<&'a [u8]> {
    extensions
        .iter()
        .find(|extension| extension.oid == oid)
        .map(|extension| extension.value.as_slice())
}

/// Whether a basicConstraints value says CA:TRUE.
pub(crate) fn is_ca(value: &[u8]) -> Result<bool, Error> {
    let mut reader = Reader::new(value, "basicConstraints");
    let mut fields = reader.sequence()?;
    reader.finish()?;
    let flag = fields.optional(tag::BOOLEAN)?;
    fields.optional(tag::INTEGER)?;
    fields.finish()?;
    Ok(flag.is_some_and(|flag| flag.content != [0]))
}

/// The most usages in one extKeyUsage that are read.
const MOST_USAGES: usize = 256;

/// The dotted identifiers in an extKeyUsage value.
pub(crate) fn usages(value: &[u8]) -> Result<Vec<String>, Error> {
    let mut reader = Reader::new(value, "extKeyUsage");
    let mut list = reader.sequence()?;
    reader.finish()?;
    let mut usages = Vec::new();
    while !list.is_empty() {
        if usages.len() == MOST_USAGES {
            return Err(list.error("there are more usages than anybody needs"));
        }
        usages.push(list.oid()?);
    }
    Ok(usages)
}

impl Attribute {
    /// Reads the elements of `list`, each an Attribute.
    pub(crate) fn read_all(mut list: Reader<'_>) -> Result<Vec<Self>, Error> {
        let mut attributes = Vec::new();
        while !list.is_empty() {
            let mut attribute = list.sequence()?;
            let oid = attribute.oid()?;
            let mut set = attribute.nested(tag::SET)?;
            attribute.finish()?;
            let mut values = Vec::with_capacity(1);
            while !set.is_empty() {
                values.push(set.element()?.raw.to_vec());
            }
            attributes.push(Self { oid, values });
        }
        Ok(attributes)
    }

    /// The value, if there is exactly one.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        match self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The text of the value, if there is exactly one and it is a string of some type.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        der::text(&Tlv::parse(self.single()?, "attribute").ok()?)
    }
}

fn seq_of(elements: &[Vec<u8>]) -> Vec<u8> {
    der::seq(&elements.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn location(url: &str) -> Result<GeneralName, Error> {
    let bad = || {
        Error::text(
            "URL",
            format!("`{}` is not printable ASCII", url.escape_debug()),
        )
    };
    if url.is_empty() || !url.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(bad());
    }
    rasn::types::Ia5String::from_iso646_bytes(url.as_bytes())
        .map(GeneralName::Uri)
        .map_err(|_| bad())
}

fn rasn_oid(dotted: &str) -> Result<rasn::types::ObjectIdentifier, Error> {
    rasn::der::decode(&der::oid(dotted)?)
        .map_err(|_| Error::text("object identifier", "it is out of range"))
}

fn encode<T: rasn::Encode>(value: &T, what: &'static str) -> Result<Vec<u8>, Error> {
    rasn::der::encode(value).map_err(|_| Error::text(what, "it cannot be written"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sid_is_written_as_active_directory_writes_it() {
        let sid = "S-1-5-21-1496966362-3320961333-4044918980-1105";
        let extension = Extension::ms_sid(sid).unwrap();
        assert_eq!(extension.oid, "1.3.6.1.4.1.311.25.2");
        assert!(!extension.critical);
        // As in certificates of AD CS.
        let head = hex::decode("3040a03e060a2b060104018237190201a030042e").unwrap();
        assert_eq!(extension.value, [head, sid.as_bytes().to_vec()].concat());
    }

    #[test]
    fn extensions_survive_the_round_trip_and_rasn_reads_them() {
        let names = SubjectAltNames::parse("dns:a.example, ip:10.0.0.1").unwrap();
        let all = [
            Extension::basic_constraints(true, Some(1)),
            Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
            Extension::ext_key_usage(&[oid::EKU_CLIENT_AUTH, oid::EKU_SERVER_AUTH]).unwrap(),
            Extension::authority_key_id(&[7; 20]),
            Extension::subject_alt_names(&names, &Name::parse("").unwrap()).unwrap(),
            Extension::crl_distribution_points(&["http://a/crl", "http://b/crl"]).unwrap(),
            Extension::authority_info_access(&["http://a/ocsp"], &["http://a/ca.cer"]).unwrap(),
            Extension::must_staple(),
        ];
        assert_eq!(
            read_extensions(&write_extensions(&all).unwrap()).unwrap(),
            all
        );
        let constraints: rasn_pkix::BasicConstraints = rasn::der::decode(&all[0].value).unwrap();
        assert!(constraints.ca && constraints.path_len_constraint == Some(1.into()));
        let usages: rasn_pkix::ExtKeyUsageSyntax = rasn::der::decode(&all[2].value).unwrap();
        assert_eq!(usages.len(), 2);
        let authority: rasn_pkix::AuthorityKeyIdentifier =
            rasn::der::decode(&all[3].value).unwrap();
        assert_eq!(authority.key_identifier.unwrap().as_ref(), [7; 20]);
        let alternatives: rasn_pkix::SubjectAltName = rasn::der::decode(&all[4].value).unwrap();
        assert_eq!(alternatives.len(), 2);
        assert!(all[4].critical);
        let points: rasn_pkix::CrlDistributionPoints = rasn::der::decode(&all[5].value).unwrap();
        assert_eq!(points.len(), 1);
        let access: rasn_pkix::AuthorityInfoAccessSyntax =
            rasn::der::decode(&all[6].value).unwrap();
        assert_eq!(access.len(), 2);
        assert_eq!(all[7].value, [0x30, 3, 2, 1, 5]);
    }

    #[test]
    fn basic_constraints_are_read_as_encoders_write_them() {
        assert_eq!(
            is_ca(&Extension::basic_constraints(true, None).value),
            Ok(true)
        );
        assert_eq!(
            is_ca(&Extension::basic_constraints(false, Some(3)).value),
            Ok(false)
        );
        assert_eq!(Extension::basic_constraints(false, None).value, [0x30, 0]);
        // FALSE written out, and TRUE as 1: neither is DER, both are seen.
        assert_eq!(is_ca(&[0x30, 3, 1, 1, 0]), Ok(false));
        assert_eq!(is_ca(&[0x30, 3, 1, 1, 1]), Ok(true));
        assert!(is_ca(&[0x30, 1]).is_err());
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        assert!(Extension::ext_key_usage::<&str>(&[]).is_err());
        assert!(Extension::ext_key_usage(&["clientAuth"]).is_err());
        assert!(Extension::crl_distribution_points(&["http://\u{e4}/"]).is_err());
        assert!(Extension::authority_info_access::<&str>(&[], &[]).is_err());
    }
}
