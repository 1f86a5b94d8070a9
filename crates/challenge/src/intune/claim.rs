//! The claims of version 1, strictly typed.

use super::quoted::quoted;
use crate::json::kind;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

/// A challenge's claims, by their names.
pub(crate) type Object = Map<String, Value>;

/// What the connector vouches for. Serialises to the claims' own names, without those that are
/// absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// Who minted the challenge; empty when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub iss: String,
    /// The device; empty when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub: String,
    /// Which server it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Minted at, in seconds since the epoch, 0 to [`Claim::LATEST`]; [`Claim::ILLEGIBLE`] in a
    /// refused challenge that does not say so.
    #[serde(skip_serializing_if = "is_illegible")]
    pub iat: i64,
    /// No longer valid from here on, in seconds since the epoch, 0 to [`Claim::LATEST`];
    /// [`Claim::ILLEGIBLE`] in a refused challenge that does not say so.
    #[serde(skip_serializing_if = "is_illegible")]
    pub exp: i64,
    /// Unique for the issuer; `None` when absent or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The common name that the CSR must have; `None` when absent or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// The DNS names that the CSR must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub san_dns: Option<Vec<String>>,
    /// The e-mail addresses that the CSR must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub san_rfc822: Option<Vec<String>>,
    /// The user principal names that the CSR must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub san_upn: Option<Vec<String>>,
}

/// Every claim that version 1 knows, and the version itself.
const NAMES: [&str; 11] = [
    "version",
    "iss",
    "sub",
    "aud",
    "iat",
    "exp",
    "nonce",
    "device_name",
    "san_dns",
    "san_rfc822",
    "san_upn",
];

impl Claim {
    /// The end of the year 9999: the latest time that a claim may name.
    pub const LATEST: i64 = 253_402_300_799;

    /// Stands for a time that could not be read.
    pub const ILLEGIBLE: i64 = -1;

    /// Reads the claims. Unknown ones are ignored.
    ///
    /// # Errors
    /// In words: a claim of the wrong type, a time out of range, or a name in another case.
    pub(crate) fn from_object(object: &Object) -> Result<Self, String> {
        refuse_other_case(object)?;
        Ok(Self {
            iss: text(object, "iss")?.unwrap_or_default(),
            sub: text(object, "sub")?.unwrap_or_default(),
            aud: text(object, "aud")?,
            iat: time(object, "iat")?,
            exp: time(object, "exp")?,
            nonce: text(object, "nonce")?.filter(|nonce| !nonce.is_empty()),
            device_name: text(object, "device_name")?.filter(|name| !name.is_empty()),
            san_dns: texts(object, "san_dns")?,
            san_rfc822: texts(object, "san_rfc822")?,
            san_upn: texts(object, "san_upn")?,
        })
    }

    /// What can be read of claims that are refused: whatever has the right name and type.
    pub(crate) fn readable(object: &Object) -> Self {
        let text = |name| {
            text(object, name)
                .ok()
                .flatten()
                .filter(|text| !text.is_empty())
        };
        let time = |name| time(object, name).unwrap_or(Self::ILLEGIBLE);
        let texts = |name| texts(object, name).ok().flatten();
        Self {
            iss: text("iss").unwrap_or_default(),
            sub: text("sub").unwrap_or_default(),
            aud: text("aud"),
            iat: time("iat"),
            exp: time("exp"),
            nonce: text("nonce"),
            device_name: text("device_name"),
            san_dns: texts("san_dns"),
            san_rfc822: texts("san_rfc822"),
            san_upn: texts("san_upn"),
        }
    }

    /// `iat` as a time.
    #[must_use]
    pub fn issued_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.iat, 0)
    }

    /// `exp` as a time.
    #[must_use]
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.exp, 0)
    }
}

/// A parser that folds case would take `ISS` for `iss`, and the last of both: so neither is taken.
fn refuse_other_case(object: &Object) -> Result<(), String> {
    NAMES
        .iter()
        .try_for_each(|known| refuse_other_case_of(object, known))
}

/// The same for one claim.
pub(crate) fn refuse_other_case_of(object: &Object, known: &str) -> Result<(), String> {
    match object
        .keys()
        .find(|name| *name != known && differs_in_case_only(name, known))
    {
        Some(name) => Err(format!("the claim `{known}` is written {}", quoted(name))),
        None => Ok(()),
    }
}

/// As widely as any parser folds: by Unicode's simple and full mappings, so that `\u{17f}ub` (a
/// long s) is another case of `sub`.
fn differs_in_case_only(name: &str, known: &str) -> bool {
    // Folding lengthens nothing that could become one of the known names.
    name.len() <= known.len() * 3
        && name.to_lowercase().to_uppercase() == known.to_lowercase().to_uppercase()
}

fn is_illegible(time: &i64) -> bool {
    *time == Claim::ILLEGIBLE
}

fn wrong_type(name: &str, expected: &str, found: &Value) -> String {
    format!("the claim `{name}` is {}, not {expected}", kind(found))
}

/// A string, or nothing when absent.
pub(crate) fn text(object: &Object, name: &str) -> Result<Option<String>, String> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong_type(name, "a string", other)),
    }
}

fn texts(object: &Object, name: &str) -> Result<Option<Vec<String>>, String> {
    let items = match object.get(name) {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(other) => return Err(wrong_type(name, "an array of strings", other)),
    };
    let texts: Result<Vec<_>, _> = items
        .iter()
        .map(|item| match item {
            Value::String(text) => Ok(text.clone()),
            other => Err(format!(
                "the claim `{name}` holds {}, not only strings",
                kind(other)
            )),
        })
        .collect();
    texts.map(Some)
}

fn time(object: &Object, name: &str) -> Result<i64, String> {
    match object.get(name) {
        None => Err(format!("the claim `{name}` is missing")),
        Some(Value::Number(seconds)) if !seconds.is_f64() => seconds
            .as_i64()
            .filter(|seconds| (0..=Claim::LATEST).contains(seconds))
            .ok_or_else(|| format!("the claim `{name}` is out of range: {seconds}")),
        Some(other) => Err(wrong_type(name, "a whole number of seconds", other)),
    }
}
