#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Curve, PrivateKey, der, oid};
use proptest::prelude::*;

fn key(modulus: &BigNumRef, exponent: &[u8]) -> PublicKey {
    let numbers = der::seq(&[&der::unsigned(&modulus.to_vec()), &der::unsigned(exponent)]);
    let algorithm = der::seq(&[&der::oid(oid::RSA_ENCRYPTION).unwrap(), &der::null()]);
    let spki = der::seq(&[&algorithm, &der::bit_string(0, &numbers)]);
    PublicKey::from_spki_der(&spki).unwrap()
}

fn is_easily_divided(modulus: &[u8]) -> bool {
    has_small_factor(modulus, &remainders(modulus))
}

fn weakness(modulus: &BigNumRef) -> Option<RsaWeakness> {
    key(modulus, &[1, 0, 1]).weakness()
}

fn product(one: &BigNumRef, other: &BigNumRef) -> BigNum {
    one * other
}

/// A number of 1024 bits without a small factor.
fn half() -> BigNum {
    let digits = "c".repeat(255);
    let mut number = BigNum::from_hex_str(&format!("{digits}1")).unwrap();
    while is_easily_divided(&number.to_vec()) {
        number.add_word(2).unwrap();
    }
    number
}

fn after(number: &BigNumRef, distance: &BigNumRef) -> BigNum {
    let mut number = number + distance;
    while is_easily_divided(&number.to_vec()) {
        number.add_word(2).unwrap();
    }
    number
}

#[test]
fn an_honest_key_is_not_weak() {
    for bits in [2048, 3072] {
        let key = PrivateKey::generate(KeyKind::Rsa { bits }).unwrap();
        assert_eq!(key.public_key().weakness(), None);
        assert!(!key.public_key().has_prime_modulus());
    }
    let ec = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    assert_eq!(ec.public_key().weakness(), None);
    assert!(!ec.public_key().has_prime_modulus());
}

#[test]
fn exponents_are_odd_above_one_and_of_64_bits_at_most() {
    let modulus = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let modulus = BigNum::from_slice(modulus.public_key().modulus()).unwrap();
    for (exponent, expected) in [
        (&[3][..], None),
        (&[0xff; 8], None),
        (&[1], Some(RsaWeakness::Exponent)),
        (&[4], Some(RsaWeakness::Exponent)),
        (&[], Some(RsaWeakness::Exponent)),
        (&[1; 9], Some(RsaWeakness::LongExponent)),
    ] {
        assert_eq!(key(&modulus, exponent).weakness(), expected, "{exponent:?}");
    }
}

#[test]
fn a_prime_modulus_is_found() {
    let prime = BigNum::get_rfc3526_prime_2048().unwrap();
    assert_eq!(weakness(&prime), None);
    assert!(key(&prime, &[1, 0, 1]).has_prime_modulus());
}

#[test]
fn a_square_and_close_factors_are_found() {
    let p = half();
    assert_eq!(weakness(&product(&p, &p)), Some(RsaWeakness::Square));
    let distance = |bits: i32| {
        let mut distance = BigNum::new().unwrap();
        distance.set_bit(bits).unwrap();
        distance
    };
    // Up to some bits above the square root of p the middle of the two is within the steps.
    for bits in [1, 64, 500, 515] {
        let q = after(&p, &distance(bits));
        assert_eq!(
            weakness(&product(&p, &q)),
            Some(RsaWeakness::CloseFactors),
            "{bits}"
        );
    }
    let far = after(&p, &distance(900));
    assert_eq!(weakness(&product(&p, &far)), None);
}

#[test]
fn a_key_of_the_broken_library_is_found() {
    // p = k * M + (65537^a mod M), M being the product of many primes.
    let primes: Vec<u32> = (2..=167).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
    let mut m = BigNum::from_u32(1).unwrap();
    for prime in &primes {
        m.mul_word(*prime).unwrap();
    }
    let mut context = BigNumContext::new().unwrap();
    let mut factor = |exponent: u32, k: &str| {
        let mut rest = BigNum::new().unwrap();
        let base = BigNum::from_u32(65_537).unwrap();
        let exponent = BigNum::from_u32(exponent).unwrap();
        rest.mod_exp(&base, &exponent, &m, &mut context).unwrap();
        let mut factor = &(&BigNum::from_hex_str(&k.repeat(100)).unwrap() * &m) + &rest;
        while is_easily_divided(&factor.to_vec()) {
            factor = &factor + &m;
        }
        factor
    };
    let modulus = product(&factor(12_345, "9a"), &factor(54_321, "f3"));
    assert_eq!(weakness(&modulus), Some(RsaWeakness::Roca));
}

#[test]
fn small_factors_are_found_and_large_primes_pass() {
    assert!(is_easily_divided(&[0x12, 0x34]), "even");
    let groups = &SMALL_PRIMES.groups;
    let primes: Vec<u64> = groups
        .iter()
        .flat_map(|group| group.primes.clone())
        .collect();
    assert_eq!((primes.len(), primes.last()), (132, Some(&751)));
    for prime in &primes {
        let odd_multiple = prime * 1_000_003;
        assert!(is_easily_divided(&odd_multiple.to_be_bytes()), "{prime}");
        let mut long = half();
        long.mul_word(u32::try_from(*prime).unwrap()).unwrap();
        assert!(is_easily_divided(&long.to_vec()), "{prime}");
    }
    let mut other = half();
    other.mul_word(757).unwrap();
    assert!(!is_easily_divided(&other.to_vec()), "the next prime");
    // 2^61 - 1 is prime.
    assert!(!is_easily_divided(&((1_u64 << 61) - 1).to_be_bytes()));
    for Group {
        product, primes, ..
    } in groups
    {
        assert!(primes.iter().product::<u64>() == *product && *product < 1 << 32);
    }
}

#[test]
fn powers_of_65537_modulo_every_fingerprint_prime_are_recognised() {
    // 65537 and its square are such powers everywhere; a number that is not one modulo 11 is none.
    assert!(has_fingerprint(&remainders(&65_537_u64.to_be_bytes())));
    assert!(has_fingerprint(&remainders(
        &(65_537_u64 * 65_537).to_be_bytes()
    )));
    assert!(!has_fingerprint(&remainders(
        &((1_u64 << 61) - 1).to_be_bytes()
    )));
}

proptest! {
    #[test]
    fn the_square_root_is_the_largest_whose_square_is_not_above(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
        let n = BigNum::from_slice(&octets).unwrap();
        let root = square_root(&n, &mut BigNumContext::new().unwrap()).unwrap();
        let mut above = root.to_owned().unwrap();
        above.add_word(1).unwrap();
        prop_assert!(product(&root, &root) <= n);
        prop_assert!(product(&above, &above) > n);
    }

    #[test]
    fn keys_of_any_numbers_never_panic(
        modulus in proptest::collection::vec(any::<u8>(), 0..40),
        exponent in proptest::collection::vec(any::<u8>(), 0..10),
    ) {
        let key = key(&BigNum::from_slice(&modulus).unwrap(), &exponent);
        let _ = (key.weakness(), key.has_prime_modulus());
    }
}

proptest! {
    #[test]
    fn what_is_left_by_each_group_is_what_division_leaves(number in prop::collection::vec(any::<u8>(), 0..300)) {
        let number = BigNum::from_slice(&number).unwrap();
        let found = remainders(&number.to_vec());
        for (group, rest) in SMALL_PRIMES.groups.iter().zip(found) {
            let expected = number.mod_word(u32::try_from(group.product).unwrap()).unwrap();
            prop_assert_eq!(rest, expected);
        }
        for fingerprint in &SMALL_PRIMES.fingerprints {
            prop_assert!(SMALL_PRIMES.groups[fingerprint.group].primes.contains(&fingerprint.prime));
        }
        prop_assert_eq!(SMALL_PRIMES.fingerprints.len(), FINGERPRINT_PRIMES.len());
    }
}
