//! Time that only passes when it is told to: who waits is woken when its moment has come.

use actors::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub struct VirtualClock {
    wall: DateTime<Utc>,
    start: Instant,
    time: Arc<Mutex<Time>>,
}

#[derive(Default)]
struct Time {
    passed: Duration,
    sleepers: Vec<(Duration, Waker)>,
}

impl VirtualClock {
    pub fn new(wall: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self {
            wall,
            start: Instant::now(),
            time: Arc::default(),
        })
    }

    /// Lets time pass, second by second, until `done` or so many seconds are over. Says whether it was done.
    pub async fn pass_until(&self, seconds: u32, mut done: impl AsyncFnMut() -> bool) -> bool {
        for _ in 0..seconds {
            if done().await {
                return true;
            }
            self.pass(Duration::from_secs(1));
            settle().await;
        }
        done().await
    }

    pub fn pass(&self, by: Duration) {
        let mut time = self.time.lock().unwrap();
        time.passed += by;
        let passed = time.passed;
        let (due, asleep) = std::mem::take(&mut time.sleepers)
            .into_iter()
            .partition(|(at, _)| *at <= passed);
        time.sleepers = asleep;
        drop(time);
        for (_, waker) in due {
            waker.wake();
        }
    }

    fn passed(&self) -> Duration {
        self.time.lock().unwrap().passed
    }
}

/// Lets everybody who can go on do so: other threads have real work to do in between.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(std::thread::yield_now)
        .await
        .unwrap();
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        self.wall + TimeDelta::from_std(self.passed()).unwrap()
    }

    fn instant(&self) -> Instant {
        self.start + self.passed()
    }

    fn chance(&self) -> f64 {
        0.5
    }

    fn wait_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(Sleep {
            until: instant.saturating_duration_since(self.start),
            time: Arc::clone(&self.time),
        })
    }
}

struct Sleep {
    until: Duration,
    time: Arc<Mutex<Time>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut time = self.time.lock().unwrap();
        if time.passed >= self.until {
            return Poll::Ready(());
        }
        time.sleepers.push((self.until, cx.waker().clone()));
        Poll::Pending
    }
}
