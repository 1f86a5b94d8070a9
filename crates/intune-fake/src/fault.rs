//! Everything that can be made to go wrong, and when.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::message::{Answer, Operation};

/// One way in which a call goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Fault {
    /// This HTTP status, not processed.
    Status {
        /// Any, 401, 403, 429 and 503 among them.
        status: u16,
        /// The header's value: seconds, a date, or nonsense.
        #[serde(default)]
        retry_after: Option<String>,
        /// The body; Graph's form of an error when left out.
        #[serde(default)]
        body: Option<Value>,
    },
    /// Intune's verdict: one of the codes, in any spelling, or an invented one.
    Code {
        /// The value of `code`.
        code: String,
        /// The value of `errorDescription`.
        #[serde(default)]
        description: String,
    },
    /// Intune's answer without `code`.
    MissingCode,
    /// Entra's refusal with this number (AADSTS...).
    Entra {
        /// For example 7000222.
        code: u32,
        /// The header's value.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// 500 with JSON in the text of its message, as Intune's front ends send it.
    InternalError {
        /// The `RetryAfter` in the nested JSON.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// 200 with a page of HTML.
    Html,
    /// 200 with no body.
    Empty,
    /// 200 that says it is JSON and is not.
    NotJson,
    /// The right body under another content type.
    ContentType {
        /// The header's value.
        value: String,
    },
    /// Elsewhere, it says (307).
    Redirect {
        /// The header's value.
        location: String,
    },
    /// Processed, then answered later.
    Slow {
        /// How much later.
        milliseconds: u64,
    },
    /// Processed, then answered only when the control API releases it.
    Held,
    /// Read, and never answered nor processed.
    Silent,
    /// The connection ends before anything is processed.
    CutBefore,
    /// Processed; then the connection ends without an answer.
    CutAfter,
    /// Processed; the connection ends in the middle of the answer's body.
    CutHalfway,
    /// The right answer with so many octets of white space before it.
    TooLong {
        /// How many.
        octets: usize,
    },
    /// A token without roles, as Entra issues it when consent is missing.
    RolelessToken,
    /// A token with this life, in seconds; nothing or less for one that is dead on arrival.
    TokenLife {
        /// `expires_in`.
        seconds: i64,
    },
    /// A token that no service takes.
    DeadToken,
    /// A token with a hint to refresh it early.
    RefreshIn {
        /// `refresh_in`.
        seconds: i64,
    },
    /// Discovery that names somebody else's URL.
    Forged {
        /// The URL; the thief's when left out.
        #[serde(default)]
        uri: Option<String>,
    },
    /// Discovery without this service.
    MissingService {
        /// Its `providerName`.
        name: String,
    },
    /// Discovery with nothing in it.
    NoServices,
    /// Discovery with names in another case and slashes at the end of URLs.
    OtherSpelling,
    /// Discovery with `serviceName` in the place of `providerName`, as the old directory had it.
    ServiceName,
    /// Discovery in pages of one.
    Paged,
    /// `value` of the answer is this: `false`, `"true"`, anything.
    Value {
        /// What stands there.
        value: Value,
    },
}

/// A fault and the calls that it meets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Which calls.
    pub operation: Operation,
    /// How many of them from now on; all when left out. Of rules with a number only the oldest that fits is taken.
    #[serde(default)]
    pub times: Option<u64>,
    /// Only calls that have this text in their target or body.
    #[serde(default)]
    pub containing: Option<String>,
    /// What goes wrong.
    pub fault: Fault,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) rules: Vec<Rule>,
}

impl Script {
    /// The faults of this call, counted: all that hold always, then the oldest of those with a number.
    pub(crate) fn take(&mut self, operation: Operation, target: &str, body: &[u8]) -> Vec<Fault> {
        let fits = |rule: &Rule| {
            rule.operation == operation
                && rule.containing.as_ref().is_none_or(|text| {
                    target.contains(text.as_str())
                        || body
                            .windows(text.len().max(1))
                            .any(|part| part == text.as_bytes())
                })
        };
        let always = |rule: &&Rule| rule.times.is_none() && fits(rule);
        let mut faults: Vec<Fault> = self
            .rules
            .iter()
            .filter(always)
            .map(|rule| rule.fault.clone())
            .collect();
        let counted = self
            .rules
            .iter_mut()
            .find(|rule| rule.times.is_some_and(|times| times > 0) && fits(rule));
        if let Some(rule) = counted {
            rule.times = rule.times.map(|times| times.saturating_sub(1));
            faults.push(rule.fault.clone());
        }
        self.rules.retain(|rule| rule.times != Some(0));
        faults
    }
}

impl Fault {
    /// The answer that stands in the place of any work.
    pub(crate) fn instead(&self) -> Option<Answer> {
        let answer = match self {
            Self::Status {
                status,
                retry_after,
                body,
            } => {
                let answer = match body {
                    Some(body) => Answer::json(*status, body),
                    None => Answer::error(*status, phrase(*status), "scripted"),
                };
                retry(answer, retry_after.as_deref())
            }
            Self::Code { code, description } => crate::scep::verdict(code, description),
            Self::MissingCode => Answer::json(200, &json!({"errorDescription": ""})),
            Self::Entra { code, retry_after } => {
                retry(crate::entra::refusal(*code), retry_after.as_deref())
            }
            Self::InternalError { retry_after } => internal_error(retry_after.as_deref()),
            Self::Html => Answer::of(
                200,
                "text/html",
                b"<html><body>Service Unavailable</body></html>".to_vec(),
            ),
            Self::Empty => Answer::of(200, "application/json", Vec::new()),
            Self::NotJson => Answer::of(200, "application/json", b"{\"code\":\"Succ".to_vec()),
            Self::Redirect { location } => {
                Answer::of(307, "text/plain", Vec::new()).header("location", location)
            }
            _ => return None,
        };
        Some(answer)
    }

    /// What it makes of an answer.
    pub(crate) fn spoil(&self, answer: &mut Answer) {
        match self {
            Self::ContentType { value } => {
                *answer = answer.clone().header("content-type", value);
            }
            Self::TooLong { octets } => {
                let mut body = vec![b' '; *octets];
                body.append(&mut answer.body);
                answer.body = body;
            }
            Self::RefreshIn { seconds } => {
                answer.change(|body| set(body, "refresh_in", (*seconds).into()))
            }
            Self::Value { value } => answer.change(|body| set(body, "value", value.clone())),
            _ => {}
        }
    }
}

fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn retry(answer: Answer, after: Option<&str>) -> Answer {
    match after {
        Some(after) => answer.header("retry-after", after),
        None => answer,
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        401 => "InvalidAuthenticationToken",
        403 => "Authorization_RequestDenied",
        404 => "Request_ResourceNotFound",
        429 => "TooManyRequests",
        500 => "InternalServerError",
        503 => "ServiceUnavailable",
        _ => "UnknownError",
    }
}

fn internal_error(retry_after: Option<&str>) -> Answer {
    let nested = json!({
        "_version": 3,
        "Message": "An internal server error has occurred - Operation ID (for customer support): 00000000-0000-0000-0000-000000000000",
        "CustomApiErrorPhrase": "",
        "RetryAfter": retry_after,
        "ErrorSourceService": "",
        "HttpHeaders": "{}",
    });
    let message = serde_json::to_string_pretty(&nested).unwrap_or_default();
    Answer::json(
        500,
        &json!({"error": {"code": "InternalError", "message": message.replace('\n', "\r\n")}}),
    )
}

#[cfg(test)]
mod tests {
    use super::{Fault, Rule, Script};
    use crate::message::Operation;

    fn rule(times: Option<u64>, fault: Fault) -> Rule {
        Rule {
            operation: Operation::ValidateRequest,
            times,
            containing: None,
            fault,
        }
    }

    #[test]
    fn counted_rules_come_one_after_the_other() {
        let mut script = Script::default();
        script.rules.push(rule(Some(2), Fault::Html));
        script.rules.push(rule(Some(1), Fault::Empty));
        script
            .rules
            .push(rule(None, Fault::Slow { milliseconds: 5 }));
        let slow = Fault::Slow { milliseconds: 5 };
        let mut next = || script.take(Operation::ValidateRequest, "/", b"");
        assert_eq!(next(), [slow.clone(), Fault::Html]);
        assert_eq!(next(), [slow.clone(), Fault::Html]);
        assert_eq!(next(), [slow.clone(), Fault::Empty]);
        assert_eq!(next(), [slow]);
        assert!(script.take(Operation::Token, "/", b"").is_empty());
    }

    #[test]
    fn a_rule_can_pick_its_calls() {
        let mut script = Script::default();
        script.rules.push(Rule {
            containing: Some("tx-2".to_owned()),
            ..rule(Some(1), Fault::Html)
        });
        assert!(
            script
                .take(Operation::ValidateRequest, "/", b"{tx-1}")
                .is_empty()
        );
        assert_eq!(
            script.take(Operation::ValidateRequest, "/", b"{tx-2}"),
            [Fault::Html]
        );
    }

    #[test]
    fn rules_read_as_the_documentation_writes_them() {
        let text = r#"{"operation":"token","times":1,"fault":{"kind":"entra","code":7000222,"retryAfter":"5"}}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(
            rule.fault,
            Fault::Entra {
                code: 7_000_222,
                retry_after: Some("5".to_owned())
            }
        );
    }
}
