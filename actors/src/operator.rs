//! What operators decide: pending requests, and those that nobody decided in time.

use crate::admission::{ActorHandle, AdmissionGuard, Completion};
use crate::answer::Answer;
use crate::audit;
use crate::context::Context;
use crate::durable::{self, Failure};
use crate::enrollment::{Ended, Key, PriorResult};
use crate::issue;
use crate::judge;
use crate::messages::{DecideError, OperatorDecision, state_word};
use crate::notices;
use crate::records;
use crate::renewal;
use crate::shared::Shared;
use crate::stages;
use challenge::{Label, NoticeOf};
use chrono::{DateTime, Utc};
use issuer::{Approved, CertificateRequest};
use pki::Csr;
use scep::FailInfo;
use std::sync::Arc;
use store::{AuditDetails, AuditEvent, Change, EnrollmentRecord, Outcome, Refusal, Stage};

/// Carries out a decision: issues the certificate now, or denies it.
pub(crate) async fn decide(
    shared: Arc<Shared>,
    actor: ActorHandle,
    decision: OperatorDecision,
) -> Result<Stage, DecideError> {
    let guard = acquire(&actor, decision.key).await?;
    let record = durable::load(&shared, decision.key).await?;
    let now = shared.now();
    if !record.stage.awaits_approval() {
        return Err(DecideError::NotPending(state_word(&record)));
    }
    if is_overdue(&shared, &record) {
        return Err(DecideError::NotPending("expired"));
    }
    let context = Context::of_record(&record);
    let asked = shared.spec.validator_named(&record.grounds.validator);
    let reaches_outside =
        shared.spec.issuer.local().is_none() || asked.is_some_and(challenge::Validator::is_remote);
    if decision.approve && reaches_outside {
        return approve_elsewhere(&shared, &actor, guard, record, &decision, now).await;
    }
    let carried = if decision.approve {
        approve(&shared, &record, &decision, now).await?
    } else {
        deny(&shared, record, &context, &decision, now)
    };
    finish(&shared, guard, &context, carried).await
}

/// Approves a request whose issuer is somewhere else: that is durable before the issuer is asked.
async fn approve_elsewhere(
    shared: &Arc<Shared>,
    actor: &ActorHandle,
    guard: AdmissionGuard,
    record: EnrollmentRecord,
    decision: &OperatorDecision,
    now: DateTime<Utc>,
) -> Result<Stage, DecideError> {
    approvable(shared, &record, now).await?;
    let event = operators_event(
        shared,
        &record,
        decision,
        "scep_request_approve",
        "an operator approved the request; the issuer is asked",
        now,
    );
    let operators = Change::new().with(event);
    let note = decision.note.clone();
    stages::approved(shared, actor, guard, record, note, operators)
        .await
        .map_err(failed)?;
    Ok(durable::load(shared, decision.key).await?.stage)
}

async fn acquire(actor: &ActorHandle, key: Key) -> Result<AdmissionGuard, DecideError> {
    match actor.acquire(key).await {
        Ok(Some(guard)) => Ok(guard),
        Ok(None) => Err(DecideError::Busy),
        Err(_) => Err(DecideError::Failed(
            "the profile is being restarted".to_owned(),
        )),
    }
}

type Carried = (EnrollmentRecord, Answer, Change);

/// What policy says of a request that waits.
async fn approvable(
    shared: &Arc<Shared>,
    record: &EnrollmentRecord,
    now: DateTime<Utc>,
) -> Result<Approved, DecideError> {
    let csr = record.csr.as_deref().ok_or(DecideError::Unknown)?;
    let csr = Csr::from_der(csr).map_err(|error| DecideError::Failed(error.to_string()))?;
    let (job, key) = (Arc::clone(shared), csr.public_key().clone());
    let compromised = shared
        .services
        .pool
        .run(crate::compute::Stage::Finish, move || {
            renewal::is_compromised(&job, &[&key])
        })
        .await
        .map_err(|error| DecideError::Failed(error.to_string()))?;
    if compromised.map_err(|error| DecideError::Failed(error.to_string()))? {
        return Err(DecideError::Policy(renewal::compromised().message));
    }
    // The policy of today decides, not that of the day when the request came.
    let request = CertificateRequest {
        csr: &csr,
        vouched_sid: record.grounds.vouched_sid.as_deref(),
        previous: None,
    };
    let approved = judge::approve(shared, request, now);
    let approved = approved.map_err(|refusal| DecideError::Policy(refusal.reason))?;
    let terms = Context::of_record(record).terms;
    Ok(judge::under_terms(approved, &terms, now))
}

async fn approve(
    shared: &Arc<Shared>,
    record: &EnrollmentRecord,
    decision: &OperatorDecision,
    now: DateTime<Utc>,
) -> Result<Carried, DecideError> {
    let approved = approvable(shared, record, now).await?;
    let certificate = durable::sign(shared, approved).await.map_err(failed)?;
    let context = Context::of_record(record);
    let notes: Vec<String> = decision.note.iter().cloned().collect();
    let made = issue::Issued {
        certificate: &certificate,
        message: records::issued_words(record),
        notes: &notes,
        through_gates: context.intune,
        is_told_first: false,
    };
    let (mut certified, issued) = issue::change(shared, record, &context, &made, now);
    if let Some(csr) = &record.csr {
        let end = NoticeOf::Issued(certificate.der().to_vec());
        notices::push_to_all(&mut certified, shared, record, csr, &end, now);
    }
    let mut change = Change::new().with(operators_event(
        shared,
        record,
        decision,
        "scep_request_approve",
        "an operator approved the request; the certificate was issued",
        now,
    ));
    change.0.extend(certified.0);
    Ok((issued, Answer::Certificate(certificate), change))
}

fn deny(
    shared: &Shared,
    record: EnrollmentRecord,
    context: &Context,
    decision: &OperatorDecision,
    now: DateTime<Utc>,
) -> Carried {
    let words = match &decision.note {
        Some(note) => format!("an operator refused the request: {note}"),
        None => "an operator refused the request".to_owned(),
    };
    let event = audit::of_record(
        shared,
        &record,
        Outcome::Failure,
        Some("denied"),
        &words,
        now,
    );
    let mut change = Change::new()
        .with(operators_event(
            shared,
            &record,
            decision,
            "scep_request_deny",
            "an operator refused the request",
            now,
        ))
        .with(event);
    notices::push_refused(&mut change, shared, &record, "denied", &words, now);
    let stage = Stage::Refused(Refusal::Denied {
        by: decision.by.clone(),
        note: decision.note.clone(),
    });
    let kept = Ended::new(context, false).octets();
    let denied = records::decided(record, stage, kept, now);
    let change = change.with(denied.clone());
    let answer = Answer::refused(FailInfo::BadRequest, "an operator refused this request");
    (denied, answer, change)
}

/// Commits, and completes the guard only when that was possible.
async fn finish(
    shared: &Shared,
    guard: AdmissionGuard,
    context: &Context,
    (record, answer, mut change): Carried,
) -> Result<Stage, DecideError> {
    if !matches!(record.stage, Stage::Issued { .. }) {
        records::push_joined(&mut change, context, &record);
    }
    let intune = context.intune;
    let issued = matches!(record.stage, Stage::Issued { .. });
    // A refusal that is none of the gates' counts as malformed, as everywhere.
    let label = match issued {
        true => Label::Success,
        false => Label::Malformed,
    };
    let label = intune.then_some(label);
    durable::commit(shared, change, label)
        .await
        .map_err(failed)?;
    let known = PriorResult::from(&record);
    guard.complete(Completion::Durable {
        known,
        answer,
        label,
    });
    Ok(record.stage)
}

fn failed(failure: Failure) -> DecideError {
    DecideError::Failed(failure.to_string())
}

/// Ends requests whose time limit has passed, one after the other.
pub(crate) async fn expire_overdue(shared: Arc<Shared>, actor: ActorHandle, overdue: Vec<Key>) {
    for key in overdue {
        match expire(&shared, &actor, key).await {
            // An operator is deciding on it, and began in time.
            Ok(()) | Err(DecideError::Busy) => {}
            Err(error) => {
                tracing::warn!(profile = shared.spec.path_id, %error, "a pending request could not be ended");
            }
        }
    }
}

async fn expire(shared: &Arc<Shared>, actor: &ActorHandle, key: Key) -> Result<(), DecideError> {
    let guard = acquire(actor, key).await?;
    // Read after the claim: somebody may have decided since the sweep began.
    let record = durable::load(shared, key).await?;
    let now = shared.now();
    if !is_overdue(shared, &record) {
        return Ok(());
    }
    let context = Context::of_record(&record);
    let words = "nobody approved the request in time";
    let event = audit::of_record(
        shared,
        &record,
        Outcome::Failure,
        Some("approval_timeout"),
        words,
        now,
    );
    let stage = Stage::Refused(Refusal::ApprovalExpired);
    let kept = Ended::new(&context, false).octets();
    let mut change = Change::new();
    notices::push_refused(&mut change, shared, &record, "approval_timeout", words, now);
    let expired = records::decided(record, stage, kept, now);
    let change = change.with(expired.clone()).with(event);
    let answer = Answer::refused(FailInfo::BadRequest, words);
    finish(shared, guard, &context, (expired, answer, change))
        .await
        .map(|_| ())
}

/// Whether it waits and its time limit has really passed.
fn is_overdue(shared: &Shared, record: &EnrollmentRecord) -> bool {
    // Only one that waits has such an end.
    record
        .approval_ends()
        .is_some_and(|end| shared.passed() > end)
}

fn operators_event(
    shared: &Shared,
    record: &EnrollmentRecord,
    decision: &OperatorDecision,
    action: &str,
    message: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    AuditEvent {
        timestamp: now,
        actor: decision.by.clone(),
        actor_type: decision.by_type.clone(),
        action: action.to_owned(),
        resource_type: audit::REQUEST.to_owned(),
        resource_id: record.transaction_id.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            message: Some(message.to_owned()),
            profile: Some(shared.spec.path_id.clone()),
            common_name: Some(record.common_name.clone()),
            device: record.grounds.device.clone(),
            transaction_id: Some(record.transaction_id.clone()),
            note: decision.note.clone(),
            request_id: Some(decision.request_id.clone()),
            ..AuditDetails::default()
        },
    }
}
