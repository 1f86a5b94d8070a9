//! The actor of one SCEP profile: it owns replay memory, rate windows, counters and what is under
//! way, and is the only place where they are read and changed together.
//!
//! Nothing here waits and nothing here costs RSA time: the handlers of [`Decide`] and [`Settle`]
//! are a few look-ups each, so that any number of simultaneous copies of a request meet one
//! uninterruptible decision.

mod carry;
mod room;
mod settle;

use crate::context::Context as Kept;
use crate::decision::{Asks, Claim, Decide, Decision, Desk, Guess, Ticket};
use crate::enroll;
use crate::enrollment::{Known, Marks};
use crate::exit::ExitGuard;
use crate::guesses::Guesses;
use crate::limits::RequestGate;
use crate::lock_out;
use crate::messages::{
    DecideError, End, OperatorDecision, Outcome, PanicDrill, PkiOperation, ProfileStatus,
    RETRY_AFTER, Served, Status, Sweep,
};
use crate::operator;
use crate::outside::Neighbours;
use crate::pending::{Pending, Place};
use crate::records;
use crate::refuse::{locked_out, summarize};
use crate::requests::Ending;
use crate::shared::{Services, Shared, one_time};
use crate::spec::{ProfileSpec, RequestLimits};
use crate::start::{self, Start};
use crate::told::Told;
use crate::transactions::Transactions;
use crate::worker;
use crate::{budget::Budget, fence::Fence, meters::Meters, noise::Noise};
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
    guesses: Guesses,
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
        fence: Fence,
        start: Start,
        exit: ExitGuard,
    ) -> Self {
        let limit = spec.device_limit();
        let path_id = spec.path_id.clone();
        let meters = Arc::new(Meters::new(&path_id, &services.metrics));
        let neighbours = Neighbours::new(&path_id, &services.metrics);
        let garbage = Arc::new(Noise::of_garbage(spec.unverified_per_minute));
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
            guesses: Guesses::new(spec.guesses_per_minute),
            told: Told::default(),
            said_full: false,
            has_open: !start.open.is_empty(),
            shared: Arc::new(Shared {
                one_time: one_time(&spec, &services),
                spec,
                services,
                fence,
                refusals: Arc::new(Noise::of_refusals()),
                lockouts: Arc::new(Noise::of_refusals()),
                garbage,
                verified,
                behind_lock_out: Arc::new(RequestGate::new(BEHIND_LOCK_OUT)),
                neighbours: Arc::new(neighbours),
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
    /// the future.
    fn sweep(&mut self, ctx: &mut Context<Self>) -> ResponseFuture<()> {
        let instant = self.shared.services.clock.instant();
        let passed = self.shared.passed();
        self.replay.expire(passed);
        self.rate.expire(passed);
        self.guesses.sweep(instant);
        self.transactions.forget(instant);
        let overdue = self.pending.overdue(passed);
        let alone = Arc::clone(&self.expiring).try_acquire_owned();
        let shared = Arc::clone(&self.shared);
        let desk = Desk::of(&ctx.address());
        let outside = self.has_open || shared.spec.reaches_outside();
        let challenges = shared.spec.one_time.is_some();
        Box::pin(async move {
            summarize(&shared).await;
            if challenges {
                worker::sweep_challenges(&shared).await;
            }
            if outside {
                worker::look(&shared, &desk).await;
            }
            if let (Ok(alone), false) = (alone, overdue.is_empty()) {
                operator::expire_overdue(shared, desk, overdue).await;
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
            actix::spawn(this.sweep(ctx));
        }));
        if self.has_open {
            actix::spawn(self.sweep(ctx));
        }
    }
}

impl Handler<PkiOperation> for ProfileActor {
    type Result = ResponseFuture<Served>;

    fn handle(&mut self, operation: PkiOperation, ctx: &mut Self::Context) -> Self::Result {
        let instant = self.shared.services.clock.instant();
        let locked_out = self.guesses.is_blocked(operation.origin.source, instant);
        // Before any RSA: whatever it asks for, its answer or its audit event could not be kept.
        if !self.shared.services.is_writable() {
            return unread(
                Ending::Busy,
                Outcome::Busy {
                    retry_after: RETRY_WHEN_STOPPED,
                },
            );
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return unread(
                Ending::Shed,
                Outcome::Busy {
                    retry_after: RETRY_AFTER,
                },
            );
        };
        let shared = Arc::clone(&self.shared);
        let desk = Desk::of(&ctx.address());
        Box::pin(async move {
            let served = if locked_out {
                lock_out::serve(shared, desk, operation).await
            } else {
                enroll::serve(shared, desk, operation).await
            };
            drop(permit);
            served
        })
    }
}

/// Answers a message that nobody has looked at.
fn unread(ending: Ending, outcome: Outcome) -> ResponseFuture<Served> {
    Box::pin(std::future::ready(Served::unread(ending, outcome)))
}

impl Handler<Decide> for ProfileActor {
    type Result = MessageResult<Decide>;

    fn handle(&mut self, ask: Decide, ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.decide(ask, ctx))
    }
}

impl ProfileActor {
    fn decide(&mut self, ask: Decide, ctx: &mut Context<Self>) -> Decision {
        let intune = ask.asks.is_counted();
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
            return Decision::Known(known.clone());
        }
        if self.transactions.is_in_flight(&ask.key) {
            // A challenge is used once, by the same message too, unless the profile is lenient.
            // What waits for an operator used it before, and is being decided on now.
            if intune && window.is_none() && known.is_none() {
                return self.refuse(Label::Replay, Decision::Replay);
            }
            if let Some(answer) = self.transactions.join(&ask.key) {
                return Decision::Join(answer);
            }
        }
        if let Some(known) = known {
            return Decision::Known(known);
        }
        // Of guesses that come in together none has been counted yet when the first is let in.
        let instant = self.shared.services.clock.instant();
        let proves_itself = ask.by_holder && !matches!(ask.asks, Asks::Refused { .. });
        if !proves_itself && self.guesses.is_blocked(ask.source, instant) {
            return Decision::Guessing;
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
        let marks = match ask.asks {
            Asks::Refused { label, guess, .. } => {
                if guess {
                    self.guessed(ask.source, instant);
                }
                return match label {
                    Some(label) => self.refuse(label, Decision::Refused),
                    None => Decision::Refused,
                };
            }
            Asks::Proven { reservations, .. } => match self.reserve(&reservations, ask.now) {
                Ok(marks) => marks,
                // The eleven counters are those of signed challenges.
                Err(refused) if !intune => return refused,
                Err(refused @ Decision::Replay) => return self.refuse(Label::Replay, refused),
                Err(refused) => return self.refuse(Label::RateLimited, refused),
            },
        };
        self.transactions.begin(ask.key, marks.clone());
        let ticket = Ticket::new(ask.key, marks, ctx.address().recipient());
        let mut of_row = |row| {
            self.transactions.begin(row, Marks::none(ask.now));
            Box::new(Ticket::claimed(row, ctx.address().recipient(), ask.now))
        };
        let replaced = match place {
            Some(Place::With(row)) => return Decision::WaitWith(ticket, of_row(row)),
            Some(Place::InsteadOf(row)) => Some(of_row(row)),
            _ => None,
        };
        if let Some(waiting) = ask.waiting {
            self.pending.reserve(ask.key, waiting);
        }
        Decision::Proceed(ticket, replaced)
    }

    /// Counts a wrong challenge. That a source is turned away from now on is told once.
    fn guessed(&mut self, source: IpAddr, now: Instant) {
        if self.guesses.note(source, now) {
            actix::spawn(locked_out(Arc::clone(&self.shared), source));
        }
    }

    fn refuse(&mut self, label: Label, decision: Decision) -> Decision {
        self.counters.add(label);
        self.shared.meters.intune(label);
        decision
    }
}

/// Whether the very same Intune enrollment gets its earlier answer instead of `replay`.
fn answers_again(known: &Known, window: Option<Duration>, now: DateTime<Utc>) -> bool {
    // A request that waited for an operator is asked for again by its polls.
    if known.was_pending() {
        return true;
    }
    let Some(window) = window else { return false };
    let age = now.signed_duration_since(known.updated_at);
    matches!(known.stage, Stage::Issued { .. }) && age.to_std().map_or(true, |age| age <= window)
}

impl Handler<Claim> for ProfileActor {
    type Result = Option<Ticket>;

    fn handle(&mut self, Claim(key): Claim, ctx: &mut Self::Context) -> Self::Result {
        if self.transactions.is_in_flight(&key) {
            return None;
        }
        let now = self.shared.now();
        self.transactions.begin(key, Marks::none(now));
        Some(Ticket::claimed(key, ctx.address().recipient(), now))
    }
}

impl Handler<Guess> for ProfileActor {
    type Result = bool;

    fn handle(&mut self, Guess { source }: Guess, _: &mut Self::Context) -> Self::Result {
        let instant = self.shared.services.clock.instant();
        // Of those that come in together none has been counted yet when the first is let in.
        let blocked = self.guesses.is_blocked(source, instant);
        if !blocked {
            self.guessed(source, instant);
        }
        blocked
    }
}

impl Handler<OperatorDecision> for ProfileActor {
    type Result = ResponseFuture<Result<Stage, DecideError>>;

    fn handle(&mut self, decision: OperatorDecision, ctx: &mut Self::Context) -> Self::Result {
        Box::pin(operator::decide(
            Arc::clone(&self.shared),
            Desk::of(&ctx.address()),
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
        })
    }
}

impl Handler<Sweep> for ProfileActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Sweep, ctx: &mut Self::Context) -> Self::Result {
        self.sweep(ctx)
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

impl Handler<PanicDrill> for ProfileActor {
    type Result = ();

    #[expect(
        clippy::panic,
        reason = "the drill is there to show that a panic is survived"
    )]
    fn handle(&mut self, _: PanicDrill, _: &mut Self::Context) {
        panic!("a drill: this profile's actor was told to panic");
    }
}
