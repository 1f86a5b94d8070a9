//! What is due without anybody asking: enrollments that stopped between two stages, and notices.

use crate::decision::Desk;
use crate::notices;
use crate::shared::Shared;
use crate::stages;
use std::sync::Arc;

/// Enrollments that are looked at in one go.
const AT_ONCE: usize = 10_000;

/// Goes on with every enrollment of the profile that nobody works on, and sends its notices.
pub(crate) async fn look(shared: &Arc<Shared>, desk: &Desk) {
    let (store, time) = (
        Arc::clone(&shared.services.store),
        shared.services.time.now(),
    );
    let due = tokio::task::spawn_blocking(move || store.due(time, AT_ONCE)).await;
    match due {
        Ok(Ok(due)) => {
            for record in due {
                if shared.spec.is_called(&record.profile) && !record.stage.awaits_approval() {
                    let (shared, desk) = (Arc::clone(shared), desk.clone());
                    actix::spawn(stages::resume(shared, desk, record.key));
                }
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(profile = shared.spec.path_id, %error, "what is due cannot be read");
        }
        Err(_) => {}
    }
    notices::send(shared).await;
}
