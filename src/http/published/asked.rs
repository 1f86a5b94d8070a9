//! An OCSP request in a URL (RFC 6960, appendix A.1): base64, escaped in one of many ways.
//!
//! - Windows escapes `+`, `/` and `=`; Apple's clients escape none of them, or `+` and `=` alone; OpenSSL all.
//! - Some escape twice, and some proxies take escapes away, so that `%2B` becomes `+`, and that a blank.
//! - Some write base64url. Padding may be missing.
//! - Where the responder's URL ends in a slash, two come before the request. None of them belongs to it: a request begins
//!   with `M`, which stands for a SEQUENCE.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use percent_encoding::percent_decode;

/// The longest text that can be a request: base64 with everything escaped twice.
const LONGEST: usize = ocsp::request::LONGEST * 4 / 3 * 5 + 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The request, DER, from what stands in the path behind the responder's URL. `None`: it is no base64.
pub(super) fn decode(rest: &str) -> Option<Vec<u8>> {
    if rest.len() > LONGEST {
        return None;
    }
    let text = rest.trim_start_matches('/').as_bytes();
    // Base64 has no percent sign: one that is left was escaped itself.
    let mut text: Vec<u8> = percent_decode(text).collect();
    if text.contains(&b'%') {
        text = percent_decode(&text).collect();
    }
    let text: Vec<u8> = text
        .into_iter()
        .filter_map(|octet| match octet {
            b'-' | b' ' => Some(b'+'),
            b'_' => Some(b'/'),
            b'\r' | b'\n' => None,
            other => Some(other),
        })
        .collect();
    let unpadded = text.len()
        - text
            .iter()
            .rev()
            .take_while(|octet| **octet == b'=')
            .count();
    let octets = BASE64.decode(text.get(..unpadded)?).ok()?;
    (!octets.is_empty()).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Octets whose base64 has `+` and `/`, two of them beside each other, and padding.
    const OCTETS: [u8; 10] = [0x30, 0x1b, 0xef, 0xfb, 0xef, 0xff, 0xff, 0xff, 0xbf, 0x3e];

    #[test]
    fn every_escaping_that_clients_use_is_read() {
        let plain = base64::engine::general_purpose::STANDARD.encode(OCTETS);
        assert!(
            plain.contains('+') && plain.contains("//") && plain.ends_with("=="),
            "{plain}"
        );
        let escaped = plain
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        for written in [
            plain.clone(),
            escaped.clone(),
            plain
                .replace('+', "%2b")
                .replace('/', "%2f")
                .replace('=', "%3d"),
            plain.replace('+', "%2B").replace('=', "%3D"),
            escaped.replace('%', "%25"),
            plain.replace('+', " "),
            plain.replace('+', "%20"),
            plain.replace('+', "-").replace('/', "_"),
            plain.trim_end_matches('=').to_owned(),
            format!("{}%0D%0A{}", plain.split_at(4).0, plain.split_at(4).1),
        ] {
            for slashes in ["/", "//", ""] {
                let path = format!("{slashes}{written}");
                assert_eq!(decode(&path).as_deref(), Some(&OCTETS[..]), "{path}");
            }
        }
    }

    #[test]
    fn what_is_no_base64_is_no_request() {
        for text in ["", "/", "/%", "/%2", "/%zz", "/MA!", "/M", "/%C3%A4"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode(&"M".repeat(LONGEST + 1)), None);
    }
}
