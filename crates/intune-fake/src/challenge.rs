//! Challenges as Intune makes them: opaque to everybody else, base64 of a BER SignedData around an EnvelopedData.
//!
//! What is inside is random: only Intune can read its own, and so the fake remembers what it asked each for.

use serde::{Deserialize, Serialize};

use crate::der::{OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, element, indefinite};
use crate::text::{base64_of, random_octets};

/// What a challenge is minted for. What stands here is demanded of the CSR; what is left out is not looked at.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Mint {
    /// The tenant, by id or domain; the first one when left out.
    pub tenant: Option<String>,
    /// The device, by Intune or Entra id. One that is not in the directory yet is put there, compliant.
    pub device: Option<String>,
    /// The user principal name that belongs to it.
    pub user: Option<String>,
    /// The subject, as `CN=laptop-1,O=Example`.
    pub subject: Option<String>,
    /// Alternative names, as `dns:`, `uri:`, `email:`, `upn:` and `ip:` texts.
    pub alternative_names: Option<Vec<String>>,
    /// Bits of the RSA key.
    pub key_bits: Option<usize>,
    /// The first octet of the keyUsage bits.
    pub key_usage: Option<u8>,
    /// Extended key usages by object identifier.
    pub extended_key_usages: Option<Vec<String>>,
    /// For how many seconds it is good; 3600 when left out.
    pub valid_seconds: Option<i64>,
    /// How long its base64 text is, nearly; 6000 when left out.
    pub octets: Option<usize>,
}

/// A minted challenge and what happened to it.
#[derive(Debug, Clone)]
pub(crate) struct Minted {
    /// The tenant's id.
    pub(crate) tenant: String,
    pub(crate) wanted: Mint,
    pub(crate) issued: i64,
    pub(crate) expires: i64,
    /// Requests (base64) that it vouched for.
    pub(crate) used: Vec<String>,
}

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const TRIPLE_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// Octets that everything around the ciphertext takes, nearly.
const AROUND: usize = 900;

/// A new challenge whose text has nearly this many characters.
pub(crate) fn new_challenge(characters: usize) -> String {
    base64_of(&signed(&enveloped(characters / 4 * 3)))
}

fn signed(content: &[u8]) -> Vec<u8> {
    let chunks: Vec<u8> = content
        .chunks(1000)
        .flat_map(|chunk| element(OCTET_STRING, chunk))
        .collect();
    let constructed = indefinite(0x24, &chunks);
    let inner = [
        element(OBJECT_IDENTIFIER, DATA),
        indefinite(0xa0, &constructed),
    ];
    let signer = [
        element(0x02, &[1]),
        issuer_and_serial(),
        algorithm(SHA512),
        algorithm(RSA),
        element(OCTET_STRING, &random_octets(256)),
    ];
    let fields = [
        element(0x02, &[1]),
        element(SET, &algorithm(SHA512)),
        indefinite(SEQUENCE, &inner.concat()),
        element(SET, &element(SEQUENCE, &signer.concat())),
    ];
    content_info(SIGNED_DATA, &fields.concat())
}

fn enveloped(octets: usize) -> Vec<u8> {
    // Blocks of 3DES.
    let ciphertext = random_octets(octets.saturating_sub(AROUND).max(64) / 8 * 8);
    let recipient = [
        element(0x02, &[0]),
        issuer_and_serial(),
        algorithm(RSA),
        element(OCTET_STRING, &random_octets(256)),
    ];
    let cipher = [
        element(OBJECT_IDENTIFIER, TRIPLE_DES),
        element(OCTET_STRING, &random_octets(8)),
    ];
    let content = [
        element(OBJECT_IDENTIFIER, DATA),
        element(SEQUENCE, &cipher.concat()),
        element(0x80, &ciphertext),
    ];
    let fields = [
        element(0x02, &[0]),
        element(SET, &element(SEQUENCE, &recipient.concat())),
        element(SEQUENCE, &content.concat()),
    ];
    content_info(ENVELOPED_DATA, &fields.concat())
}

fn content_info(kind: &[u8], fields: &[u8]) -> Vec<u8> {
    let content = indefinite(0xa0, &indefinite(SEQUENCE, fields));
    indefinite(
        SEQUENCE,
        &[element(OBJECT_IDENTIFIER, kind), content].concat(),
    )
}

fn algorithm(kind: &[u8]) -> Vec<u8> {
    element(
        SEQUENCE,
        &[element(OBJECT_IDENTIFIER, kind), element(0x05, &[])].concat(),
    )
}

fn issuer_and_serial() -> Vec<u8> {
    let name = [
        element(OBJECT_IDENTIFIER, COMMON_NAME),
        element(0x13, b"Microsoft Intune Fake"),
    ];
    let name = element(SEQUENCE, &element(SET, &element(SEQUENCE, &name.concat())));
    let mut serial = random_octets(16);
    // Positive, and in its shortest form.
    if let Some(first) = serial.first_mut() {
        *first = 0x40 | (*first & 0x3f);
    }
    element(SEQUENCE, &[name, element(0x02, &serial)].concat())
}

#[cfg(test)]
mod tests {
    use super::new_challenge;
    use crate::text::strict_base64;

    #[test]
    fn is_as_long_as_asked_and_a_signed_data() {
        for length in [2000, 6000, 20_000] {
            let challenge = new_challenge(length);
            assert!(
                challenge.len().abs_diff(length) < 200,
                "{}",
                challenge.len()
            );
            let octets = strict_base64(&challenge).unwrap();
            assert_eq!(hex::encode(&octets[..13]), "308006092a864886f70d010702");
        }
        assert_ne!(new_challenge(6000), new_challenge(6000));
    }
}
