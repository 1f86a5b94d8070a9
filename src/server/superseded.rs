//! Certificates that were renewed are revoked beside the running server, in profiles that want it.

use std::sync::Weak;
use std::time::Duration;

use actors::{SupersedeError, Superseding};
use tokio::sync::watch;

use super::Server;
use crate::http::Phase;

/// How often renewed certificates are looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

impl Server {
    /// Revokes what was renewed longer ago than `renewal.revoke_previous_after`, in profiles with
    /// `renewal.revoke_previous_on_renewal`. Says how many certificates that were.
    ///
    /// # Errors
    /// [`SupersedeError`].
    pub async fn supersede(&self) -> Result<usize, SupersedeError> {
        let config = self.config();
        let wanting = config
            .profiles
            .iter()
            .filter(|profile| profile.renewal.revoke_previous_on_renewal);
        let wanted: Vec<Superseding> = wanting
            .map(|profile| Superseding {
                profile: profile.path_id.clone(),
                after: profile.renewal.revoke_previous_after.chrono(),
            })
            .collect();
        actors::supersede(&self.runtime().services, &wanted).await
    }
}

/// Does that again and again, until the server drains.
pub(super) async fn revoke(server: Weak<Server>, mut phase: watch::Receiver<Phase>) {
    let draining = phase.wait_for(|phase| *phase == Phase::Draining);
    let mut draining = std::pin::pin!(draining);
    while let Some(server) = server.upgrade() {
        match server.supersede().await {
            Ok(0) => {}
            Ok(certificates) => {
                tracing::info!(certificates, "certificates that were renewed are revoked");
            }
            Err(error) => {
                tracing::error!(%error, "certificates that were renewed could not be revoked");
            }
        }
        drop(server);
        let asleep = tokio::time::timeout(LOOK_AGAIN, draining.as_mut()).await;
        if asleep.is_ok() {
            return;
        }
    }
}
