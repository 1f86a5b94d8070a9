//! What is let go beside the running server: old audit events, and certificates that ended long ago.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::TimeDelta;
use store::{Store, StoreTime};
use tokio::sync::{Notify, watch};

use super::Server;
use crate::http::Phase;

/// How often something is looked for that may go.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// What is let go in one step, so that enrollments are not kept waiting. Each step is an event.
const AT_ONCE: usize = 5_000;

/// Lets so many go that are older than this, and says how many.
type Step = fn(&dyn Store, TimeDelta, usize, StoreTime) -> store::Result<u64>;

impl Server {
    /// Lets audit events past `audit.retention` go. Says how many.
    ///
    /// # Errors
    /// In words, what failed; steps before it are durable.
    pub async fn prune_audit(&self) -> Result<u64, String> {
        let retention = self.config().audit.retention;
        let step: Step = |store, retention, limit, time| store.audit_prune(retention, limit, time);
        self.prune(retention.chrono(), step).await
    }

    /// Lets certificates go that ended longer ago than `certificates.retention`. Says how many.
    ///
    /// # Errors
    /// In words, what failed; steps before it are durable.
    pub async fn prune_certificates(&self) -> Result<u64, String> {
        let retention = self.config().certificates.retention;
        let step: Step =
            |store, retention, limit, time| store.certificates_prune(retention, limit, time);
        self.prune(retention.chrono(), step).await
    }

    async fn prune(&self, retention: TimeDelta, step: Step) -> Result<u64, String> {
        if retention.is_zero() {
            return Ok(0);
        }
        let time = self.runtime().services.time.now();
        let mut all = 0_u64;
        loop {
            let store = Arc::clone(&self.runtime().services.store);
            let going =
                tokio::task::spawn_blocking(move || step(&*store, retention, AT_ONCE, time));
            let gone = going
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())?;
            all = all.saturating_add(gone);
            if gone == 0 {
                return Ok(all);
            }
        }
    }
}

/// Lets go what may, again and again, until the server drains.
pub(super) async fn let_go(
    server: Weak<Server>,
    changed: Arc<Notify>,
    mut phase: watch::Receiver<Phase>,
) {
    let draining = phase.wait_for(|phase| *phase == Phase::Draining);
    let mut draining = std::pin::pin!(draining);
    while let Some(server) = server.upgrade() {
        match server.prune_audit().await {
            Ok(0) => {}
            Ok(events) => {
                tracing::info!(events, "audit events past audit.retention were let go");
            }
            Err(error) => {
                tracing::error!(%error, "old audit events cannot be let go");
            }
        }
        match server.prune_certificates().await {
            Ok(0) => {}
            Ok(certificates) => {
                tracing::info!(
                    certificates,
                    "certificates past certificates.retention were let go"
                );
            }
            Err(error) => {
                tracing::error!(%error, "old certificates cannot be let go");
            }
        }
        drop(server);
        tokio::select! {
            _ = draining.as_mut() => return,
            () = changed.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
