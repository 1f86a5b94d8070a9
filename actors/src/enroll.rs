//! One PKIOperation from its octets to its CertRep, top to bottom:
//!
//! open -> decide -> ask for compliance -> issue -> commit -> reply
//!
//! Open, issue and reply run on the compute pool, decide on the actor, commit in the journal. Policy
//! has had its say when a message is opened; gate 9 asks the outside world after the decision. The
//! CertRep of a new certificate is sealed right after it is issued, in the same visit to the pool,
//! but no certificate leaves before its record is durable. Whatever fails after the decision gives
//! back what the decision took, and is audited.

use crate::answer::{self, Answer, Answered};
use crate::audit;
use crate::candidate::{self, Candidate, Read, Rejected};
use crate::compute::{ComputeError, Stage};
use crate::decision::{Asks, Decide, Decision, Settlement, Ticket};
use crate::durable::{Failure, send_off};
use crate::hooks::{ComplianceQuestion, Verdict};
use crate::messages::{Origin, Outcome, PkiOperation, Served};
use crate::meters::Stage as Timed;
use crate::pace;
use crate::profile::{ProfileActor, RETRY_AFTER};
use crate::query;
use crate::records;
use crate::refusal::Refusal;
use crate::refuse::{failed, garbage, refuse, reject};
use crate::requests::{Ending, Operation};
use crate::shared::Shared;
use crate::transactions::{Known, Marks};
use crate::waiting;
use actix::Addr;
use bytes::Bytes;
use challenge::Label;
use issuer::Approved;
use pki::Certificate;
use scep::ReplyTo;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use store::Change;
use tokio::sync::oneshot;

/// Serves one PKIOperation.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    me: Addr<ProfileActor>,
    operation: PkiOperation,
) -> Served {
    let PkiOperation { message, origin } = operation;
    let begun = shared.services.clock.instant();
    let unread = |ending, outcome| Served {
        operation: Operation::PkiOperation,
        ending,
        outcome,
    };
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
            return turned_away(&shared, &me, &origin, *rejected, begun).await;
        }
        Read::Enrollment(candidate) => {
            let answer = enroll(&shared, me, &origin, &candidate).await;
            (candidate.reply.clone(), answer)
        }
        Read::Query { reply, question } => {
            match query::answer(&shared, &me, &origin, &reply.signer, question).await {
                Ok(answer) => (*reply, answer.into()),
                Err(missing) => {
                    let rejected = missing.reject(*reply);
                    return turned_away(&shared, &me, &origin, rejected, begun).await;
                }
            }
        }
    };
    match answered.sealed {
        Some(octets) => Served {
            operation: Operation::from(&reply.message_type),
            ending: answered.answer.ending(),
            outcome: Outcome::CertRep(octets),
        },
        None => cert_rep(&shared, &origin, reply, answered.answer).await,
    }
}

/// What a device is told where the server is not able to answer.
pub(crate) const BUSY: Outcome = Outcome::Busy {
    retry_after: RETRY_AFTER,
};

/// Refuses what could not be opened or found, at a moment that does not tell which of the two it was, nor why.
async fn turned_away(
    shared: &Arc<Shared>,
    me: &Addr<ProfileActor>,
    origin: &Origin,
    rejected: Rejected,
    begun: Instant,
) -> Served {
    let answer = reject(shared, me, origin, &rejected).await;
    let opaque = rejected.opaque;
    let served = cert_rep(shared, origin, rejected.reply, answer).await;
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
    me: Addr<ProfileActor>,
    origin: &Origin,
    candidate: &Arc<Candidate>,
) -> Answered {
    for finding in &candidate.findings {
        tracing::debug!(
            profile = shared.spec.path_id,
            request_id = origin.request_id,
            finding,
            "tolerated in a PKIMessage"
        );
    }
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
    let Ok(decision) = me.send(asked).await else {
        return Answer::Busy.into();
    };
    shared.meters.stage(Timed::Decide, begun.elapsed());
    let answer = match decision {
        Decision::Proceed(ticket, replaced) => {
            return proceed(shared, origin, candidate, ticket, replaced).await;
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
            let answer = answer.await.unwrap_or(Answer::Busy);
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
            let words = "this challenge was used before".to_owned();
            let refusal = Refusal::gate(Label::Replay, words, candidate.claim().cloned());
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

/// Everything after the decision. The ticket is settled on every way out.
async fn proceed(
    shared: &Arc<Shared>,
    origin: &Origin,
    candidate: &Arc<Candidate>,
    ticket: Ticket,
    replaced: Option<Box<Ticket>>,
) -> Answered {
    let (approved, let_in) = match ask_compliance(shared, candidate).await {
        Ok(approved) => approved,
        Err(refusal) => {
            // The gate's counter is raised with the settlement, its record with the commit.
            let answer = refuse(shared, origin, candidate, &refusal).await;
            let label = refusal.label;
            ticket.settle(Settlement::Failed {
                answer: answer.clone(),
                label,
            });
            return answer.into();
        }
    };
    let marks = ticket.marks.clone();
    let result = if candidate.waiting.is_some() {
        waiting::begin(shared, origin, candidate, let_in, marks, replaced).await
    } else {
        issue(shared, origin, candidate, approved, let_in, marks).await
    };
    match result {
        Ok(Done {
            known,
            answered,
            label,
        }) => {
            let answer = answered.answer.clone();
            ticket.settle(Settlement::Durable {
                known,
                answer,
                label,
            });
            answered
        }
        Err(failure) => {
            failed(shared, origin, candidate, &failure).await;
            ticket.settle(Settlement::Failed {
                answer: Answer::Busy,
                label: None,
            });
            Answer::Busy.into()
        }
    }
}

/// Why a device was let in that the compliance hook could not be asked about.
pub(crate) type LetIn = Option<String>;

/// What policy approved, once the compliance hook (gate 9) agrees, where the profile has one.
async fn ask_compliance(
    shared: &Arc<Shared>,
    candidate: &Candidate,
) -> Result<(Approved, LetIn), Refusal> {
    let approved = candidate.approval.clone()?;
    let hook = shared
        .spec
        .intune
        .as_ref()
        .and_then(|intune| intune.compliance.clone());
    let vouched = candidate.evidence.as_ref().ok();
    let claim = vouched.and_then(|evidence| evidence.proven.grounds.claim.as_ref());
    if let (Some(hook), Some(claim)) = (hook, claim) {
        let verdict = hook
            .ask(ComplianceQuestion {
                profile: shared.spec.path_id.clone(),
                transaction_id: candidate.reply.transaction_id.clone().unwrap_or_default(),
                claim: claim.clone(),
                csr: candidate.facts.clone(),
            })
            .await;
        match verdict {
            Verdict::Compliant => {}
            Verdict::LetIn { why } => return Ok((approved, Some(why))),
            Verdict::NotCompliant { reason } => {
                let words = format!("the compliance check said no: {reason}");
                return Err(Refusal::gate(
                    Label::ComplianceFailed,
                    words,
                    Some(claim.clone()),
                ));
            }
        }
    }
    Ok((approved, None))
}

/// An enrollment that is durable now.
pub(crate) struct Done {
    pub(crate) known: Known,
    pub(crate) answered: Answered,
    pub(crate) label: Option<Label>,
}

/// Signs the certificate, seals its CertRep, and makes it durable: one visit to the compute pool, which sends its result on
/// to the journal, which tells.
async fn issue(
    shared: &Arc<Shared>,
    origin: &Origin,
    candidate: &Arc<Candidate>,
    approved: Approved,
    let_in: LetIn,
    marks: Marks,
) -> Result<Done, Failure> {
    let job = Arc::clone(shared);
    let origin = origin.clone();
    let candidate = Arc::clone(candidate);
    let work = move |tell: oneshot::Sender<Result<Done, Failure>>| {
        let signed = sign_and_seal(&job, &approved, &candidate.reply);
        let (certificate, sealed) = match signed {
            Ok(signed) => signed,
            Err(failure) => {
                let _ = tell.send(Err(failure));
                return;
            }
        };
        let notes: Vec<String> = approved.notes().iter().cloned().chain(let_in).collect();
        let (change, done) = issued(
            &job,
            &origin,
            &candidate,
            certificate,
            &notes,
            marks,
            sealed,
        );
        send_off(&job, change, done.label, move |durable| {
            // Nothing of it leaves before this.
            let _ = tell.send(durable.map(|()| done));
        });
    };
    let pool = &shared.services.pool;
    pool.run_and_pass_on(Stage::Finish, work).await?
}

/// The issuer's signature and the CertRep's.
fn sign_and_seal(
    shared: &Shared,
    approved: &Approved,
    reply: &ReplyTo,
) -> Result<(Certificate, Vec<u8>), Failure> {
    let begun = shared.services.clock.instant();
    let Some(local) = shared.spec.issuer.local() else {
        let words = "this issuer is not in this process";
        return Err(issuer::Error::Argument(words).into());
    };
    let certificate = local.sign_approved(approved, shared.now())?;
    shared.meters.stage(Timed::Issue, begun.elapsed());
    let begun = shared.services.clock.instant();
    let sealed = answer::seal(
        &shared.spec,
        reply,
        &Answer::Certificate(certificate.clone()),
    )?;
    shared.meters.stage(Timed::Reply, begun.elapsed());
    Ok((certificate, sealed))
}

/// What a new certificate leaves in the store, and what is to be done once it is there.
fn issued(
    shared: &Shared,
    origin: &Origin,
    candidate: &Candidate,
    certificate: Certificate,
    notes: &[String],
    marks: Marks,
    sealed: Vec<u8>,
) -> (Change, Done) {
    let now = shared.now();
    let transaction = records::issued(shared, origin, candidate, &certificate, now);
    let known = Known::from(&transaction);
    let event = audit::success(shared, origin, candidate, &certificate, notes, now);
    let mut change = Change::new()
        .with(records::certificate(shared, candidate, &certificate, now))
        .with(transaction)
        .with(event);
    records::push_marks(&mut change, &shared.spec.path_id, &marks);
    let label = candidate.intune.then_some(Label::Success);
    let answered = Answered {
        answer: Answer::Certificate(certificate),
        sealed: Some(sealed),
    };
    let done = Done {
        known,
        answered,
        label,
    };
    (change, done)
}

/// Encrypts and signs the reply.
async fn cert_rep(shared: &Arc<Shared>, origin: &Origin, reply: ReplyTo, answer: Answer) -> Served {
    let operation = Operation::from(&reply.message_type);
    let ending = answer.ending();
    let served = |ending, outcome| Served {
        operation,
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
    let sealing = move || answer::seal(&spec, &reply, &answer).map_err(Failure::from);
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
