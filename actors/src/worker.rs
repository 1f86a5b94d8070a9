//! What is due without anybody asking: enrollments that stopped between two stages and that no other node holds, and
//! notices.

use crate::admission::ActorHandle;
use crate::notices;
use crate::shared::Shared;
use crate::stages;
use std::sync::Arc;
use store::{Change, Op};

/// Enrollments that are looked at in one go.
const AT_ONCE: usize = 10_000;

/// Lets go of challenges made for one device whose time has passed, and tells the metrics how many are open.
pub(crate) async fn sweep_challenges(shared: &Shared) {
    let mut change = Change::new();
    change.push(Op::SweepChallenges);
    if let Err(error) = shared.services.journal.commit(change, None).await {
        tracing::debug!(profile = shared.spec.path_id, %error, "challenges could not be swept");
    }
    let counts = shared.services.challenges.counts(&shared.spec.path_id);
    if let Ok(counts) = counts.await {
        shared.meters.open_challenges(counts.open);
    }
}

/// Goes on with every enrollment of the profile that nobody works on, and sends its notices. With `turn_away` those that are
/// being sent already are left to whoever does.
pub(crate) async fn look(shared: &Arc<Shared>, actor: &ActorHandle, turn_away: bool) {
    let (store, time) = (
        Arc::clone(&shared.services.store),
        shared.services.time.now(),
    );
    let node = Arc::clone(&shared.services.node);
    let due = tokio::task::spawn_blocking(move || store.due(time, Some(&*node), AT_ONCE)).await;
    match due {
        Ok(Ok(due)) => {
            for record in due {
                if shared.spec.is_called(&record.profile) && !record.stage.awaits_approval() {
                    let (shared, actor) = (Arc::clone(shared), actor.clone());
                    actix::spawn(stages::resume(shared, actor, record.key));
                }
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(profile = shared.spec.path_id, %error, "what is due cannot be read");
        }
        Err(_) => {}
    }
    notices::send(shared, turn_away).await;
}
