//! Distinguished names: read, written, compared, and as text.

use crate::der::{self, Element, IA5_STRING, PRINTABLE_STRING, SEQUENCE, SET, UTF8_STRING};

/// One attribute of a relative distinguished name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) oid: String,
    /// The identifier octet of its string type.
    pub(crate) tag: u8,
    pub(crate) content: Vec<u8>,
}

/// A Name (RFC 5280, section 4.1.2.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) Vec<Vec<Attribute>>);

/// Attribute types and their short names.
const TYPES: [(&str, &str); 16] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("T", "2.5.4.12"),
    ("POSTALCODE", "2.5.4.17"),
    ("SURNAME", "2.5.4.4"),
    ("GIVENNAME", "2.5.4.42"),
    ("DNQUALIFIER", "2.5.4.46"),
    ("E", "1.2.840.113549.1.9.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
];

/// The short name of an attribute type, or the type itself.
pub(crate) fn short(oid: &str) -> String {
    let known = TYPES.iter().find(|(_, known)| *known == oid);
    known.map_or(oid, |(name, _)| name).to_owned()
}

/// The attribute type that a short name or a dotted type means.
pub(crate) fn long(name: &str) -> Option<String> {
    let upper = name.trim().to_ascii_uppercase();
    let upper = match upper.as_str() {
        "SERIALNUMBER" => "SN",
        "EMAILADDRESS" | "EMAIL" => "E",
        "S" => "ST",
        other => other,
    };
    if upper.starts_with(|first: char| first.is_ascii_digit()) {
        return Some(upper.to_owned());
    }
    let known = TYPES.iter().find(|(known, _)| *known == upper);
    known.map(|(_, oid)| (*oid).to_owned())
}

impl Attribute {
    /// An attribute in the string type that its kind has: Country and serialNumber printable, DC and e-mail IA5, else UTF-8.
    pub(crate) fn new(oid: &str, value: &str) -> Self {
        let tag = match oid {
            "2.5.4.6" | "2.5.4.5" | "2.5.4.46" => PRINTABLE_STRING,
            "0.9.2342.19200300.100.1.25" | "1.2.840.113549.1.9.1" => IA5_STRING,
            _ => UTF8_STRING,
        };
        Self {
            oid: oid.to_owned(),
            tag,
            content: value.as_bytes().to_vec(),
        }
    }

    pub(crate) fn value(&self) -> String {
        let element = Element {
            tag: self.tag,
            content: &self.content,
            whole: &[],
        };
        element.text()
    }
}

impl Name {
    /// One attribute in each part: `[("CN", "laptop-1")]`. Names of types that are none are left out.
    pub(crate) fn of(parts: &[(&str, &str)]) -> Self {
        let parts = parts.iter().filter_map(|(kind, value)| {
            let oid = long(kind)?;
            Some(vec![Attribute::new(&oid, value)])
        });
        Self(parts.collect())
    }

    pub(crate) fn read(element: &Element<'_>) -> Option<Self> {
        let mut name = Vec::new();
        for part in (element.tag == SEQUENCE).then(|| element.children())?? {
            let mut attributes = Vec::new();
            for pair in (part.tag == SET).then(|| part.children())?? {
                let pair = pair.children()?;
                let [kind, value] = pair.as_slice() else {
                    return None;
                };
                attributes.push(Attribute {
                    oid: kind.identifier()?,
                    tag: value.tag,
                    content: value.content.to_vec(),
                });
            }
            name.push(attributes);
        }
        Some(Self(name))
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let parts: Vec<Vec<u8>> = self
            .0
            .iter()
            .map(|part| {
                let pairs: Vec<Vec<u8>> = part
                    .iter()
                    .map(|attribute| {
                        let value = der::element(attribute.tag, &attribute.content);
                        der::sequence(&[&der::oid(&attribute.oid), &value])
                    })
                    .collect();
                let pairs: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
                der::set(&pairs)
            })
            .collect();
        der::element(SEQUENCE, &parts.concat())
    }

    /// All attributes in their order.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().flatten()
    }

    /// `CN=laptop-1,O=Example`, in the order of the encoding, with commas and backslashes escaped.
    pub(crate) fn text(&self) -> String {
        let parts: Vec<String> = self
            .attributes()
            .map(|attribute| {
                let value = attribute.value().replace('\\', "\\\\").replace(',', "\\,");
                format!("{}={value}", short(&attribute.oid))
            })
            .collect();
        parts.join(",")
    }

    /// A name as text (`CN=a, O=b\, c`) with one attribute in each part.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = vec![String::new()];
        let mut escaped = false;
        for character in text.chars() {
            let last = parts.last_mut()?;
            match character {
                _ if escaped => {
                    last.push(character);
                    escaped = false;
                }
                '\\' => escaped = true,
                ',' => parts.push(String::new()),
                _ => last.push(character),
            }
        }
        let parts = parts.iter().map(|part| {
            let (kind, value) = part.split_once('=')?;
            Some(vec![Attribute::new(&long(kind)?, value.trim())])
        });
        Some(Self(parts.collect::<Option<_>>()?))
    }

    /// The same attributes, whatever their order and string types.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let sorted = |name: &Self| {
            let pairs = name.attributes();
            let mut pairs: Vec<_> = pairs.map(|pair| (pair.oid.clone(), pair.value())).collect();
            pairs.sort();
            pairs
        };
        sorted(self) == sorted(other)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;
    use crate::der::{Element, SEQUENCE};

    #[test]
    fn names_survive_der_and_text() {
        let name = Name::of(&[("CN", "a, b\\c"), ("O", "Example"), ("C", "DE")]);
        let octets = name.der();
        let read = Name::read(&Element::only(&octets, SEQUENCE).unwrap()).unwrap();
        assert_eq!(read, name);
        assert_eq!(name.text(), "CN=a\\, b\\\\c,O=Example,C=DE");
        assert_eq!(Name::parse(&name.text()).unwrap(), name);
        let turned = Name::parse("C=DE, O=Example, CN=a\\, b\\\\c").unwrap();
        assert!(turned.same(&name) && turned != name);
        assert!(Name::parse("no name").is_none());
    }
}
