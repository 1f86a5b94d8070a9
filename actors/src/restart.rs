//! Profile actors that died are brought back from the store, once all that they let through is in it.

use crate::directory::Current;
use crate::exit::ActorStopped;
use crate::meters::restarts;
use crate::start::Start;
use crate::supervisor::{ApplyError, Supervisor};
use actix::{ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Duration;
use store::{AuditDetails, AuditEvent, Change, Outcome};

/// How long to wait before trying again when a profile cannot be brought back at once.
const AGAIN: Duration = Duration::from_millis(500);

impl Handler<ActorStopped> for Supervisor {
    type Result = ();

    fn handle(
        &mut self,
        ActorStopped { path_id, instance }: ActorStopped,
        ctx: &mut Context<Self>,
    ) {
        let Some(current) = self
            .instances
            .get(&path_id)
            .filter(|current| current.number == instance)
        else {
            if self
                .draining
                .get(&path_id)
                .is_some_and(|draining| draining.number == instance)
            {
                self.draining.remove(&path_id);
            }
            tracing::debug!(
                profile = path_id,
                "a profile that is no longer served has ended"
            );
            return;
        };
        tracing::error!(
            profile = path_id,
            "the profile's actor panicked; it is started again from the store"
        );
        restarts(&self.services.metrics, &path_id).increment(1);
        let barrier = current.barrier.clone();
        let services = self.services.clone();
        let spec = self
            .directory
            .find(&path_id)
            .map(|current| Arc::clone(&current.spec));
        let Some(spec) = spec else { return };
        let restart = async move {
            // Whatever the dead actor let through must be in the store before it is read.
            barrier.drained().await;
            let event = restart_event(&path_id, services.clock.now());
            if let Err(error) = services
                .journal
                .commit(Change::new().with(event), None)
                .await
            {
                tracing::warn!(profile = path_id, %error, "the restart could not be audited");
            }
            let load = move || Start::load(&services, &spec).map_err(ApplyError::from);
            let state = tokio::task::spawn_blocking(load).await;
            (path_id, state.unwrap_or(Err(ApplyError::Stopped)))
        };
        ctx.spawn(restart.into_actor(self).map(move |(path_id, state), this, ctx| {
            match state {
                Ok(state) => this.restart(&path_id, instance, state, ctx),
                Err(error) => {
                    tracing::error!(profile = path_id, %error, "the profile cannot be started again yet");
                    ctx.notify_later(ActorStopped { path_id, instance }, AGAIN);
                }
            }
        }));
    }
}

impl Supervisor {
    fn restart(&mut self, path_id: &str, instance: u64, state: Start, ctx: &mut Context<Self>) {
        // Removed or replaced meanwhile: nothing to bring back.
        if self
            .instances
            .get(path_id)
            .is_none_or(|current| current.number != instance)
        {
            return;
        }
        let profiles = self.directory.all();
        let Some(entry) = profiles.get(path_id) else {
            return;
        };
        let current = entry.current();
        let actor = self.start(Arc::clone(&current.spec), state, ctx);
        entry.publish(Current {
            actor,
            ..Current::clone(&current)
        });
        tracing::info!(profile = path_id, "the profile serves again");
    }
}

fn restart_event(path_id: &str, now: DateTime<Utc>) -> AuditEvent {
    AuditEvent {
        timestamp: now,
        actor: "scepd".to_owned(),
        actor_type: "System".to_owned(),
        action: "scep_profile_restart".to_owned(),
        resource_type: "scep_profile".to_owned(),
        resource_id: path_id.to_owned(),
        details: AuditDetails {
            outcome: Some(Outcome::Failure),
            reason: Some("actor_panic".to_owned()),
            message: Some(
                "the profile's actor panicked and was started again from the store".to_owned(),
            ),
            profile: Some(path_id.to_owned()),
            ..AuditDetails::default()
        },
    }
}
