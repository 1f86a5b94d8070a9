//! Why a call gave no result: in words for an operator, without tokens, secrets and challenges.

use outbound::{CallError, Response};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A token is asked for.
    Token,
    /// Intune's services are looked up.
    Discovery,
    /// A challenge is validated.
    Validate,
    /// Intune is told of a certificate.
    NotifySuccess,
    /// Intune is told of a failure.
    NotifyFailure,
    /// Revocations are fetched, or their results reported.
    Revocation,
    /// Graph is asked about a device, a user or the app.
    Graph,
}

impl Step {
    /// One word, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Discovery => "discovery",
            Self::Validate => "validate",
            Self::NotifySuccess => "notify_success",
            Self::NotifyFailure => "notify_failure",
            Self::Revocation => "revocation",
            Self::Graph => "graph",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Token => "Entra ID gave no token",
            Self::Discovery => "Intune's services could not be looked up",
            Self::Validate => "Intune did not validate the challenge",
            Self::NotifySuccess => "Intune could not be told of the certificate",
            Self::NotifyFailure => "Intune could not be told of the failure",
            Self::Revocation => "Intune's revocations could not be handled",
            Self::Graph => "Graph gave no answer",
        }
    }
}

/// A call that gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// What was being done.
    pub step: Step,
    /// What happened.
    pub words: String,
    /// Where it is mended, if an operator has to.
    pub advice: Option<&'static str>,
    /// How long the other side wants to be left alone.
    pub after: Option<Duration>,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// Under which id Microsoft's support finds the call.
    pub request_id: Option<String>,
    /// Whether trying again is of no use until somebody has changed something.
    pub is_lasting: bool,
}

impl std::error::Error for ServiceError {}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step.words(), self.words)?;
        if let Some(advice) = self.advice {
            write!(f, "; {advice}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (client-request-id {id})")?;
        }
        Ok(())
    }
}

impl ServiceError {
    pub(crate) fn new(step: Step, words: impl Into<String>) -> Self {
        Self {
            step,
            words: words.into(),
            advice: None,
            after: None,
            status: None,
            request_id: None,
            is_lasting: false,
        }
    }

    pub(crate) fn lasting(mut self, advice: &'static str) -> Self {
        self.advice = Some(advice);
        self.is_lasting = true;
        self
    }

    pub(crate) fn with_id(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    pub(crate) fn of_call(step: Step, error: &CallError, id: &str) -> Self {
        Self::new(step, error.to_string()).with_id(id)
    }

    /// An answer that is no success.
    pub(crate) fn of_answer(step: Step, answer: &Response, id: &str, now: i64) -> Self {
        let detail = detail(answer);
        let words = match &detail.words {
            Some(words) => format!("HTTP status {}: {words}", answer.status()),
            None => format!("HTTP status {}", answer.status()),
        };
        let mut error = Self::new(step, words).with_id(id);
        error.status = Some(answer.status());
        error.after = answer.retry_after(now).or(detail.after);
        if let 300..400 = answer.status() {
            error = error.lasting(
                "redirects are not followed: look whether a proxy or a login page answers instead of Microsoft",
            );
        }
        error
    }

    /// A 200 whose body is not what it must be.
    pub(crate) fn unreadable(step: Step, why: &str, id: &str) -> Self {
        Self::new(step, format!("the answer cannot be read: {why}")).with_id(id)
    }

    /// Whether the token was not enough: it may be an old one.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self.status, Some(401 | 403))
    }
}

struct Detail {
    words: Option<String>,
    after: Option<Duration>,
}

/// What the body of an error says: code, and message in an excerpt. Intune nests JSON in the message.
fn detail(answer: &Response) -> Detail {
    let none = Detail {
        words: None,
        after: None,
    };
    let Ok(body) = answer.json::<Value>() else {
        return none;
    };
    let error = &body["error"];
    let code = error["code"].as_str().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default();
    let nested: Option<Value> = serde_json::from_str(message).ok();
    let after = nested.as_ref().and_then(|nested| {
        let after = &nested["RetryAfter"];
        let seconds = after.as_u64();
        seconds.or_else(|| after.as_str().and_then(|text| text.trim().parse().ok()))
    });
    let message = match &nested {
        Some(nested) => nested["Message"].as_str().unwrap_or_default(),
        None => message,
    };
    let words = match (code, message) {
        ("", "") => None,
        (code, "") => Some(excerpt(code)),
        ("", message) => Some(excerpt(message)),
        (code, message) => Some(format!("{}: {}", excerpt(code), excerpt(message))),
    };
    Detail {
        words,
        after: after.map(Duration::from_secs),
    }
}

/// Text from outside, fit for a log line: at most 300 characters of what can be seen.
#[must_use]
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut out = String::new();
    for (index, character) in text.trim().chars().enumerate() {
        if index == LONGEST {
            out.push_str("...");
            break;
        }
        let hidden = character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        out.push(if hidden { ' ' } else { character });
    }
    out
}
