//! Strict JSON: an object that names a member twice is refused, at any depth.
//!
//! Two parsers that disagree on which of two members counts can be played against each other;
//! this one takes neither.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A number written without fraction or exponent that fits 64 bits.
    Integer(i128),
    /// Any other number.
    Float(f64),
    String(String),
    Array(Vec<Json>),
    Object(Object),
}

/// Members by name.
pub(crate) type Object = BTreeMap<String, Json>;

impl Json {
    /// What the value is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a number",
            Self::Float(_) => "a number that is not whole",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one object and nothing after it.
///
/// # Errors
/// In words: not UTF-8, not JSON, a member twice, nested deeper than 128, or not an object.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Object, String> {
    match serde_json::from_slice(bytes) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(other) => Err(format!("not a JSON object but {}", other.kind())),
        Err(error) => Err(format!("not valid JSON: {error}")),
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut object = Object::new();
        while let Some(name) = access.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the member {name:?} stands there twice"
                )));
            }
            let value = access.next_value()?;
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_values_come_through() {
        let object = parse_object(
            br#" {"a":1,"b":[true,null,"x\u00e9"],"c":{"d":-2},"e":1.5,"f":18446744073709551615} "#,
        )
        .unwrap();
        assert_eq!(object["a"], Json::Integer(1));
        assert_eq!(
            object["b"],
            Json::Array(vec![
                Json::Bool(true),
                Json::Null,
                Json::String("xé".into())
            ])
        );
        assert_eq!(
            object["c"],
            Json::Object([("d".into(), Json::Integer(-2))].into())
        );
        assert_eq!(object["e"], Json::Float(1.5));
        assert_eq!(object["f"], Json::Integer(u64::MAX.into()));
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
            let error = parse_object(text.as_bytes()).unwrap_err();
            assert!(error.contains("twice"), "{text}: {error}");
        }
        assert!(
            parse_object(br#"{"a":1,"A":2}"#).is_ok(),
            "case is the claims' matter"
        );
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
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
        ] {
            assert!(
                parse_object(bytes).is_err(),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        let text = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse_object(text.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_object(&bytes);
        }

        /// Whatever this accepts, an ordinary parser reads the same way.
        #[test]
        fn agrees_with_an_ordinary_parser(text in "\\{(\"[a-c]\":(1|\"x\"|null|\\[2\\]),?){0,4}\\}") {
            if let Ok(object) = parse_object(text.as_bytes()) {
                let ordinary: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(&text).unwrap();
                prop_assert!(object.keys().eq(ordinary.keys().collect::<std::collections::BTreeSet<_>>()));
            }
        }
    }
}
