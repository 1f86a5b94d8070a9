//! The question, as the webhook gets it.

use actors::ComplianceQuestion;
use challenge::{Claim, CsrFacts};
use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    /// What this body is; another form would have another number.
    version: u8,
    asked_at: DateTime<Utc>,
    profile: &'a str,
    transaction_id: &'a str,
    /// The claim `sub`.
    device: &'a str,
    claim: &'a Claim,
    csr: &'a CsrFacts,
}

/// The JSON to be sent.
pub(super) fn body(question: &ComplianceQuestion, now: DateTime<Utc>) -> Vec<u8> {
    let body = Body {
        version: 1,
        asked_at: now,
        profile: &question.profile,
        transaction_id: &question.transaction_id,
        device: &question.claim.sub,
        claim: &question.claim,
        csr: &question.csr,
    };
    // Strings and numbers only: writing them cannot fail. An empty body would be refused.
    serde_json::to_vec(&body).unwrap_or_default()
}
