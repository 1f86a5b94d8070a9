//! How many connections may be open at once, over all listeners.
//!
//! When all places are taken and another client stands at the door, connections that only wait make room, those first
//! that have waited longest: for their next request, or for a body that comes too slowly. So clients that hold
//! connections without using them, on purpose or not, cannot lock others out.
//!
//! One source has a share of the places, and some are kept for the admin side: connections of the https listener take
//! them when there is no other, and a SCEP request on one of them waits for an ordinary place.

use super::per_source::PerSourceLimit;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// A connection that has waited for so long gives up its place, one step after the other until there is room.
const STEPS: [Duration; 4] = [
    Duration::from_secs(30),
    Duration::from_secs(10),
    Duration::from_secs(3),
    Duration::from_secs(1),
];

/// How long a step is given to make room.
const STEP: Duration = Duration::from_millis(200);

/// Of so many places one is kept for the admin side,
const ONE_IN: usize = 16;
/// and never more than this.
const MOST_KEPT: usize = 64;

/// How long a SCEP request on a kept place waits for an ordinary one: all steps, and a little more.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The places.
pub(crate) struct ConnectionLimit {
    ordinary: Free,
    kept: Free,
    eviction: watch::Sender<Duration>,
    /// Connections by source.
    pub(super) sources: PerSourceLimit,
}

/// Places of one kind.
struct Free {
    free: Arc<Semaphore>,
    all: u32,
}

impl Free {
    fn new(all: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(all)),
            all: u32::try_from(all).unwrap_or(u32::MAX),
        }
    }

    fn at_once(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    async fn next(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

/// One connection's place; free again when dropped.
pub(super) enum Place {
    Ordinary(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit),
    Kept(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit),
}

impl ConnectionLimit {
    pub(crate) fn new(all: usize) -> Arc<Self> {
        let all = all.clamp(1, Semaphore::MAX_PERMITS);
        let kept = (all / ONE_IN).min(MOST_KEPT);
        Arc::new(Self {
            ordinary: Free::new(all - kept),
            kept: Free::new(kept),
            eviction: watch::Sender::new(Duration::MAX),
            sources: PerSourceLimit::default(),
        })
    }

    /// A place, as soon as there is one; of those kept for the admin side only where it may be for that. `None` never
    /// comes, short of the end of the process.
    pub(super) async fn take(&self, admin: bool) -> Option<Place> {
        if let Some(place) = self.ordinary.at_once() {
            return Some(Place::Ordinary(place));
        }
        if let Some(place) = admin.then(|| self.kept.at_once()).flatten() {
            return Some(Place::Kept(place));
        }
        let mut steps = STEPS.iter();
        let mut longest = STEPS[0];
        loop {
            longest = steps.next().copied().unwrap_or(longest);
            self.eviction.send_replace(longest);
            let next = async {
                tokio::select! {
                    biased;
                    place = self.ordinary.next() => place.map(Place::Ordinary),
                    place = self.kept.next(), if admin => place.map(Place::Kept),
                }
            };
            if let Ok(place) = timeout(STEP, next).await {
                return place;
            }
        }
    }

    /// Told, when room is needed, how long a connection may have waited and still stay.
    pub(super) fn eviction(&self) -> watch::Receiver<Duration> {
        self.eviction.subscribe()
    }

    /// Waits until every connection has ended.
    pub(super) async fn empty(&self) {
        for kind in [&self.ordinary, &self.kept] {
            let _ = kind.free.acquire_many(kind.all).await;
        }
    }
}

/// What a connection holds: its place, which it may exchange.
pub(super) struct Seat {
    places: Arc<ConnectionLimit>,
    place: Mutex<Place>,
}

impl Seat {
    pub(super) fn new(places: &Arc<ConnectionLimit>, place: Place) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::clone(places),
            place: Mutex::new(place),
        })
    }

    fn is_kept(&self) -> bool {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*place, Place::Kept(_))
    }

    /// Sees that the place is an ordinary one, as SCEP needs. Says whether it is.
    pub(super) async fn for_scep(&self) -> bool {
        if !self.is_kept() {
            return true;
        }
        let Ok(Some(ordinary)) = timeout(PATIENCE, self.places.take(false)).await else {
            return false;
        };
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = ordinary;
        true
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seat")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn who_comes_when_all_is_taken_asks_the_longest_waiting_first() {
        let places = ConnectionLimit::new(1);
        let held = places.take(false).await.unwrap();
        let mut eviction = places.eviction();
        let asked = async {
            for step in STEPS {
                eviction.changed().await.unwrap();
                assert_eq!(*eviction.borrow_and_update(), step);
            }
            drop(held);
        };
        let (second, ()) = tokio::join!(places.take(false), asked);
        drop(second);
        places.empty().await;
    }

    #[tokio::test]
    async fn some_places_are_kept_for_the_admin_side_and_scep_gets_none_of_them() {
        let places = ConnectionLimit::new(32);
        let mut held = Vec::new();
        for _ in 0..30 {
            held.push(places.take(false).await.unwrap());
        }
        let first = Seat::new(&places, places.take(true).await.unwrap());
        let second = Seat::new(&places, places.take(true).await.unwrap());
        assert!(first.is_kept() && second.is_kept());
        assert!(!first.for_scep().await, "all ordinary ones are taken");
        held.pop();
        assert!(first.for_scep().await && !first.is_kept());
        assert!(
            places.kept.at_once().is_some(),
            "its kept one is free again"
        );
        drop((held, first, second));
        places.empty().await;
    }
}
