//! The time, given from outside.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// Where this crate reads the time. Tests bring their own.
pub trait Clock: Send + Sync {
    /// Seconds since the epoch, by the wall clock.
    fn now(&self) -> i64;

    /// The monotonic clock: lifetimes of tokens.
    fn instant(&self) -> Instant;

    /// Comes back after so long.
    fn wait(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
