//! Everything that can be made to go wrong, and when.

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::message::{Answer, Operation, Request};
use crate::world::World;

/// One way in which a call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Fault {
    /// This HTTP status in the service's own form of an error; nothing is processed.
    Status {
        /// 500, 429, 503 and the like.
        status: u16,
        /// The header `Retry-After`.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// Processed, and then answered with this HTTP status all the same.
    StatusAfter {
        /// 500, 502, 504 and the like.
        status: u16,
    },
    /// One of the service's own errors, by its name ([`crate::Fake::errors`]); nothing is processed.
    Error {
        /// For example `general_failure`, `ThrottlingException`, `0x80094800`.
        name: String,
    },
    /// The login is not taken any more.
    LoginRanOut,
    /// Elsewhere, it says (307).
    Redirect {
        /// The header `Location`; the fake's other host when left out.
        #[serde(default)]
        location: Option<String>,
    },
    /// 200 with somebody's page of HTML.
    Html,
    /// 200 with no body.
    Empty,
    /// 200 with octets that are nothing.
    Garbage,
    /// The right body under another content type.
    ContentType {
        /// The header's value.
        value: String,
    },
    /// Processed, then answered later.
    Slow {
        /// How much later.
        milliseconds: u64,
    },
    /// Processed, then answered only when it is released.
    Held,
    /// Read, and never answered nor processed.
    Silent,
    /// The connection ends before anything is processed.
    CutBefore,
    /// Processed; then the connection ends without an answer: the answer is lost.
    CutAfter,
    /// Processed; the connection ends in the middle of the answer's body.
    CutHalfway,
    /// The right answer with so many octets of white space before it.
    TooLong {
        /// How many.
        octets: usize,
    },
    /// The request waits for somebody's approval.
    Pending,
    /// The certificate differs in this from what was asked for.
    Certificate {
        /// In what.
        change: Change,
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
        let always = self.rules.iter();
        let always = always.filter(|rule| rule.times.is_none() && fits(rule));
        let mut faults: Vec<Fault> = always.map(|rule| rule.fault.clone()).collect();
        let counted = self.rules.iter_mut();
        let mut counted =
            counted.filter(|rule| rule.times.is_some_and(|left| left > 0) && fits(rule));
        if let Some(rule) = counted.next() {
            rule.times = rule.times.map(|left| left - 1);
            faults.push(rule.fault.clone());
        }
        self.rules.retain(|rule| rule.times != Some(0));
        faults
    }
}

impl Fault {
    /// What is answered in the place of an answer, when nothing is processed.
    pub(crate) fn instead(&self, world: &World, request: &Request) -> Option<Answer> {
        let answer = match self {
            Self::Status {
                status,
                retry_after,
            } => {
                let answer = world.failure(*status);
                match retry_after {
                    Some(after) => answer.header("retry-after", after),
                    None => answer,
                }
            }
            Self::Error { name } => world.error(name, request),
            Self::LoginRanOut => world.login_ran_out(request),
            Self::Redirect { location } => {
                let location = location.clone();
                let location = location.unwrap_or_else(|| format!("{}/", world.elsewhere));
                Answer::of(307, "text/plain", Vec::new()).header("location", location)
            }
            Self::Html => Answer::of(
                200,
                "text/html",
                "<html><body>Sign in to the network</body></html>",
            ),
            Self::Empty => Answer::of(200, "application/json", Vec::new()),
            Self::Garbage => Answer::of(200, "application/json", vec![0xff, 0x00, 0x7b, 0x22]),
            _ => return None,
        };
        Some(answer)
    }

    /// What it makes of an answer to a call that was processed.
    pub(crate) fn spoil(&self, answer: &mut Answer, world: &World) {
        match self {
            Self::StatusAfter { status } => *answer = world.failure(*status),
            Self::ContentType { value } => {
                *answer = answer.clone().header("content-type", value);
            }
            Self::TooLong { octets } => {
                let mut body = vec![b' '; *octets];
                body.append(&mut answer.body);
                answer.body = body;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Rule, Script};
    use crate::change::Change;
    use crate::message::Operation;

    fn rule(times: Option<u64>, fault: Fault) -> Rule {
        Rule {
            operation: Operation::Issue,
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
        let slow = Fault::Slow { milliseconds: 5 };
        script.rules.push(rule(None, slow.clone()));
        let mut next = || script.take(Operation::Issue, "/", b"");
        assert_eq!(next(), [slow.clone(), Fault::Html]);
        assert_eq!(next(), [slow.clone(), Fault::Html]);
        assert_eq!(next(), [slow.clone(), Fault::Empty]);
        assert_eq!(next(), [slow]);
        assert!(script.take(Operation::Revoke, "/", b"").is_empty());
    }

    #[test]
    fn a_rule_can_pick_its_calls() {
        let mut script = Script::default();
        script.rules.push(Rule {
            containing: Some("laptop-2".to_owned()),
            ..rule(Some(1), Fault::Html)
        });
        let mut take = |body: &[u8]| script.take(Operation::Issue, "/", body);
        assert!(take(b"laptop-1").is_empty());
        assert_eq!(take(b"laptop-2"), [Fault::Html]);
        assert!(take(b"laptop-2").is_empty());
    }

    #[test]
    fn rules_read_as_the_documentation_writes_them() {
        let text =
            r#"{"operation":"issue","times":1,"fault":{"kind":"certificate","change":"caTrue"}}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        let change = Change::CaTrue;
        assert_eq!(rule.fault, Fault::Certificate { change });
    }
}
