//! What an actor takes over: from the store when it starts, and from a reload while it runs.

use super::ProfileActor;
use crate::audit_sampler::AuditSampler;
use crate::enrollment::Waiting;
use crate::messages::Apply;
use crate::start;
use actix::Handler;
use challenge::{Counters, DeviceKey, Label, ReplayKey};
use std::sync::Arc;
use store::ProfileState;
use tokio::sync::Semaphore;

impl ProfileActor {
    /// Takes over what the store remembers, but for counters.
    pub(super) fn remember(&mut self, state: &ProfileState) {
        for mark in &state.replay {
            self.replay.insert(ReplayKey(mark.key), mark.at);
        }
        for mark in &state.rate {
            self.rate.restore(DeviceKey(mark.key), mark.at);
        }
        for record in &state.pending {
            let waiting = Arc::new(Waiting::of_record(record));
            self.pending
                .insert(record.key, waiting, record.approval_ends());
        }
    }
}

impl Handler<Apply> for ProfileActor {
    type Result = ();

    fn handle(&mut self, Apply { spec, former }: Apply, _: &mut Self::Context) {
        for state in &former {
            self.remember(state);
        }
        let carried = start::counted(former.iter());
        self.counters = Counters::from_array(Label::ALL.map(|label| {
            self.counters
                .count(label)
                .saturating_add(carried.count(label))
        }));
        let limit = spec.device_limit();
        self.rate.set_limit(limit);
        self.failed_attempts.set_limit(spec.guesses_per_minute);
        if spec.in_flight != self.permits_limit {
            // Requests under way keep the permits that they hold from the old semaphore.
            self.permits = Arc::new(Semaphore::new(spec.in_flight));
            self.permits_limit = spec.in_flight;
        }
        let mut shared = self.shared.with_spec(spec);
        if shared.spec.unverified_per_minute != self.shared.spec.unverified_per_minute {
            shared.garbage = Arc::new(AuditSampler::of_garbage(shared.spec.unverified_per_minute));
        }
        let verified = shared.spec.refusals_per_source_per_minute;
        shared.verified.set_limit(verified);
        self.shared = Arc::new(shared);
    }
}
