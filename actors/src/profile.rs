//! The actor of one SCEP profile: it owns replay memory, rate windows, counters and what is under
//! way, and is the only place where they are read and changed together.
//!
//! Nothing here waits and nothing here costs RSA time: the handlers of [`Admit`] and [`Complete`]
//! are a few look-ups each, so that any number of simultaneous copies of a request meet one
//! uninterruptible decision.

mod carry;
mod complete;
mod room;

use crate::admission::{
    Acquire, ActorHandle, Admission, AdmissionGuard, Admit, Judged, RecordFailure,
};
use crate::context::Context as Kept;
use crate::enroll;
use crate::enrollment::{PriorResult, Reserved};
use crate::exit::ExitGuard;
use crate::failed_attempts::FailedAttempts;
use crate::limits::RequestGate;
use crate::lock_out;
use crate::messages::{
    DecideError, End, InjectPanic, OperatorDecision, Outcome, PkiOperation, ProfileStatus,
    RETRY_AFTER, Response, Status, Sweep,
};
use crate::operator;
use crate::outside::Remotes;
use crate::pending::{Pending, Place};
use crate::records;
use crate::refuse::{locked_out, summarize};
use crate::requests::RequestResult;
use crate::shared::{Services, Shared, one_time};
use crate::spec::{ProfileSpec, RequestLimits};
use crate::start::{self, Start};
use crate::told::Told;
use crate::transactions::Transactions;
use crate::worker;
use crate::{
    audit_sampler::AuditSampler, budget::Budget, commit_barrier::CommitBarrier, meters::Meters,
};
use actix::{Actor, AsyncContext, Context, Handler, MessageResult, ResponseFuture, SpawnHandle};
use challenge::{Counters, Label, RateWindow, ReplayMemory};
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Stage;
use tokio::sync::Semaphore;

/// How often memory that has passed its time is given back, and waiting requests are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Messages that are opened although their source is locked out, because they may prove themselves.
const BEHIND_LOCK_OUT: RequestLimits = RequestLimits {
    per_source_per_minute: 120,
    per_profile_per_second: 20,
};

/// When it should while the store takes no changes: somebody has to see to the disk first.
const RETRY_WHEN_STOPPED: Duration = Duration::from_secs(60);

/// The actor.
pub struct ProfileActor {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    permits_limit: usize,
    transactions: Transactions,
    pending: Pending,
    /// Held by the one sweep of waiting requests that may be under way.
    expiring: Arc<Semaphore>,
    /// The clock that calls for sweeps. While it ticks, the actor lives.
    ticks: Option<SpawnHandle>,
    replay: ReplayMemory,
    rate: RateWindow,
    counters: Counters,
    failed_attempts: FailedAttempts,
    told: Told,
    /// Whether it was said that as many wait as may, since there was last room.
    said_full: bool,
    /// Whether the store held enrollments under way when the actor began.
    has_open: bool,
    /// Tells the supervisor when this actor is gone, for whatever reason.
    _exit: ExitGuard,
}

impl ProfileActor {
    /// An actor that goes on from what the store holds.
    pub(crate) fn new(
        spec: Arc<ProfileSpec>,
        services: Services,
        barrier: CommitBarrier,
        start: Start,
        exit: ExitGuard,
    ) -> Self {
        let limit = spec.device_limit();
        let path_id = spec.path_id.clone();
        let meters = Arc::new(Meters::new(&path_id, &services.metrics));
        let remotes = Remotes::new(&path_id, &services.metrics);
        let garbage = Arc::new(AuditSampler::of_garbage(spec.unverified_per_minute));
        let verified = Arc::new(Budget::new(spec.refusals_per_source_per_minute));
        let counters = start::counted(start.states());
        if spec.intune.is_some() {
            meters.resume(&counters);
        }
        if spec.one_time.is_some() {
            meters.one_time_begins();
        }
        let mut actor = Self {
            permits: Arc::new(Semaphore::new(spec.in_flight)),
            permits_limit: spec.in_flight,
            transactions: Transactions::default(),
            pending: Pending::default(),
            expiring: Arc::new(Semaphore::new(1)),
            ticks: None,
            replay: ReplayMemory::new(),
            rate: RateWindow::new(limit, records::RATE_WINDOW),
            counters,
            failed_attempts: FailedAttempts::new(spec.guesses_per_minute),
            told: Told::default(),
            said_full: false,
            has_open: !start.open.is_empty(),
            shared: Arc::new(Shared {
                one_time: one_time(&spec, &services),
                spec,
                services,
                barrier,
                refusals: Arc::new(AuditSampler::of_refusals()),
                lockouts: Arc::new(AuditSampler::of_refusals()),
                garbage,
                verified,
                behind_lock_out: Arc::new(RequestGate::new(BEHIND_LOCK_OUT)),
                outbox: Arc::default(),
                remotes: Arc::new(remotes),
                meters,
            }),
            _exit: exit,
        };
        for state in start.states() {
            actor.remember(state);
        }
        for record in &start.open {
            let taken = Kept::of_record(record).taken();
            for (key, until) in taken.once {
                actor.replay.insert(key, until);
            }
            for device in taken.quota {
                actor.rate.restore(device, taken.at);
            }
        }
        actor
    }

    /// Gives back memory that has passed its time; what is left to do for waiting requests is
    /// the future. With `turn_away` it does not wait for a sweep that is still sending notices.
    fn sweep(&mut self, ctx: &mut Context<Self>, turn_away: bool) -> ResponseFuture<()> {
        let instant = self.shared.services.clock.instant();
        let passed = self.shared.passed();
        self.replay.expire(passed);
        self.rate.expire(passed);
        self.failed_attempts.sweep(instant);
        self.transactions.forget(instant);
        let overdue = self.pending.overdue(passed);
        let alone = Arc::clone(&self.expiring).try_acquire_owned();
        let shared = Arc::clone(&self.shared);
        let actor = ActorHandle::of(ctx.address());
        let outside = self.has_open || shared.spec.reaches_outside();
        let challenges = shared.spec.one_time.is_some();
        Box::pin(async move {
            summarize(&shared).await;
            if challenges {
                worker::sweep_challenges(&shared).await;
            }
            if outside {
                worker::look(&shared, &actor, turn_away).await;
            }
            if let (Ok(alone), false) = (alone, overdue.is_empty()) {
                operator::expire_overdue(shared, actor, overdue).await;
                drop(alone);
            }
        })
    }
}

impl Actor for ProfileActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // In-flight permits bound what is under way; the mailbox must not refuse what they allow.
        ctx.set_mailbox_capacity(4096);
        self.ticks = Some(ctx.run_interval(SWEEP_EVERY, |this, ctx| {
            actix::spawn(this.sweep(ctx, true));
        }));
        if self.has_open {
            actix::spawn(self.sweep(ctx, true));
        }
    }
}

impl Handler<PkiOperation> for ProfileActor {
    type Result = ResponseFuture<Response>;

    fn handle(&mut self, operation: PkiOperation, ctx: &mut Self::Context) -> Self::Result {
        let instant = self.shared.services.clock.instant();
        let locked_out = self
            .failed_attempts
            .is_blocked(operation.origin.source, instant);
        // Before any RSA: whatever it asks for, its answer or its audit event could not be kept.
        if !self.shared.services.is_writable() {
            return unread(
                RequestResult::Busy,
                Outcome::Busy {
                    retry_after: RETRY_WHEN_STOPPED,
                },
            );
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return unread(
                RequestResult::Shed,
                Outcome::Busy {
                    retry_after: RETRY_AFTER,
                },
            );
        };
        let shared = Arc::clone(&self.shared);
        let actor = ActorHandle::of(ctx.address());
        Box::pin(async move {
            let served = if locked_out {
                lock_out::serve(shared, actor, operation).await
            } else {
                enroll::serve(shared, actor, operation).await
            };
            drop(permit);
            served
        })
    }
}

/// Answers a message that nobody has looked at.
fn unread(result: RequestResult, outcome: Outcome) -> ResponseFuture<Response> {
    Box::pin(std::future::ready(Response::unread(result, outcome)))
}

impl Handler<Admit> for ProfileActor {
    type Result = MessageResult<Admit>;

    fn handle(&mut self, ask: Admit, ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.decide(ask, ctx))
    }
}

impl ProfileActor {
    fn decide(&mut self, ask: Admit, ctx: &mut Context<Self>) -> Admission {
        let intune = ask.judged.is_counted();
        let window = self
            .shared
            .spec
            .intune
            .as_ref()
            .and_then(|intune| intune.retransmission);
        // What the store said may be older than what was settled since.
        let recent = self.transactions.recent(&ask.key).cloned();
        let known = recent.or_else(|| ask.known.clone());
        let known = known.filter(|known| !intune || answers_again(known, window, ask.now));
        let known = known.filter(|known| !known.may_start_anew() || known.is_judged(&ask.message));
        let known = known.filter(|known| !self.begins_anew(known, &ask));
        if let Some(known) = &known
            && !known.stage.is_open()
        {
            return Admission::Prior(known.clone());
        }
        if self.transactions.is_in_flight(&ask.key) {
            // A challenge is used once, by the same message too, unless the profile is lenient.
            // What waits for an operator used it before, and is being decided on now.
            if intune && window.is_none() && known.is_none() {
                return self.refuse(Label::Replay, Admission::Replay);
            }
            if let Some(answer) = self.transactions.join(&ask.key) {
                return Admission::Join(answer);
            }
        }
        if let Some(known) = known {
            return Admission::Prior(known);
        }
        // Of guesses that come in together none has been counted yet when the first is let in.
        let instant = self.shared.services.clock.instant();
        let proves_itself = ask.by_holder && !matches!(ask.judged, Judged::Refused { .. });
        if !proves_itself && self.failed_attempts.is_blocked(ask.source, instant) {
            return Admission::Throttled;
        }
        let place = match ask
            .waiting
            .as_ref()
            .map(|waiting| self.place(&ask.key, waiting))
        {
            Some(Err(decision)) => return decision,
            Some(Ok(place)) => Some(place),
            None => None,
        };
        let reserved = match ask.judged {
            Judged::Refused { label, guess, .. } => {
                if guess {
                    self.failed_attempt(ask.source, instant);
                }
                return match label {
                    Some(label) => self.refuse(label, Admission::Refused),
                    None => Admission::Refused,
                };
            }
            Judged::Proven { reservations, .. } => match self.reserve(&reservations, ask.now) {
                Ok(reserved) => reserved,
                // The eleven counters are those of signed challenges.
                Err(refused) if !intune => return refused,
                Err(refused @ Admission::Replay) => return self.refuse(Label::Replay, refused),
                Err(refused) => return self.refuse(Label::RateLimited, refused),
            },
        };
        self.transactions.begin(ask.key, reserved.clone());
        let guard = AdmissionGuard::new(ask.key, reserved, ctx.address().recipient());
        let mut of_row = |row| {
            self.transactions.begin(row, Reserved::none(ask.now));
            Box::new(AdmissionGuard::claimed(
                row,
                ctx.address().recipient(),
                ask.now,
            ))
        };
        let replaced = match place {
            Some(Place::With(row)) => return Admission::WaitWith(guard, of_row(row)),
            Some(Place::InsteadOf(row)) => Some(of_row(row)),
            _ => None,
        };
        if let Some(waiting) = ask.waiting {
            self.pending.reserve(ask.key, waiting);
        }
        Admission::Proceed(guard, replaced)
    }

    /// Counts a wrong challenge. That a source is turned away from now on is told once.
    fn failed_attempt(&mut self, source: IpAddr, now: Instant) {
        if self.failed_attempts.note(source, now) {
            actix::spawn(locked_out(Arc::clone(&self.shared), source));
        }
    }

    fn refuse(&mut self, label: Label, decision: Admission) -> Admission {
        self.counters.add(label);
        self.shared.meters.intune(label);
        decision
    }
}

/// Whether the very same Intune enrollment gets its earlier answer instead of `replay`.
fn answers_again(known: &PriorResult, window: Option<Duration>, now: DateTime<Utc>) -> bool {
    // A request that waited for an operator is asked for again by its polls.
    if known.was_pending() {
        return true;
    }
    let Some(window) = window else { return false };
    let age = now.signed_duration_since(known.updated_at);
    matches!(known.stage, Stage::Issued { .. }) && age.to_std().map_or(true, |age| age <= window)
}

impl Handler<Acquire> for ProfileActor {
    type Result = Option<AdmissionGuard>;

    fn handle(&mut self, Acquire(key): Acquire, ctx: &mut Self::Context) -> Self::Result {
        if self.transactions.is_in_flight(&key) {
            return None;
        }
        let now = self.shared.now();
        self.transactions.begin(key, Reserved::none(now));
        Some(AdmissionGuard::claimed(key, ctx.address().recipient(), now))
    }
}

impl Handler<RecordFailure> for ProfileActor {
    type Result = bool;

    fn handle(
        &mut self,
        RecordFailure { source }: RecordFailure,
        _: &mut Self::Context,
    ) -> Self::Result {
        let instant = self.shared.services.clock.instant();
        // Of those that come in together none has been counted yet when the first is let in.
        let blocked = self.failed_attempts.is_blocked(source, instant);
        if !blocked {
            self.failed_attempt(source, instant);
        }
        blocked
    }
}

impl Handler<OperatorDecision> for ProfileActor {
    type Result = ResponseFuture<Result<Stage, DecideError>>;

    fn handle(&mut self, decision: OperatorDecision, ctx: &mut Self::Context) -> Self::Result {
        Box::pin(operator::decide(
            Arc::clone(&self.shared),
            ActorHandle::of(ctx.address()),
            decision,
        ))
    }
}

impl Handler<Status> for ProfileActor {
    type Result = MessageResult<Status>;

    fn handle(&mut self, _: Status, _: &mut Self::Context) -> Self::Result {
        MessageResult(ProfileStatus {
            counters: self.counters,
            replay_entries: self.replay.len(),
            in_flight: self.transactions.in_flight(),
            pending: self.pending.len(),
            challenges_refused: self.shared.meters.challenges_refused(),
            resting: self.shared.remotes.resting(),
            waiting_for_issuer: self
                .shared
                .remotes
                .waiting_for(self.shared.spec.issuer.id()),
        })
    }
}

impl Handler<Sweep> for ProfileActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Sweep, ctx: &mut Self::Context) -> Self::Result {
        self.sweep(ctx, false)
    }
}

impl Handler<End> for ProfileActor {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Self::Context) {
        if let Some(ticks) = self.ticks.take() {
            ctx.cancel_future(ticks);
        }
    }
}

impl Handler<InjectPanic> for ProfileActor {
    type Result = ();

    #[expect(
        clippy::panic,
        reason = "the drill is there to show that a panic is survived"
    )]
    fn handle(&mut self, _: InjectPanic, _: &mut Self::Context) {
        panic!("a drill: this profile's actor was told to panic");
    }
}
