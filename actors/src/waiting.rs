//! Requests that begin to wait for an operator, in a row of their own or together with another one of the same key.

use crate::answer::{Answer, Done};
use crate::audit;
use crate::context::{Context, Joined};
use crate::decision::{Settlement, Ticket};
use crate::durable::{Failure, commit, load};
use crate::enrollment::{Candidate, Ended, Known, LetIn, Marks};
use crate::messages::Origin;
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
    candidate: &Candidate,
    let_in: LetIn,
    marks: Marks,
    replaced: Option<Box<Ticket>>,
) -> Result<Done, Failure> {
    let now = shared.now();
    let transaction = records::pending(shared, origin, candidate, now);
    let known = Known::from(&transaction);
    let mut change = Change::new()
        .with(transaction)
        .with(audit::pending(shared, origin, candidate, let_in, now));
    records::push_marks(&mut change, &shared.spec.path_id, &marks);
    let old = match replaced {
        // One that cannot be read is in nobody's way.
        Some(ticket) => match load(shared, ticket.key()).await {
            Ok(record) if record.stage.awaits_approval() => Some((ticket, record)),
            _ => None,
        },
        None => None,
    };
    let Some((ticket, record)) = old else {
        commit(shared, change, None).await?;
        return Ok(done(known));
    };
    let intune = Context::of_record(&record).intune;
    let ended = end(shared, record, &mut change, now);
    // A refusal that is none of the gates' counts as malformed, as everywhere.
    let label = intune.then_some(Label::Malformed);
    commit(shared, change, label).await?;
    ticket.settle(Settlement::Durable {
        known: ended,
        answer: replaced_answer(),
        label,
    });
    Ok(done(known))
}

fn done(known: Known) -> Done {
    Done {
        known,
        answered: Answer::Pending.into(),
        label: None,
    }
}

/// Ends a request whose place is taken by a newer one.
fn end(
    shared: &Shared,
    record: EnrollmentRecord,
    change: &mut Change,
    now: DateTime<Utc>,
) -> Known {
    change.push(audit::of_record(
        shared,
        &record,
        Outcome::Failure,
        Some("replaced"),
        "another request of the same key, for something else, took its place",
        now,
    ));
    let context = Context::of_record(&record);
    let stage = Stage::Refused(Refusal::ApprovalExpired);
    let ended = records::decided(record, stage, Ended::new(&context, true).octets(), now);
    records::push_joined(change, &context, &ended);
    change.push(ended.clone());
    Known::from(&ended)
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
    candidate: &Candidate,
    ticket: Ticket,
    row: Box<Ticket>,
) -> Answer {
    // Dropped without being settled, both tickets leave everything as it was.
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
        key: candidate.key,
        poll: candidate.poll_key,
        transaction_id: candidate.reply.transaction_id.clone().unwrap_or_default(),
        message_type: records::message_type(candidate),
        version: candidate
            .known
            .as_ref()
            .map_or(0, |known| known.version_under(&record.profile)),
    });
    let note = format!(
        "it asks for the same as {} of the same key, which waits already: an operator decides on both at once",
        record.transaction_id
    );
    let record = EnrollmentRecord {
        context: context.octets(),
        ..record
    };
    let known = Known::from(&record);
    let mut change = Change::new().with(record);
    let instant = shared.services.clock.instant();
    if shared.verified.admits(origin.source, "joined", instant) {
        change.push(audit::pending(shared, origin, candidate, Some(note), now));
    }
    records::push_marks(&mut change, &shared.spec.path_id, &ticket.marks);
    if let Err(failure) = commit(shared, change, None).await {
        failed(shared, origin, candidate, &failure).await;
        return Answer::Busy;
    }
    row.settle(Settlement::Durable {
        known,
        answer: Answer::Pending,
        label: None,
    });
    ticket.settle(Settlement::Joined);
    Answer::Pending
}
