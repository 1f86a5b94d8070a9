//! Gate 3: which parser reads the payload. A new version is one more row.

use super::claim::{self, Claim};
use super::json::{self, Object};
use super::jws::quoted;
use super::refused::Refused;
use crate::Label;

type Parser = fn(&Object) -> Result<Claim, String>;

/// The claim `version` and who reads what it announces.
const VERSIONS: [(&str, Parser); 1] = [("v1", Claim::from_object)];

/// What a payload without a version, or with an empty one, is.
const DEFAULT: &str = "v1";

/// Reads a payload whose signature is good.
pub(crate) fn parse(payload: &[u8]) -> Result<Claim, Refused> {
    let malformed = |gate, reason| Refused::new(gate, Label::Malformed, reason);
    let object = json::parse_object(payload)
        .map_err(|error| malformed(3, format!("the payload is {error}")))?;
    let parser = parser_for(&object)?;
    // The claims' types are the time gate's matter, as `iat` and `exp` are.
    parser(&object).map_err(|reason| malformed(4, reason))
}

/// What can be read of a payload that is refused, whatever its version.
pub(crate) fn legible(payload: &[u8]) -> Option<Claim> {
    let object = json::parse_object(payload).ok()?;
    Some(Claim::legible(&object))
}

fn parser_for(object: &Object) -> Result<Parser, Refused> {
    claim::refuse_other_case_of(object, "version")
        .map_err(|reason| Refused::new(3, Label::Malformed, reason))?;
    // Whoever numbers versions, or names none by null, speaks another version than this one.
    let announced = claim::text(object, "version")
        .map_err(|reason| Refused::new(3, Label::UnknownVersion, reason))?;
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
            Refused::new(3, Label::UnknownVersion, reason)
        })
}
