//! JSON objects from outside, in which no member may stand twice.
//!
//! Of two members with one name some readers take the first and others the last. Who checks a text and who acts on it
//! must not read different things, so such a text is refused, at whatever depth the second one stands.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Reads one object and nothing after it.
///
/// # Errors
/// It is no JSON object, names a member twice, or is nested deeper than 128. The text may quote a member's name.
pub fn object(octets: &[u8]) -> serde_json::Result<Map<String, Value>> {
    match serde_json::from_slice(octets)? {
        Unique(Value::Object(members)) => Ok(members),
        Unique(_) => Err(serde_json::Error::custom("not a JSON object")),
    }
}

/// The same, with what is wrong in words that follow upon "is".
pub(crate) fn described(octets: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(octets) {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Ok(Unique(other)) => Err(format!("not a JSON object but {}", kind(&other))),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}

/// What a value is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number that is not whole",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A value whose objects name every member once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the member {name:?} stands there twice"
                )));
            }
            let Unique(value) = access.next_value()?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_objects_read_as_usual() {
        let text =
            r#" {"a":1,"b":[true,null,"x\u00e9",-2,1.5],"c":{"d":-2},"e":18446744073709551615} "#;
        let ordinary: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(object(text.as_bytes()).unwrap(), ordinary);
    }

    #[test]
    fn a_member_twice_is_refused_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":null}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[0,{"b":1,"b":2}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            let error = object(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("twice"), "{text}: {error}");
        }
        assert!(
            object(br#"{"a":1,"A":2}"#).is_ok(),
            "case is the claims' matter"
        );
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for bytes in [
            &b""[..],
            b"null",
            b"[]",
            b"\"{}\"",
            b"{",
            b"{}{}",
            b"{} x",
            b"{'a':1}",
            b"{\"a\":1,}",
            b"{\"a\":01}",
            b"{\"a\":1e400}",
            b"{\"a\":NaN}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\n\"}",
            b"{1:2}",
            deep.as_bytes(),
        ] {
            assert!(
                object(bytes).is_err(),
                "{:.40}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes);
        }

        /// Whatever this accepts, an ordinary parser reads the same way.
        #[test]
        fn agrees_with_an_ordinary_parser(text in "\\{(\"[a-c]\":(1|\"x\"|null|\\[2\\]),?){0,4}\\}") {
            if let Ok(members) = object(text.as_bytes()) {
                let ordinary: Map<String, Value> = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(members, ordinary);
            }
        }
    }
}
