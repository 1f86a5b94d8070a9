//! JSON values as octets: lengths instead of punctuation, numbers for the member names that
//! claims and CSR facts are made of.

use serde_json::{Map, Number, Value};

/// Nesting beyond this is refused, so that reading back cannot exhaust the stack.
const DEPTH_MAX: usize = 100;

/// Member names that are written as their number here plus one. Only ever appended to.
const NAMES: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "iat",
    "exp",
    "nonce",
    "version",
    "device_name",
    "san_dns",
    "san_rfc822",
    "san_upn",
    "common_name",
    "common_names",
    "subject",
    "sans",
    "dns",
    "email",
    "upn",
    "uri",
    "ip",
    "other",
    "key_type",
    "key",
    "fingerprint",
    "dimension",
    "claim",
    "csr",
    "mismatches",
];

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const UNSIGNED: u8 = 3;
const NEGATIVE: u8 = 4;
const FLOAT: u8 = 5;
const TEXT: u8 = 6;
const LIST: u8 = 7;
const OBJECT: u8 = 8;

/// The octets of a value; `None` when it is nested too deeply.
pub(super) fn encode(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put(&mut out, value, DEPTH_MAX)?;
    Some(out)
}

/// The value that the octets hold, all of them.
pub(super) fn decode(octets: &[u8]) -> Option<Value> {
    let mut rest = octets;
    let value = take(&mut rest, DEPTH_MAX)?;
    rest.is_empty().then_some(value)
}

fn put(out: &mut Vec<u8>, value: &Value, depth: usize) -> Option<()> {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Number(number) => put_number(out, number),
        Value::String(text) => {
            out.push(TEXT);
            put_text(out, text);
        }
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            out.push(LIST);
            put_varint(out, items.len() as u64);
            for item in items {
                put(out, item, depth)?;
            }
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1)?;
            out.push(OBJECT);
            put_varint(out, members.len() as u64);
            for (name, member) in members {
                match NAMES.iter().position(|known| known == name) {
                    Some(number) => put_varint(out, number as u64 + 1),
                    None => {
                        put_varint(out, 0);
                        put_text(out, name);
                    }
                }
                put(out, member, depth)?;
            }
        }
    }
    Some(())
}

fn put_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(unsigned) = number.as_u64() {
        out.push(UNSIGNED);
        put_varint(out, unsigned);
    } else if let Some(signed) = number.as_i64() {
        out.push(NEGATIVE);
        put_varint(out, signed.unsigned_abs());
    } else {
        out.push(FLOAT);
        out.extend_from_slice(&number.as_f64().unwrap_or_default().to_bits().to_be_bytes());
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(rest: &mut &[u8], depth: usize) -> Option<Value> {
    Some(match octet(rest)? {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        UNSIGNED => Value::from(varint(rest)?),
        NEGATIVE => Value::from(0_i64.checked_sub_unsigned(varint(rest)?)?),
        FLOAT => {
            let (bits, after) = rest.split_first_chunk::<8>()?;
            *rest = after;
            Value::Number(Number::from_f64(f64::from_bits(u64::from_be_bytes(*bits)))?)
        }
        TEXT => Value::String(text(rest)?),
        LIST => {
            let depth = depth.checked_sub(1)?;
            let count = count(rest)?;
            let mut items = Vec::with_capacity(count.min(64));
            for _ in 0..count {
                items.push(take(rest, depth)?);
            }
            Value::Array(items)
        }
        OBJECT => {
            let depth = depth.checked_sub(1)?;
            let mut members = Map::new();
            for _ in 0..count(rest)? {
                let name = match varint(rest)?.checked_sub(1) {
                    None => text(rest)?,
                    Some(number) => (*NAMES.get(usize::try_from(number).ok()?)?).to_owned(),
                };
                let member = take(rest, depth)?;
                members.insert(name, member);
            }
            Value::Object(members)
        }
        _ => return None,
    })
}

fn octet(rest: &mut &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    Some(first)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let octet = octet(rest)?;
        let bits = u64::from(octet & 0x7f);
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A number of items, each of which takes at least an octet of what is left.
fn count(rest: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(varint(rest)?).ok()?;
    (count <= rest.len()).then_some(count)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = count(rest)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::sled_store::arbitrary;

    proptest! {
        #[test]
        fn values_come_back(value in arbitrary::json()) {
            let octets = encode(&value).unwrap();
            prop_assert_eq!(decode(&octets), Some(value));
        }

        #[test]
        fn whole_numbers_come_back(unsigned: u64, signed: i64) {
            for value in [json!(unsigned), json!(signed)] {
                prop_assert_eq!(decode(&encode(&value).unwrap()), Some(value));
            }
        }

        #[test]
        fn any_octets_decode_or_not_without_panic(octets: Vec<u8>) {
            let _ = decode(&octets);
        }
    }

    #[test]
    fn a_claim_takes_far_fewer_octets_than_its_json() {
        let claim = json!({"iss": "i", "aud": "a", "san_upn": ["u"], "device_name": "d", "exp": 1_700_000_000});
        let octets = encode(&claim).unwrap();
        assert!(
            octets.len() < claim.to_string().len() / 2,
            "{} octets",
            octets.len()
        );
    }

    #[test]
    fn deep_nesting_is_refused_both_ways() {
        let mut value = Value::Null;
        for _ in 0..DEPTH_MAX {
            value = Value::Array(vec![value]);
        }
        assert!(encode(&value).is_some());
        assert_eq!(encode(&Value::Array(vec![value])), None);
        let mut bomb = [LIST, 1].repeat(100_000);
        bomb.push(NULL);
        assert_eq!(decode(&bomb), None);
    }

    #[test]
    fn names_stand_once_in_the_table() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
    }
}
