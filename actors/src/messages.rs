//! What can be said to a profile actor, and what it answers.

use crate::requests::{Operation, RequestResult};
use crate::spec::ProfileSpec;
use actix::Message;
use bytes::Bytes;
use challenge::Counters;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{EnrollmentRecord, ProfileState, Refusal, Stage};

/// Where a message came from, for the audit and the limits.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's address, behind trusted proxies the one they name.
    pub source: IpAddr,
    /// The User-Agent header, cut to a sane length.
    pub user_agent: Option<String>,
    /// The id that logs, replies and audit events of this request share.
    pub request_id: String,
}

/// A SCEP PKIOperation, as it came (RFC 8894 section 4.3).
#[derive(Message)]
#[rtype(result = "Response")]
pub struct PkiOperation {
    /// The PKIMessage, BER or DER.
    pub message: Bytes,
    /// Where it came from.
    pub origin: Origin,
}

/// A PKIOperation that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// What it was about, as far as that became known.
    pub operation: Operation,
    /// Its transactionID, as far as that became known.
    pub transaction_id: Option<String>,
    /// How it ended.
    pub result: RequestResult,
    /// What the client is sent.
    pub outcome: Outcome,
}

impl Response {
    /// Of a message that could not be read, or that nobody has looked at.
    pub(crate) fn unread(result: RequestResult, outcome: Outcome) -> Self {
        Self {
            operation: Operation::PkiOperation,
            transaction_id: None,
            result,
            outcome,
        }
    }
}

/// What becomes of a PKIOperation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A signed CertRep: HTTP 200, whatever its pkiStatus.
    CertRep(Vec<u8>),
    /// Not a PKIMessage at all: HTTP 400 with these words.
    Unreadable(String),
    /// Too much to do, or a part of the server is down: HTTP 503, try again after this time.
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
    /// As many requests wait for an operator as may, in all or from this source: HTTP 503 with words that say so.
    Full {
        /// When to come again.
        retry_after: Duration,
    },
    /// Too many wrong challenges from this source: HTTP 403.
    TooManyFailures,
}

/// When a device that was turned away for lack of room should come again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Puts a new specification in the place of the current one; state stays.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Apply {
    pub(crate) spec: Arc<ProfileSpec>,
    /// The states under names that the profile is said to have had before, and was not until now.
    pub(crate) former: Vec<ProfileState>,
}

/// Asks how the profile stands.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "ProfileStatus")]
pub struct Status;

/// How a profile stands.
#[derive(Debug, Clone)]
pub struct ProfileStatus {
    /// The eleven Intune counters.
    pub counters: Counters,
    /// Challenges remembered now.
    pub replay_entries: usize,
    /// Enrollments under way now.
    pub in_flight: usize,
    /// Requests that wait for approval.
    pub pending: usize,
    /// Challenges made for one device that were refused since the actor began.
    pub challenges_refused: u64,
    /// Names of those outside that are not called just now, because none of the last calls was answered.
    pub resting: Vec<String>,
    /// Enrollments that wait for an issuer that is somewhere else.
    pub waiting_for_issuer: usize,
}

/// An operator's decision on a pending request.
#[derive(Message, Debug, Clone)]
#[rtype(result = "Result<Stage, DecideError>")]
pub struct OperatorDecision {
    /// The request's key.
    pub key: [u8; 16],
    /// `true` issues the certificate now, `false` denies it.
    pub approve: bool,
    /// Who decides.
    pub by: String,
    /// What kind of caller that is (`APIKey`, `OIDC`).
    pub by_type: String,
    /// Why, in the operator's words.
    pub note: Option<String>,
    /// The id of the operator's request.
    pub request_id: String,
}

/// Why an operator's decision did not take effect. The request still stands as it stood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// No such request in this profile.
    #[error("there is no such request")]
    Unknown,
    /// Somebody decided already, or the time limit passed.
    #[error("the request no longer waits: it is {0}")]
    NotPending(&'static str),
    /// Another decision on it is under way.
    #[error("another decision on this request is under way")]
    Busy,
    /// The profile's policy of today refuses it.
    #[error("the profile's policy refuses the request: {0}")]
    Policy(String),
    /// The issuer or the store failed; the request still waits.
    #[error("{0}; the request still waits, try again")]
    Failed(String),
}

/// Lets go of what has passed its time: used challenges, rate windows, requests that nobody decided
/// on. A profile does so by itself every 30 seconds; the answer comes when it is done.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct Sweep;

/// Says that the profile is no longer served: its actor ends when the last address of it is gone,
/// which is when the last request under way has its answer.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub(crate) struct End;

/// Says that a panic should happen in the actor. For drills that show that a profile comes back:
/// no route leads here.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct InjectPanic;

/// The word for where an enrollment stands.
#[must_use]
pub(crate) fn state_word(record: &EnrollmentRecord) -> &'static str {
    match record.stage {
        Stage::Validating { .. } => "being validated",
        Stage::AwaitingApproval { .. } => "pending",
        Stage::Issuing { .. } => "being issued",
        Stage::Notifying { .. } => "issued and waiting for a notification",
        Stage::Issued { .. } => "issued",
        Stage::Refused(Refusal::Denied { .. }) => "denied",
        Stage::Refused(Refusal::ApprovalExpired) => "expired",
        Stage::Refused(_) => "refused",
    }
}
