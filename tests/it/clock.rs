//! Time that only moves when a test says so.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actors::Clock;
use chrono::{DateTime, Duration, Utc};
use tokio::sync::watch;

/// A clock set by hand. It begins at the machine's time, so that what other programs made is valid.
pub(crate) struct TestClock {
    hands: Arc<Mutex<Hands>>,
    moves: Arc<watch::Sender<u64>>,
}

struct Hands {
    wall: DateTime<Utc>,
    /// What passed on the monotonic clock besides the real time.
    passed: std::time::Duration,
}

impl TestClock {
    pub(crate) fn new() -> TestClock {
        let hands = Hands {
            wall: Utc::now(),
            passed: std::time::Duration::ZERO,
        };
        TestClock {
            hands: Arc::new(Mutex::new(hands)),
            moves: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Moves the clock, also backwards; the monotonic one only forwards.
    #[allow(dead_code, reason = "for the tests that need time to pass")]
    pub(crate) fn advance(&self, by: Duration) {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        hands.wall += by;
        hands.passed += by.to_std().unwrap_or_default();
        drop(hands);
        self.moves.send_modify(|moves| *moves += 1);
    }

    /// Somebody sets the wall clock; no time passes.
    pub(crate) fn set_by(&self, by: Duration) {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        hands.wall += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.hands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .wall
    }

    fn instant(&self) -> Instant {
        reading(&self.hands)
    }

    /// Real time passes too, and who waits is woken when the clock is moved.
    fn wait_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let hands = Arc::clone(&self.hands);
        let mut moves = self.moves.subscribe();
        Box::pin(async move {
            loop {
                moves.mark_unchanged();
                let left = instant.saturating_duration_since(reading(&hands));
                if left.is_zero() {
                    return;
                }
                let _ = tokio::time::timeout(left, moves.changed()).await;
            }
        })
    }
}

fn reading(hands: &Mutex<Hands>) -> Instant {
    Instant::now() + hands.lock().unwrap_or_else(PoisonError::into_inner).passed
}
