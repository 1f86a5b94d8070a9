//! One PKIOperation from its octets to its CertRep, top to bottom:
//!
//! open -> decide -> ask for compliance -> issue -> commit -> reply
//!
//! Open, issue and reply run on the compute pool, decide on the actor, commit in the journal. Policy
//! has had its say when a message is opened; gate 9 asks the outside world after the decision. The
//! CertRep of a new certificate is sealed right after it is issued, in the same visit to the pool,
//! but no certificate leaves before its record is durable. Whatever fails after the decision gives
//! back what the decision took, and is audited.

use crate::admission::{ActorHandle, Admission, Admit, Judged, USED_BEFORE};
use crate::advance::proceed;
use crate::answer::{self, Answer, SealedReply};
use crate::compute::{ComputeError, Stage};
use crate::durable::Failure;
use crate::enrollment::{EnrollmentRequest, PriorResult, Rejected};
use crate::findings;
use crate::messages::{Origin, Outcome, PkiOperation, RETRY_AFTER, Response};
use crate::meters::Stage as Timed;
use crate::pace;
use crate::query;
use crate::read_request::{self, Read};
use crate::refusal::Refusal;
use crate::refuse::{garbage, refuse, reject};
use crate::requests::{Operation, RequestResult};
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
pub(crate) async fn serve(
    shared: Arc<Shared>,
    actor: ActorHandle,
    operation: PkiOperation,
) -> Response {
    let PkiOperation { message, origin } = operation;
    let started = shared.services.clock.instant();
    let came = shared.now();
    let unread = Response::unread;
    let read = match open(&shared, message, origin.source).await {
        Ok(read) => read,
        Err(ComputeError::Full) => return unread(RequestResult::Shed, BUSY),
        Err(error) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = origin.request_id,
                %error,
                "a message could not be opened"
            );
            return unread(RequestResult::Busy, BUSY);
        }
    };
    let (reply, answered): (_, SealedReply) = match read {
        Read::Unreadable(words) => {
            garbage(&shared, &origin, &words).await;
            return unread(RequestResult::Unreadable, Outcome::Unreadable(words));
        }
        Read::Unavailable(error) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = origin.request_id,
                %error,
                "the store cannot be read"
            );
            return unread(RequestResult::Busy, BUSY);
        }
        Read::Refused(rejected) => {
            return turned_away(&shared, &actor, &origin, *rejected, (started, came)).await;
        }
        Read::Enrollment(asked) => {
            let answer = enroll(&shared, actor, &origin, &asked).await;
            (asked.reply.clone(), answer)
        }
        Read::Query {
            reply,
            question,
            findings,
        } => {
            findings::log(&shared, &origin, &findings);
            match query::answer(&shared, &actor, &origin, &reply.signer, question).await {
                Ok(answer) => (*reply, answer.into()),
                Err(missing) => {
                    let rejected = missing.reject(*reply);
                    return turned_away(&shared, &actor, &origin, rejected, (started, came)).await;
                }
            }
        }
    };
    match answered.sealed {
        Some(octets) => Response {
            operation: Operation::from(&reply.message_type),
            transaction_id: reply.transaction_id,
            result: answered.answer.result(),
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
    actor: &ActorHandle,
    origin: &Origin,
    rejected: Rejected,
    (started, came): (Instant, DateTime<Utc>),
) -> Response {
    let answer = reject(shared, actor, origin, &rejected).await;
    let opaque = rejected.opaque;
    let served = cert_rep(shared, origin, rejected.reply, answer, came).await;
    if opaque {
        pace::keep(&*shared.services.clock, started).await;
    }
    served
}

async fn open(shared: &Arc<Shared>, message: Bytes, source: IpAddr) -> Result<Read, ComputeError> {
    let started = shared.services.clock.instant();
    let now = shared.now();
    let job = Arc::clone(shared);
    let read = shared
        .services
        .pool
        .run(Stage::Start, move || {
            read_request::read(&job, &message, source, now)
        })
        .await;
    shared.meters.stage(Timed::Open, started.elapsed());
    read
}

/// Decides on an enrollment and carries the decision out.
async fn enroll(
    shared: &Arc<Shared>,
    actor: ActorHandle,
    origin: &Origin,
    asked: &Arc<EnrollmentRequest>,
) -> SealedReply {
    findings::log(shared, origin, &asked.findings);
    let started = shared.services.clock.instant();
    let admit = Admit {
        key: asked.key,
        message: asked.message,
        waiting: asked.waiting.clone(),
        known: asked.known.clone(),
        judged: judged(asked),
        source: origin.source,
        by_holder: asked.by_holder,
        now: shared.now(),
    };
    // The actor is gone: it will be back in a moment, with its state.
    let Ok(decision) = actor.decide(admit).await else {
        return Answer::Busy.into();
    };
    shared.meters.stage(Timed::Admit, started.elapsed());
    let answer = match decision {
        Admission::Proceed(guard, replaced) => {
            return proceed(shared, &actor, origin, asked, guard, replaced).await;
        }
        Admission::WaitWith(guard, row) => waiting::join(shared, origin, asked, guard, row).await,
        Admission::Waits => Answer::Pending,
        Admission::Full => Answer::Full,
        Admission::Prior(known) => {
            let again = is_resent(asked, Some(&known));
            let answer = query::known(shared, origin, known).await;
            match again {
                true => query::resent(shared, origin, asked, answer).await,
                false => answer,
            }
        }
        Admission::Join(answer) => {
            let answer = match shared.spec.reaches_outside() {
                true => stages::within(shared, answer).await,
                false => answer.await.unwrap_or(Answer::Busy),
            };
            match is_resent(asked, asked.known.as_ref()) {
                true => query::resent(shared, origin, asked, answer).await,
                false => answer,
            }
        }
        Admission::Throttled => Answer::Throttled,
        Admission::Refused => match &asked.evidence {
            Err(refusal) => refuse(shared, origin, asked, refusal).await,
            // The actor only says this of a request that was refused.
            Ok(_) => Answer::Busy,
        },
        Admission::Replay => {
            let refusal = match asked.intune {
                true => {
                    let words = USED_BEFORE.to_owned();
                    Refusal::gate(Label::Replay, words, asked.claim().cloned())
                }
                false => Refusal::used(),
            };
            refuse(shared, origin, asked, &refusal).await
        }
        Admission::RateLimited(limited) => {
            let words = limited.to_string();
            let claim = asked.claim().cloned();
            let refusal = Refusal::taken(Label::RateLimited, words, claim, asked.intune);
            refuse(shared, origin, asked, &refusal).await
        }
    };
    answer.into()
}

/// Whether a challenge came a second time, in the very same message. The polls of a request that
/// waits for an operator, or waited, are something else.
fn is_resent(asked: &EnrollmentRequest, known: Option<&PriorResult>) -> bool {
    asked.intune && !known.is_some_and(PriorResult::was_pending)
}

fn judged(asked: &EnrollmentRequest) -> Judged {
    match &asked.evidence {
        Ok(evidence) => Judged::Proven {
            reservations: evidence.proven.reservations.clone(),
            counted: asked.intune,
        },
        Err(refusal) => Judged::Refused {
            label: refusal.label,
            guess: refusal.guess,
            counted: asked.intune,
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
) -> Response {
    let operation = Operation::from(&reply.message_type);
    let transaction_id = reply.transaction_id.clone();
    let result = answer.result();
    let served = |result, outcome| Response {
        operation,
        transaction_id,
        result,
        outcome,
    };
    match answer {
        Answer::Busy => return served(result, BUSY),
        Answer::Full => {
            let retry_after = RETRY_AFTER;
            return served(result, Outcome::Full { retry_after });
        }
        Answer::Throttled => return served(result, Outcome::TooManyFailures),
        _ => {}
    }
    let started = shared.services.clock.instant();
    let spec = Arc::clone(&shared.spec);
    let sealing = move || answer::seal(&spec, &reply, &answer, came).map_err(Failure::from);
    let sealed = shared.services.pool.run(Stage::Finish, sealing).await;
    shared.meters.stage(Timed::Reply, started.elapsed());
    match sealed.map_err(Failure::from).flatten() {
        Ok(octets) => served(result, Outcome::CertRep(octets)),
        Err(error) => {
            tracing::error!(
                profile = shared.spec.path_id,
                request_id = origin.request_id,
                %error,
                "a CertRep could not be built"
            );
            served(RequestResult::Busy, BUSY)
        }
    }
}
