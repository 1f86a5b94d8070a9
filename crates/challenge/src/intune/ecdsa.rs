//! ECDSA signatures over P-256 in either form, brought to `r || s` with both numbers checked.

/// The order of P-256 (SEC 2, section 2.4.2), big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The readings of a signature: `r || s` of 64 octets (RFC 7518, section 3.4), or strict DER
/// `SEQUENCE { r INTEGER, s INTEGER }`. Both apply only to a DER signature that happens to have
/// 64 octets; an impossible one has none.
pub(crate) fn readings(signature: &[u8]) -> impl Iterator<Item = [u8; 64]> {
    let fixed = <[u8; 64]>::try_from(signature).ok();
    fixed
        .into_iter()
        .chain(from_der(signature))
        .filter(in_range)
}

/// Both numbers in 1 ..= order - 1.
fn in_range(signature: &[u8; 64]) -> bool {
    signature
        .chunks_exact(32)
        .all(|number| number.iter().any(|octet| *octet != 0) && number < &ORDER[..])
}

fn from_der(der: &[u8]) -> Option<[u8; 64]> {
    // Short-form lengths only: 2 + 2 * (2 + 33) octets at most.
    let (body, rest) = tlv(0x30, der)?;
    let (r, body) = tlv(0x02, body)?;
    let (s, body) = tlv(0x02, body)?;
    if !rest.is_empty() || !body.is_empty() {
        return None;
    }
    let mut fixed = [0; 64];
    let (left, right) = fixed.split_at_mut(32);
    put(r, left)?;
    put(s, right)?;
    Some(fixed)
}

/// Writes a minimal, positive INTEGER's octets right-aligned.
fn put(integer: &[u8], out: &mut [u8]) -> Option<()> {
    let magnitude = match integer {
        [] => return None,
        [first, ..] if first & 0x80 != 0 => return None,
        [0, second, ..] if second & 0x80 == 0 => return None,
        [0, magnitude @ ..] if !magnitude.is_empty() => magnitude,
        other => other,
    };
    let start = out.len().checked_sub(magnitude.len())?;
    out.get_mut(start..)?.copy_from_slice(magnitude);
    Some(())
}

fn tlv(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, input) = input.split_first()?;
    let (&length, input) = input.split_first()?;
    if found != tag || length & 0x80 != 0 {
        return None;
    }
    input.split_at_checked(length.into())
}

/// `r || s` as DER.
#[cfg(test)]
pub(crate) fn to_der(fixed: &[u8; 64]) -> Vec<u8> {
    fn integer(number: &[u8]) -> Vec<u8> {
        let significant = number
            .iter()
            .position(|octet| *octet != 0)
            .unwrap_or(number.len() - 1);
        let mut octets = number[significant..].to_vec();
        if octets[0] & 0x80 != 0 {
            octets.insert(0, 0);
        }
        [&[2, octets.len() as u8], octets.as_slice()].concat()
    }
    let body = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    [&[0x30, body.len() as u8], body.as_slice()].concat()
}

/// `order - s`: the other signature that the same key and message verify.
#[cfg(test)]
pub(crate) fn with_other_s(fixed: &[u8; 64]) -> [u8; 64] {
    let mut other = *fixed;
    let mut borrow = 0;
    for position in (0..32).rev() {
        let difference = i16::from(ORDER[position]) - i16::from(fixed[32 + position]) - borrow;
        borrow = i16::from(difference < 0);
        other[32 + position] = difference.rem_euclid(256) as u8;
    }
    other
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn fixed(r: &[u8], s: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out[32 - r.len()..32].copy_from_slice(r);
        out[64 - s.len()..].copy_from_slice(s);
        out
    }

    fn count(signature: &[u8]) -> usize {
        readings(signature).count()
    }

    #[test]
    fn numbers_out_of_range_have_no_reading() {
        let mut below = ORDER;
        below[31] -= 1;
        let mut above = ORDER;
        above[31] += 1;
        let full = [0xff; 32];
        for (r, s, expected) in [
            (&[1][..], &[1][..], 1),
            (&below, &below, 1),
            (&[0], &[1], 0),
            (&[1], &[0], 0),
            (&[0], &[0], 0),
            (&ORDER, &[1], 0),
            (&[1], &ORDER, 0),
            (&above, &[1], 0),
            (&[1], &above, 0),
            (&full, &[1], 0),
            (&full, &full, 0),
        ] {
            assert_eq!(count(&fixed(r, s)), expected, "{r:x?} {s:x?}");
            assert_eq!(count(&to_der(&fixed(r, s))), expected, "DER {r:x?} {s:x?}");
        }
    }

    #[test]
    fn only_strict_der_is_read() {
        let good = to_der(&fixed(&[0x81; 32], &[0x11; 32]));
        assert_eq!(count(&good), 1);
        let body = &good[2..];
        let s = &good[good.len() - 34..];
        let cases: Vec<(&str, Vec<u8>)> = vec![
            (
                "long-form length",
                [&[0x30, 0x81, body.len() as u8], body].concat(),
            ),
            ("indefinite length", [&[0x30, 0x80], body, &[0, 0]].concat()),
            ("octet after it", [&good[..], &[0]].concat()),
            (
                "octet after s inside",
                [&[0x30, body.len() as u8 + 1], body, &[0]].concat(),
            ),
            ("cut", good[..good.len() - 1].to_vec()),
            (
                "length one short",
                [&[0x30, body.len() as u8 - 1], body].concat(),
            ),
            (
                "negative r",
                [&[0x30, 66, 2, 30], &[0x81; 30][..], s].concat(),
            ),
            (
                "r with spare zero",
                [&[0x30, 69, 2, 33, 0], &[0x11; 32][..], s].concat(),
            ),
            (
                "r with two zeros",
                [&[0x30, 70, 2, 34, 0, 0], &[0x81; 32][..], s].concat(),
            ),
            (
                "r of 33 octets",
                [&[0x30, 69, 2, 33, 1], &[0x11; 32][..], s].concat(),
            ),
            ("empty r", [&[0x30, 36, 2, 0], s].concat()),
            ("r alone", vec![0x30, 3, 2, 1, 1]),
            ("three numbers", [&[0x30, 40, 2, 1, 1, 2, 1, 1], s].concat()),
            ("SET", [&[0x31, body.len() as u8], body].concat()),
            ("OCTET STRING for r", vec![0x30, 6, 4, 1, 1, 2, 1, 1]),
            ("BOOLEANs", vec![0x30, 6, 1, 1, 0xff, 1, 1, 0xff]),
            ("empty", Vec::new()),
            ("empty SEQUENCE", vec![0x30, 0]),
            ("zero octets", vec![0; 70]),
        ];
        for (what, signature) in cases {
            assert_eq!(count(&signature), 0, "{what}");
        }
    }

    #[test]
    fn other_lengths_are_no_fixed_form() {
        for length in [0, 1, 32, 63, 65, 96, 128, 132] {
            assert_eq!(count(&vec![1; length]), 0, "{length} octets");
        }
    }

    #[test]
    fn der_of_64_octets_is_tried_both_ways() {
        let number = [0x11; 29];
        let der = to_der(&fixed(&number, &number));
        assert_eq!(der.len(), 64);
        let all: Vec<_> = readings(&der).collect();
        assert_eq!(
            all,
            [<[u8; 64]>::try_from(der).unwrap(), fixed(&number, &number)]
        );
    }

    #[test]
    fn the_other_s_is_an_involution() {
        let signature = fixed(&[5; 32], &[9; 32]);
        assert_ne!(with_other_s(&signature), signature);
        assert_eq!(with_other_s(&with_other_s(&signature)), signature);
        assert_eq!(&with_other_s(&fixed(&[1], &[1]))[63..], &[0x50]);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            for reading in readings(&bytes) {
                prop_assert!(in_range(&reading));
            }
        }

        #[test]
        fn der_and_fixed_form_agree(r in any::<[u8; 32]>(), s in any::<[u8; 32]>()) {
            let fixed = fixed(&r, &s);
            prop_assert_eq!(readings(&to_der(&fixed)).collect::<Vec<_>>(), readings(&fixed).collect::<Vec<_>>());
        }
    }
}
