//! Attribute values as text, and the short names of attributes.

use super::NameAttribute;
use crate::der::{self, Tlv, tag};
use crate::{fold_char, oid};

/// Short names (RFC 4514, 3, and what tools write), the usual one first for each attribute.
pub(super) const SHORT_NAMES: [(&str, &str); 32] = [
    ("CN", oid::COMMON_NAME),
    ("C", oid::COUNTRY),
    ("O", oid::ORGANIZATION),
    ("OU", oid::ORGANIZATIONAL_UNIT),
    ("L", oid::LOCALITY),
    ("ST", oid::STATE),
    ("S", oid::STATE),
    ("street", oid::STREET),
    ("SN", oid::SURNAME),
    ("surname", oid::SURNAME),
    ("GN", oid::GIVEN_NAME),
    ("givenName", oid::GIVEN_NAME),
    ("serialNumber", oid::SERIAL_NUMBER),
    ("title", oid::TITLE),
    ("T", oid::TITLE),
    ("dnQualifier", oid::DN_QUALIFIER),
    ("DC", oid::DOMAIN_COMPONENT),
    ("UID", oid::USER_ID),
    ("emailAddress", oid::EMAIL_ADDRESS),
    ("E", oid::EMAIL_ADDRESS),
    ("email", oid::EMAIL_ADDRESS),
    ("unstructuredName", oid::UNSTRUCTURED_NAME),
    ("unstructuredAddress", oid::UNSTRUCTURED_ADDRESS),
    ("commonName", oid::COMMON_NAME),
    ("description", oid::DESCRIPTION),
    ("businessCategory", oid::BUSINESS_CATEGORY),
    ("postalCode", oid::POSTAL_CODE),
    ("name", oid::NAME),
    ("initials", oid::INITIALS),
    ("generationQualifier", oid::GENERATION_QUALIFIER),
    ("pseudonym", oid::PSEUDONYM),
    ("organizationIdentifier", oid::ORGANIZATION_IDENTIFIER),
];

/// The short name of an attribute, or its dotted identifier.
pub(super) fn short_name(dotted: &str) -> &str {
    SHORT_NAMES
        .iter()
        .find(|(_, oid)| *oid == dotted)
        .map_or(dotted, |(name, _)| *name)
}

/// The string type that an attribute's values must have (RFC 5280, A.1), where there is no choice.
pub(super) fn string_type(dotted: &str) -> Option<u8> {
    match dotted {
        oid::COUNTRY | oid::SERIAL_NUMBER | oid::DN_QUALIFIER => Some(tag::PRINTABLE_STRING),
        oid::DOMAIN_COMPONENT | oid::EMAIL_ADDRESS => Some(tag::IA5_STRING),
        _ => None,
    }
}

/// An attribute with its value as text, or as `#` and the hex of its DER.
pub(super) fn attribute(oid: String, value: &Tlv<'_>) -> NameAttribute {
    let text = der::text(value);
    NameAttribute {
        oid,
        is_text: text.is_some(),
        value: text.unwrap_or_else(|| format!("#{}", hex::encode(value.raw))),
    }
}

/// True when two attributes are the same after letter case, and spaces at the ends and repeated, are set aside in text.
pub(super) fn same(one: &NameAttribute, other: &NameAttribute) -> bool {
    one.oid == other.oid
        && one.is_text == other.is_text
        && (one.value == other.value
            || (one.is_text && folded(&one.value).eq(folded(&other.value))))
}

/// What two attributes have in common exactly when they are the [`same`].
pub(super) fn key(attribute: &NameAttribute) -> (&str, bool, String) {
    let value = match attribute.is_text {
        true => folded(&attribute.value).collect(),
        false => attribute.value.clone(),
    };
    (&attribute.oid, attribute.is_text, value)
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    let words = text.split_whitespace().enumerate();
    words.flat_map(|(index, word)| {
        (index > 0)
            .then_some(' ')
            .into_iter()
            .chain(word.chars().map(fold_char))
    })
}

/// Writes a value so that it is read back as it was, and no control character reaches a terminal or log. Only a value
/// that is no text begins with a bare `#` (RFC 4514, 2.4).
pub(super) fn write_escaped(
    f: &mut std::fmt::Formatter<'_>,
    attribute: &NameAttribute,
) -> std::fmt::Result {
    let value = &attribute.value;
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            ',' | '+' | '\\' => write!(f, "\\{character}")?,
            '#' if index == 0 && attribute.is_text => f.write_str("\\#")?,
            ' ' if index == 0 || index == last => f.write_str("\\ ")?,
            control if control.is_control() => {
                let mut octets = [0; 4];
                for octet in control.encode_utf8(&mut octets).bytes() {
                    write!(f, "\\{octet:02X}")?;
                }
            }
            other => write!(f, "{other}")?,
        }
    }
    Ok(())
}
