//! One PKIOperation from its octets to its CertRep, top to bottom:
//!
//! open -> decide -> ask for compliance -> issue -> commit -> reply
//!
//! Open, issue and reply run on the compute pool, decide on the actor, commit in the journal. Policy
//! has had its say when a message is opened; gate 9 asks the outside world after the decision. The
//! CertRep of a new certificate is sealed right after it is issued, in the same visit to the pool,
//! but no certificate leaves before its record is durable. Whatever fails after the decision gives
//! back what the decision took, and is audited.

use crate::advance::proceed;
use crate::answer::{self, Answer, Answered};
use crate::candidate::{self, Read};
use crate::compute::{ComputeError, Stage};
use crate::decision::{Asks, Decide, Decision, Desk, USED_BEFORE};
use crate::durable::Failure;
use crate::enrollment::{Candidate, Known, Rejected};
use crate::findings;
use crate::messages::{Origin, Outcome, PkiOperation, RETRY_AFTER, Served};
use crate::meters::Stage as Timed;
use crate::pace;
use crate::query;
use crate::refusal::Refusal;
use crate::refuse::{garbage, refuse, reject};
use crate::requests::{Ending, Operation};
use crate::shared::Shared;
use crate::stages;
use crate::waiting;
use bytes::Bytes;
use challenge::Label;
use chrono::{DateTime, Utc};
use scep::ReplyTo;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Serves one PKIOperation.
pub(crate) async fn serve(shared: Arc<Shared>, desk: Desk, operation: PkiOperation) -> Served {
    let PkiOperation { message, origin } = operation;
    let begun = shared.services.clock.instant();
    let came = shared.now();
    let unread = Served::unread;
    let read = match open(&shared, message, origin.source).await {
        Ok(read) => read,
        Err(ComputeError::Full) => return unread(Ending::Shed, BUSY),
        Err(error) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = origin.request_id,
                %error,
                "a message could not be opened"
            );
            return unread(Ending::Busy, BUSY);
        }
    };
    let (reply, answered): (_, Answered) = match read {
        Read::Unreadable(words) => {
            garbage(&shared, &origin, &words).await;
            return unread(Ending::Unreadable, Outcome::Unreadable(words));
        }
        Read::Unavailable(error) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = origin.request_id,
                %error,
                "the store cannot be read"
            );
            return unread(Ending::Busy, BUSY);
        }
        Read::Refused(rejected) => {
            return turned_away(&shared, &desk, &origin, *rejected, (begun, came)).await;
        }
        Read::Enrollment(candidate) => {
            let answer = enroll(&shared, desk, &origin, &candidate).await;
            (candidate.reply.clone(), answer)
        }
        Read::Query {
            reply,
            question,
            findings,
        } => {
            findings::log(&shared, &origin, &findings);
            match query::answer(&shared, &desk, &origin, &reply.signer, question).await {
                Ok(answer) => (*reply, answer.into()),
                Err(missing) => {
                    let rejected = missing.reject(*reply);
                    return turned_away(&shared, &desk, &origin, rejected, (begun, came)).await;
                }
            }
        }
    };
    match answered.sealed {
        Some(octets) => Served {
            operation: Operation::from(&reply.message_type),
            transaction_id: reply.transaction_id,
            ending: answered.answer.ending(),
            outcome: Outcome::CertRep(octets),
        },
        None => cert_rep(&shared, &origin, reply, answered.answer, came).await,
    }
}

/// What a device is told where the server is not able to answer.
pub(crate) const BUSY: Outcome = Outcome::Busy {
    retry_after: RETRY_AFTER,
};

/// Refuses what could not be opened or found, at a moment that does not tell which of the two it was, nor why. The reply
/// says that it was signed when the message came: the time of the signature would tell.
async fn turned_away(
    shared: &Arc<Shared>,
    desk: &Desk,
    origin: &Origin,
    rejected: Rejected,
    (begun, came): (Instant, DateTime<Utc>),
) -> Served {
    let answer = reject(shared, desk, origin, &rejected).await;
    let opaque = rejected.opaque;
    let served = cert_rep(shared, origin, rejected.reply, answer, came).await;
    if opaque {
        pace::keep(&*shared.services.clock, begun).await;
    }
    served
}

async fn open(shared: &Arc<Shared>, message: Bytes, source: IpAddr) -> Result<Read, ComputeError> {
    let begun = shared.services.clock.instant();
    let now = shared.now();
    let job = Arc::clone(shared);
    let read = shared
        .services
        .pool
        .run(Stage::Start, move || {
            candidate::read(&job, &message, source, now)
        })
        .await;
    shared.meters.stage(Timed::Open, begun.elapsed());
    read
}

/// Decides on an enrollment and carries the decision out.
async fn enroll(
    shared: &Arc<Shared>,
    desk: Desk,
    origin: &Origin,
    candidate: &Arc<Candidate>,
) -> Answered {
    findings::log(shared, origin, &candidate.findings);
    let begun = shared.services.clock.instant();
    let asked = Decide {
        key: candidate.key,
        message: candidate.message,
        waiting: candidate.waiting.clone(),
        known: candidate.known.clone(),
        asks: asks(candidate),
        source: origin.source,
        by_holder: candidate.by_holder,
        now: shared.now(),
    };
    // The actor is gone: it will be back in a moment, with its state.
    let Ok(decision) = desk.decide(asked).await else {
        return Answer::Busy.into();
    };
    shared.meters.stage(Timed::Decide, begun.elapsed());
    let answer = match decision {
        Decision::Proceed(ticket, replaced) => {
            return proceed(shared, &desk, origin, candidate, ticket, replaced).await;
        }
        Decision::WaitWith(ticket, row) => {
            waiting::join(shared, origin, candidate, ticket, row).await
        }
        Decision::Waits => Answer::Pending,
        Decision::Full => Answer::Busy,
        Decision::Known(known) => {
            let again = is_resent(candidate, Some(&known));
            let answer = query::known(shared, origin, known).await;
            match again {
                true => query::resent(shared, origin, candidate, answer).await,
                false => answer,
            }
        }
        Decision::Join(answer) => {
            let answer = match shared.spec.reaches_outside() {
                true => stages::within(shared, answer).await,
                false => answer.await.unwrap_or(Answer::Busy),
            };
            match is_resent(candidate, candidate.known.as_ref()) {
                true => query::resent(shared, origin, candidate, answer).await,
                false => answer,
            }
        }
        Decision::Guessing => Answer::Guessing,
        Decision::Refused => match &candidate.evidence {
            Err(refusal) => refuse(shared, origin, candidate, refusal).await,
            // The actor only says this of a request that was refused.
            Ok(_) => Answer::Busy,
        },
        Decision::Replay => {
            let refusal = match candidate.intune {
                true => {
                    let words = USED_BEFORE.to_owned();
                    Refusal::gate(Label::Replay, words, candidate.claim().cloned())
                }
                false => Refusal::used(),
            };
            refuse(shared, origin, candidate, &refusal).await
        }
        Decision::RateLimited(limited) => {
            let words = limited.to_string();
            let refusal = Refusal::gate(Label::RateLimited, words, candidate.claim().cloned());
            refuse(shared, origin, candidate, &refusal).await
        }
    };
    answer.into()
}

/// Whether a challenge came a second time, in the very same message. The polls of a request that
/// waits for an operator, or waited, are something else.
fn is_resent(candidate: &Candidate, known: Option<&Known>) -> bool {
    candidate.intune && !known.is_some_and(Known::was_pending)
}

fn asks(candidate: &Candidate) -> Asks {
    match &candidate.evidence {
        Ok(evidence) => Asks::Proven {
            reservations: evidence.proven.reservations.clone(),
            counted: candidate.intune,
        },
        Err(refusal) => Asks::Refused {
            label: refusal.label,
            guess: refusal.guess,
            counted: candidate.intune,
        },
    }
}

/// Encrypts and signs the reply.
async fn cert_rep(
    shared: &Arc<Shared>,
    origin: &Origin,
    reply: ReplyTo,
    answer: Answer,
    came: DateTime<Utc>,
) -> Served {
    let operation = Operation::from(&reply.message_type);
    let transaction_id = reply.transaction_id.clone();
    let ending = answer.ending();
    let served = |ending, outcome| Served {
        operation,
        transaction_id,
        ending,
        outcome,
    };
    match answer {
        Answer::Busy => return served(ending, BUSY),
        Answer::Guessing => return served(ending, Outcome::TooManyGuesses),
        _ => {}
    }
    let begun = shared.services.clock.instant();
    let spec = Arc::clone(&shared.spec);
    let sealing = move || answer::seal(&spec, &reply, &answer, came).map_err(Failure::from);
    let sealed = shared.services.pool.run(Stage::Finish, sealing).await;
    shared.meters.stage(Timed::Reply, begun.elapsed());
    match sealed.map_err(Failure::from).flatten() {
        Ok(octets) => served(ending, Outcome::CertRep(octets)),
        Err(error) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = origin.request_id,
                %error,
                "a CertRep could not be built"
            );
            served(Ending::Busy, BUSY)
        }
    }
}
