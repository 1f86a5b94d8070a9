//! Gate 3: which parser reads the payload. A new version is one more row.

use super::claim::{self, Claim, Object};
use super::quoted::quoted;
use super::refused::Refused;
use crate::{Label, json};

type Parser = fn(&Object) -> Result<Claim, String>;

/// The claim `version` and who reads what it announces.
const VERSIONS: [(&str, Parser); 1] = [("v1", Claim::from_object)];

/// What a payload without a version, or with an empty one, is.
const DEFAULT: &str = "v1";

/// A payload of a version that is known.
pub(crate) struct Readable {
    object: Object,
    parser: Parser,
}

impl Readable {
    /// Reads the claims.
    pub(crate) fn read(&self) -> Result<Claim, Refused> {
        (self.parser)(&self.object).map_err(malformed)
    }
}

/// Finds out who reads a payload.
pub(crate) fn known(payload: &[u8]) -> Result<Readable, Refused> {
    let object =
        json::described(payload).map_err(|error| malformed(format!("the payload is {error}")))?;
    let parser = parser_for(&object)?;
    Ok(Readable { object, parser })
}

/// What can be read of a payload that is refused, whatever its version.
pub(crate) fn readable(payload: &[u8]) -> Option<Claim> {
    let object = json::object(payload).ok()?;
    Some(Claim::readable(&object))
}

fn malformed(reason: String) -> Refused {
    Refused::new(Label::Malformed, reason)
}

fn parser_for(object: &Object) -> Result<Parser, Refused> {
    claim::refuse_other_case_of(object, "version").map_err(malformed)?;
    // Whoever numbers versions, or names none by null, speaks another version than this one.
    let announced = claim::text(object, "version")
        .map_err(|reason| Refused::new(Label::UnknownVersion, reason))?;
    let version = announced
        .as_deref()
        .filter(|version| !version.is_empty())
        .unwrap_or(DEFAULT);
    VERSIONS
        .iter()
        .find(|(name, _)| *name == version)
        .map(|(_, parser)| *parser)
        .ok_or_else(|| {
            let known: Vec<_> = VERSIONS.iter().map(|(name, _)| *name).collect();
            let reason = format!(
                "the challenge has version {}; this server knows {}",
                quoted(version),
                known.join(", ")
            );
            Refused::new(Label::UnknownVersion, reason)
        })
}
