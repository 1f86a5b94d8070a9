//! A name as a certificate may carry it.

use super::Name;
use super::text::{short_name, string_type};
use crate::der::{self, Reader, Tlv, tag};
use crate::{Error, oid};

const WHAT: &str = "name";

/// The most characters in a value (RFC 5280, appendix A.1, and X.520).
const BOUNDS: [(&str, usize); 9] = [
    (oid::ORGANIZATION, 64),
    (oid::ORGANIZATIONAL_UNIT, 64),
    (oid::SERIAL_NUMBER, 64),
    (oid::TITLE, 64),
    (oid::LOCALITY, 128),
    (oid::STATE, 128),
    (oid::STREET, 128),
    (oid::EMAIL_ADDRESS, 255),
    (oid::USER_ID, 256),
];

impl Name {
    /// The most characters in a common name (RFC 5280, ub-common-name).
    pub const LONGEST_COMMON_NAME: usize = 64;

    /// The same name in the encoding that a certificate has for it: DER, every value a string that is valid for its type.
    /// A name that is so already keeps its octets. What other programs write by habit (`@` or `_` in a PrintableString,
    /// T61String, BMPString) becomes the type that the attribute demands, or UTF8String.
    ///
    /// # Errors
    /// `Attribute`, when a value is no text or empty, longer than its attribute allows (a common name:
    /// `longest_common_name` characters), or a country is no two letters.
    pub fn for_certificate(&self, longest_common_name: usize) -> Result<Self, Error> {
        let mut rdns = Vec::new();
        let mut list = Reader::new(self.der(), WHAT).sequence()?;
        while !list.is_empty() {
            let mut set = list.nested(tag::SET)?;
            let mut rdn = Vec::new();
            while !set.is_empty() {
                let mut attribute = set.sequence()?;
                let dotted = attribute.oid()?;
                let value = value(&dotted, &attribute.element()?, longest_common_name)?;
                rdn.push(der::seq(&[&der::oid_element(&dotted)?, &value]));
            }
            rdns.push(der::set_of(rdn));
        }
        let der = der::seq(&rdns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        if der == self.der() {
            return Ok(self.clone());
        }
        Self::from_der(&der)
    }
}

/// The DER of a value, written anew.
fn value(dotted: &str, sent: &Tlv<'_>, longest_common_name: usize) -> Result<Vec<u8>, Error> {
    let refused = |problem: String| Error::Attribute {
        attribute: short_name(dotted).to_owned(),
        problem,
    };
    let Some(text) = der::text(sent) else {
        return Err(refused("is no text that can be read".to_owned()));
    };
    if text.is_empty() {
        return Err(refused("is empty".to_owned()));
    }
    let bound = if dotted == oid::COMMON_NAME {
        Some(longest_common_name)
    } else {
        let known = BOUNDS.iter().find(|(oid, _)| *oid == dotted);
        known.map(|(_, most)| *most)
    };
    if let Some(most) = bound
        && text.chars().count() > most
    {
        return Err(refused(format!("is longer than {most} characters")));
    }
    let letters = text.bytes().all(|octet| octet.is_ascii_alphabetic());
    if dotted == oid::COUNTRY && !(text.len() == 2 && letters) {
        return Err(refused("is no country code of two letters".to_owned()));
    }
    let tag = [string_type(dotted), Some(sent.tag)]
        .into_iter()
        .flatten()
        .find(|tag| fits(*tag, &text))
        .unwrap_or(tag::UTF8_STRING);
    Ok(der::tlv(tag, text.as_bytes()))
}

/// Whether a text is valid in this string type; only types that a new name may have.
fn fits(tag: u8, text: &str) -> bool {
    match tag {
        tag::PRINTABLE_STRING => der::is_printable(text),
        tag::IA5_STRING => text.is_ascii(),
        tag::NUMERIC_STRING => text
            .bytes()
            .all(|octet| octet.is_ascii_digit() || octet == b' '),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn attribute(dotted: &str, value: &[u8]) -> Vec<u8> {
        der::seq(&[&der::oid(dotted).unwrap(), value])
    }

    fn name(dotted: &str, value: &[u8]) -> Name {
        Name::from_der(&der::seq(&[&der::set_of(vec![attribute(dotted, value)])])).unwrap()
    }

    fn written(name: &Name) -> Result<Name, Error> {
        let written = name.for_certificate(Name::LONGEST_COMMON_NAME);
        if let Ok(written) = &written {
            let again = written.for_certificate(Name::LONGEST_COMMON_NAME).unwrap();
            assert_eq!(again.der(), written.der(), "stays as it is");
            let theirs = openssl::x509::X509Name::from_der(written.der()).unwrap();
            assert_eq!(theirs.to_der().unwrap(), written.der());
        }
        written
    }

    #[test]
    fn an_ordinary_name_keeps_its_octets() {
        for text in [
            "",
            "C=US, O=Big\\, Inc., OU=a+UID=b, CN=dev 1",
            "DC=example, DC=com, CN=x, emailAddress=a@b.example, serialNumber=A1",
            "CN=J\u{f6}rg, CN=again",
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!(written(&name).unwrap().der(), name.der(), "{text}");
        }
        for value in [
            der::printable_string("a"),
            der::utf8_string("a"),
            der::ia5_string("a@b"),
        ] {
            let name = name(oid::COMMON_NAME, &value);
            assert_eq!(written(&name).unwrap().der(), name.der());
        }
    }

    #[test]
    fn habits_become_a_type_that_holds_them() {
        let bmp: Vec<u8> = "\u{e4}b"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let cn = oid::COMMON_NAME;
        for (dotted, sent, expected) in [
            (
                cn,
                der::printable_string("a@b*_"),
                der::utf8_string("a@b*_"),
            ),
            (
                cn,
                der::tlv(tag::BMP_STRING, &bmp),
                der::utf8_string("\u{e4}b"),
            ),
            (
                cn,
                der::tlv(tag::T61_STRING, b"\xe4b"),
                der::utf8_string("\u{e4}b"),
            ),
            (cn, der::ia5_string("\u{e4}b"), der::utf8_string("\u{e4}b")),
            (
                cn,
                der::tlv(tag::VISIBLE_STRING, b"x"),
                der::utf8_string("x"),
            ),
            (
                oid::COUNTRY,
                der::utf8_string("DE"),
                der::printable_string("DE"),
            ),
            (
                oid::EMAIL_ADDRESS,
                der::printable_string("a@b"),
                der::ia5_string("a@b"),
            ),
            (
                oid::SERIAL_NUMBER,
                der::utf8_string("a_b"),
                der::utf8_string("a_b"),
            ),
        ] {
            assert_eq!(
                written(&name(dotted, &sent)).unwrap(),
                name(dotted, &expected)
            );
        }
    }

    #[test]
    fn careless_encodings_become_der() {
        let plain = Name::parse("CN=ab").unwrap();
        let long = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).unwrap();
            [&[tag, 0x81, length], content].concat()
        };
        let inner = [der::oid(oid::COMMON_NAME).unwrap(), der::utf8_string("ab")].concat();
        let careless = long(tag::SEQUENCE, &long(tag::SET, &long(tag::SEQUENCE, &inner)));
        assert_eq!(written(&Name::from_der(&careless).unwrap()).unwrap(), plain);

        let (unit, common) = (
            attribute(oid::ORGANIZATIONAL_UNIT, &der::utf8_string("ou")),
            attribute(oid::COMMON_NAME, &der::utf8_string("cn")),
        );
        let unsorted = der::seq(&[&der::set_in_order(&[&unit, &common])]);
        let sorted = der::seq(&[&der::set_of(vec![unit, common])]);
        assert_ne!(unsorted, sorted);
        let unsorted = Name::from_der(&unsorted).unwrap();
        assert_eq!(written(&unsorted).unwrap().der(), sorted);
    }

    #[test]
    fn what_no_certificate_may_carry_is_refused_by_name() {
        let long = |count| der::utf8_string(&"\u{e4}".repeat(count));
        let nested = der::tlv(tag::UTF8_STRING | 0x20, &der::utf8_string("ab"));
        for (dotted, value, words) in [
            (oid::COMMON_NAME, der::octet_string(b"abc"), "CN is no text"),
            (oid::COMMON_NAME, der::seq(&[&der::null()]), "CN is no text"),
            (oid::COMMON_NAME, nested, "CN is no text"),
            (
                oid::COMMON_NAME,
                der::tlv(tag::UTF8_STRING, b"\xff\xfe"),
                "CN is no text",
            ),
            (
                oid::COMMON_NAME,
                der::tlv(tag::BMP_STRING, b"\xd8\0"),
                "CN is no text",
            ),
            (oid::COMMON_NAME, der::utf8_string(""), "CN is empty"),
            (oid::COMMON_NAME, long(65), "CN is longer than 64"),
            (oid::ORGANIZATION, long(65), "O is longer than 64"),
            (oid::LOCALITY, long(129), "L is longer than 128"),
            (
                oid::COUNTRY,
                der::printable_string("USA"),
                "C is no country",
            ),
            (oid::COUNTRY, der::printable_string("U1"), "C is no country"),
        ] {
            let refused = written(&name(dotted, &value)).unwrap_err();
            assert!(matches!(refused, Error::Attribute { .. }), "{refused}");
            assert!(refused.to_string().contains(words), "{words}: {refused}");
        }
        assert!(written(&name(oid::COMMON_NAME, &long(64))).is_ok());
        let longer = name(oid::COMMON_NAME, &long(65));
        assert!(longer.for_certificate(65).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_the_same_name_in_der(
            tag in prop::sample::select(vec![0x0c_u8, 0x12, 0x13, 0x14, 0x16, 0x1a, 0x1c, 0x1e, 0x04]),
            octets in proptest::collection::vec(any::<u8>(), 0..24),
            dotted in prop::sample::select(vec![oid::COMMON_NAME, oid::COUNTRY, oid::EMAIL_ADDRESS, "1.2.3"]),
        ) {
            let sent = name(dotted, &der::tlv(tag, &octets));
            if let Ok(written) = written(&sent) {
                prop_assert_eq!(written.attributes(), sent.attributes());
                prop_assert!(written.matches(&sent));
            }
        }
    }
}
