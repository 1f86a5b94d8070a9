//! Names as operators write them.

use super::text::{SHORT_NAMES, string_type};
use crate::der::{self, tag};
use crate::{Error, oid};

const WHAT: &str = "name";

/// The DER of the name that `text` writes.
pub(super) fn to_der(text: &str) -> Result<Vec<u8>, Error> {
    let mut rdns: Vec<Vec<u8>> = Vec::new();
    let mut rdn: Vec<Vec<u8>> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| {
            Error::text(
                WHAT,
                format!("`{}` is not of the form CN=value", rest.escape_debug()),
            )
        })?;
        let (value, separator, after) = value(after)?;
        rdn.push(attribute(name.trim(), &value)?);
        if separator != Some('+') {
            rdns.push(der::set_of(std::mem::take(&mut rdn)));
        }
        rest = after.trim_start();
        if separator.is_some() && rest.is_empty() {
            return Err(Error::text(WHAT, "it ends with a separator"));
        }
    }
    Ok(der::seq(
        &rdns.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    ))
}

/// A value up to the separator that ends it; the separator; what follows.
fn value(text: &str) -> Result<(String, Option<char>, &str), Error> {
    let mut octets = Vec::new();
    // Spaces at the end count only when they are escaped.
    let mut kept = 0;
    let mut characters = text.trim_start_matches(' ').char_indices();
    let mut separator = None;
    while let Some((_, character)) = characters.next() {
        match character {
            ',' | '+' => {
                separator = Some(character);
                break;
            }
            '\\' => {
                push_escaped(&mut octets, &mut characters)?;
                kept = octets.len();
            }
            other => {
                octets.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                if other != ' ' {
                    kept = octets.len();
                }
            }
        }
    }
    octets.truncate(kept);
    let value = String::from_utf8(octets)
        .map_err(|_| Error::text(WHAT, "an escaped value is not UTF-8"))?;
    Ok((value, separator, characters.as_str()))
}

/// What a backslash stands before: two hexadecimal digits, or a character that stands for itself.
fn push_escaped(
    octets: &mut Vec<u8>,
    characters: &mut std::str::CharIndices<'_>,
) -> Result<(), Error> {
    let (_, first) = characters
        .next()
        .ok_or_else(|| Error::text(WHAT, "it ends with a backslash"))?;
    let Some(high) = first.to_digit(16) else {
        octets.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok(());
    };
    let low = characters
        .next()
        .and_then(|(_, second)| second.to_digit(16));
    let low = low.ok_or_else(|| {
        Error::text(
            WHAT,
            "a backslash before a hexadecimal digit takes two of them",
        )
    })?;
    octets.push(u8::try_from(high * 16 + low).unwrap_or_default());
    Ok(())
}

fn attribute(name: &str, value: &str) -> Result<Vec<u8>, Error> {
    let known = SHORT_NAMES
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(name))
        .map(|(_, oid)| *oid);
    let dotted = known.or_else(|| name.contains('.').then_some(name));
    let dotted = dotted.ok_or_else(|| {
        Error::text(
            WHAT,
            format!(
                "`{}` is not a known attribute such as CN or O",
                name.escape_debug()
            ),
        )
    })?;
    if value.is_empty() {
        return Err(Error::text(WHAT, format!("{name} has no value")));
    }
    Ok(der::seq(&[
        &der::oid(dotted)?,
        &string(dotted, name, value)?,
    ]))
}

/// The value as the string type that its attribute demands, UTF8String where there is a choice.
fn string(dotted: &str, name: &str, value: &str) -> Result<Vec<u8>, Error> {
    let bad = |problem: &str| Err(Error::text(WHAT, format!("{name} {problem}")));
    if dotted == oid::COUNTRY
        && (value.len() != 2 || !value.bytes().all(|octet| octet.is_ascii_alphabetic()))
    {
        return bad("must be a country code of two letters");
    }
    match string_type(dotted) {
        Some(tag::PRINTABLE_STRING) if !der::is_printable(value) => {
            bad("may only hold letters, digits, spaces and '()+,-./:=?")
        }
        Some(tag::IA5_STRING) if !value.is_ascii() => bad("may only hold ASCII"),
        demanded => Ok(der::tlv(
            demanded.unwrap_or(tag::UTF8_STRING),
            value.as_bytes(),
        )),
    }
}
