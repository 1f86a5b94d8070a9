//! Which keys may be certified.

use pki::der::Reader;
use pki::{Curve, KeyKind, PublicKey};

use crate::approved::{PolicyRefusal, Rule};

/// Odd primes whose products fit into 32 bits, for one remainder each.
const SMALL_PRIMES: [&[u64]; 4] = [
    &[3, 5, 7, 11, 13, 17, 19, 23],
    &[29, 31, 37, 41, 43],
    &[47, 53, 59, 61, 67],
    &[71, 73, 79, 83, 89],
];

/// Primes that show the structure of keys made by a broken library in TPMs and smart cards (CVE-2017-15361).
const FINGERPRINT_PRIMES: [u64; 17] = [
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
];

/// Keys that a policy certifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRules {
    /// The smallest RSA modulus in bits; `None` refuses RSA. 2048 or more.
    pub rsa_min_bits: Option<u32>,
    /// The largest RSA modulus in bits: larger ones cost the server and every relying party too much.
    pub rsa_max_bits: u32,
    /// Curves that are allowed: P-256, P-384, or both.
    pub curves: Vec<Curve>,
}

impl Default for KeyRules {
    fn default() -> KeyRules {
        KeyRules {
            rsa_min_bits: Some(2048),
            rsa_max_bits: 8192,
            curves: vec![Curve::P256, Curve::P384],
        }
    }
}

impl KeyRules {
    /// The key as it goes into the certificate, written anew, if it may.
    pub(super) fn certified(&self, key: &PublicKey) -> Result<PublicKey, PolicyRefusal> {
        self.check_kind(key)?;
        let key = key
            .for_certificate()
            .map_err(|error| refused(format!("the key cannot be certified: {error}")))?;
        if matches!(key.kind(), KeyKind::Rsa { .. }) {
            check_numbers(&key)?;
        }
        Ok(key)
    }

    fn check_kind(&self, key: &PublicKey) -> Result<(), PolicyRefusal> {
        match key.kind() {
            KeyKind::Rsa { bits } => self.check_size(*bits),
            KeyKind::Ec(curve) if self.curves.contains(curve) => Ok(()),
            other => Err(refused(format!(
                "keys of kind {other} are not allowed, but {self}"
            ))),
        }
    }

    fn check_size(&self, bits: u32) -> Result<(), PolicyRefusal> {
        let Some(min_bits) = self.rsa_min_bits else {
            return Err(refused(format!("RSA keys are not allowed, but {self}")));
        };
        if bits < min_bits {
            return Err(refused(format!(
                "the RSA key has {bits} bits; at least {min_bits} are needed"
            )));
        }
        if bits > self.rsa_max_bits {
            return Err(refused(format!(
                "the RSA key has {bits} bits; at most {} are taken",
                self.rsa_max_bits
            )));
        }
        Ok(())
    }
}

impl std::fmt::Display for KeyRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rsa = self
            .rsa_min_bits
            .map(|bits| format!("RSA from {bits} bits"));
        let curves = self
            .curves
            .iter()
            .map(|curve| KeyKind::Ec(*curve).to_string());
        let all: Vec<String> = rsa.into_iter().chain(curves).collect();
        f.write_str(&all.join(", "))
    }
}

fn check_numbers(key: &PublicKey) -> Result<(), PolicyRefusal> {
    let (modulus, exponent) = rsa_numbers(key.spki_der())
        .map_err(|_| refused("the RSA key cannot be read".to_owned()))?;
    let exponent_is_odd = exponent.last().is_some_and(|last| last & 1 == 1);
    if !exponent_is_odd || exponent == [1] {
        return Err(refused(
            "the public exponent of the RSA key must be odd and above 1".to_owned(),
        ));
    }
    if is_easily_factored(&modulus) {
        return Err(refused(
            "the RSA key is weak: its modulus has a small factor".to_owned(),
        ));
    }
    if has_broken_structure(&modulus) {
        return Err(refused(
            "the RSA key is weak: it was made by a library with CVE-2017-15361 (ROCA)".to_owned(),
        ));
    }
    Ok(())
}

/// Modulus and exponent without leading zeros, from a SubjectPublicKeyInfo (RFC 3279, section 2.3.1).
fn rsa_numbers(spki: &[u8]) -> Result<(Vec<u8>, Vec<u8>), pki::Error> {
    let mut info = Reader::new(spki, "RSA key").sequence()?;
    info.element()?;
    let mut key = Reader::new(info.bit_octets()?, "RSA key").sequence()?;
    let number = |content: &[u8]| {
        content
            .iter()
            .copied()
            .skip_while(|octet| *octet == 0)
            .collect()
    };
    Ok((number(key.integer()?), number(key.integer()?)))
}

fn is_easily_factored(modulus: &[u8]) -> bool {
    modulus.last().is_none_or(|last| last & 1 == 0)
        || SMALL_PRIMES.iter().any(|group| {
            let rest = remainder(modulus, group.iter().product());
            group.iter().any(|prime| rest.is_multiple_of(*prime))
        })
}

/// Such a modulus is a power of 65537 modulo every prime of the list; an honest one is so once in 2^27 or less.
fn has_broken_structure(modulus: &[u8]) -> bool {
    FINGERPRINT_PRIMES.iter().all(|&prime| {
        let rest = remainder(modulus, prime);
        let generator = 65_537 % prime;
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * generator % prime;
            power == rest
        })
    })
}

/// `number` (big-endian) modulo `modulus`, which must be below 2^32.
fn remainder(number: &[u8], modulus: u64) -> u64 {
    let (head, words) = number.as_rchunks::<4>();
    let start = head
        .iter()
        .fold(0, |rest, octet| ((rest << 8) | u64::from(*octet)) % modulus);
    words.iter().fold(start, |rest, word| {
        ((rest << 32) | u64::from(u32::from_be_bytes(*word))) % modulus
    })
}

fn refused(reason: String) -> PolicyRefusal {
    PolicyRefusal::new(Rule::Key, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_factors_are_found_and_large_primes_pass() {
        assert!(is_easily_factored(&[0x12, 0x34]), "even");
        for prime in SMALL_PRIMES.concat() {
            let odd_multiple = prime * 1_000_003;
            assert!(is_easily_factored(&odd_multiple.to_be_bytes()), "{prime}");
        }
        // 2^61 - 1 is prime.
        assert!(!is_easily_factored(&((1_u64 << 61) - 1).to_be_bytes()));
        for group in SMALL_PRIMES {
            assert!(group.iter().product::<u64>() < 1 << 32);
        }
    }

    #[test]
    fn powers_of_65537_modulo_every_fingerprint_prime_are_recognised() {
        // 65537 and its square are such powers everywhere; a number that is not one modulo 11 is none.
        assert!(has_broken_structure(&65_537_u64.to_be_bytes()));
        assert!(has_broken_structure(&(65_537_u64 * 65_537).to_be_bytes()));
        assert!(!has_broken_structure(&((1_u64 << 61) - 1).to_be_bytes()));
    }
}
