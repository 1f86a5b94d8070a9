//! ES256 signatures in every spelling: what must pass, what must not, and one replay key for all.

use crate::support::*;
use challenge::{Label, ReplayKey};

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn subtract(left: &[u8; 32], right: &[u8]) -> Vec<u8> {
    let mut result = vec![0; 32];
    let mut borrow = 0;
    for position in (0..32).rev() {
        let difference = i16::from(left[position]) - i16::from(right[position]) - borrow;
        borrow = i16::from(difference < 0);
        result[position] = difference.rem_euclid(256) as u8;
    }
    result
}

/// Adds the order, where the sum still has 32 octets.
fn plus_order(number: &[u8]) -> Option<Vec<u8>> {
    let mut result = vec![0; 32];
    let mut carry = 0;
    for position in (0..32).rev() {
        let sum = u16::from(ORDER[position]) + u16::from(number[position]) + carry;
        result[position] = sum as u8;
        carry = sum >> 8;
    }
    (carry == 0).then_some(result)
}

fn integer(number: &[u8]) -> Vec<u8> {
    let start = number
        .iter()
        .position(|octet| *octet != 0)
        .unwrap_or(number.len() - 1);
    let mut octets = number[start..].to_vec();
    if octets[0] & 0x80 != 0 {
        octets.insert(0, 0);
    }
    [&[2, octets.len() as u8], octets.as_slice()].concat()
}

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let body = [integer(r), integer(s)].concat();
    [&[0x30, body.len() as u8], body.as_slice()].concat()
}

fn key_of(challenge: &str) -> ReplayKey {
    try_verify(challenge).unwrap().replay_key
}

#[test]
fn both_forms_and_both_s_are_one_challenge() {
    for nonce in [true, false] {
        let claims = if nonce {
            claims()
        } else {
            claims_with(serde_json::json!({"nonce": null}))
        };
        let good = signed(&claims, ec());
        let octets = signature_of(&good);
        let (r, s) = octets.split_at(32);
        let other_s = subtract(&ORDER, s);
        let key = key_of(&good);
        for (name, signature) in [
            ("DER", der(r, s)),
            ("the other s", [r, &other_s].concat()),
            ("the other s in DER", der(r, &other_s)),
        ] {
            let spelled = with_signature(&good, &signature);
            assert_ne!(spelled, good, "{name}");
            assert_eq!(key_of(&spelled), key, "{name}, nonce {nonce}");
        }
        let padded = format!("{good}==");
        assert_eq!(key_of(&padded), key, "padding, nonce {nonce}");
        let again = signed(&claims, ec());
        assert_eq!(key_of(&again), key, "signed again, nonce {nonce}");
    }
}

#[test]
fn out_of_range_and_lax_signatures_do_not_pass() {
    let good = signed(&claims(), ec());
    let octets = signature_of(&good);
    let (r, s) = octets.split_at(32);
    let zero = [0; 32];
    let mut one = [0; 32];
    one[31] = 1;
    let body = der(r, s)[2..].to_vec();
    let length = body.len() as u8;
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("r = 0", [&zero, s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = s = 0", [zero, zero].concat()),
        ("r = 1", [&one, s].concat()),
        ("s = 1", [r, &one].concat()),
        ("r = order", [&ORDER, s].concat()),
        ("s = order", [r, &ORDER].concat()),
        ("r = s = order", [ORDER, ORDER].concat()),
        ("r = 0 in DER", der(&zero, s)),
        ("s = 0 in DER", der(r, &zero)),
        ("r = order in DER", der(&ORDER, s)),
        ("s = order in DER", der(r, &ORDER)),
        (
            "r subtracted from the order",
            [&subtract(&ORDER, r), s].concat(),
        ),
        (
            "both subtracted",
            [subtract(&ORDER, r), subtract(&ORDER, s)].concat(),
        ),
        ("as for P-384", [&[0; 16], r, &[0; 16], s].concat()),
        ("one octet more before", [&[0], r, s].concat()),
        ("r || s || r", [r, s, r].concat()),
        ("DER cut", der(r, s)[..length as usize + 1].to_vec()),
        ("DER with an octet after", [der(r, s), vec![0]].concat()),
        (
            "DER with a long-form length",
            [&[0x30, 0x81, length][..], &body].concat(),
        ),
        (
            "DER with a longer length",
            [&[0x30, 0x82, 0, length][..], &body].concat(),
        ),
        (
            "BER without a length",
            [&[0x30, 0x80][..], &body, &[0, 0]].concat(),
        ),
        (
            "DER with an octet inside",
            [&[0x30, length + 1][..], &body, &[0]].concat(),
        ),
        (
            "DER with NULL inside",
            [&[0x30, length + 2][..], &body, &[5, 0]].concat(),
        ),
        ("the numbers without their SEQUENCE", body.clone()),
        ("base64 of base64", b64(&octets).into_bytes()),
        ("hexadecimal", hex::encode(&octets).into_bytes()),
    ];
    let spare = [&[2, 33, 0], r].concat();
    if r[0] & 0x80 == 0 {
        let body = [&spare[..], &integer(s)].concat();
        cases.push((
            "r with a spare zero",
            [&[0x30, body.len() as u8][..], &body].concat(),
        ));
    } else {
        let body = [&[2, 32], r, &integer(s)[..]].concat();
        cases.push((
            "r negative",
            [&[0x30, body.len() as u8][..], &body].concat(),
        ));
    }
    cases.extend(plus_order(s).map(|larger| ("s + order", [r, &larger].concat())));
    for (name, signature) in cases {
        let refused = try_verify(&with_signature(&good, &signature)).expect_err(name);
        assert_eq!(refused.label, Label::SignatureInvalid, "{name}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let good = signed(&claims(), ec());
    let octets = signature_of(&good);
    for bit in (0..octets.len() * 8).step_by(13) {
        let mut flipped = octets.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = try_verify(&with_signature(&good, &flipped)).unwrap_err();
        assert_eq!(refused.label, Label::SignatureInvalid, "bit {bit}");
    }
}

/// Signatures come out with short numbers once in 128 times: they must verify in both forms.
#[test]
fn numbers_with_leading_zeros_pass() {
    let mut seen = 0;
    for n in 0..2_000 {
        let challenge = signed(
            &claims_with(serde_json::json!({"nonce": n.to_string()})),
            ec(),
        );
        let octets = signature_of(&challenge);
        if octets[0] != 0 && octets[32] != 0 {
            continue;
        }
        seen += 1;
        key_of(&challenge);
        key_of(&with_signature(
            &challenge,
            &der(&octets[..32], &octets[32..]),
        ));
        if seen == 4 {
            return;
        }
    }
    panic!("2,000 signatures and only {seen} with a short number");
}
