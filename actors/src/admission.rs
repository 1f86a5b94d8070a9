//! What an enrollment asks its actor, what the actor says, and the guard in between.

use crate::answer::Answer;
use crate::enrollment::{Key, PriorResult, Reserved, Waiting};
use actix::{Actor, Addr, Context, Handler, MailboxError, Message, Recipient};
use challenge::{Label, RateLimited, Reservation};
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use std::sync::Arc;

/// Asks whether an enrollment may go on, and reserves what it takes.
#[derive(Message)]
#[rtype(result = "Admission")]
pub(crate) struct Admit {
    pub(crate) key: Key,
    /// A digest of the PKIMessage as it came.
    pub(crate) message: Key,
    /// What it is told apart by where it is to wait for an operator.
    pub(crate) waiting: Option<Arc<Waiting>>,
    /// What the store knew of the same request, looked up off the actor.
    pub(crate) known: Option<PriorResult>,
    pub(crate) judged: Judged,
    pub(crate) source: IpAddr,
    /// Whether it is signed with a certificate of the profile that is in force: then a lock-out of its source does not
    /// hold for it.
    pub(crate) by_holder: bool,
    pub(crate) now: DateTime<Utc>,
}

/// What a request has shown so far.
pub(crate) enum Judged {
    /// The device may enroll, if this can be reserved.
    Proven {
        reservations: Vec<Reservation>,
        counted: bool,
    },
    /// Refused; by a gate, if it has a label.
    Refused {
        label: Option<Label>,
        guess: bool,
        counted: bool,
    },
}

impl Judged {
    /// Whether its outcome moves one of the eleven counters.
    pub(crate) fn is_counted(&self) -> bool {
        match self {
            Self::Proven { counted, .. } | Self::Refused { counted, .. } => *counted,
        }
    }
}

/// Gate 7, in words.
pub(crate) const USED_BEFORE: &str = "this challenge was used before";

/// What the actor says to [`Admit`].
pub(crate) enum Admission {
    /// Go on; the guards must be completed. The second is for a request that waits, and ends when this one begins to.
    Proceed(AdmissionGuard, Option<Box<AdmissionGuard>>),
    /// Wait together with the request of the second guard, which asks for the same.
    WaitWith(AdmissionGuard, Box<AdmissionGuard>),
    /// It joined a request that waits.
    Waits,
    /// As many wait for an operator as may, or the request in whose place it belongs is being decided on.
    Full,
    /// The same request was decided before.
    Prior(PriorResult),
    /// The same request is under way; its answer comes here.
    Join(tokio::sync::oneshot::Receiver<Answer>),
    /// As the request's own evidence says.
    Refused,
    /// Others of its source, which came in together with it, were wrong too often.
    Throttled,
    /// Gate 7.
    Replay,
    /// Gate 8.
    RateLimited(RateLimited),
}

/// The right to finish one enrollment. Dropped without being completed (a panic, a cancelled task),
/// it gives everything back.
pub(crate) struct AdmissionGuard {
    key: Key,
    pub(crate) reserved: Reserved,
    /// Whether the request waits for an operator, as before, when it is dropped.
    waits: bool,
    me: Option<Recipient<Complete>>,
}

impl AdmissionGuard {
    /// Whose it is.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// For an enrollment that took `reserved`.
    pub(crate) fn new(key: Key, reserved: Reserved, me: Recipient<Complete>) -> Self {
        Self {
            key,
            reserved,
            waits: false,
            me: Some(me),
        }
    }

    /// For an operator's decision, or the end of a request's time: without it, the request waits
    /// as before.
    pub(crate) fn claimed(key: Key, me: Recipient<Complete>, now: DateTime<Utc>) -> Self {
        let mut guard = Self::new(key, Reserved::none(now), me);
        guard.waits = true;
        guard
    }

    /// From now on its record is durable: dropped, it is gone on with later.
    pub(crate) fn is_durable(&mut self) {
        self.waits = true;
    }

    /// Ends the enrollment.
    pub(crate) fn complete(mut self, completion: Completion) {
        if let Some(me) = self.me.take() {
            me.do_send(Complete {
                key: self.key,
                completion,
            });
        }
    }
}

impl Drop for AdmissionGuard {
    fn drop(&mut self) {
        if let Some(me) = self.me.take() {
            let completion = match self.waits {
                true => Completion::Paused,
                false => Completion::Failed {
                    answer: Answer::Busy,
                    label: None,
                },
            };
            me.do_send(Complete {
                key: self.key,
                completion,
            });
        }
    }
}

/// How an enrollment ended.
pub(crate) enum Completion {
    /// Durable: issued, waiting, denied or expired.
    Durable {
        known: PriorResult,
        answer: Answer,
        label: Option<Label>,
    },
    /// Durable: refused for good. What was taken goes back.
    Refused {
        known: PriorResult,
        answer: Answer,
        label: Option<Label>,
    },
    /// Its record is gone on with later; what was taken is kept.
    Paused,
    /// It waits with another one; what was taken is kept.
    Joined,
    /// Nothing was stored; what was taken goes back.
    Failed {
        answer: Answer,
        label: Option<Label>,
    },
}

/// Tells the actor how an enrollment ended.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Complete {
    pub(crate) key: Key,
    pub(crate) completion: Completion,
}

/// Claims a pending request for an operator's decision or for its expiry.
#[derive(Message)]
#[rtype(result = "Option<AdmissionGuard>")]
pub(crate) struct Acquire(pub(crate) Key);

/// Takes more for an enrollment that is under way: who vouches for it said so only now.
#[derive(Message)]
#[rtype(result = "Result<Reserved, (Label, String)>")]
pub(crate) struct Reserve {
    pub(crate) key: Key,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) now: DateTime<Utc>,
}

/// Asks where a request belongs that is to wait for an operator now, after somebody outside vouched for it: of one key at
/// most one waits, and only so many do.
#[derive(Message)]
#[rtype(result = "Waits")]
pub(crate) struct Wait {
    pub(crate) key: Key,
    pub(crate) waiting: Arc<Waiting>,
}

/// What the actor says to [`Wait`].
pub(crate) enum Waits {
    /// In a row of its own, which is kept for it; the guard is of the row in whose place it comes, if it comes in one's.
    Alone(Option<Box<AdmissionGuard>>),
    /// Together with this one, which asks for the same.
    With(Box<AdmissionGuard>),
    /// The row that it belongs to is being written or decided on: ask again.
    NotNow,
    /// As many wait as may.
    Full,
}

/// Says what an enrollment that is gone on with took before: it is given back with it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Hold {
    pub(crate) key: Key,
    pub(crate) reserved: Reserved,
}

/// Notes that a device was told, by a CertPoll, that its request was not approved.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Told(pub(crate) Key);

/// Asks whether a transaction with this poll key waits together with another one.
#[derive(Message)]
#[rtype(result = "bool")]
pub(crate) struct WaitsWith(pub(crate) Key);

/// Counts a message that could not be opened: one alone is a mishap, many from one source are a search for what an
/// envelope holds. The answer is whether the source has been wrong too often already.
#[derive(Message)]
#[rtype(result = "bool")]
pub(crate) struct RecordFailure {
    pub(crate) source: IpAddr,
}

/// The way to the profile's actor for what runs beside it: what can be asked, not who is asked.
#[derive(Clone)]
pub(crate) struct ActorHandle(Arc<dyn Recipients>);

/// What the actor can be asked. An address of actix costs several allocations for each kind of question, and an enrollment
/// asks one or two: so a recipient is made when it is needed.
trait Recipients: Send + Sync {
    fn admit(&self) -> Recipient<Admit>;
    fn acquire(&self) -> Recipient<Acquire>;
    fn failure(&self) -> Recipient<RecordFailure>;
    fn told(&self) -> Recipient<Told>;
    fn waits_with(&self) -> Recipient<WaitsWith>;
    fn reserve(&self) -> Recipient<Reserve>;
    fn hold(&self) -> Recipient<Hold>;
    fn wait(&self) -> Recipient<Wait>;
}

impl<A> Recipients for Addr<A>
where
    A: Actor<Context = Context<A>>
        + Handler<Admit>
        + Handler<Acquire>
        + Handler<RecordFailure>
        + Handler<Told>
        + Handler<WaitsWith>
        + Handler<Reserve>
        + Handler<Hold>
        + Handler<Wait>,
{
    fn admit(&self) -> Recipient<Admit> {
        self.clone().recipient()
    }

    fn acquire(&self) -> Recipient<Acquire> {
        self.clone().recipient()
    }

    fn failure(&self) -> Recipient<RecordFailure> {
        self.clone().recipient()
    }

    fn told(&self) -> Recipient<Told> {
        self.clone().recipient()
    }

    fn waits_with(&self) -> Recipient<WaitsWith> {
        self.clone().recipient()
    }

    fn reserve(&self) -> Recipient<Reserve> {
        self.clone().recipient()
    }

    fn hold(&self) -> Recipient<Hold> {
        self.clone().recipient()
    }

    fn wait(&self) -> Recipient<Wait> {
        self.clone().recipient()
    }
}

impl ActorHandle {
    /// The way to this actor.
    pub(crate) fn of<A>(actor: Addr<A>) -> Self
    where
        A: Actor<Context = Context<A>>
            + Handler<Admit>
            + Handler<Acquire>
            + Handler<RecordFailure>
            + Handler<Told>
            + Handler<WaitsWith>
            + Handler<Reserve>
            + Handler<Hold>
            + Handler<Wait>,
    {
        Self(Arc::new(actor))
    }

    /// Asks for a decision.
    pub(crate) async fn decide(&self, ask: Admit) -> Result<Admission, MailboxError> {
        self.0.admit().send(ask).await
    }

    /// Asks for the right to end what waits.
    pub(crate) async fn acquire(&self, key: Key) -> Result<Option<AdmissionGuard>, MailboxError> {
        self.0.acquire().send(Acquire(key)).await
    }

    /// Counts a message that could not be opened.
    pub(crate) async fn guess(&self, source: IpAddr) -> Result<bool, MailboxError> {
        self.0.failure().send(RecordFailure { source }).await
    }

    /// Takes more for an enrollment that is under way.
    pub(crate) async fn reserve(
        &self,
        key: Key,
        reservations: Vec<Reservation>,
        now: DateTime<Utc>,
    ) -> Result<Result<Reserved, (Label, String)>, MailboxError> {
        self.0
            .reserve()
            .send(Reserve {
                key,
                reservations,
                now,
            })
            .await
    }

    /// Says what an enrollment that is gone on with took before.
    pub(crate) async fn hold(&self, key: Key, reserved: Reserved) -> Result<(), MailboxError> {
        self.0.hold().send(Hold { key, reserved }).await
    }

    /// Asks where a request belongs that is to wait now.
    pub(crate) async fn wait(
        &self,
        key: Key,
        waiting: Arc<Waiting>,
    ) -> Result<Waits, MailboxError> {
        self.0.wait().send(Wait { key, waiting }).await
    }

    /// Notes that a device was told that its request was not approved.
    pub(crate) fn told(&self, key: Key) {
        self.0.told().do_send(Told(key));
    }

    /// Whether a transaction with this poll key waits together with another one.
    pub(crate) async fn waits_with(&self, poll_key: Key) -> Result<bool, MailboxError> {
        self.0.waits_with().send(WaitsWith(poll_key)).await
    }
}
