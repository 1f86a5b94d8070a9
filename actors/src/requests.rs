//! `scepd_scep_requests_total`: every request to a profile counted once, when its answer is known.
//!
//! The front counts, because it alone sees all of them: those that never reach the actor, and those whose answer came
//! too late. The actor tells it what a PKIOperation was about.

use crate::registry::Metrics;
use metrics::Counter;
use std::sync::{Arc, OnceLock};

/// What a SCEP request asks for, the label `operation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// GetCACaps.
    GetCaCaps,
    /// GetCACert.
    GetCaCert,
    /// GetNextCACert.
    GetNextCaCert,
    /// A PKIOperation of which no more is known: unreadable, refused before it was read, or unanswered.
    PkiOperation,
    /// A PKCSReq.
    PkcsReq,
    /// A RenewalReq.
    RenewalReq,
    /// A CertPoll.
    CertPoll,
    /// A GetCert.
    GetCert,
    /// A GetCRL.
    GetCrl,
    /// None of these.
    Other,
}

impl Operation {
    const COUNT: usize = Self::Other as usize + 1;

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GetCaCaps => "GetCACaps",
            Self::GetCaCert => "GetCACert",
            Self::GetNextCaCert => "GetNextCACert",
            Self::PkiOperation => "PKIOperation",
            Self::PkcsReq => "PKCSReq",
            Self::RenewalReq => "RenewalReq",
            Self::CertPoll => "CertPoll",
            Self::GetCert => "GetCert",
            Self::GetCrl => "GetCRL",
            Self::Other => "other",
        }
    }
}

impl From<&scep::MessageType> for Operation {
    fn from(message_type: &scep::MessageType) -> Self {
        match message_type {
            scep::MessageType::PkcsReq => Self::PkcsReq,
            scep::MessageType::RenewalReq => Self::RenewalReq,
            scep::MessageType::CertPoll => Self::CertPoll,
            scep::MessageType::GetCert => Self::GetCert,
            scep::MessageType::GetCrl => Self::GetCrl,
            _ => Self::PkiOperation,
        }
    }
}

/// How a SCEP request ended, the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestResult {
    /// What was asked for was sent.
    Success,
    /// A CertRep FAILURE.
    Failure,
    /// A CertRep PENDING.
    Pending,
    /// HTTP 400: no PKIMessage, or no SCEP request at all.
    Unreadable,
    /// HTTP 401: the client certificate is none of this profile's.
    Unauthenticated,
    /// HTTP 403: too many wrong challenges from this source.
    Throttled,
    /// HTTP 404: there is no next CA certificate.
    NotFound,
    /// HTTP 405.
    MethodNotAllowed,
    /// HTTP 408: the body took too long.
    TooSlow,
    /// HTTP 413.
    TooLarge,
    /// HTTP 429: the profile's request limits.
    Limited,
    /// HTTP 503: there is more to do than the profile takes.
    Shed,
    /// HTTP 503: the store or the issuer failed, the profile is being brought back, or `server.request_timeout` passed.
    Busy,
    /// The client went away before there was an answer.
    Gone,
}

impl RequestResult {
    const COUNT: usize = Self::Gone as usize + 1;

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Pending => "pending",
            Self::Unreadable => "unreadable",
            Self::Unauthenticated => "unauthenticated",
            Self::Throttled => "guessing",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooSlow => "too_slow",
            Self::TooLarge => "too_large",
            Self::Limited => "limited",
            Self::Shed => "shed",
            Self::Busy => "busy",
            Self::Gone => "gone",
        }
    }
}

/// One profile's counters, each looked up when it is first needed.
pub struct Requests {
    profile: String,
    metrics: Metrics,
    counters: [[OnceLock<Counter>; RequestResult::COUNT]; Operation::COUNT],
}

impl Requests {
    /// The counters of a profile. Those that alerts watch begin at 0 now: of a counter that appears with its first
    /// event, `increase()` does not see that event.
    #[must_use]
    pub fn new(profile: &str, metrics: &Metrics) -> Self {
        let requests = Self {
            profile: profile.to_owned(),
            metrics: metrics.clone(),
            counters: Default::default(),
        };
        for (operation, result) in [
            (Operation::PkiOperation, RequestResult::Shed),
            (Operation::PkiOperation, RequestResult::Busy),
            (Operation::PkiOperation, RequestResult::Throttled),
            (Operation::PkcsReq, RequestResult::Throttled),
        ] {
            requests.add(operation, result, 0);
        }
        requests
    }

    /// A request that has come in. It is counted when what this returns is ended or dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>, operation: Operation) -> Counting {
        Counting {
            requests: Arc::clone(self),
            operation,
            result: RequestResult::Gone,
        }
    }

    fn add(&self, operation: Operation, result: RequestResult, count: u64) {
        let cell = self
            .counters
            .get(operation as usize)
            .and_then(|row| row.get(result as usize));
        if let Some(cell) = cell {
            cell.get_or_init(|| {
                self.metrics.counter(
                    "scepd_scep_requests_total",
                    &[
                        ("profile", self.profile.as_str()),
                        ("operation", operation.as_str()),
                        ("result", result.as_str()),
                    ],
                )
            })
            .increment(count);
        }
    }
}

/// A request under way. Dropped before it has ended, it counts as [`RequestResult::Gone`].
pub struct Counting {
    requests: Arc<Requests>,
    operation: Operation,
    result: RequestResult,
}

impl Counting {
    /// Counts the request.
    pub fn end(mut self, operation: Operation, result: RequestResult) {
        (self.operation, self.result) = (operation, result);
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.requests.add(self.operation, self.result, 1);
    }
}
