//! Small things about octets and texts: random GUIDs, base64 in its spellings, digests.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::digest::digest;
use ring::rand::{SecureRandom, SystemRandom};

/// So many random octets.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    // The system's generator fails on no platform that this runs on; zeros would be noticed at once.
    let _ = SystemRandom::new().fill(&mut octets);
    octets
}

/// So many random octets, on the heap.
pub(crate) fn random_octets(count: usize) -> Vec<u8> {
    let mut octets = vec![0; count];
    let _ = SystemRandom::new().fill(&mut octets);
    octets
}

/// A random GUID, lower case.
pub(crate) fn guid() -> String {
    guid_of(random::<16>())
}

/// The GUID that always belongs to this name.
pub(crate) fn guid_from(name: &str) -> String {
    let digest = digest(&ring::digest::SHA256, name.as_bytes());
    let mut octets = [0; 16];
    octets
        .iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    guid_of(octets)
}

fn guid_of(mut octets: [u8; 16]) -> String {
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

/// True for 8-4-4-4-12 hexadecimal digits.
pub(crate) fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Base64 of RFC 4648 section 4, padded, on one line.
pub(crate) fn base64_of(octets: &[u8]) -> String {
    STANDARD.encode(octets)
}

/// Base64url without padding, as JWTs have it.
pub(crate) fn base64url_of(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Base64 of RFC 4648 section 4 and nothing else: padded, one line, no stray bits.
pub(crate) fn strict_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64url without padding and nothing else.
pub(crate) fn strict_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Base64 in any of its four spellings.
pub(crate) fn any_base64(text: &str) -> Option<Vec<u8>> {
    const SPELLINGS: [&GeneralPurpose; 4] =
        [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD];
    SPELLINGS.iter().find_map(|engine| engine.decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::{any_base64, guid, guid_from, is_guid, strict_base64};

    #[test]
    fn guids_look_like_guids() {
        assert!(is_guid(&guid()) && guid() != guid());
        assert_eq!(guid_from("a"), guid_from("a"));
        assert!(!is_guid("12345678-1234-1234-1234-1234567890") && !is_guid("1234"));
    }

    #[test]
    fn base64_is_strict_where_it_must_be() {
        assert_eq!(strict_base64("+/8="), any_base64("-_8"));
        assert_eq!(strict_base64("-_8="), None);
        assert_eq!(strict_base64("+/8"), None);
        assert_eq!(strict_base64("+/8=\n"), None);
    }
}
