//! Requests that begin to wait for an operator, in a row of their own or together with another one of the same key.

use crate::admission::{AdmissionGuard, Completion};
use crate::answer::{Answer, Done};
use crate::audit;
use crate::context::{Context, Joined};
use crate::durable::{Failure, commit, load};
use crate::enrollment::{Ended, EnrollmentRequest, LetIn, PriorResult, Reserved};
use crate::messages::Origin;
use crate::notices;
use crate::records;
use crate::refuse::failed;
use crate::shared::Shared;
use challenge::Label;
use chrono::{DateTime, Utc};
use scep::FailInfo;
use std::sync::Arc;
use store::{Change, EnrollmentRecord, Outcome, Refusal, Stage};

/// Makes a request durable that waits from now on, and ends the one in whose place it comes.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    origin: &Origin,
    asked: &EnrollmentRequest,
    let_in: LetIn,
    reserved: Reserved,
    replaced: Option<Box<AdmissionGuard>>,
) -> Result<Done, Failure> {
    let now = shared.now();
    let transaction = records::pending(shared, origin, asked, now);
    let known = PriorResult::from(&transaction);
    let mut change = Change::new()
        .with(transaction)
        .with(audit::pending(shared, origin, asked, let_in, now));
    records::push_marks(&mut change, shared, &reserved);
    let old = match replaced {
        // One that cannot be read is in nobody's way.
        Some(guard) => match load(shared, guard.key()).await {
            Ok(record) if record.stage.awaits_approval() => Some((guard, record)),
            _ => None,
        },
        None => None,
    };
    let Some((guard, record)) = old else {
        commit(shared, change, None).await?;
        return Ok(done(known));
    };
    let intune = Context::of_record(&record).intune;
    let ended = end(shared, record, &mut change, now);
    // A refusal that is none of the gates' counts as malformed, as everywhere.
    let label = intune.then_some(Label::Malformed);
    commit(shared, change, label).await?;
    guard.complete(Completion::Durable {
        known: ended,
        answer: replaced_answer(),
        label,
    });
    Ok(done(known))
}

fn done(known: PriorResult) -> Done {
    Done {
        known,
        answered: Answer::Pending.into(),
        label: None,
    }
}

/// Ends a request whose place is taken by a newer one.
pub(crate) fn end(
    shared: &Shared,
    record: EnrollmentRecord,
    change: &mut Change,
    now: DateTime<Utc>,
) -> PriorResult {
    change.push(audit::of_record(
        shared,
        &record,
        Outcome::Failure,
        Some("replaced"),
        "another request of the same key, for something else, took its place",
        now,
    ));
    let words = "another request of the same key took its place";
    notices::push_refused(change, shared, &record, "replaced", words, now);
    let context = Context::of_record(&record);
    let stage = Stage::Refused(Refusal::ApprovalExpired);
    let ended = records::decided(record, stage, Ended::new(&context, true).octets(), now);
    records::push_joined(change, &context, &ended);
    change.push(ended.clone());
    PriorResult::from(&ended)
}

/// What a device is told whose waiting request was replaced.
pub(crate) fn replaced_answer() -> Answer {
    let words = "another request of the same key took the place of this one";
    Answer::refused(FailInfo::BadRequest, words)
}

/// Has a request wait together with the one of `row`, which asks for the same with the same key.
pub(crate) async fn join(
    shared: &Arc<Shared>,
    origin: &Origin,
    asked: &EnrollmentRequest,
    guard: AdmissionGuard,
    row: Box<AdmissionGuard>,
) -> Answer {
    // Dropped without being completed, both guards leave everything as it was.
    let record = match load(shared, row.key()).await {
        Ok(record) if record.stage.awaits_approval() => record,
        Ok(_) => return Answer::Busy,
        Err(error) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = origin.request_id,
                %error,
                "a request that waits could not be read"
            );
            return Answer::Busy;
        }
    };
    let now = shared.now();
    let mut context = Context::of_record(&record);
    context.join(Joined {
        key: asked.key,
        poll: asked.poll_key,
        transaction_id: asked.reply.transaction_id.clone().unwrap_or_default(),
        message_type: records::message_type(asked),
        version: asked
            .known
            .as_ref()
            .map_or(0, |known| known.version_under(&record.profile)),
        csr: None,
    });
    let note = format!(
        "it asks for the same as {} of the same key, which waits already: an operator decides on both at once",
        record.transaction_id
    );
    let record = EnrollmentRecord {
        context: context.octets(),
        ..record
    };
    let known = PriorResult::from(&record);
    let mut change = Change::new().with(record);
    let instant = shared.services.clock.instant();
    if shared.verified.admits(origin.source, "joined", instant) {
        change.push(audit::pending(shared, origin, asked, Some(note), now));
    }
    records::push_marks(&mut change, shared, &guard.reserved);
    if let Err(failure) = commit(shared, change, None).await {
        failed(shared, origin, asked, &failure).await;
        return Answer::Busy;
    }
    row.complete(Completion::Durable {
        known,
        answer: Answer::Pending,
        label: None,
    });
    guard.complete(Completion::Joined);
    Answer::Pending
}
