//! Which requests may wait for an operator, and where.

use super::ProfileActor;
use crate::admission::{Admission, AdmissionGuard, Admit, Judged, Told, Wait, Waits, WaitsWith};
use crate::enrollment::{Key, PriorResult, Reserved, Waiting};
use crate::pending::{Bound, Place};
use actix::{AsyncContext, Context, Handler, MessageResult};

impl ProfileActor {
    /// Where a request belongs that is to wait; if it cannot wait now, or waits already, what it is told.
    pub(super) fn place(&mut self, key: &Key, waiting: &Waiting) -> Result<Place, Admission> {
        let limits = self.shared.spec.pending;
        match self.pending.place(key, waiting, limits) {
            Place::Joined(_) => Err(Admission::Waits),
            Place::Unsettled => Err(Admission::Full),
            // Somebody is deciding on it.
            Place::With(row) | Place::InsteadOf(row) if self.transactions.is_in_flight(&row) => {
                Err(Admission::Full)
            }
            Place::Full(bound) => {
                self.say_full(bound);
                Err(Admission::Full)
            }
            place => Ok(place),
        }
    }

    /// Whether a message starts a request anew that was not approved before.
    pub(super) fn begins_anew(&mut self, known: &PriorResult, ask: &Admit) -> bool {
        // A signed challenge was used up by the request of before.
        let with_challenge =
            ask.waiting.is_some() && matches!(ask.judged, Judged::Proven { counted: false, .. });
        known.ended.as_ref().is_some_and(|ended| {
            with_challenge && self.told.begins_anew(ask.key, ended.message, ask.message)
        })
    }

    /// Counts a request that was turned away because too many wait; says so once until there is room again.
    fn say_full(&mut self, bound: Bound) {
        self.shared.meters.pending_full(bound.as_str());
        if std::mem::replace(&mut self.said_full, true) {
            return;
        }
        let limits = self.shared.spec.pending;
        tracing::warn!(
            profile = self.shared.spec.path_id,
            waiting = self.pending.len(),
            per_profile = limits.per_profile,
            per_source = limits.per_source,
            bound = bound.as_str(),
            "as many requests wait for an operator as may; devices are told to come again"
        );
    }
}

impl Handler<Wait> for ProfileActor {
    type Result = MessageResult<Wait>;

    fn handle(&mut self, ask: Wait, ctx: &mut Context<Self>) -> Self::Result {
        MessageResult(self.wait(ask, ctx))
    }
}

impl ProfileActor {
    fn wait(&mut self, Wait { key, waiting }: Wait, ctx: &mut Context<Self>) -> Waits {
        let limits = self.shared.spec.pending;
        match self.pending.place(&key, &waiting, limits) {
            Place::New => {
                self.pending.reserve(key, waiting);
                Waits::Alone(None)
            }
            Place::Full(bound) => {
                self.say_full(bound);
                Waits::Full
            }
            Place::Unsettled => Waits::NotNow,
            Place::With(row) | Place::InsteadOf(row) | Place::Joined(row)
                if self.transactions.is_in_flight(&row) =>
            {
                Waits::NotNow
            }
            Place::With(row) | Place::Joined(row) => Waits::With(self.guard_of(row, ctx)),
            Place::InsteadOf(row) => {
                let replaced = self.guard_of(row, ctx);
                self.pending.reserve(key, waiting);
                Waits::Alone(Some(replaced))
            }
        }
    }

    /// The right to end a row that waits; it waits on without it.
    fn guard_of(&mut self, row: Key, ctx: &Context<Self>) -> Box<AdmissionGuard> {
        let now = self.shared.now();
        self.transactions.begin(row, Reserved::none(now));
        Box::new(AdmissionGuard::claimed(row, ctx.address().recipient(), now))
    }
}

impl Handler<Told> for ProfileActor {
    type Result = ();

    fn handle(&mut self, Told(key): Told, _: &mut Self::Context) {
        self.told.note(key, None);
    }
}

impl Handler<WaitsWith> for ProfileActor {
    type Result = bool;

    fn handle(&mut self, WaitsWith(poll_key): WaitsWith, _: &mut Self::Context) -> Self::Result {
        self.pending.is_joined(&poll_key)
    }
}
