//! RSA keys that anybody can break.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;

use super::kind::rsa_numbers;
use super::public::PublicKey;
use crate::KeyKind;
use std::sync::LazyLock;

/// The longest public exponent that is taken, in octets: longer ones are nobody's, and cost who verifies.
pub(super) const LONGEST_EXPONENT: usize = 8;

/// No prime below this may divide a modulus (NIST SP 800-89 section 5.3.3).
const LEAST_FACTOR: u64 = 752;

/// Primes that show the structure of keys made by a broken library in TPMs and smart cards (CVE-2017-15361).
const FINGERPRINT_PRIMES: [u64; 17] = [
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
];

/// Steps of Fermat's factorisation, each of them some nanoseconds. Broken libraries that take the next prime after the
/// first one fall at the first step.
const FERMAT_STEPS: u64 = 256;

/// Moduli whose residues tell nearly all numbers from squares, each at most 64.
const SQUARE_FILTERS: [(u64, u64); 8] = [
    residues(64),
    residues(63),
    residues(61),
    residues(59),
    residues(55),
    residues(53),
    residues(47),
    residues(43),
];

/// So many of these moduli have a product that fits into 32 bits: a long number is divided by it instead of by each.
const FILTERS_AT_ONCE: usize = 4;

/// What is wrong with an RSA key. Written as the end of a sentence that begins with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsaWeakness {
    /// The public exponent is even, or 1.
    Exponent,
    /// The public exponent has more than 64 bits.
    LongExponent,
    /// The modulus can be divided by a small prime.
    SmallFactor,
    /// The modulus was made by a library with CVE-2017-15361 (ROCA).
    Roca,
    /// The modulus is the square of a number.
    Square,
    /// The two factors of the modulus are so close to each other that Fermat's method finds them.
    CloseFactors,
    /// The modulus is a prime: the private exponent is no secret.
    PrimeModulus,
}

impl std::fmt::Display for RsaWeakness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exponent => "has a public exponent that is not odd and above 1",
            Self::LongExponent => "has a public exponent of more than 64 bits; 65537 is usual",
            Self::SmallFactor => "is weak: its modulus has a small factor",
            Self::Roca => "is weak: it was made by a library with CVE-2017-15361 (ROCA)",
            Self::Square => "is weak: its modulus is a square",
            Self::CloseFactors => "is weak: the two factors of its modulus are close to each other",
            Self::PrimeModulus => "is weak: its modulus is a prime number",
        })
    }
}

impl PublicKey {
    /// What is wrong with an RSA key, as far as that is quickly seen: some 15 µs with 2048 bits. Nothing is ever wrong with
    /// a key of another kind, or one that cannot be read. [`RsaWeakness::PrimeModulus`] takes
    /// [`has_prime_modulus`](Self::has_prime_modulus).
    #[must_use]
    pub fn weakness(&self) -> Option<RsaWeakness> {
        let (modulus, exponent) = self.rsa_numbers()?;
        if exponent.len() > LONGEST_EXPONENT {
            return Some(RsaWeakness::LongExponent);
        }
        if exponent.last().is_none_or(|last| last & 1 == 0) || exponent == [1] {
            return Some(RsaWeakness::Exponent);
        }
        let remainders = remainders(modulus);
        if has_small_factor(modulus, &remainders) {
            return Some(RsaWeakness::SmallFactor);
        }
        if has_fingerprint(&remainders) {
            return Some(RsaWeakness::Roca);
        }
        // An error here is a lack of memory.
        by_fermat(modulus).unwrap_or_default()
    }

    /// Whether the modulus of an RSA key is a prime. That costs about as much as an RSA signature without its short cuts: a
    /// millisecond with 2048 bits, eight times as much with 4096.
    ///
    /// By Fermat's little theorem to the base 2: a modulus that passes without being a prime has been looked for.
    #[must_use]
    pub fn has_prime_modulus(&self) -> bool {
        self.rsa_numbers()
            .is_some_and(|(modulus, _)| is_prime(modulus).unwrap_or_default())
    }

    /// Whether it is an RSA key with a public exponent that is longer than what is taken.
    #[must_use]
    pub fn has_long_exponent(&self) -> bool {
        self.rsa_numbers()
            .is_some_and(|(_, exponent)| exponent.len() > LONGEST_EXPONENT)
    }

    /// Modulus and exponent of an RSA key.
    fn rsa_numbers(&self) -> Option<(&[u8], &[u8])> {
        match self.kind() {
            KeyKind::Rsa { .. } => rsa_numbers(self.bits()).ok(),
            _ => None,
        }
    }
}

/// The odd primes that must not divide a modulus.
struct SmallPrimes {
    /// Their product, of some 1,000 bits: what is left of a modulus by it has the same factors among them, and is shorter.
    product: Option<BigNum>,
    /// The primes in groups whose products fit into 32 bits.
    groups: Vec<Group>,
    /// The primes that show a broken structure.
    fingerprints: Vec<Fingerprint>,
}

struct Group {
    product: u64,
    primes: Vec<u64>,
    /// What is left of the powers of 2^32 by the product, the zeroth first.
    powers: Vec<u64>,
}

struct Fingerprint {
    /// The place of the group that holds the prime.
    group: usize,
    prime: u64,
    /// Whether a number below the prime is a power of 65537 modulo it.
    is_power: Vec<bool>,
}

static SMALL_PRIMES: LazyLock<SmallPrimes> = LazyLock::new(|| {
    let is_prime = |number: &u64| {
        (3..)
            .step_by(2)
            .take_while(|odd| odd * odd <= *number)
            .all(|odd| !number.is_multiple_of(odd))
    };
    let mut groups: Vec<(u64, Vec<u64>)> = Vec::new();
    for prime in (3..LEAST_FACTOR).step_by(2).filter(is_prime) {
        match groups.last_mut() {
            Some((product, group)) if *product * prime <= u64::from(u32::MAX) => {
                *product *= prime;
                group.push(prime);
            }
            _ => groups.push((prime, vec![prime])),
        }
    }
    let product = || {
        let mut all = BigNum::from_u32(1)?;
        for (product, _) in &groups {
            all.mul_word(u32::try_from(*product).unwrap_or(1))?;
        }
        Ok::<_, ErrorStack>(all)
    };
    let product = product().ok();
    let group = |(product, primes)| Group {
        product,
        primes,
        powers: powers_of_a_word(product),
    };
    let groups: Vec<Group> = groups.into_iter().map(group).collect();
    let fingerprints = FINGERPRINT_PRIMES.iter().filter_map(|&prime| {
        Some(Fingerprint {
            group: groups
                .iter()
                .position(|group| group.primes.contains(&prime))?,
            prime,
            is_power: powers_of_65537(prime),
        })
    });
    SmallPrimes {
        fingerprints: fingerprints.collect(),
        product,
        groups,
    }
});

/// Words of 32 bits in the product of all small primes, and some more.
const WORDS: usize = 40;

fn powers_of_a_word(modulus: u64) -> Vec<u64> {
    let next = |power: &u64| Some((power << 32) % modulus);
    std::iter::successors(Some(1 % modulus), next)
        .take(WORDS)
        .collect()
}

fn powers_of_65537(prime: u64) -> Vec<bool> {
    let generator = 65_537 % prime;
    let mut is_power = vec![false; usize::try_from(prime).unwrap_or_default()];
    let mut power = 1;
    for _ in 0..prime {
        power = power * generator % prime;
        let place = usize::try_from(power).unwrap_or_default();
        if let Some(known) = is_power.get_mut(place) {
            *known = true;
        }
    }
    is_power
}

/// What is left of a modulus by the product of each group.
fn remainders(modulus: &[u8]) -> Vec<u64> {
    let SmallPrimes {
        product, groups, ..
    } = &*SMALL_PRIMES;
    let shorter = product
        .as_ref()
        .and_then(|product| shortened(modulus, product).ok());
    let number = shorter.as_deref().unwrap_or(modulus);
    match words(number) {
        Some(words) => groups.iter().map(|group| group.rest_of(&words)).collect(),
        None => groups
            .iter()
            .map(|group| remainder(number, group.product))
            .collect(),
    }
}

/// The words of a number (big-endian), the lowest first; `None` when there are too many.
fn words(number: &[u8]) -> Option<[u64; WORDS]> {
    let mut words = [0; WORDS];
    let (head, tail) = number.as_rchunks::<4>();
    let top = head
        .iter()
        .fold(0, |word, octet| (word << 8) | u64::from(*octet));
    let lowest_first = tail.iter().rev();
    let all = lowest_first.map(|word| u64::from(u32::from_be_bytes(*word)));
    let mut places = words.iter_mut();
    for word in all.chain((!head.is_empty()).then_some(top)) {
        *places.next()? = word;
    }
    Some(words)
}

impl Group {
    /// What is left of a number by the product: its words times the powers, which takes one division in the end and not one
    /// a word.
    fn rest_of(&self, words: &[u64; WORDS]) -> u64 {
        let products = words
            .iter()
            .zip(&self.powers)
            .map(|(word, power)| u128::from(word * power));
        let sum: u128 = products.sum();
        u64::try_from(sum % u128::from(self.product)).unwrap_or_default()
    }
}

fn has_small_factor(modulus: &[u8], remainders: &[u64]) -> bool {
    let mut groups = SMALL_PRIMES.groups.iter().zip(remainders);
    modulus.last().is_none_or(|last| last & 1 == 0)
        || groups.any(|(group, rest)| {
            let mut primes = group.primes.iter();
            primes.any(|prime| rest.is_multiple_of(*prime))
        })
}

/// `number` modulo `product`.
fn shortened(number: &[u8], product: &BigNumRef) -> Result<Vec<u8>, ErrorStack> {
    let mut rest = BigNum::new()?;
    let number = BigNum::from_slice(number)?;
    rest.checked_rem(&number, product, &mut *BigNumContext::new()?)?;
    Ok(rest.to_vec())
}

/// Such a modulus is a power of 65537 modulo every prime of the list; an honest one is so once in 2^27 or less.
fn has_fingerprint(remainders: &[u64]) -> bool {
    let mut fingerprints = SMALL_PRIMES.fingerprints.iter();
    fingerprints.all(|fingerprint| {
        let rest = remainders.get(fingerprint.group);
        let rest = rest.and_then(|rest| usize::try_from(rest % fingerprint.prime).ok());
        rest.and_then(|rest| fingerprint.is_power.get(rest)) == Some(&true)
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

/// A modulus up to 64, and a bit for each residue that a square can have.
const fn residues(modulus: u64) -> (u64, u64) {
    let mut squares = 0;
    let mut root = 0;
    while root < modulus {
        squares |= 1 << (root * root % modulus);
        root += 1;
    }
    (modulus, squares)
}

/// Looks for numbers `a` from the square root up such that `a² - n` is a square: then `n` is `(a + b) * (a - b)`.
fn by_fermat(modulus: &[u8]) -> Result<Option<RsaWeakness>, ErrorStack> {
    let mut context = BigNumContext::new()?;
    let n = BigNum::from_slice(modulus)?;
    let mut a = square_root(&n, &mut context)?;
    let mut square = BigNum::new()?;
    square.sqr(&a, &mut context)?;
    if square == n {
        return Ok(Some(RsaWeakness::Square));
    }
    a.add_word(1)?;
    square.sqr(&a, &mut context)?;
    let mut rest = BigNum::new()?;
    rest.checked_sub(&square, &n)?;

    // Step by step only residues are looked at: (a + s)² - n is a² - n and 2as + s².
    let mut residues = [(0_u64, 0_u64); SQUARE_FILTERS.len()];
    for (kept, filters) in residues
        .chunks_mut(FILTERS_AT_ONCE)
        .zip(SQUARE_FILTERS.chunks(FILTERS_AT_ONCE))
    {
        let product: u64 = filters.iter().map(|(modulus, _)| modulus).product();
        let product = u32::try_from(product).unwrap_or(1);
        let (of_a, of_rest) = (a.mod_word(product)?, rest.mod_word(product)?);
        for (kept, (modulus, _)) in kept.iter_mut().zip(filters) {
            *kept = (of_a % modulus, of_rest % modulus);
        }
    }
    let may_be_square = |step: u64| {
        let mut filters = residues.iter().zip(SQUARE_FILTERS);
        filters.all(|((a, rest), (modulus, squares))| {
            squares >> ((rest + 2 * a * step + step * step) % modulus) & 1 == 1
        })
    };
    for step in 0..FERMAT_STEPS {
        if may_be_square(step) && is_square_at(&a, step, &n, &mut context)? {
            return Ok(Some(RsaWeakness::CloseFactors));
        }
    }
    Ok(None)
}

/// Whether `(a + step)² - n` is a square.
fn is_square_at(
    a: &BigNumRef,
    step: u64,
    n: &BigNumRef,
    context: &mut BigNumContext,
) -> Result<bool, ErrorStack> {
    let mut here = a.to_owned()?;
    here.add_word(u32::try_from(step).unwrap_or(u32::MAX))?;
    let (mut square, mut rest) = (BigNum::new()?, BigNum::new()?);
    square.sqr(&here, context)?;
    rest.checked_sub(&square, n)?;
    let root = square_root(&rest, context)?;
    square.sqr(&root, context)?;
    Ok(square == rest)
}

/// The largest number whose square is not above `n`, by Newton's method from above.
fn square_root(n: &BigNumRef, context: &mut BigNumContext) -> Result<BigNum, ErrorStack> {
    if n.num_bits() == 0 {
        return BigNum::new();
    }
    // 126 or 127 bits of it, an even number of bits being left out, give 63 bits of the root.
    let left_out = (n.num_bits() - 126).max(0) / 2 * 2;
    let mut top = BigNum::new()?;
    top.rshift(n, left_out)?;
    let top = top
        .to_vec()
        .iter()
        .fold(0_u128, |number, octet| number << 8 | u128::from(*octet));
    let first = BigNum::from_slice(&(top.isqrt() + 1).to_be_bytes())?;
    let mut root = BigNum::new()?;
    root.lshift(&first, left_out / 2)?;
    let (mut quotient, mut sum, mut next) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
    loop {
        quotient.checked_div(n, &root, context)?;
        sum.checked_add(&root, &quotient)?;
        next.rshift1(&sum)?;
        if next >= root {
            return Ok(root);
        }
        std::mem::swap(&mut root, &mut next);
    }
}

/// Whether 2^(n - 1) is 1 modulo `n`.
fn is_prime(modulus: &[u8]) -> Result<bool, ErrorStack> {
    let n = BigNum::from_slice(modulus)?;
    if !n.is_bit_set(0) {
        return Ok(false);
    }
    let mut exponent = n.to_owned()?;
    exponent.sub_word(1)?;
    let (two, one) = (BigNum::from_u32(2)?, BigNum::from_u32(1)?);
    let mut power = BigNum::new()?;
    power.mod_exp(&two, &exponent, &n, &mut *BigNumContext::new()?)?;
    Ok(power == one)
}

#[cfg(test)]
mod tests;
