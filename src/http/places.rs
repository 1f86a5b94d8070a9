//! How many connections may be open at once, over all listeners.
//!
//! When all places are taken and another client stands at the door, connections that only wait for their next request
//! make room: those first that have waited longest. So clients that hold connections without using them, on purpose or
//! not, cannot lock others out.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// A connection that has waited for its next request for so long gives up its place, one step after the other until
/// there is room.
const STEPS: [Duration; 4] = [
    Duration::from_secs(30),
    Duration::from_secs(10),
    Duration::from_secs(3),
    Duration::from_secs(1),
];

/// How long a step is given to make room.
const STEP: Duration = Duration::from_millis(200);

/// The places.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    all: u32,
    crowded: watch::Sender<Duration>,
}

/// One connection's place; free again when dropped.
pub(super) type Place = OwnedSemaphorePermit;

impl Places {
    pub(crate) fn new(all: usize) -> Arc<Self> {
        let all = u32::try_from(all.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(all as usize)),
            all,
            crowded: watch::Sender::new(Duration::MAX),
        })
    }

    /// A place, as soon as there is one. `None` never comes, short of the end of the process.
    pub(super) async fn take(&self) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let mut steps = STEPS.iter();
        let mut longest = STEPS[0];
        loop {
            longest = steps.next().copied().unwrap_or(longest);
            self.crowded.send_replace(longest);
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(place) = timeout(STEP, free).await {
                return place.ok();
            }
        }
    }

    /// Told, when room is needed, how long a connection may have waited for its next request and still stay.
    pub(super) fn crowded(&self) -> watch::Receiver<Duration> {
        self.crowded.subscribe()
    }

    /// Waits until every connection has ended.
    pub(super) async fn empty(&self) {
        let _ = self.free.acquire_many(self.all).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn who_comes_to_a_full_house_asks_the_longest_waiting_first() {
        let places = Places::new(1);
        let held = places.take().await.unwrap();
        let mut crowded = places.crowded();
        let asked = async {
            for step in STEPS {
                crowded.changed().await.unwrap();
                assert_eq!(*crowded.borrow_and_update(), step);
            }
            drop(held);
        };
        let (second, ()) = tokio::join!(places.take(), asked);
        drop(second);
        places.empty().await;
    }
}
