//! The audit events of enrollments: who asked for what, how it ended, and why, in plain words.

use crate::budget::Suppressed;
use crate::context::{Context, csr_facts};
use crate::durable::Failure;
use crate::enrollment::{EnrollmentRequest, Rejected};
use crate::messages::Origin;
use crate::records;
use crate::refusal::Refusal;
use crate::shared::Shared;
use chrono::{DateTime, Utc};
use pki::Certificate;
use scep::MessageType;
use std::net::IpAddr;
use store::{AuditDetails, AuditEvent, EnrollmentRecord, Outcome};

/// A request waits for an operator.
pub(crate) fn pending(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    note: Option<String>,
    now: DateTime<Utc>,
) -> AuditEvent {
    let message = "waits for an operator's approval";
    let mut event = event(shared, origin, asked, Outcome::Pending, message, now);
    event.details.note = note;
    event
}

/// A message came again within the retransmission window and got its certificate again.
pub(crate) fn resent(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    certificate: &Certificate,
    now: DateTime<Utc>,
) -> AuditEvent {
    let serial = certificate.serial().to_hex();
    let message = "the same message came again; the same certificate was sent again";
    let mut event = event(shared, origin, asked, Outcome::Success, message, now);
    about_certificate(&mut event, serial);
    event.details.note = Some("sent again".to_owned());
    event
}

/// A request was refused. `suppressed` refusals like it were not written before this one.
pub(crate) fn refused(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    refusal: &Refusal,
    suppressed: u64,
    now: DateTime<Utc>,
) -> AuditEvent {
    let mut event = event(
        shared,
        origin,
        asked,
        Outcome::Failure,
        &refusal.message,
        now,
    );
    event.details.reason = Some(refusal.reason.to_owned());
    note_mismatches(&mut event.details, refusal);
    note_suppressed(&mut event.details, suppressed);
    event
}

/// Verified refusals that were counted and not written.
pub(crate) fn suppressed(
    shared: &Shared,
    suppressed: &Suppressed,
    now: DateTime<Utc>,
) -> AuditEvent {
    AuditEvent {
        timestamp: now,
        actor: "scepd".to_owned(),
        actor_type: "System".to_owned(),
        action: "scep_refusals_left_out".to_owned(),
        resource_type: "scep_profile".to_owned(),
        resource_id: shared.spec.path_id.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Failure),
            reason: Some("left_out".to_owned()),
            message: Some(suppressed.to_string()),
            profile: Some(shared.spec.path_id.clone()),
            issuer_id: Some(shared.spec.issuer.id().to_owned()),
            source_ip: suppressed.worst.map(|(source, _)| source),
            ..AuditDetails::default()
        },
    }
}

/// An approved request failed through no fault of the device.
pub(crate) fn failed(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    failure: &Failure,
    now: DateTime<Utc>,
) -> AuditEvent {
    let message = format!("{failure}; the device was told to try again");
    let mut event = event(shared, origin, asked, Outcome::Failure, &message, now);
    event.details.reason = Some(failure.reason().to_owned());
    event
}

/// A PKIMessage was refused before it was known what it asks for.
pub(crate) fn rejected(
    shared: &Shared,
    origin: &Origin,
    rejected: &Rejected,
    suppressed: u64,
    now: DateTime<Utc>,
) -> AuditEvent {
    let action = match rejected.reply.message_type {
        MessageType::CertPoll => "scep_certpoll",
        MessageType::GetCert => "scep_getcert",
        MessageType::GetCrl => "scep_getcrl",
        MessageType::RenewalReq => action(true, false),
        _ => action(false, false),
    };
    let mut details = details(shared, origin, Outcome::Failure, &rejected.detail);
    let reason = if rejected.verified {
        rejected.fail_info.to_string()
    } else {
        "unverified".into()
    };
    details.reason = Some(reason);
    details
        .transaction_id
        .clone_from(&rejected.reply.transaction_id);
    note_suppressed(&mut details, suppressed);
    let subject = rejected.reply.signer.subject().to_string();
    AuditEvent {
        timestamp: now,
        actor: subject,
        actor_type: "Device".to_owned(),
        action: action.to_owned(),
        resource_type: REQUEST.to_owned(),
        resource_id: rejected.reply.transaction_id.clone().unwrap_or_default(),
        details,
    }
}

/// Something that is no PKIMessage came.
pub(crate) fn unreadable(
    shared: &Shared,
    origin: &Origin,
    words: &str,
    suppressed: u64,
    now: DateTime<Utc>,
) -> AuditEvent {
    let mut details = details(shared, origin, Outcome::Failure, words);
    details.reason = Some("unreadable".to_owned());
    note_suppressed(&mut details, suppressed);
    AuditEvent {
        timestamp: now,
        actor: "unknown".to_owned(),
        actor_type: "Device".to_owned(),
        action: "scep_unreadable".to_owned(),
        resource_type: "scep_profile".to_owned(),
        resource_id: shared.spec.path_id.clone(),
        details,
    }
}

/// A source is turned away from now on, for so many wrong challenges.
pub(crate) fn locked_out(
    shared: &Shared,
    source: IpAddr,
    suppressed: u64,
    now: DateTime<Utc>,
) -> AuditEvent {
    let message = format!(
        "{} wrong challenges or unreadable messages within a minute: the source is turned away for the rest of it",
        shared.spec.guesses_per_minute
    );
    let mut details = AuditDetails {
        outcome: Some(Outcome::Failure),
        reason: Some("too_many_guesses".to_owned()),
        message: Some(message),
        profile: Some(shared.spec.path_id.clone()),
        issuer_id: Some(shared.spec.issuer.id().to_owned()),
        source_ip: Some(source),
        ..AuditDetails::default()
    };
    note_suppressed(&mut details, suppressed);
    AuditEvent {
        timestamp: now,
        actor: source.to_string(),
        actor_type: "Device".to_owned(),
        action: "scep_source_locked_out".to_owned(),
        resource_type: "scep_profile".to_owned(),
        resource_id: shared.spec.path_id.clone(),
        details,
    }
}

/// A request that waited was issued, denied or ran out of time.
pub(crate) fn of_record(
    shared: &Shared,
    record: &EnrollmentRecord,
    outcome: Outcome,
    reason: Option<&str>,
    message: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    of(
        shared,
        record,
        Context::of_record(record),
        outcome,
        reason,
        message,
        now,
    )
}

/// A certificate was issued.
pub(crate) fn of_issued(
    shared: &Shared,
    record: &EnrollmentRecord,
    context: &Context,
    message: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    of(
        shared,
        record,
        context.clone(),
        Outcome::Success,
        None,
        message,
        now,
    )
}

/// Somebody outside was asked for an enrollment, and is to be asked again.
pub(crate) fn attempt(
    shared: &Shared,
    record: &EnrollmentRecord,
    context: &Context,
    remote: &str,
    message: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let outcome = Outcome::Pending;
    let mut event = of(shared, record, context.clone(), outcome, None, message, now);
    event.action = ATTEMPT.to_owned();
    // What stands in the event that ends the enrollment needs no copy in each.
    event.details.claim = None;
    event.details.csr = None;
    let (member, name) = ("remote".to_owned(), remote.to_owned());
    event.details.extra.insert(member, name);
    event
}

/// The action of [`attempt`].
const ATTEMPT: &str = "scep_outside_attempt";

/// An enrollment under way was refused for good.
pub(crate) fn refused_record(
    shared: &Shared,
    record: &EnrollmentRecord,
    context: &Context,
    refusal: &Refusal,
    now: DateTime<Utc>,
) -> AuditEvent {
    let reason = Some(refusal.reason);
    let message = &refusal.message;
    let mut event = of(
        shared,
        record,
        context.clone(),
        Outcome::Failure,
        reason,
        message,
        now,
    );
    note_mismatches(&mut event.details, refusal);
    event
}

/// Whoever vouched was told by the outbox how an enrollment ended.
pub(crate) fn notified(
    shared: &Shared,
    told: &challenge::Notice,
    device: Option<String>,
    notifier: &str,
    words: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let serial = match &told.end {
        challenge::NoticeOf::Issued(der) => pki::Certificate::from_der(der).ok(),
        challenge::NoticeOf::Refused { .. } => None,
    };
    let mut event = AuditEvent {
        timestamp: now,
        actor: notifier.to_owned(),
        actor_type: "System".to_owned(),
        action: NOTIFIED.to_owned(),
        resource_type: REQUEST.to_owned(),
        resource_id: told.transaction_id.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            message: Some(words.to_owned()),
            profile: Some(shared.spec.path_id.clone()),
            transaction_id: Some(told.transaction_id.clone()),
            claim_issuer: told.by.clone(),
            device,
            ..AuditDetails::default()
        },
    };
    if let Some(certificate) = serial {
        about_certificate(&mut event, certificate.serial().to_hex());
    }
    event
}

/// Whoever vouched knows of the certificate of this enrollment, which leaves now.
pub(crate) fn notified_first(
    shared: &Shared,
    record: &EnrollmentRecord,
    serial: String,
    words: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let mut event = of_record(shared, record, Outcome::Success, None, words, now);
    NOTIFIED.clone_into(&mut event.action);
    about_certificate(&mut event, serial);
    event
}

/// The action of events that say that whoever vouched was told.
const NOTIFIED: &str = "scep_notification";

fn of(
    shared: &Shared,
    record: &EnrollmentRecord,
    context: Context,
    outcome: Outcome,
    reason: Option<&str>,
    message: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let renewal = records::is_renewal(record);
    let grounds = &record.grounds;
    let actor = grounds
        .device
        .clone()
        .unwrap_or_else(|| record.common_name.clone());
    AuditEvent {
        timestamp: now,
        actor,
        actor_type: "Device".to_owned(),
        action: action(renewal, context.intune).to_owned(),
        resource_type: REQUEST.to_owned(),
        resource_id: record.transaction_id.clone(),
        details: AuditDetails {
            outcome: Some(outcome),
            reason: reason.map(str::to_owned),
            message: Some(message.to_owned()),
            profile: Some(shared.spec.path_id.clone()),
            issuer_id: Some(shared.spec.issuer.id().to_owned()),
            common_name: Some(record.common_name.clone()),
            sans: (!record.sans.is_empty()).then(|| record.sans.clone()),
            transaction_id: Some(record.transaction_id.clone()),
            source_ip: record.source_ip,
            device: grounds.device.clone(),
            claim: grounds.claim.clone(),
            claim_issuer: grounds.claim_issuer.clone(),
            csr: context.csr,
            user_agent: context.user_agent,
            request_id: context.request_id,
            extra: context
                .challenge
                .map(|challenge| (CHALLENGE.to_owned(), challenge))
                .into_iter()
                .collect(),
            note: context.vouched,
            ..AuditDetails::default()
        },
    }
}

/// In `details`: which challenge a request came with, by its name or id. Never its value.
const CHALLENGE: &str = "challenge";

/// In which dimensions challenge and CSR differ.
fn note_mismatches(details: &mut AuditDetails, refusal: &Refusal) {
    if !refusal.mismatches.is_empty() {
        let dimensions: Vec<&str> = refusal
            .mismatches
            .iter()
            .map(|mismatch| mismatch.dimension.as_str())
            .collect();
        details
            .extra
            .insert("mismatch".to_owned(), dimensions.join(","));
    }
}

/// What an event is about while there is no certificate: a request, by its transactionID.
pub(crate) const REQUEST: &str = "scep_request";

/// The event is about this certificate, no longer about the request alone.
pub(crate) fn about_certificate(event: &mut AuditEvent, serial: String) {
    event.resource_type = "certificate".to_owned();
    event.resource_id.clone_from(&serial);
    event.details.serial = Some(serial);
}

/// In `details`, where nobody vouches for what the challenge says: which members that concerns.
const UNVERIFIED: (&str, &str) = (
    "unverified",
    "device, claim_issuer and claim: no trusted connector signed them",
);

fn event(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    outcome: Outcome,
    message: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let common_name = records::common_name(asked);
    let device = records::device(asked);
    let transaction_id = asked.reply.transaction_id.clone().unwrap_or_default();
    let mut details = details(shared, origin, outcome, message);
    details.sans = (!asked.csr.sans().is_empty()).then(|| asked.csr.sans().to_string());
    details.transaction_id = Some(transaction_id.clone());
    if asked.intune {
        details.claim = asked
            .claim()
            .and_then(|claim| serde_json::to_value(claim).ok());
        details.claim_issuer = asked.claim().map(|claim| claim.iss.clone());
        details.csr = Some(csr_facts(&asked.facts));
        if asked.claim().is_some() && asked.claim_is_unverified() {
            let (member, words) = UNVERIFIED;
            details.extra.insert(member.to_owned(), words.to_owned());
        }
    }
    if let Some(challenge) = asked.challenge() {
        details
            .extra
            .insert(CHALLENGE.to_owned(), challenge.to_owned());
    }
    details.device.clone_from(&device);
    details.common_name = Some(common_name.clone());
    let device = device.filter(|_| !asked.claim_is_unverified());
    AuditEvent {
        timestamp: now,
        actor: device.unwrap_or(common_name),
        actor_type: "Device".to_owned(),
        action: action(asked.is_renewal(), asked.intune).to_owned(),
        resource_type: REQUEST.to_owned(),
        resource_id: transaction_id,
        details,
    }
}

fn details(shared: &Shared, origin: &Origin, outcome: Outcome, message: &str) -> AuditDetails {
    AuditDetails {
        outcome: Some(outcome),
        message: Some(message.to_owned()),
        profile: Some(shared.spec.path_id.clone()),
        issuer_id: Some(shared.spec.issuer.id().to_owned()),
        source_ip: Some(origin.source),
        user_agent: origin.user_agent.clone(),
        request_id: Some(origin.request_id.clone()),
        ..AuditDetails::default()
    }
}

fn action(renewal: bool, intune: bool) -> &'static str {
    match (renewal, intune) {
        (false, false) => "scep_pkcsreq",
        (true, false) => "scep_renewalreq",
        (false, true) => "scep_pkcsreq_intune",
        (true, true) => "scep_renewalreq_intune",
    }
}

fn note_suppressed(details: &mut AuditDetails, suppressed: u64) {
    if suppressed > 0 {
        details.note = Some(format!(
            "{suppressed} more like it were counted and not written"
        ));
    }
}
