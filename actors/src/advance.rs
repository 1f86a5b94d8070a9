//! What comes after the decision: the compliance hook is asked, then the certificate is issued or the request waits, and
//! everything is made durable in one step.

use crate::admission::{ActorHandle, AdmissionGuard, Completion};
use crate::answer::{self, Answer, Done, SealedReply};
use crate::compliance::ask_hook;
use crate::compute::Stage;
use crate::context::Context;
use crate::durable::{Failure, send_off};
use crate::enrollment::{EnrollmentRequest, LetIn, PriorResult, Reserved};
use crate::issue;
use crate::messages::Origin;
use crate::meters::Stage as Timed;
use crate::notices;
use crate::records;
use crate::refusal::Refusal;
use crate::refuse::{failed, refuse};
use crate::shared::Shared;
use crate::stages;
use crate::waiting;
use challenge::{Label, NoticeOf};
use issuer::Approved;
use pki::Certificate;
use scep::ReplyTo;
use std::sync::Arc;
use store::Change;
use tokio::sync::oneshot;

/// Everything after the decision. The guard is settled on every way out.
pub(crate) async fn proceed(
    shared: &Arc<Shared>,
    actor: &ActorHandle,
    origin: &Origin,
    asked: &Arc<EnrollmentRequest>,
    guard: AdmissionGuard,
    replaced: Option<Box<AdmissionGuard>>,
) -> SealedReply {
    let is_open = asked.evidence.as_ref().is_ok_and(|evidence| evidence.open);
    if is_open {
        return outside(shared, actor, origin, asked, guard, None, None).await;
    }
    let (approved, let_in) = match ask_compliance(shared, asked).await {
        Ok(approved) => approved,
        Err(refusal) => {
            // The gate's counter is raised with the completion, its record with the commit.
            let answer = refuse(shared, origin, asked, &refusal).await;
            let label = refusal.label;
            guard.complete(Completion::Failed {
                answer: answer.clone(),
                label,
            });
            return answer.into();
        }
    };
    if asked.waiting.is_none() && shared.spec.issuer.local().is_none() {
        let approved = Some(approved);
        return outside(shared, actor, origin, asked, guard, approved, let_in).await;
    }
    let reserved = guard.reserved.clone();
    let result = if asked.waiting.is_some() {
        waiting::begin(shared, origin, asked, let_in, reserved, replaced).await
    } else {
        issue(shared, origin, asked, approved, let_in, reserved).await
    };
    match result {
        Ok(Done {
            known,
            answered,
            label,
        }) => {
            let answer = answered.answer.clone();
            guard.complete(Completion::Durable {
                known,
                answer,
                label,
            });
            answered
        }
        Err(failure) => {
            let (answer, label) = match taken(asked, &failure) {
                Some(refusal) => {
                    let answer = refuse(shared, origin, asked, &refusal).await;
                    (answer, refusal.label)
                }
                None => {
                    failed(shared, origin, asked, &failure).await;
                    (Answer::Busy, None)
                }
            };
            guard.complete(Completion::Failed {
                answer: answer.clone(),
                label,
            });
            answer.into()
        }
    }
}

/// The refusal of a request for which the store found taken what memory here took for free.
fn taken(asked: &EnrollmentRequest, failure: &Failure) -> Option<Refusal> {
    let (label, words) = failure.gate()?;
    Some(match (asked.intune, label) {
        (false, Label::Replay) => Refusal::used(),
        (counted, _) => Refusal::taken(label, words, asked.claim().cloned(), counted),
    })
}

/// Has the enrollment go through its stages, where they reach outside.
async fn outside(
    shared: &Arc<Shared>,
    actor: &ActorHandle,
    origin: &Origin,
    asked: &EnrollmentRequest,
    guard: AdmissionGuard,
    approved: Option<Approved>,
    let_in: LetIn,
) -> SealedReply {
    let started = stages::begin(shared, actor, origin, asked, guard, approved, let_in);
    match started.await {
        Ok(answer) => answer.into(),
        Err((guard, failure)) => {
            failed(shared, origin, asked, &failure).await;
            guard.complete(Completion::Failed {
                answer: Answer::Busy,
                label: None,
            });
            Answer::Busy.into()
        }
    }
}

/// What policy approved, once the compliance hook (gate 9) agrees, where the profile has one.
async fn ask_compliance(
    shared: &Arc<Shared>,
    asked: &EnrollmentRequest,
) -> Result<(Approved, LetIn), Refusal> {
    let approved = asked.approval.clone()?;
    let vouched = asked.evidence.as_ref().ok();
    let claim = vouched.and_then(|evidence| evidence.proven.grounds.claim.as_ref());
    let Some(claim) = claim else {
        return Ok((approved, None));
    };
    let transaction_id = asked.reply.transaction_id.as_deref().unwrap_or_default();
    let let_in = ask_hook(shared, transaction_id, claim, &asked.facts).await?;
    Ok((approved, let_in))
}

/// Signs the certificate, seals its CertRep, and makes it durable: one visit to the compute pool, which sends its result on
/// to the journal, which tells.
async fn issue(
    shared: &Arc<Shared>,
    origin: &Origin,
    asked: &Arc<EnrollmentRequest>,
    approved: Approved,
    let_in: LetIn,
    reserved: Reserved,
) -> Result<Done, Failure> {
    let job = Arc::clone(shared);
    let origin = origin.clone();
    let asked = Arc::clone(asked);
    let work = move |tell: oneshot::Sender<Result<Done, Failure>>| {
        let signed = sign_and_seal(&job, &approved, &asked.reply);
        let (certificate, sealed) = match signed {
            Ok(signed) => signed,
            Err(failure) => {
                let _ = tell.send(Err(failure));
                return;
            }
        };
        let mut notes = approved.notes().to_vec();
        notes.extend(let_in.into_iter().chain(asked.notes.iter().cloned()));
        let (change, done) = issued(&job, &origin, &asked, certificate, &notes, reserved, sealed);
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
    let started = shared.services.clock.instant();
    let Some(local) = shared.spec.issuer.local() else {
        let words = "this issuer is not in this process";
        return Err(issuer::Error::Argument(words).into());
    };
    let certificate = local.sign_approved(approved, shared.now())?;
    shared.meters.stage(Timed::Issue, started.elapsed());
    let started = shared.services.clock.instant();
    let sealed = answer::seal(
        &shared.spec,
        reply,
        &Answer::Certificate(certificate.clone()),
        shared.now(),
    )?;
    shared.meters.stage(Timed::Reply, started.elapsed());
    Ok((certificate, sealed))
}

/// What a new certificate leaves in the store, and what is to be done once it is there.
fn issued(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    certificate: Certificate,
    notes: &[String],
    reserved: Reserved,
    sealed: Vec<u8>,
) -> (Change, Done) {
    let now = shared.now();
    let record = records::at_once(shared, origin, asked, now);
    let context = Context::of_candidate(origin, asked);
    let made = issue::Issued {
        certificate: &certificate,
        message: records::issued_words(&record),
        notes,
        through_gates: asked
            .evidence
            .as_ref()
            .is_ok_and(|evidence| evidence.through_gates),
        is_told_first: false,
    };
    let (mut change, decided) = issue::change(shared, &record, &context, &made, now);
    let known = PriorResult::from(&decided);
    records::push_marks(&mut change, shared, &reserved);
    let end = || NoticeOf::Issued(certificate.der().to_vec());
    if shared.spec.validators.iter().any(|one| one.hears_of_all()) {
        let csr = asked.csr.der();
        notices::push_to_all(&mut change, shared, &record, csr, &end(), now);
    }
    let label = asked.intune.then_some(Label::Success);
    let answered = SealedReply {
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
