//! One PKIOperation from its octets to its CertRep, top to bottom:
//!
//! open -> decide -> approve -> issue -> commit -> reply
//!
//! Open, issue and reply run on the compute pool, decide on the actor, commit in the journal. No
//! certificate leaves before its record is durable. Whatever fails after the decision gives back
//! what the decision took, and is audited.

use crate::audit;
use crate::candidate::{self, Candidate, IntuneEvidence, Read, Rejected};
use crate::compute::{ComputeError, Stage};
use crate::hooks::ComplianceQuestion;
use crate::journal::{Count, JournalError};
use crate::messages::{Origin, Outcome, PkiOperation};
use crate::meters::Stage as Timed;
use crate::profile::{Asks, Decide, Decision, ProfileActor, RETRY_AFTER, Settlement, Ticket};
use crate::query;
use crate::records;
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::transactions::{Known, Marks};
use actix::Addr;
use bytes::Bytes;
use challenge::Label;
use issuer::Approved;
use pki::Certificate;
use scep::{FailInfo, ReplyTo};
use std::sync::Arc;
use store::Change;

/// What a device is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// SUCCESS with this certificate.
    Certificate(Certificate),
    /// SUCCESS with this CRL, DER.
    Crl(Arc<[u8]>),
    /// PENDING.
    Pending,
    /// FAILURE.
    Refused { fail_info: FailInfo, text: Arc<str> },
    /// HTTP 503: come again.
    Busy,
}

impl Answer {
    pub(crate) fn refused(fail_info: FailInfo, text: &str) -> Self {
        Self::Refused {
            fail_info,
            text: text.into(),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Certificate(_) | Self::Crl(_) => "success",
            Self::Pending => "pending",
            Self::Refused { .. } => "failure",
            Self::Busy => "busy",
        }
    }
}

impl From<&Refusal> for Answer {
    fn from(refusal: &Refusal) -> Self {
        Self::refused(refusal.fail_info, &refusal.text)
    }
}

/// Serves one PKIOperation.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    me: Addr<ProfileActor>,
    operation: PkiOperation,
) -> Outcome {
    let PkiOperation { message, origin } = operation;
    let read = match open(&shared, message).await {
        Ok(read) => read,
        Err(error) => {
            if error != ComputeError::Full {
                tracing::error!(profile = shared.spec.path_id, %error, "a message could not be opened");
            }
            shared.meters.request("PKIOperation", "shed");
            return Outcome::Busy {
                retry_after: RETRY_AFTER,
            };
        }
    };
    let (operation, reply, answer) = match read {
        Read::Unreadable(words) => {
            garbage(&shared, &origin, &words).await;
            shared.meters.request("PKIOperation", "unreadable");
            return Outcome::Unreadable(words);
        }
        Read::Unavailable(error) => {
            tracing::error!(profile = shared.spec.path_id, %error, "the store cannot be read");
            shared.meters.request("PKIOperation", "busy");
            return Outcome::Busy {
                retry_after: RETRY_AFTER,
            };
        }
        Read::Refused(rejected) => {
            let answer = reject(&shared, &origin, &rejected).await;
            (word(&rejected.reply), rejected.reply, answer)
        }
        Read::Enrollment(candidate) => {
            let answer = enroll(&shared, me, &origin, &candidate).await;
            (word(&candidate.reply), candidate.reply, answer)
        }
        Read::CertPoll { reply, poll_key } => {
            let answer = query::cert_poll(&shared, poll_key).await;
            ("CertPoll", *reply, answer)
        }
        Read::GetCert {
            reply,
            issuer,
            serial,
        } => {
            let answer = query::get_cert(&shared, &reply.signer, issuer, serial).await;
            ("GetCert", *reply, answer)
        }
        Read::GetCrl { reply, issuer } => {
            let answer = query::get_crl(&shared, issuer).await;
            ("GetCRL", *reply, answer)
        }
    };
    shared.meters.request(operation, answer.word());
    cert_rep(&shared, reply, answer).await
}

fn word(reply: &ReplyTo) -> &'static str {
    match reply.message_type {
        scep::MessageType::PkcsReq => "PKCSReq",
        scep::MessageType::RenewalReq => "RenewalReq",
        scep::MessageType::CertPoll => "CertPoll",
        scep::MessageType::GetCert => "GetCert",
        scep::MessageType::GetCrl => "GetCRL",
        _ => "PKIOperation",
    }
}

async fn open(shared: &Arc<Shared>, message: Bytes) -> Result<Read, ComputeError> {
    let begun = shared.services.clock.instant();
    let now = shared.now();
    let job = Arc::clone(shared);
    let read = shared
        .services
        .pool
        .run(Stage::Start, move || candidate::read(&job, &message, now))
        .await;
    shared.meters.stage(Timed::Open, begun.elapsed());
    read
}

/// Decides on an enrollment and carries the decision out.
async fn enroll(
    shared: &Arc<Shared>,
    me: Addr<ProfileActor>,
    origin: &Origin,
    candidate: &Candidate,
) -> Answer {
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
        known: candidate.known.clone(),
        asks: asks(candidate),
        source: origin.source,
        now: shared.now(),
    };
    // The actor is gone: it will be back in a moment, with its state.
    let Ok(decision) = me.send(asked).await else {
        return Answer::Busy;
    };
    shared.meters.stage(Timed::Decide, begun.elapsed());
    match decision {
        Decision::Proceed(ticket) => proceed(shared, origin, candidate, ticket).await,
        Decision::Known(known) => query::known(shared, known).await,
        Decision::Join(answer) => answer.await.unwrap_or(Answer::Busy),
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
    }
}

fn asks(candidate: &Candidate) -> Asks {
    match &candidate.evidence {
        Ok(evidence) => match &evidence.intune {
            Some(intune) => Asks::Intune {
                replay: intune.replay,
                remember_until: intune.remember_until,
                device: intune.device,
            },
            None => Asks::Plain,
        },
        Err(refusal) => Asks::Refused {
            label: refusal.label,
            guess: refusal.guess,
            intune: candidate.intune,
        },
    }
}

/// Everything after the decision. The ticket is settled on every way out.
async fn proceed(
    shared: &Arc<Shared>,
    origin: &Origin,
    candidate: &Candidate,
    ticket: Ticket,
) -> Answer {
    let approved = match approve(shared, candidate).await {
        Ok(approved) => approved,
        Err(refusal) => {
            // The gate's counter is raised with the settlement, its record with the commit.
            let answer = refuse(shared, origin, candidate, &refusal).await;
            let label = refusal.label;
            ticket.settle(Settlement::Failed {
                answer: answer.clone(),
                label,
            });
            return answer;
        }
    };
    let marks = ticket.marks;
    let waits = shared.spec.approval.is_some() && candidate.renews.is_none();
    let result = if waits {
        wait(shared, origin, candidate, marks).await
    } else {
        issue(shared, origin, candidate, approved, marks).await
    };
    match result {
        Ok((known, answer, label)) => {
            let settled = Settlement::Durable {
                known,
                answer: answer.clone(),
                label,
            };
            ticket.settle(settled);
            answer
        }
        Err(failure) => {
            failed(shared, origin, candidate, &failure).await;
            ticket.settle(Settlement::Failed {
                answer: Answer::Busy,
                label: None,
            });
            Answer::Busy
        }
    }
}

/// What the profile's policy and the compliance hook (gate 9) say.
async fn approve(shared: &Arc<Shared>, candidate: &Candidate) -> Result<Approved, Refusal> {
    let approved = candidate.approval.clone()?;
    let hook = shared
        .spec
        .intune
        .as_ref()
        .and_then(|intune| intune.compliance.clone());
    let evidence = candidate
        .evidence
        .as_ref()
        .ok()
        .and_then(|evidence| evidence.intune.as_ref());
    if let (Some(hook), Some(IntuneEvidence { claim, .. })) = (hook, evidence) {
        let verdict = hook
            .ask(ComplianceQuestion {
                profile: shared.spec.path_id.clone(),
                transaction_id: candidate.reply.transaction_id.clone().unwrap_or_default(),
                claim: claim.clone(),
                csr: candidate.facts.clone(),
            })
            .await;
        if !verdict.compliant {
            let words = format!("the compliance check said no: {}", verdict.reason);
            return Err(Refusal::gate(
                Label::ComplianceFailed,
                words,
                Some(claim.clone()),
            ));
        }
    }
    Ok(approved)
}

/// Why an approved enrollment did not come about. None of it is the device's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the issuer cannot sign: {0}")]
    Issuer(#[from] issuer::Error),
    #[error("{0}")]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Compute(#[from] ComputeError),
    /// The profile's actor has been replaced meanwhile.
    #[error("the profile is being restarted")]
    Fenced,
}

impl Failure {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "issuer_failed",
            Self::Journal(_) => "store_failed",
            Self::Compute(_) => "internal_error",
            Self::Fenced => "restarting",
        }
    }
}

type Done = Result<(Known, Answer, Option<Label>), Failure>;

/// Signs the certificate and makes it durable.
async fn issue(
    shared: &Arc<Shared>,
    origin: &Origin,
    candidate: &Candidate,
    approved: Approved,
    marks: Option<Marks>,
) -> Done {
    let notes = approved.notes().to_vec();
    let certificate = sign(shared, approved).await?;
    let now = shared.now();
    let transaction = records::issued(shared, origin, candidate, &certificate, now);
    let known = Known::from(&transaction);
    let mut change = Change::new()
        .with(records::certificate(shared, candidate, &certificate, now))
        .with(transaction)
        .with(audit::success(
            shared,
            origin,
            candidate,
            &certificate,
            &notes,
            now,
        ));
    let label = marks.map(|marks| {
        records::push_marks(&mut change, &shared.spec.path_id, &marks);
        Label::Success
    });
    commit(shared, change, label).await?;
    Ok((known, Answer::Certificate(certificate), label))
}

/// Runs the issuer on the compute pool.
pub(crate) async fn sign(shared: &Arc<Shared>, approved: Approved) -> Result<Certificate, Failure> {
    let begun = shared.services.clock.instant();
    let now = shared.now();
    let issuer = Arc::clone(&shared.spec.issuer);
    let signed = shared
        .services
        .pool
        .run(Stage::Finish, move || issuer.issue(&approved, now))
        .await?;
    shared.meters.stage(Timed::Issue, begun.elapsed());
    Ok(signed?)
}

/// Makes a pending request durable.
async fn wait(
    shared: &Arc<Shared>,
    origin: &Origin,
    candidate: &Candidate,
    marks: Option<Marks>,
) -> Done {
    let now = shared.now();
    let transaction = records::pending(shared, origin, candidate, now);
    let known = Known::from(&transaction);
    let mut change = Change::new()
        .with(transaction)
        .with(audit::pending(shared, origin, candidate, now));
    if let Some(marks) = marks {
        records::push_marks(&mut change, &shared.spec.path_id, &marks);
    }
    commit(shared, change, None).await?;
    Ok((known, Answer::Pending, None))
}

/// One durable step, unless the actor that decided is gone.
pub(crate) async fn commit(
    shared: &Shared,
    change: Change,
    label: Option<Label>,
) -> Result<(), Failure> {
    let begun = shared.services.clock.instant();
    let inside = shared.fence.enter().ok_or(Failure::Fenced)?;
    let count = label.map(|label| Count {
        profile: shared.spec.path_id.clone(),
        name: label.as_str(),
    });
    shared.services.journal.commit(change, count).await?;
    drop(inside);
    shared.meters.stage(Timed::Commit, begun.elapsed());
    Ok(())
}

/// Audits a refusal and answers it. The stored counter of its label goes up with the event.
async fn refuse(
    shared: &Arc<Shared>,
    origin: &Origin,
    candidate: &Candidate,
    refusal: &Refusal,
) -> Answer {
    let left_out = if refusal.anonymous {
        shared.refusals.admit()
    } else {
        Some(0)
    };
    let mut change = Change::new();
    if let Some(left_out) = left_out {
        let now = shared.now();
        change.push(audit::refused(
            shared, origin, candidate, refusal, left_out, now,
        ));
    }
    tracing::info!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        reason = refusal.reason,
        message = refusal.message,
        "enrollment refused"
    );
    if (left_out.is_some() || refusal.label.is_some())
        && let Err(error) = commit(shared, change, refusal.label).await
    {
        tracing::error!(profile = shared.spec.path_id, %error, "a refusal could not be audited");
        return Answer::Busy;
    }
    Answer::from(refusal)
}

/// Audits a failure of ours; the device is told to come again.
async fn failed(shared: &Arc<Shared>, origin: &Origin, candidate: &Candidate, failure: &Failure) {
    tracing::error!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        error = %failure,
        "an approved enrollment failed; the device is told to try again"
    );
    if matches!(
        failure,
        Failure::Fenced | Failure::Journal(JournalError::Store(_))
    ) {
        return;
    }
    let event = audit::failed(shared, origin, candidate, failure, shared.now());
    if let Err(error) = commit(shared, Change::new().with(event), None).await {
        tracing::error!(profile = shared.spec.path_id, %error, "a failure could not be audited");
    }
}

/// A message that was refused before it was known what it asks for.
async fn reject(shared: &Arc<Shared>, origin: &Origin, rejected: &Rejected) -> Answer {
    tracing::info!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        fail_info = %rejected.fail_info,
        detail = rejected.detail,
        "PKIMessage refused"
    );
    let noise = if rejected.verified {
        &shared.refusals
    } else {
        &shared.garbage
    };
    if let Some(left_out) = noise.admit() {
        let event = audit::rejected(shared, origin, rejected, left_out, shared.now());
        if let Err(error) = commit(shared, Change::new().with(event), None).await {
            tracing::error!(profile = shared.spec.path_id, %error, "a refusal could not be audited");
        }
    }
    Answer::refused(rejected.fail_info, rejected.text)
}

/// What is no PKIMessage at all: counted, and written now and then.
async fn garbage(shared: &Arc<Shared>, origin: &Origin, words: &str) {
    tracing::debug!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        words,
        "unreadable"
    );
    if let Some(left_out) = shared.garbage.admit() {
        let event = audit::unreadable(shared, origin, words, left_out, shared.now());
        if let Err(error) = commit(shared, Change::new().with(event), None).await {
            tracing::error!(profile = shared.spec.path_id, %error, "garbage could not be audited");
        }
    }
}

/// Encrypts and signs the reply.
async fn cert_rep(shared: &Arc<Shared>, reply: ReplyTo, answer: Answer) -> Outcome {
    if matches!(answer, Answer::Busy) {
        return Outcome::Busy {
            retry_after: RETRY_AFTER,
        };
    }
    let begun = shared.services.clock.instant();
    let job = Arc::clone(shared);
    let built = shared
        .services
        .pool
        .run(Stage::Finish, move || build(&job, &reply, &answer))
        .await;
    shared.meters.stage(Timed::Reply, begun.elapsed());
    match built {
        Ok(Ok(octets)) => Outcome::CertRep(octets),
        Ok(Err(error)) => {
            tracing::error!(profile = shared.spec.path_id, %error, "a CertRep could not be built");
            Outcome::Busy {
                retry_after: RETRY_AFTER,
            }
        }
        Err(error) => {
            tracing::error!(profile = shared.spec.path_id, %error, "a CertRep could not be built");
            Outcome::Busy {
                retry_after: RETRY_AFTER,
            }
        }
    }
}

/// Why a CertRep could not be built: never the device's doing.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error(transparent)]
    Scep(#[from] scep::Error),
    #[error("the profile has no RA certificate")]
    NoRa,
}

fn build(shared: &Shared, reply: &ReplyTo, answer: &Answer) -> Result<Vec<u8>, BuildError> {
    let spec = &shared.spec;
    let Some(ra) = spec.ras.first() else {
        return Err(BuildError::NoRa);
    };
    let chain;
    let answer = match answer {
        Answer::Certificate(certificate) => {
            chain = if spec.chain.chain_in_reply {
                std::iter::once(certificate.clone())
                    .chain(spec.issuer.chain())
                    .collect()
            } else {
                vec![certificate.clone()]
            };
            scep::Answer::Success {
                certificates: &chain,
            }
        }
        Answer::Crl(crl) => scep::Answer::Crl(crl),
        Answer::Refused { fail_info, text } => scep::Answer::Failure {
            fail_info: *fail_info,
            text,
        },
        Answer::Pending | Answer::Busy => scep::Answer::Pending,
    };
    Ok(scep::cert_rep(reply, &answer, ra, spec.mode)?)
}
