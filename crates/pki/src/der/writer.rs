//! Writers: each gives the octets of one element.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::tag;
use crate::Error;

/// An element with this identifier octet and content.
#[must_use]
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    concat(tag, &[content])
}

/// A SEQUENCE of elements.
#[must_use]
pub fn seq(elements: &[&[u8]]) -> Vec<u8> {
    concat(tag::SEQUENCE, elements)
}

/// A SET OF elements in the order that DER demands (X.690, 11.6).
#[must_use]
pub fn set_of(mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort_unstable();
    concat(tag::SET, &elements)
}

/// A SET OF elements in the order given, where readers go by it.
#[must_use]
pub fn set_in_order(elements: &[&[u8]]) -> Vec<u8> {
    concat(tag::SET, elements)
}

/// `[number] EXPLICIT` around an element.
#[must_use]
pub fn explicit(number: u8, element: &[u8]) -> Vec<u8> {
    tlv(tag::context_constructed(number), element)
}

/// `[number] IMPLICIT` with this content; `constructed` when it stands for a SEQUENCE or SET.
#[must_use]
pub fn implicit(number: u8, constructed: bool, content: &[u8]) -> Vec<u8> {
    tlv(
        if constructed {
            tag::context_constructed(number)
        } else {
            tag::context(number)
        },
        content,
    )
}

/// An OCTET STRING.
#[must_use]
pub fn octet_string(octets: &[u8]) -> Vec<u8> {
    tlv(tag::OCTET_STRING, octets)
}

/// A BIT STRING whose last octet has `unused` unused bits (0 to 7).
#[must_use]
pub fn bit_string(unused: u8, octets: &[u8]) -> Vec<u8> {
    concat(tag::BIT_STRING, &[&[unused], octets])
}

/// An INTEGER with these content octets, two's complement, as they are.
#[must_use]
pub fn integer(content: &[u8]) -> Vec<u8> {
    tlv(tag::INTEGER, content)
}

/// An INTEGER that is not negative, given big-endian; leading zero octets make no difference.
#[must_use]
pub fn unsigned(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    match number.get(zeros..).unwrap_or_default() {
        digits @ [first, ..] if first & 0x80 == 0 => integer(digits),
        digits => concat(tag::INTEGER, &[&[0], digits]),
    }
}

/// An INTEGER that is not negative.
#[must_use]
pub fn integer_u64(value: u64) -> Vec<u8> {
    let mut octets = [0; 9];
    octets[1..].copy_from_slice(&value.to_be_bytes());
    // One leading octet less for as long as the sign stays the same.
    let zeros = octets
        .windows(2)
        .take_while(|pair| matches!(pair, [0, second] if second & 0x80 == 0))
        .count();
    tlv(tag::INTEGER, octets.get(zeros..).unwrap_or(&octets))
}

/// A BOOLEAN.
#[must_use]
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(tag::BOOLEAN, &[if value { 0xff } else { 0 }])
}

/// A NULL.
#[must_use]
pub fn null() -> Vec<u8> {
    tlv(tag::NULL, &[])
}

/// An OBJECT IDENTIFIER given in dotted form.
///
/// # Errors
/// `Text` when it is not one.
pub fn oid(dotted: &str) -> Result<Vec<u8>, Error> {
    Ok(oid_element(dotted)?.into_owned())
}

/// As [`oid`], without making anew what is known.
///
/// # Errors
/// As [`oid`].
pub(crate) fn oid_element(dotted: &str) -> Result<Cow<'static, [u8]>, Error> {
    match crate::oid::known_element(dotted) {
        Some(element) => Ok(Cow::Borrowed(element)),
        None => Ok(Cow::Owned(tlv(tag::OID, &crate::oid::from_dotted(dotted)?))),
    }
}

/// A UTF8String.
#[must_use]
pub fn utf8_string(text: &str) -> Vec<u8> {
    tlv(tag::UTF8_STRING, text.as_bytes())
}

/// A PrintableString. The caller has seen to it that the text [fits](is_printable).
#[must_use]
pub fn printable_string(text: &str) -> Vec<u8> {
    tlv(tag::PRINTABLE_STRING, text.as_bytes())
}

/// True when every character is one of PrintableString: letters, digits, space and `'()+,-./:=?`.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    text.bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet))
}

/// An IA5String. The caller has seen to it that the text is ASCII.
#[must_use]
pub fn ia5_string(text: &str) -> Vec<u8> {
    tlv(tag::IA5_STRING, text.as_bytes())
}

/// A UTCTime, to the second; right for the years 1950 to 2049.
#[must_use]
pub fn utc_time(instant: DateTime<Utc>) -> Vec<u8> {
    let text = format!(
        "{:02}{}",
        instant.year().rem_euclid(100),
        month_to_second(instant)
    );
    tlv(tag::UTC_TIME, text.as_bytes())
}

/// A GeneralizedTime, to the second; right for the years 0 to 9999.
#[must_use]
pub fn generalized_time(instant: DateTime<Utc>) -> Vec<u8> {
    let text = format!("{:04}{}", instant.year(), month_to_second(instant));
    tlv(tag::GENERALIZED_TIME, text.as_bytes())
}

/// The Time of RFC 5280 (4.1.2.5): UTCTime through 2049, then GeneralizedTime.
#[must_use]
pub fn time(instant: DateTime<Utc>) -> Vec<u8> {
    if (1950..2050).contains(&instant.year()) {
        utc_time(instant)
    } else {
        generalized_time(instant)
    }
}

fn month_to_second(instant: DateTime<Utc>) -> String {
    format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        instant.month(),
        instant.day(),
        instant.hour(),
        instant.minute(),
        instant.second()
    )
}

fn concat<T: AsRef<[u8]>>(tag: u8, parts: &[T]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut element = Vec::with_capacity(length + 6);
    push_header(&mut element, tag, length);
    for part in parts {
        element.extend_from_slice(part.as_ref());
    }
    element
}

/// Puts an element behind others.
pub(crate) fn push_tlv(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    push_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// How many octets an element with such a content has.
pub(crate) const fn tlv_octets(content: usize) -> usize {
    1 + length_octets(content) + content
}

/// Identifier and length octets.
pub(crate) fn push_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    push_length(out, length);
}

/// Length octets in their shortest form.
pub(crate) fn push_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            let digits = octets.get(zeros..).unwrap_or(&octets);
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0x7f));
            out.extend_from_slice(digits);
        }
    }
}

/// How many octets [`push_length`] writes.
pub(crate) const fn length_octets(length: usize) -> usize {
    if length < 0x80 {
        1
    } else {
        1 + (usize::BITS - length.leading_zeros()).div_ceil(8) as usize
    }
}
