//! An enrollment whose stages reach outside, from one to the next: a validator that asks, an issuer that is somewhere else.
//!
//! A stage is durable before anything is done in it that cannot be taken back, and again with its result. The work belongs
//! to the profile's actor: a request waits for it for a while, then its device is told PENDING and the work goes on. After
//! a restart it goes on from its record ([`resume`]); what may have happened outside unheard is looked up.

mod attempts;
mod issuing;
mod notifying;
mod validating;
mod waiting;

use crate::admission::{ActorHandle, AdmissionGuard, Completion};
use crate::answer::Answer;
use crate::audit;
use crate::compute;
use crate::context::Context;
use crate::durable::{self, Failure};
use crate::enrollment::{EnrollmentRequest, Key, LetIn, PriorResult, Reserved};
use crate::messages::Origin;
use crate::notices;
use crate::outside::Place;
use crate::records;
use crate::refusal::Refusal;
use crate::shared::Shared;
use challenge::{Claim, Label};
use chrono::{DateTime, TimeDelta, Utc};
use issuer::{Approved, CertificateRequest, Handle};
use pki::{Certificate, Csr};
use scep::FailInfo;
use std::sync::Arc;
use std::time::Duration;
use store::{Change, EnrollmentRecord, Lease, Stage};
use tokio::sync::oneshot;

/// One enrollment under way.
pub(crate) struct Work {
    shared: Arc<Shared>,
    actor: ActorHandle,
    /// Its place among those that may be under way.
    _place: Option<Place>,
    /// Settled at the end.
    guard: Option<AdmissionGuard>,
    record: EnrollmentRecord,
    context: Context,
    csr: Csr,
    /// What was taken for it, made durable with its certificate.
    reserved: Reserved,
    notes: Vec<String>,
    /// What policy agreed to, where that is known already.
    approved: Option<Approved>,
    /// Whether the gates let the device in, now or when it first came.
    through_gates: bool,
    /// Whether an issuer may have been asked of whose answer nobody knows.
    unheard: bool,
    /// Whether its record does not yet say what was taken for it.
    unsaved: bool,
    /// What the timeline says last of why somebody outside is asked again.
    said: Option<String>,
}

/// How a step ended.
enum Step {
    /// There is a next stage.
    Next,
    /// The enrollment has its end, or waits for an operator.
    End(Answer),
}

/// Makes the first stage of a new enrollment durable, begins the work, and waits for it as long as the profile says.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    actor: &ActorHandle,
    origin: &Origin,
    asked: &EnrollmentRequest,
    guard: AdmissionGuard,
    approved: Option<Approved>,
    let_in: LetIn,
) -> Result<Answer, (AdmissionGuard, Failure)> {
    let Some(place) = shared.remotes.place(shared.spec.pending.per_profile) else {
        return Err((guard, Failure::Crowded));
    };
    let now = shared.now();
    let stage = match approved {
        Some(_) => issuing_at(shared),
        None => Stage::Validating { handle: None },
    };
    let mut context = Context::of_candidate(origin, asked);
    context.take(&guard.reserved);
    context.since = Some(shared.passed());
    let record = records::open(shared, origin, asked, stage, now);
    let mut work = Work {
        _place: Some(place),
        reserved: guard.reserved.clone(),
        record,
        context,
        csr: asked.csr.clone(),
        notes: let_in
            .into_iter()
            .chain(asked.notes.iter().cloned())
            .collect(),
        approved,
        through_gates: asked
            .evidence
            .as_ref()
            .is_ok_and(|evidence| evidence.through_gates),
        unheard: false,
        unsaved: false,
        said: None,
        shared: Arc::clone(shared),
        actor: actor.clone(),
        guard: None,
    };
    if let Err(failure) = work.put(Change::new()).await {
        return Err((guard, failure));
    }
    let mut guard = guard;
    guard.is_durable();
    work.guard = Some(guard);
    Ok(work.within_reason().await)
}

/// Goes on with an enrollment that is in the store: after a restart, or when its last worker gave up its place.
pub(crate) async fn resume(shared: Arc<Shared>, actor: ActorHandle, key: Key) {
    // Somebody works on it.
    let Ok(Some(guard)) = actor.acquire(key).await else {
        return;
    };
    let Ok(record) = durable::load(&shared, key).await else {
        return;
    };
    if !matches!(
        record.stage,
        Stage::Validating { .. } | Stage::Issuing { .. } | Stage::Notifying { .. }
    ) {
        return;
    }
    // It may have been taken since the look for what is due.
    let node = &*shared.services.node;
    if record.is_held_by_another(node, shared.passed()) {
        return;
    }
    let was_anothers = record
        .lease
        .as_ref()
        .is_some_and(|lease| &*lease.node != node);
    if let Some(mut work) = Work::of_record(&shared, &actor, guard, record).await {
        // The right to ask outside comes first; who was quicker has it.
        if was_anothers && let Err(failure) = work.put(Change::new()).await {
            work.failed(&failure);
            return;
        }
        tracing::info!(
            profile = shared.spec.path_id,
            transaction_id = work.record.transaction_id,
            "an enrollment goes on where it stood"
        );
        work.run().await;
    }
}

/// Goes on with a request that an operator approved, whose issuer is somewhere else. Waits as [`begin`] does.
///
/// # Errors
/// The approval could not be made durable; the request still waits.
pub(crate) async fn approved(
    shared: &Arc<Shared>,
    actor: &ActorHandle,
    guard: AdmissionGuard,
    record: EnrollmentRecord,
    note: Option<String>,
    operators: Change,
) -> Result<Answer, Failure> {
    let Some(mut work) = Work::of_record(shared, actor, guard, record).await else {
        return Ok(Answer::Busy);
    };
    work.enter(issuing_at(shared));
    work.unheard = false;
    work.notes.extend(note);
    // Dropped before that is durable, the guard leaves the request waiting.
    work.put(operators).await?;
    Ok(work.within_reason().await)
}

/// The stage in which this profile's issuer is asked.
fn issuing_at(shared: &Shared) -> Stage {
    Stage::Issuing {
        issuer_id: shared.spec.issuer.id().to_owned(),
        handle: None,
    }
}

impl Work {
    async fn of_record(
        shared: &Arc<Shared>,
        actor: &ActorHandle,
        guard: AdmissionGuard,
        record: EnrollmentRecord,
    ) -> Option<Self> {
        let csr = record.csr.as_deref().map(Csr::from_der);
        let Some(Ok(csr)) = csr else {
            tracing::error!(
                profile = shared.spec.path_id,
                transaction_id = record.transaction_id,
                "an open enrollment has no CSR that can be read"
            );
            return None;
        };
        let context = Context::of_record(&record);
        let reserved = context.taken();
        // What it took is held in memory since the actor began; it is given back with it.
        let _ = actor.hold(record.key, reserved.clone()).await;
        Some(Self {
            // It has its place already: it was let in before.
            _place: None,
            unheard: matches!(record.stage, Stage::Issuing { .. }),
            shared: Arc::clone(shared),
            actor: actor.clone(),
            guard: Some(guard),
            through_gates: context.intune || shared.spec.guards_renewals(&record.grounds.validator),
            notes: context.vouched.iter().cloned().collect(),
            record,
            context,
            csr,
            reserved,
            approved: None,
            unsaved: false,
            said: None,
        })
    }

    /// Begins another stage, whose time and tries are counted anew. To be made durable.
    fn enter(&mut self, stage: Stage) {
        self.record.stage = stage;
        self.record.attempts = 0;
        self.context.failed = 0;
        self.context.since = Some(self.shared.passed());
        self.said = None;
    }

    /// Runs beside whoever waits for it; PENDING when that takes too long.
    async fn within_reason(self) -> Answer {
        let shared = Arc::clone(&self.shared);
        let (tell, told) = oneshot::channel();
        actix::spawn(async move {
            // Who no longer waits finds the answer in the store.
            let _ = tell.send(self.run().await);
        });
        within(&shared, told).await
    }

    async fn run(mut self) -> Answer {
        loop {
            let step = match &self.record.stage {
                Stage::Validating { .. } => self.validate().await,
                Stage::Issuing { handle, .. } => {
                    let handle = handle.clone().map(Handle);
                    self.issue(handle).await
                }
                Stage::Notifying { .. } => self.tell_first().await,
                _ => Step::End(Answer::Pending),
            };
            match step {
                Step::Next => {}
                Step::End(answer) => {
                    // Without an end of its own it is given back, and its record is gone on with later.
                    drop(self.guard.take());
                    return answer;
                }
            }
        }
    }

    /// What policy says today of what was asked for.
    async fn approve(&self) -> Result<Approved, Refusal> {
        let previous = match &self.record.grounds.renews {
            Some(serial) => previous(&self.shared, serial.clone()).await,
            None => None,
        };
        let request = CertificateRequest {
            csr: &self.csr,
            vouched_sid: self.record.grounds.vouched_sid.as_deref(),
            previous: previous.as_ref(),
        };
        let now = self.shared.now();
        let approved = crate::judge::approve(&self.shared, request, now);
        let terms = &self.context.terms;
        let approved = approved.map(|approved| crate::judge::under_terms(approved, terms, now));
        approved.map_err(|refused| {
            let refusal = Refusal::from(refused);
            match self.context.intune {
                true => refusal.counted(),
                false => refusal,
            }
        })
    }

    /// Ends the enrollment for good; what it took is given back.
    async fn refuse(&mut self, refusal: &Refusal) -> Step {
        self.refuse_with(refusal, Change::new()).await
    }

    /// As [`Work::refuse`], with more that is made durable in the same step.
    async fn refuse_with(&mut self, refusal: &Refusal, change: Change) -> Step {
        let now = self.shared.now();
        let event = audit::refused_record(&self.shared, &self.record, &self.context, refusal, now);
        let mut change = change.with(event);
        let (reason, message) = (refusal.reason, &refusal.message);
        notices::push_refused(
            &mut change,
            &self.shared,
            &self.record,
            reason,
            message,
            now,
        );
        let record = records::refused(self.record.clone(), refusal, now);
        records::push_joined(&mut change, &self.context, &record);
        change.push(record.clone());
        tracing::info!(
            profile = self.shared.spec.path_id,
            transaction_id = record.transaction_id,
            reason = refusal.reason,
            detail = refusal.message,
            "enrollment refused"
        );
        match durable::commit(&self.shared, change, refusal.label).await {
            Ok(()) => {
                self.record = record;
                self.record.version += 1;
                let answer = Answer::from(refusal);
                if let Some(guard) = self.guard.take() {
                    guard.complete(Completion::Refused {
                        known: PriorResult::from(&self.record),
                        answer: answer.clone(),
                        label: refusal.label,
                    });
                }
                Step::End(answer)
            }
            Err(failure) => self.failed(&failure),
        }
    }

    /// What the challenge takes was taken already.
    async fn taken(&mut self, label: Label, words: String, claim: Option<Claim>) -> Step {
        let refusal = Refusal::taken(label, words, claim, self.context.intune);
        self.refuse(&refusal).await
    }

    /// The stage has had its time, or its tries.
    async fn broken(&mut self, why: &str) -> Step {
        let refusal = Refusal::new(FailInfo::BadRequest, "outside_failed", why)
            .telling("what this request needs did not answer in time; try again");
        self.refuse(&refusal).await
    }

    /// A failure of ours: the record stands as it stood, and is gone on with later.
    fn failed(&mut self, failure: &Failure) -> Step {
        tracing::error!(
            profile = self.shared.spec.path_id,
            transaction_id = self.record.transaction_id,
            error = %failure,
            "an enrollment could not go on; it does so later"
        );
        if let Some(guard) = self.guard.take() {
            guard.complete(match self.unsaved {
                // Whoever goes on with it takes it again.
                true => Completion::Failed {
                    answer: Answer::Pending,
                    label: None,
                },
                false => Completion::Paused,
            });
        }
        Step::End(Answer::Pending)
    }

    fn complete(&mut self, answer: Answer, label: Option<Label>) -> Step {
        if let Some(guard) = self.guard.take() {
            guard.complete(Completion::Durable {
                known: PriorResult::from(&self.record),
                answer: answer.clone(),
                label,
            });
        }
        Step::End(answer)
    }

    async fn note_handle(&mut self, known: &Handle) -> Result<(), Failure> {
        self.record.stage = Stage::Issuing {
            issuer_id: self.shared.spec.issuer.id().to_owned(),
            handle: Some(known.0.clone()),
        };
        self.put(Change::new()).await
    }

    /// Makes the present stage durable.
    async fn put(&mut self, change: Change) -> Result<(), Failure> {
        self.put_for(change, Duration::ZERO).await
    }

    /// Makes the present stage durable, and holds the enrollment for a call that begins in `ahead`.
    async fn put_for(&mut self, mut change: Change, ahead: Duration) -> Result<(), Failure> {
        let passed = self.shared.passed();
        self.record.times.updated = self.shared.now();
        self.record.context = self.context.octets();
        // Due at once for whoever starts next, though time is only counted while a server runs.
        self.record.due = passed.checked_sub_signed(DUE_SINCE);
        let held = ahead
            .saturating_add(self.shared.spec.outside.call)
            .saturating_add(HELD_LONGER);
        let until = TimeDelta::from_std(held).ok();
        let until = until.and_then(|held| passed.checked_add_signed(held));
        self.record.lease = Some(Lease {
            node: self.shared.services.node.as_ref().to_owned(),
            until: until.unwrap_or(DateTime::<Utc>::MAX_UTC),
        });
        change.push(self.record.clone());
        durable::commit(&self.shared, change, None).await?;
        self.record.version += 1;
        self.unsaved = false;
        Ok(())
    }
}

/// By how much an open enrollment is overdue from its beginning.
const DUE_SINCE: TimeDelta = TimeDelta::hours(1);

/// For how long an enrollment is held beyond the call that it was held for. Then another node may think that its holder
/// is gone.
const HELD_LONGER: Duration = Duration::from_secs(60);

/// What a piece of work answers, unless that takes longer than the profile lets a request wait: then PENDING.
pub(crate) async fn within(shared: &Shared, told: oneshot::Receiver<Answer>) -> Answer {
    let clock = &shared.services.clock;
    let limit = clock.wait_until(clock.instant() + answer_within(shared));
    tokio::select! {
        biased;
        answer = told => answer.unwrap_or(Answer::Busy),
        () = limit => Answer::Pending,
    }
}

/// The certificate of this profile that is renewed.
async fn previous(shared: &Arc<Shared>, serial: Vec<u8>) -> Option<Certificate> {
    let job = Arc::clone(shared);
    let read = move || job.services.store.certificates_with_serial(&serial);
    let found = shared.services.pool.run(compute::Stage::Finish, read).await;
    let mut records = found.ok()?.ok()?.into_iter();
    let record = records.find(|record| record.profile == shared.spec.path_id)?;
    Certificate::from_der(&record.der).ok()
}

fn answer_within(shared: &Shared) -> Duration {
    shared.spec.outside.answer_within
}

fn refused(reason: &'static str, words: &str) -> Refusal {
    Refusal::new(FailInfo::BadRequest, reason, words)
}
