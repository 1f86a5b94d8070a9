//! Subject alternative names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::der::{self, Reader, Tlv, tag};
use crate::{Error, Name, fold, oid};

const WHAT: &str = "subjectAltName";

/// The names in a subjectAltName extension (RFC 5280, 4.2.1.6), by type, in the order of the encoding. Written as
/// `dns:a, email:b, upn:c, uri:d, ip:e`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectAltNames {
    /// dNSName.
    pub dns: Vec<String>,
    /// rfc822Name.
    pub email: Vec<String>,
    /// otherName with Microsoft's user principal name.
    pub upn: Vec<String>,
    /// uniformResourceIdentifier.
    pub uri: Vec<String>,
    /// iPAddress.
    pub ip: Vec<IpAddr>,
    /// Every other kind of name, described in words for a refusal or a log: they cannot be written again.
    pub other: Vec<String>,
}

impl SubjectAltNames {
    /// The most names in one extension that are read. Policies allow fewer.
    pub const MOST: usize = 1024;

    /// Reads the value of a subjectAltName extension. A name of another kind, or with octets that have no place in its
    /// kind, is described in `other`.
    ///
    /// # Errors
    /// `Malformed`, also when there are more than [`MOST`](Self::MOST).
    pub fn from_extension_der(value: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(value, WHAT);
        let mut elements = reader.sequence()?;
        reader.finish()?;
        let mut names = Self::default();
        for _ in 0..Self::MOST {
            if elements.is_empty() {
                return Ok(names);
            }
            names.take(&elements.element()?)?;
        }
        elements.finish()?;
        Ok(names)
    }

    fn take(&mut self, name: &Tlv<'_>) -> Result<(), Error> {
        const OTHER_NAME: u8 = tag::context_constructed(0);
        const EMAIL: u8 = tag::context(1);
        const DNS: u8 = tag::context(2);
        const DIRECTORY_NAME: u8 = tag::context_constructed(4);
        const URI: u8 = tag::context(6);
        const IP: u8 = tag::context(7);
        const REGISTERED_ID: u8 = tag::context(8);
        let (list, kind) = match name.tag {
            EMAIL => (&mut self.email, "rfc822Name"),
            DNS => (&mut self.dns, "dNSName"),
            URI => (&mut self.uri, "uniformResourceIdentifier"),
            OTHER_NAME => return self.take_other_name(name),
            IP => {
                match (
                    <[u8; 4]>::try_from(name.content),
                    <[u8; 16]>::try_from(name.content),
                ) {
                    (Ok(four), _) => self.ip.push(four.into()),
                    (_, Ok(sixteen)) => self.ip.push(sixteen.into()),
                    _ => self
                        .other
                        .push(format!("iPAddress of {} octets", name.content.len())),
                }
                return Ok(());
            }
            DIRECTORY_NAME => {
                self.other
                    .push(format!("directoryName {}", Name::from_der(name.content)?));
                return Ok(());
            }
            REGISTERED_ID => {
                self.other
                    .push(format!("registeredID {}", oid::to_dotted(name.content)?));
                return Ok(());
            }
            unknown => {
                self.other
                    .push(format!("a name of type [{}]", unknown & 0x1f));
                return Ok(());
            }
        };
        match std::str::from_utf8(name.content) {
            Ok(text) if is_plain(text) && !text.is_empty() => list.push(text.to_owned()),
            text => self.other.push(unusable(kind, text.ok())),
        }
        Ok(())
    }

    fn take_other_name(&mut self, name: &Tlv<'_>) -> Result<(), Error> {
        let mut fields = name.reader(WHAT);
        let kind = fields.oid()?;
        let value = fields.expect(tag::context_constructed(0))?;
        fields.finish()?;
        if kind == oid::MS_UPN {
            match der::text(&Tlv::parse(value.content, WHAT)?) {
                Some(text) if !text.is_empty() && !text.contains(char::is_control) => {
                    self.upn.push(text)
                }
                text => self
                    .other
                    .push(unusable("userPrincipalName", text.as_deref())),
            }
        } else {
            self.other.push(format!("otherName {kind}"));
        }
        Ok(())
    }

    /// The value of a subjectAltName extension.
    ///
    /// # Errors
    /// `Text` when there are none, or some of another kind, or some that cannot be written as IA5String.
    pub fn to_extension_der(&self) -> Result<Vec<u8>, Error> {
        if let Some(other) = self.other.first() {
            return Err(Error::text(WHAT, format!("{other} cannot be written")));
        }
        if self.is_empty() {
            return Err(Error::text(WHAT, "there are no names"));
        }
        let mut names = Vec::new();
        for (number, list) in [(2, &self.dns), (1, &self.email), (6, &self.uri)] {
            for name in list {
                if !is_plain(name) || name.is_empty() {
                    let problem = format!(
                        "`{}` holds characters other than printable ASCII",
                        name.escape_debug()
                    );
                    return Err(Error::text(WHAT, problem));
                }
                names.push(der::implicit(number, false, name.as_bytes()));
            }
        }
        for upn in &self.upn {
            let value = der::explicit(0, &der::utf8_string(upn));
            names.push(der::implicit(
                0,
                true,
                &[der::oid(oid::MS_UPN)?, value].concat(),
            ));
        }
        for ip in &self.ip {
            names.push(match ip {
                IpAddr::V4(four) => der::implicit(7, false, &four.octets()),
                IpAddr::V6(six) => der::implicit(7, false, &six.octets()),
            });
        }
        Ok(der::seq(
            &names.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        ))
    }

    /// Reads `dns:a,email:b,upn:c,uri:d,ip:e`, spaces around commas allowed. A comma that no type follows belongs to the
    /// name before it.
    ///
    /// # Errors
    /// `Text`, with what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut names = Self::default();
        let mut item = String::new();
        for part in text.split(',') {
            if kind_of(part).is_some() {
                names.add(&std::mem::take(&mut item))?;
                part.trim_start().clone_into(&mut item);
            } else {
                if !item.is_empty() {
                    item.push(',');
                }
                item.push_str(part);
            }
        }
        names.add(&item)?;
        Ok(names)
    }

    fn add(&mut self, item: &str) -> Result<(), Error> {
        if item.trim().is_empty() {
            return Ok(());
        }
        let Some((kind, value)) = kind_of(item) else {
            let problem = format!(
                "`{}` does not begin with dns:, email:, upn:, uri: or ip:",
                item.escape_debug()
            );
            return Err(Error::text(WHAT, problem));
        };
        if value.is_empty() {
            return Err(Error::text(WHAT, format!("there is nothing after {kind}:")));
        }
        match kind {
            "dns" => self.dns.push(value.to_owned()),
            "email" => self.email.push(value.to_owned()),
            "upn" => self.upn.push(value.to_owned()),
            "uri" => self.uri.push(value.to_owned()),
            _ => self.ip.push(value.parse().map_err(|_| {
                Error::text(WHAT, format!("`{}` is no IP address", value.escape_debug()))
            })?),
        }
        Ok(())
    }

    /// True when there are none of any kind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dns.is_empty()
            && self.email.is_empty()
            && self.upn.is_empty()
            && self.uri.is_empty()
            && self.ip.is_empty()
            && self.other.is_empty()
    }

    /// True when both hold the same names, in any order and however often; DNS names, e-mail addresses and UPNs are
    /// compared without regard to letter case, as far as [`fold`] sets it aside.
    #[must_use]
    pub fn same_names(&self, other: &Self) -> bool {
        fn folded(list: &[String]) -> BTreeSet<String> {
            list.iter().map(|name| fold(name)).collect()
        }
        fn exact<T: Ord>(list: &[T]) -> BTreeSet<&T> {
            list.iter().collect()
        }
        folded(&self.dns) == folded(&other.dns)
            && folded(&self.email) == folded(&other.email)
            && folded(&self.upn) == folded(&other.upn)
            && exact(&self.uri) == exact(&other.uri)
            && exact(&self.ip) == exact(&other.ip)
            && exact(&self.other) == exact(&other.other)
    }
}

impl std::fmt::Display for SubjectAltNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        let mut write = |kind: &str, name: &dyn std::fmt::Display| -> std::fmt::Result {
            write!(f, "{separator}{kind}{name}")?;
            separator = ", ";
            Ok(())
        };
        for (kind, list) in [
            ("dns:", &self.dns),
            ("email:", &self.email),
            ("upn:", &self.upn),
            ("uri:", &self.uri),
        ] {
            for name in list {
                write(kind, name)?;
            }
        }
        for ip in &self.ip {
            write("ip:", ip)?;
        }
        for other in &self.other {
            write("", other)?;
        }
        Ok(())
    }
}

/// A name that no certificate can carry, in words, with its text.
fn unusable(kind: &str, text: Option<&str>) -> String {
    let Some(text) = text else {
        return format!("{kind} that is no text");
    };
    if text.is_empty() {
        return format!("{kind} that is empty");
    }
    let fault = if text.contains(char::is_control) {
        "control characters"
    } else {
        "characters of another script than ASCII"
    };
    let text = text.escape_debug();
    format!("{kind} with {fault}, which have no place in it: {text}")
}

/// Printable ASCII: what an IA5String in a name may hold without deceiving somebody.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|octet| (0x20..0x7f).contains(&octet))
}

fn kind_of(item: &str) -> Option<(&str, &str)> {
    let (kind, value) = item.split_once(':')?;
    let kind = kind.trim();
    matches!(kind, "dns" | "email" | "upn" | "uri" | "ip").then(|| (kind, value.trim()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_kinds_survive_the_round_trip() {
        let text = "dns:a.example, dns:b.example, email:x@y.example, upn:x@\u{e4}.example, uri:http://h/a,b, ip:10.0.0.1, ip:fe80::1";
        let names = SubjectAltNames::parse(text).unwrap();
        assert_eq!(names.to_string(), text);
        assert_eq!(names.uri, ["http://h/a,b"]);
        assert_eq!(
            SubjectAltNames::from_extension_der(&names.to_extension_der().unwrap()).unwrap(),
            names
        );
    }

    #[test]
    fn openssl_reads_what_is_written() {
        let names =
            SubjectAltNames::parse("dns:a.example,email:x@y.example,uri:http://h/,ip:10.0.0.1")
                .unwrap();
        let value =
            openssl::asn1::Asn1OctetString::new_from_bytes(&names.to_extension_der().unwrap())
                .unwrap();
        let san = openssl::asn1::Asn1Object::from_str(oid::SUBJECT_ALT_NAME).unwrap();
        let mut builder = openssl::x509::X509::builder().unwrap();
        builder
            .append_extension(
                openssl::x509::X509Extension::new_from_der(&san, false, &value).unwrap(),
            )
            .unwrap();
        let read = builder.build().subject_alt_names().unwrap();
        assert_eq!(read[0].dnsname(), Some("a.example"));
        assert_eq!(read[1].email(), Some("x@y.example"));
        assert_eq!(read[2].uri(), Some("http://h/"));
        assert_eq!(read[3].ipaddress(), Some(&[10, 0, 0, 1][..]));
    }

    #[test]
    fn what_cannot_be_written_again_is_described() {
        let other = der::implicit(
            0,
            true,
            &[der::oid("1.2.3").unwrap(), der::explicit(0, &der::null())].concat(),
        );
        let directory = der::explicit(4, Name::parse("CN=x").unwrap().der());
        let value = der::seq(&[
            &other,
            &directory,
            &der::implicit(2, false, b"a\0b"),
            &der::implicit(6, false, b""),
            &der::implicit(1, false, "j\u{f6}rg@b".as_bytes()),
            &der::implicit(2, false, b"\xff"),
            &der::implicit(7, false, &[1, 2, 3]),
            &der::implicit(8, false, &[0x2a, 3]),
            &der::implicit(3, true, &[]),
        ]);
        let names = SubjectAltNames::from_extension_der(&value).unwrap();
        assert_eq!(
            names.other,
            [
                "otherName 1.2.3",
                "directoryName CN=x",
                "dNSName with control characters, which have no place in it: a\\0b",
                "uniformResourceIdentifier that is empty",
                "rfc822Name with characters of another script than ASCII, which have no place in it: j\u{f6}rg@b",
                "dNSName that is no text",
                "iPAddress of 3 octets",
                "registeredID 1.2.3",
                "a name of type [3]"
            ]
        );
        assert!(names.dns.is_empty() && !names.is_empty());
        assert!(names.to_extension_der().is_err());
    }

    #[test]
    fn the_same_names_in_another_order_and_case_are_the_same() {
        let names = |text| SubjectAltNames::parse(text).unwrap();
        assert!(names("dns:a,dns:B").same_names(&names("dns:b,dns:A,dns:a")));
        assert!(!names("dns:a,dns:b").same_names(&names("dns:a")));
        assert!(!names("dns:a").same_names(&names("upn:a")));
        assert!(!names("uri:http://H/A").same_names(&names("uri:http://h/a")));
        assert!(names("upn:J\u{d6}RG@b").same_names(&names("upn:j\u{f6}rg@B")));
        assert!(!names("upn:\u{212a}iosk@b").same_names(&names("upn:kiosk@b")));
        assert!(names("").is_empty());
    }

    #[test]
    fn more_names_than_anybody_needs_are_not_read() {
        let value = |count| {
            let names = der::implicit(2, false, b"a").repeat(count);
            der::tlv(tag::SEQUENCE, &names)
        };
        let most = SubjectAltNames::from_extension_der(&value(SubjectAltNames::MOST)).unwrap();
        assert_eq!(most.dns.len(), SubjectAltNames::MOST);
        assert!(SubjectAltNames::from_extension_der(&value(SubjectAltNames::MOST + 1)).is_err());
    }

    #[test]
    fn text_that_is_no_list_is_refused() {
        for bad in ["a.example", "dns:", "ip:1.2.3", "x:y", "dns:,dns:a"] {
            assert!(
                matches!(SubjectAltNames::parse(bad), Err(Error::Text { .. })),
                "{bad}"
            );
        }
        assert!(
            SubjectAltNames::parse("dns:\u{e4}")
                .unwrap()
                .to_extension_der()
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = SubjectAltNames::from_extension_der(&der::seq(&[&octets]));
            let _ = SubjectAltNames::from_extension_der(&octets);
        }

        #[test]
        fn plain_names_survive_the_round_trip(
            dns in proptest::collection::vec("[a-z0-9.*-]{1,20}", 0..4),
            upn in proptest::collection::vec("[a-z@]{1,5}\\PC{1,10}x", 0..4),
            ip in proptest::collection::vec(any::<IpAddr>(), 0..4),
        ) {
            let names = SubjectAltNames { dns, upn, ip, ..Default::default() };
            if !names.is_empty() {
                let value = names.to_extension_der().unwrap();
                prop_assert_eq!(SubjectAltNames::from_extension_der(&value).unwrap(), names);
            }
        }
    }
}
