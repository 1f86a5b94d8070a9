//! What an enrollment asks its actor, what the actor says, and the ticket in between.

use crate::answer::Answer;
use crate::enrollment::{Key, Known, Marks, Waiting};
use actix::{Actor, Addr, Context, Handler, MailboxError, Message, Recipient};
use challenge::{Label, RateLimited, Reservation};
use chrono::{DateTime, Utc};
use std::net::IpAddr;
use std::sync::Arc;

/// Asks whether an enrollment may go on, and reserves what it takes.
#[derive(Message)]
#[rtype(result = "Decision")]
pub(crate) struct Decide {
    pub(crate) key: Key,
    /// A digest of the PKIMessage as it came.
    pub(crate) message: Key,
    /// What it is told apart by where it is to wait for an operator.
    pub(crate) waiting: Option<Arc<Waiting>>,
    /// What the store knew of the same request, looked up off the actor.
    pub(crate) known: Option<Known>,
    pub(crate) asks: Asks,
    pub(crate) source: IpAddr,
    /// Whether it is signed with a certificate of the profile that is in force: then a lock-out of its source does not
    /// hold for it.
    pub(crate) by_holder: bool,
    pub(crate) now: DateTime<Utc>,
}

/// What a request has shown so far.
pub(crate) enum Asks {
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

impl Asks {
    /// Whether its outcome moves one of the eleven counters.
    pub(crate) fn is_counted(&self) -> bool {
        match self {
            Self::Proven { counted, .. } | Self::Refused { counted, .. } => *counted,
        }
    }
}

/// Gate 7, in words.
pub(crate) const USED_BEFORE: &str = "this challenge was used before";

/// What the actor says to [`Decide`].
pub(crate) enum Decision {
    /// Go on; the tickets must be settled. The second is for a request that waits, and ends when this one begins to.
    Proceed(Ticket, Option<Box<Ticket>>),
    /// Wait together with the request of the second ticket, which asks for the same.
    WaitWith(Ticket, Box<Ticket>),
    /// It joined a request that waits.
    Waits,
    /// As many wait for an operator as may, or the request in whose place it belongs is being decided on.
    Full,
    /// The same request was decided before.
    Known(Known),
    /// The same request is under way; its answer comes here.
    Join(tokio::sync::oneshot::Receiver<Answer>),
    /// As the request's own evidence says.
    Refused,
    /// Others of its source, which came in together with it, were wrong too often.
    Guessing,
    /// Gate 7.
    Replay,
    /// Gate 8.
    RateLimited(RateLimited),
}

/// The right to finish one enrollment. Dropped without being settled (a panic, a cancelled task),
/// it gives everything back.
pub(crate) struct Ticket {
    key: Key,
    pub(crate) marks: Marks,
    /// Whether the request waits for an operator, as before, when it is dropped.
    waits: bool,
    me: Option<Recipient<Settle>>,
}

impl Ticket {
    /// Whose it is.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// For an enrollment that took `marks`.
    pub(crate) fn new(key: Key, marks: Marks, me: Recipient<Settle>) -> Self {
        Self {
            key,
            marks,
            waits: false,
            me: Some(me),
        }
    }

    /// For an operator's decision, or the end of a request's time: without it, the request waits
    /// as before.
    pub(crate) fn claimed(key: Key, me: Recipient<Settle>, now: DateTime<Utc>) -> Self {
        let mut ticket = Self::new(key, Marks::none(now), me);
        ticket.waits = true;
        ticket
    }

    /// From now on its record is durable: dropped, it is gone on with later.
    pub(crate) fn is_durable(&mut self) {
        self.waits = true;
    }

    /// Ends the enrollment.
    pub(crate) fn settle(mut self, settlement: Settlement) {
        if let Some(me) = self.me.take() {
            me.do_send(Settle {
                key: self.key,
                settlement,
            });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(me) = self.me.take() {
            let settlement = match self.waits {
                true => Settlement::Paused,
                false => Settlement::Failed {
                    answer: Answer::Busy,
                    label: None,
                },
            };
            me.do_send(Settle {
                key: self.key,
                settlement,
            });
        }
    }
}

/// How an enrollment ended.
pub(crate) enum Settlement {
    /// Durable: issued, waiting, denied or expired.
    Durable {
        known: Known,
        answer: Answer,
        label: Option<Label>,
    },
    /// Durable: refused for good. What was taken goes back.
    Refused {
        known: Known,
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
pub(crate) struct Settle {
    pub(crate) key: Key,
    pub(crate) settlement: Settlement,
}

/// Claims a pending request for an operator's decision or for its expiry.
#[derive(Message)]
#[rtype(result = "Option<Ticket>")]
pub(crate) struct Claim(pub(crate) Key);

/// Takes more for an enrollment that is under way: who vouches for it said so only now.
#[derive(Message)]
#[rtype(result = "Result<Marks, (Label, String)>")]
pub(crate) struct Reserve {
    pub(crate) key: Key,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) now: DateTime<Utc>,
}

/// Says what an enrollment that is gone on with took before: it is given back with it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Hold {
    pub(crate) key: Key,
    pub(crate) marks: Marks,
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
pub(crate) struct Guess {
    pub(crate) source: IpAddr,
}

/// The way to the profile's actor for what runs beside it: what can be asked, not who is asked.
#[derive(Clone)]
pub(crate) struct Desk {
    decide: Recipient<Decide>,
    claim: Recipient<Claim>,
    guess: Recipient<Guess>,
    told: Recipient<Told>,
    waits_with: Recipient<WaitsWith>,
    reserve: Recipient<Reserve>,
    hold: Recipient<Hold>,
}

impl Desk {
    /// The way to this actor.
    pub(crate) fn of<A>(actor: &Addr<A>) -> Self
    where
        A: Actor<Context = Context<A>>
            + Handler<Decide>
            + Handler<Claim>
            + Handler<Guess>
            + Handler<Told>
            + Handler<WaitsWith>
            + Handler<Reserve>
            + Handler<Hold>,
    {
        Self {
            decide: actor.clone().recipient(),
            claim: actor.clone().recipient(),
            guess: actor.clone().recipient(),
            told: actor.clone().recipient(),
            waits_with: actor.clone().recipient(),
            reserve: actor.clone().recipient(),
            hold: actor.clone().recipient(),
        }
    }

    /// Asks for a decision.
    pub(crate) async fn decide(&self, ask: Decide) -> Result<Decision, MailboxError> {
        self.decide.send(ask).await
    }

    /// Asks for the right to end what waits.
    pub(crate) async fn claim(&self, key: Key) -> Result<Option<Ticket>, MailboxError> {
        self.claim.send(Claim(key)).await
    }

    /// Counts a message that could not be opened.
    pub(crate) async fn guess(&self, source: IpAddr) -> Result<bool, MailboxError> {
        self.guess.send(Guess { source }).await
    }

    /// Takes more for an enrollment that is under way.
    pub(crate) async fn reserve(
        &self,
        key: Key,
        reservations: Vec<Reservation>,
        now: DateTime<Utc>,
    ) -> Result<Result<Marks, (Label, String)>, MailboxError> {
        self.reserve
            .send(Reserve {
                key,
                reservations,
                now,
            })
            .await
    }

    /// Says what an enrollment that is gone on with took before.
    pub(crate) async fn hold(&self, key: Key, marks: Marks) -> Result<(), MailboxError> {
        self.hold.send(Hold { key, marks }).await
    }

    /// Notes that a device was told that its request was not approved.
    pub(crate) fn told(&self, key: Key) {
        self.told.do_send(Told(key));
    }

    /// Whether a transaction with this poll key waits together with another one.
    pub(crate) async fn waits_with(&self, poll_key: Key) -> Result<bool, MailboxError> {
        self.waits_with.send(WaitsWith(poll_key)).await
    }
}
