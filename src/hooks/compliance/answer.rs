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
    let reason = answer.reason.unwrap_or_default();
    Ok(Verdict {
        compliant: answer.compliant,
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_clear_answer_is_taken() {
        let verdict =
            verdict(br#"{"compliant":false,"reason":"disk not encrypted","x":[1]}"#).unwrap();
        assert_eq!(
            (verdict.compliant, verdict.reason.as_str()),
            (false, "disk not encrypted")
        );
        for body in [
            &br#"{"compliant":true}"#[..],
            br#"{"compliant":true,"reason":null}"#,
        ] {
            let verdict = super::verdict(body).unwrap();
            assert_eq!((verdict.compliant, verdict.reason.as_str()), (true, ""));
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
        let verdict = verdict(body.to_string().as_bytes()).unwrap();
        assert_eq!(verdict.reason.chars().count(), LONGEST_REASON);
        assert!(verdict.reason.starts_with("a\u{fffd}\u{fffd}\u{fffd}é"));
    }
}
