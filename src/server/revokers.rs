//! Revocations that Intune asks for, looked after beside the server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::http::Phase;
use crate::intune::Revokers;

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(60);

/// Looks again and again whether something is due, until the way down begins.
pub(super) async fn keep_turning(revokers: Arc<Revokers>, mut phase: watch::Receiver<Phase>) {
    let draining = phase.wait_for(|phase| *phase == Phase::Draining);
    let mut draining = std::pin::pin!(draining);
    while tokio::time::timeout(LOOK, draining.as_mut()).await.is_err() {
        // Whoever waits for Graph is not waited for: what is begun is durable, and gone on with after the next start.
        tokio::select! {
            _ = draining.as_mut() => return,
            () = revokers.turn() => {}
        }
    }
}
