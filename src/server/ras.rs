//! The files of automatic RAs beside a running server: written once a start or reload is accepted,
//! removed once their overlap has really passed.

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::watch;

use super::{Server, ServerError};
use crate::checks::{self, Loaded, WrittenRas};
use crate::http::Phase;

/// How often files past their overlap are looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Writes the RAs that were made while the configuration was loaded.
///
/// # Errors
/// One of them cannot be written; then none is there.
pub(super) async fn write(loaded: &Loaded) -> Result<WrittenRas, ServerError> {
    let new = loaded.new_ras();
    let written = tokio::task::spawn_blocking(move || WrittenRas::write(&new));
    Ok(written.await.map_err(|_| actors::ApplyError::Stopped)??)
}

impl Server {
    /// Removes the files of automatic RAs whose overlap has really passed: what was removed opens
    /// nothing any more, and the wall clock alone removes nothing.
    pub async fn let_ras_go(&self) {
        let passed = self.runtime().services.time.now().passed();
        // Not while a reload reads them.
        let in_force = self.in_force.loaded.lock().await;
        let over = in_force.over_ras();
        let removing = tokio::task::spawn_blocking(move || checks::remove_over(&over, passed));
        if let Err(error) = removing.await {
            tracing::error!(%error, "RA certificates past their overlap cannot be removed");
        }
    }
}

/// Looks for such files again and again, until the server drains.
pub(super) async fn let_go(server: Weak<Server>, mut phase: watch::Receiver<Phase>) {
    let draining = phase.wait_for(|phase| *phase == Phase::Draining);
    let mut draining = std::pin::pin!(draining);
    while let Some(server) = server.upgrade() {
        server.let_ras_go().await;
        drop(server);
        let asleep = tokio::time::timeout(LOOK_AGAIN, draining.as_mut()).await;
        if asleep.is_ok() {
            return;
        }
    }
}
