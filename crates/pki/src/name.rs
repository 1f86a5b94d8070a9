//! Distinguished names.

mod certified;
mod parse;
mod text;

use crate::Error;
use crate::der::{Reader, Tlv, tag};

/// A distinguished name (RFC 5280, 4.1.2.4), with the DER that it came in. Written as `C=US, O=x, CN=y`, in the order of
/// the encoding. Two are equal when their octets are; see [`matches`](Self::matches).
#[derive(Clone)]
pub struct Name {
    der: Vec<u8>,
    attributes: Vec<(String, String)>,
    /// Number of attributes in each RelativeDistinguishedName; empty when each has one, as nearly always.
    groups: Vec<usize>,
}

impl Name {
    /// Reads the DER of a Name.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der, "name");
        let mut rdns = reader.sequence()?;
        reader.finish()?;
        let mut attributes = Vec::new();
        let mut groups = Vec::new();
        while !rdns.is_empty() {
            let mut rdn = rdns.nested(tag::SET)?;
            let before = attributes.len();
            while !rdn.is_empty() {
                let mut attribute = rdn.sequence()?;
                attributes.push((attribute.oid()?, text::of(&attribute.element()?)));
                attribute.finish()?;
            }
            match attributes.len() - before {
                0 => return Err(rdns.error("a RelativeDistinguishedName is empty")),
                size => groups.push(size),
            }
        }
        if groups.iter().all(|size| *size == 1) {
            groups = Vec::new();
        }
        Ok(Self {
            der: der.to_vec(),
            attributes,
            groups,
        })
    }

    /// Reads the next element of a structure as a Name.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let element: Tlv<'_> = reader.expect(tag::SEQUENCE)?;
        Self::from_der(element.raw)
    }

    /// Reads `C=US, O=x, CN=y`: attributes by short name or dotted identifier, in the order of the encoding, `\` before
    /// a comma, plus sign or backslash that belongs to a value, `+` between the attributes of one
    /// RelativeDistinguishedName. Empty text is the empty name.
    ///
    /// # Errors
    /// `Text`, with what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::from_der(&parse::to_der(text)?)
    }

    /// The DER, as it came.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The last commonName.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.attributes
            .iter()
            .rev()
            .find(|(oid, _)| oid == crate::oid::COMMON_NAME)
            .map(|(_, value)| value.as_str())
    }

    /// Every attribute as (dotted identifier, text), in the order of the encoding. A value that is no text is `#` and the
    /// hex of its DER.
    #[must_use]
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// Whether the attribute with this dotted identifier has a name here, such as CN, O or UID.
    #[must_use]
    pub fn knows(dotted: &str) -> bool {
        text::SHORT_NAMES.iter().any(|(_, oid)| *oid == dotted)
    }

    /// True for the name without attributes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// True when both are the same name: the same octets, or the same attributes in the same order after string types,
    /// letter case and runs of spaces are set aside (RFC 5280, 7.1, in essence).
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.der == other.der
            || (self.groups == other.groups
                && self.attributes.len() == other.attributes.len()
                && self.attributes.iter().zip(&other.attributes).all(
                    |((oid, value), (other_oid, other_value))| {
                        // What begins with # may be octets in hex: those are not text to be folded.
                        oid == other_oid
                            && !value.starts_with('#')
                            && text::same(value, other_value)
                    },
                ))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.der.hash(state);
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut groups = self.groups.iter().copied().chain(std::iter::repeat(1));
        let mut left = 0;
        for (index, (oid, value)) in self.attributes.iter().enumerate() {
            let starts_group = left == 0;
            if starts_group {
                left = groups.next().unwrap_or(1);
            }
            left -= 1;
            if index > 0 {
                f.write_str(if starts_group { ", " } else { "+" })?;
            }
            f.write_str(text::short_name(oid))?;
            f.write_str("=")?;
            text::write_escaped(f, value)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests;
