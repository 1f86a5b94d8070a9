//! The query of a request, and the PKIMessage in its `message` (RFC 8894, section 4.1).
//!
//! Clients differ in everything that the URL allows: either base64 alphabet, `+` and `/` raw or escaped, a `+` that some
//! hop turned into a space, line feeds every 64 characters, padding present, escaped or missing, parameters in any order.
//! All of it reads as the same octets here.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

use crate::Error;

/// Decodes without padding and forgives bits left over in the last character.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The two parameters of a SCEP query that matter; values are as they stand in the URL, still escaped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// `operation`, the first one when there are several.
    pub operation: Option<&'a str>,
    /// `message`, the first one when there are several.
    pub message: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// Splits a raw query string (without the `?`). Never fails; unknown parameters are skipped.
    pub fn parse(raw: &'a str) -> Query<'a> {
        let mut query = Query::default();
        for pair in raw.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "operation" => query.operation = query.operation.or(Some(value)),
                "message" => query.message = query.message.or(Some(value)),
                _ => {}
            }
        }
        query
    }
}

/// The octets of a `message` value as it stands in the URL.
///
/// # Errors
/// [`Error::GetMessage`] when what remains after unescaping is empty or is not base64.
pub fn decode_message(raw: &str) -> Result<Vec<u8>, Error> {
    let mut text: Vec<u8> = percent_decode(raw.as_bytes()).collect();
    // No base64 alphabet has a percent sign: a proxy escaped the value a second time.
    if text.contains(&b'%') {
        text = percent_decode(&text).collect();
    }
    let mut symbols = Vec::with_capacity(text.len());
    let mut padded = false;
    for octet in text {
        match octet {
            b'\n' | b'\r' | b'\t' => {}
            b'=' => padded = true,
            // After the padding a blank is just a blank.
            b' ' if padded => {}
            _ if padded => return Err(Error::GetMessage("characters after the padding")),
            b' ' | b'-' => symbols.push(b'+'),
            b'_' => symbols.push(b'/'),
            other => symbols.push(other),
        }
    }
    if symbols.is_empty() {
        return Err(Error::GetMessage("it is empty"));
    }
    LENIENT
        .decode(&symbols)
        .map_err(|_| Error::GetMessage("it is not base64"))
}

/// The `message` value for a URL: standard base64 with `+`, `/` and `=` escaped (RFC 8894, section 4.1).
pub fn encode_message(message: &[u8]) -> String {
    let plain = base64::engine::general_purpose::STANDARD.encode(message);
    let mut escaped = String::with_capacity(plain.len() + plain.len() / 16);
    for symbol in plain.chars() {
        match symbol {
            '+' => escaped.push_str("%2B"),
            '/' => escaped.push_str("%2F"),
            '=' => escaped.push_str("%3D"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// How many octets of `octets` are the PKIMessage: what stands behind it may be white space, which some clients and
/// proxies add. Anything else behind it is left for the reader to refuse.
#[must_use]
pub fn message_length(octets: &[u8]) -> usize {
    let blank = |rest: &[u8]| rest.iter().all(u8::is_ascii_whitespace);
    match encoded_length(octets) {
        Some(length) => match octets.get(length..) {
            Some(rest) if blank(rest) => length,
            _ => octets.len(),
        },
        // An element of indefinite length ends with two zeros.
        None => octets.trim_ascii_end().len(),
    }
}

/// The length of the BER element that octets begin with, header and all. `None`: it does not begin with its length.
fn encoded_length(octets: &[u8]) -> Option<usize> {
    let (&first, rest) = octets.get(1..)?.split_first()?;
    let more = match first {
        0..=0x7f => return Some(2 + usize::from(first)),
        0x81..=0x84 => usize::from(first & 0x7f),
        _ => return None,
    };
    let length = rest.get(..more)?.iter();
    let length = length.fold(0_usize, |length, &octet| (length << 8) | usize::from(octet));
    length.checked_add(2 + more)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_in_any_order_and_only_the_first_of_each() {
        let query =
            Query::parse("message=ab%2B=&x=1&operation=PKIOperation&operation=GetCACaps&message=2");
        assert_eq!(query.operation, Some("PKIOperation"));
        assert_eq!(query.message, Some("ab%2B="));
        assert_eq!(
            Query::parse("operation"),
            Query {
                operation: Some(""),
                message: None
            }
        );
        assert_eq!(Query::parse(""), Query::default());
    }

    #[test]
    fn what_is_not_base64_is_said_to_be_so() {
        for raw in [
            "",
            "=",
            "%0A",
            "a",
            "ab=c",
            "!!!!",
            "%",
            "ab%zz",
            "\u{e9}abc",
        ] {
            assert!(
                matches!(decode_message(raw), Err(Error::GetMessage(_))),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn white_space_behind_a_message_is_no_part_of_it() {
        let long = [&[0x30, 0x81, 0x80][..], &[b' '; 0x80]].concat();
        let indefinite = [0x30, 0x80, 0x05, 0x00, 0x00, 0x00];
        for message in [&[0x30, 0x02, 0x0a, 0x20][..], &long, &indefinite] {
            assert_eq!(message_length(message), message.len());
            for behind in ["\n", "\r\n", "  \t\n"] {
                let octets = [message, behind.as_bytes()].concat();
                assert_eq!(message_length(&octets), message.len(), "{behind:?}");
            }
            let octets = [message, b"\nx"].concat();
            assert_eq!(message_length(&octets), octets.len());
        }
        for octets in [&b""[..], b"0", b"\x30\x84\xff", b"\x30\x05a\n"] {
            assert!(message_length(octets) <= octets.len());
        }
        assert_eq!(
            message_length(b"\x30\x05a\n"),
            4,
            "it is cut off, and refused"
        );
    }

    #[test]
    fn an_escape_of_an_escape_is_resolved() {
        let octets = [0xfb, 0xff, 0xfe];
        assert_eq!(decode_message("%252B%252F%252F%252B").unwrap(), octets);
    }

    proptest! {
        #[test]
        fn every_form_reads_the_same(octets in proptest::collection::vec(any::<u8>(), 1..200)) {
            let standard = STANDARD.encode(&octets);
            let folded: String = standard.as_bytes().chunks(64)
                .map(|line| std::str::from_utf8(line).unwrap().to_owned() + "\r\n").collect();
            let forms = [
                standard.clone(),
                STANDARD_NO_PAD.encode(&octets),
                URL_SAFE.encode(&octets),
                URL_SAFE_NO_PAD.encode(&octets),
                standard.replace('+', " "),
                standard.replace('=', "%3D").replace('+', "%2b").replace('/', "%2f"),
                folded.replace('\r', "%0D").replace('\n', "%0A"),
                folded.replace('\r', ""),
                encode_message(&octets),
            ];
            for form in forms {
                prop_assert_eq!(decode_message(&form).unwrap(), octets.clone(), "{}", form);
            }
        }

        #[test]
        fn never_panics(raw in ".{0,200}") {
            let _ = decode_message(&raw);
            let _ = Query::parse(&raw);
        }
    }
}
