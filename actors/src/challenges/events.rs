//! What the audit says of challenges: who had one made and by which way, and who withdrew it. Never a value.

use super::{ChallengeWish, Minter, challenge_id};
use chrono::{DateTime, Utc};
use store::{AuditDetails, AuditEvent, ChallengeRecord, Outcome};

/// A challenge was made.
pub(super) fn made(
    record: &ChallengeRecord,
    wish: &ChallengeWish,
    by: &Minter,
    now: DateTime<Utc>,
) -> AuditEvent {
    let message = format!("a challenge was made, good until {}", record.expires);
    let mut event = event("scep_challenge_made", record, by, message, now);
    let details = &mut event.details;
    details.device.clone_from(&wish.binding.device);
    details.note.clone_from(&wish.note);
    let extra = &mut details.extra;
    extra.insert("interface".to_owned(), wish.interface.to_owned());
    if wish.uses > 1 {
        extra.insert("uses".to_owned(), wish.uses.to_string());
    }
    if !wish.binding.is_empty() {
        let bound = String::from_utf8_lossy(&record.bound).into_owned();
        extra.insert("bound".to_owned(), bound);
    }
    event
}

/// A challenge was withdrawn.
pub(super) fn withdrawn(record: &ChallengeRecord, by: &Minter, now: DateTime<Utc>) -> AuditEvent {
    let message = "a challenge was withdrawn".to_owned();
    event("scep_challenge_withdrawn", record, by, message, now)
}

fn event(
    action: &str,
    record: &ChallengeRecord,
    by: &Minter,
    message: String,
    now: DateTime<Utc>,
) -> AuditEvent {
    let origin = by.origin.as_ref();
    AuditEvent {
        timestamp: now,
        actor: by.name.clone(),
        actor_type: by.kind.clone(),
        action: action.to_owned(),
        resource_type: "scep_challenge".to_owned(),
        resource_id: challenge_id(record),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            message: Some(message),
            profile: Some(record.profile.clone()),
            source_ip: origin.map(|origin| origin.source),
            user_agent: origin.and_then(|origin| origin.user_agent.clone()),
            request_id: origin.map(|origin| origin.request_id.clone()),
            ..AuditDetails::default()
        },
    }
}
