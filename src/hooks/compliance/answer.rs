//! The webhook's answer.

use actors::Verdict;
use serde::Deserialize;

use super::HookError;

/// The most characters of a reason that are kept.
const LONGEST_REASON: usize = 500;

/// Other members are ignored; these twice are refused.
#[derive(Deserialize)]
struct Answer {
    compliant: bool,
    #[serde(default)]
    reason: Option<String>,
}

/// Reads the answer. The reason is cut and rid of control characters; it stays untrusted text.
pub(super) fn verdict(body: &[u8]) -> Result<Verdict, HookError> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| HookError::Unreadable(error.to_string()))?;
    if answer.compliant {
        return Ok(Verdict::Compliant);
    }
    let reason = answer.reason.unwrap_or_default();
    Ok(Verdict::NotCompliant {
        reason: reason
            .chars()
            .take(LONGEST_REASON)
            .map(|character| match character.is_control() {
                true => '\u{fffd}',
                false => character,
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_clear_answer_is_taken() {
        let verdict =
            verdict(br#"{"compliant":false,"reason":"disk not encrypted","x":[1]}"#).unwrap();
        let no = |reason: &str| Verdict::NotCompliant {
            reason: reason.to_owned(),
        };
        assert_eq!(verdict, no("disk not encrypted"));
        assert_eq!(super::verdict(br#"{"compliant":false}"#).unwrap(), no(""));
        for body in [
            &br#"{"compliant":true}"#[..],
            br#"{"compliant":true,"reason":null}"#,
        ] {
            assert_eq!(super::verdict(body).unwrap(), Verdict::Compliant);
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for body in [
            &b""[..],
            b"true",
            b"null",
            b"[]",
            b"{}",
            b"<html>",
            br#"{"compliant":"true"}"#,
            br#"{"compliant":1}"#,
            br#"{"compliant":null}"#,
            br#"{"Compliant":true}"#,
            br#"{"compliant":true,"compliant":true}"#,
            br#"{"compliant":false,"compliant":true}"#,
            br#"{"compliant":true,"reason":5}"#,
            br#"{"compliant":true} x"#,
            br#"{"compliant":true"#,
        ] {
            let result = verdict(body);
            assert!(
                matches!(result, Err(HookError::Unreadable(_))),
                "{:?}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn reasons_are_cut_and_lose_control_characters() {
        let body = serde_json::json!({"compliant": false, "reason": format!("a\r\n\0{}", "é".repeat(10_000))});
        let Verdict::NotCompliant { reason } = verdict(body.to_string().as_bytes()).unwrap() else {
            panic!("compliant");
        };
        assert_eq!(reason.chars().count(), LONGEST_REASON);
        assert!(reason.starts_with("a\u{fffd}\u{fffd}\u{fffd}é"));
    }
}
