//! What a challenge of Intune's service looks like: base64 of a CMS SignedData.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// The OID signedData (RFC 5652, section 5.1), with tag and length.
const SIGNED_DATA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
];

/// Characters that are looked at.
const LOOKED_AT: usize = 32;

const LAX: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether a challenge is for Intune's service to judge. By its first octets, never by its length alone.
#[must_use]
pub fn looks_like_cloud_challenge(challenge: &str) -> bool {
    let start: String = challenge
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .take(LOOKED_AT)
        .collect();
    if start.len() < LOOKED_AT {
        return false;
    }
    let Ok(octets) = LAX.decode(start) else {
        return false;
    };
    // SEQUENCE, with a length in any form (BER).
    let [0x30, length, rest @ ..] = octets.as_slice() else {
        return false;
    };
    let more = match length {
        0x80..=0x84 => usize::from(length - 0x80),
        0x00..=0x7f => 0,
        _ => return false,
    };
    rest.get(more..)
        .is_some_and(|content| content.starts_with(&SIGNED_DATA))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    fn encoded(start: &[u8]) -> String {
        let mut octets = start.to_vec();
        octets.extend(SIGNED_DATA);
        octets.extend([0xa0, 0x80, 0x30, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        STANDARD.encode(octets)
    }

    #[test]
    fn a_cms_signed_data_is_one_in_any_form_of_length() {
        for start in [
            &[0x30, 0x80][..],
            &[0x30, 0x82, 0x12, 0x34],
            &[0x30, 0x83, 1, 2, 3],
            &[0x30, 0x81, 0x90],
            &[0x30, 0x1c],
        ] {
            assert!(looks_like_cloud_challenge(&encoded(start)), "{start:?}");
        }
        let mut broken = encoded(&[0x30, 0x80]);
        broken.insert(10, '\n');
        assert!(looks_like_cloud_challenge(&broken));
    }

    #[test]
    fn passwords_and_signed_challenges_are_none() {
        for other in [
            "",
            "secret",
            "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
            "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJjb25uZWN0b3IifQ.c2ln",
            &"A".repeat(6000),
            // An EnvelopedData.
            &STANDARD.encode([
                0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03, 0xa0,
                0x80, 0x30, 0x80, 1, 2, 3, 4, 5, 6, 7,
            ]),
        ] {
            assert!(!looks_like_cloud_challenge(other), "{other:.40}");
        }
    }
}
