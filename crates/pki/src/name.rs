//! Distinguished names.

mod certified;
mod parse;
mod text;

use std::sync::Arc;

use crate::Error;
use crate::der::{Reader, Tlv, tag};

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAttribute {
    /// Its type, as a dotted identifier.
    pub oid: String,
    /// Its text; of a value that is no text, `#` and the hex of its DER.
    pub value: String,
    /// Whether the value is text. One that is not is the same as none but itself.
    pub is_text: bool,
}

/// A distinguished name (RFC 5280, 4.1.2.4), with the DER that it came in. Written as `C=US, O=x, CN=y`, in the order of
/// the encoding. Two are equal when their octets are; see [`matches`](Self::matches).
#[derive(Clone)]
pub struct Name(Arc<Parts>);

struct Parts {
    der: Vec<u8>,
    attributes: Vec<NameAttribute>,
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
                attributes.push(text::attribute(attribute.oid()?, &attribute.element()?));
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
        Ok(Self(Arc::new(Parts {
            der: der.to_vec(),
            attributes,
            groups,
        })))
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
        &self.0.der
    }

    /// The last commonName.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.0
            .attributes
            .iter()
            .rev()
            .find(|attribute| attribute.oid == crate::oid::COMMON_NAME)
            .map(|attribute| attribute.value.as_str())
    }

    /// Every attribute, in the order of the encoding.
    #[must_use]
    pub fn attributes(&self) -> &[NameAttribute] {
        &self.0.attributes
    }

    /// Whether the attribute with this dotted identifier has a name here, such as CN, O or UID.
    #[must_use]
    pub fn knows(dotted: &str) -> bool {
        text::SHORT_NAMES.iter().any(|(_, oid)| *oid == dotted)
    }

    /// The usual short name of the attribute with this dotted identifier, such as CN; the identifier itself where there is
    /// none.
    #[must_use]
    pub fn short_name(dotted: &str) -> &str {
        text::short_name(dotted)
    }

    /// Whether each RelativeDistinguishedName has one attribute: none of them joined by `+`.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.0.groups.is_empty()
    }

    /// True for the name without attributes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.attributes.is_empty()
    }

    /// True when both are the same name: the same octets, or the same sequence of RelativeDistinguishedNames, each of them
    /// a set, after string types, letter case and runs of spaces are set aside (RFC 5280, 7.1, in essence).
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.der == other.0.der || self.is_sequence(other, false)
    }

    /// True when the other name is this one with its RelativeDistinguishedNames in reverse order, and otherwise as
    /// [`matches`](Self::matches) has it: programs that write names as RFC 4514 does, and read them back as they stand,
    /// turn them round. A name that reads the same both ways is no other name.
    #[must_use]
    pub fn matches_reversed(&self, other: &Self) -> bool {
        !self.matches(other) && self.is_sequence(other, true)
    }

    /// What names that [match](Self::matches) have in common and no others have: to look a name up among many.
    #[must_use]
    pub fn match_key(&self) -> String {
        key_of_sequence(self.rdns().into_iter())
    }

    /// The [`match_key`](Self::match_key) of this name with its RelativeDistinguishedNames in reverse order.
    #[must_use]
    pub fn reversed_match_key(&self) -> String {
        key_of_sequence(self.rdns().into_iter().rev())
    }

    /// The attributes of each RelativeDistinguishedName.
    /// Whether the other name has the same parts in this order, or in the reverse one.
    fn is_sequence(&self, other: &Self, reversed: bool) -> bool {
        if self.0.attributes.len() != other.0.attributes.len() {
            return false;
        }
        let (one, mut two) = (self.rdns(), other.rdns());
        if reversed {
            two.reverse();
        }
        same_sequence(one, two)
    }

    fn rdns(&self) -> Vec<&[NameAttribute]> {
        if self.0.groups.is_empty() {
            return self.0.attributes.chunks(1).collect();
        }
        let mut rest = self.0.attributes.as_slice();
        let mut rdns = Vec::with_capacity(self.0.groups.len());
        for size in &self.0.groups {
            let (rdn, behind) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
            rdns.push(rdn);
            rest = behind;
        }
        rdns
    }
}

fn key_of_sequence<'a>(rdns: impl Iterator<Item = &'a [NameAttribute]>) -> String {
    let mut key = String::new();
    for rdn in rdns {
        let mut attributes: Vec<_> = rdn.iter().map(text::key).collect();
        attributes.sort_unstable();
        // With their lengths, so that no value can pass for two.
        key.push_str(&format!("{}:", attributes.len()));
        for (oid, is_text, value) in attributes {
            key.push_str(&format!("{oid}/{is_text}/{}={value};", value.len()));
        }
    }
    key
}

fn same_sequence(one: Vec<&[NameAttribute]>, other: Vec<&[NameAttribute]>) -> bool {
    one.len() == other.len()
        && one
            .into_iter()
            .zip(other)
            .all(|(one, other)| same_set(one, other))
}

/// Whether two RelativeDistinguishedNames hold the same attributes, in any order.
fn same_set(one: &[NameAttribute], other: &[NameAttribute]) -> bool {
    fn sorted(set: &[NameAttribute]) -> Vec<(&str, bool, String)> {
        let mut keys: Vec<_> = set.iter().map(text::key).collect();
        keys.sort_unstable();
        keys
    }
    match (one, other) {
        ([one], [other]) => text::same(one, other),
        _ => one.len() == other.len() && sorted(one) == sorted(other),
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Name {}

impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.der.hash(state);
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut groups = self.0.groups.iter().copied().chain(std::iter::repeat(1));
        let mut left = 0;
        for (index, attribute) in self.0.attributes.iter().enumerate() {
            let starts_group = left == 0;
            if starts_group {
                left = groups.next().unwrap_or(1);
            }
            left -= 1;
            if index > 0 {
                f.write_str(if starts_group { ", " } else { "+" })?;
            }
            f.write_str(text::short_name(&attribute.oid))?;
            f.write_str("=")?;
            text::write_escaped(f, attribute)?;
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
