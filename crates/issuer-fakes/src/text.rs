//! Small things about octets and texts: random values, base64 in its spellings, PEM, digests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// So many random octets.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    // The system's generator fails on no platform that this runs on; zeros would be noticed at once.
    let _ = SystemRandom::new().fill(&mut octets);
    octets
}

/// A random UUID of version 4, lower case.
pub(crate) fn uuid() -> String {
    let mut octets = random::<16>();
    octets[6] = (octets[6] & 0x0f) | 0x40;
    octets[8] = (octets[8] & 0x3f) | 0x80;
    let text = hex::encode(octets);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    let parts: Vec<&str> = parts
        .into_iter()
        .filter_map(|part| text.get(part))
        .collect();
    parts.join("-")
}

/// SHA-256, lower-case hexadecimal.
pub(crate) fn sha256_hex(octets: &[u8]) -> String {
    hex::encode(digest(&SHA256, octets))
}

/// Base64 of RFC 4648 section 4, padded, on one line.
pub(crate) fn base64_of(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Base64 in lines of this length, each ended by `end`.
pub(crate) fn base64_lines(octets: &[u8], length: usize, end: &str) -> String {
    let text = base64_of(octets);
    let lines = text.as_bytes().chunks(length);
    let lines = lines.map(|line| format!("{}{end}", String::from_utf8_lossy(line)));
    lines.collect()
}

/// Base64 of RFC 4648 section 4 and nothing else: padded, one line, no stray bits.
pub(crate) fn strict_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64 with white space anywhere.
pub(crate) fn loose_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(text)
        .ok()
        .filter(|octets| !octets.is_empty())
}

/// What stands between lines of dashes (RFC 7468), or the whole text, out of base64.
pub(crate) fn unarmoured(text: &str) -> Option<Vec<u8>> {
    let inner = match text.split_once("-----BEGIN ") {
        Some((_, rest)) => {
            let (_, rest) = rest.split_once("-----")?;
            rest.split_once("-----END ")?.0
        }
        None => text,
    };
    loose_base64(inner)
}

/// Lines of 64 characters between lines of dashes (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let lines = base64_lines(der, 64, "\n");
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

/// A text without its percent-encoding, octet for octet.
pub(crate) fn unescaped(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%');
        let decoded = pair.and_then(|pair| hex::decode(pair).ok());
        match decoded.as_deref() {
            Some([octet]) => {
                octets.push(*octet);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{pem, unarmoured, unescaped, uuid};

    #[test]
    fn pem_is_taken_with_and_without_its_dashes() {
        let octets = vec![7; 100];
        let text = pem("X", &octets);
        assert_eq!(unarmoured(&text).unwrap(), octets);
        let inner: Vec<&str> = text.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(unarmoured(&inner.join("\r\n")).unwrap(), octets);
        assert!(unarmoured("-----BEGIN X-----\nAA").is_none());
    }

    #[test]
    fn small_things_have_their_forms() {
        assert_eq!(unescaped("CN%3Da%2C%20b%2"), "CN=a, b%2");
        let id = uuid();
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'));
    }
}
