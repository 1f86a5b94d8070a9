//! Many enrollments at once: how many a second a server does, and how many the machine could do at best.
//!
//! Everything that costs the client cryptography is done before the clock starts (`prepare`) or after it has stopped
//! (`checks`). While it runs (`load`), prepared octets go out over keep-alive connections and replies are only counted.

mod checks;
mod connection;
pub mod cpu;
pub mod floor;
mod load;
mod prepare;
mod report;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use floor::{Floor, Variant};
pub use prepare::{Challenges, Recipe};
pub use report::Report;
pub use tally::{Failures, Latencies, Percentiles};

use super::{Dialect, Error, Server};

/// What is measured.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Enrollments.
    pub count: usize,
    /// Connections, each with one request under way.
    pub concurrency: usize,
    /// Device keys that the requests share.
    pub keys: usize,
    /// Replies that are checked fully afterwards, spread over the run.
    pub checked: usize,
    /// How messages are made and sent.
    pub dialect: Dialect,
}

/// How far a run is; looked at by whoever draws the bar.
#[derive(Debug, Default)]
pub struct Progress {
    prepared: AtomicU64,
    answered: AtomicU64,
}

impl Progress {
    /// Requests that are ready to be sent.
    pub fn prepared(&self) -> u64 {
        self.prepared.load(Ordering::Relaxed)
    }

    /// Replies that have come.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// Prepares, sends and checks.
///
/// # Errors
/// When requests cannot be made, or no connection can be had at all. What fails while the clock runs is in the report.
pub async fn run(
    server: &Server,
    recipe: &Recipe,
    options: &BenchOptions,
    progress: Arc<Progress>,
) -> Result<Report, Error> {
    let start = Instant::now();
    let prepared = prepare::all(&server.ca, recipe, options, &progress)?;
    let prepare_time = start.elapsed();

    let measured = load::run(server, prepared, options, &progress).await?;
    let checks = checks::run(&server.ca, &measured.samples);
    Ok(Report::new(server, options, prepare_time, measured, checks))
}

/// What [`load`] has measured.
pub(crate) struct Measured {
    elapsed: Duration,
    own_cpu: Option<Duration>,
    latencies: Latencies,
    failures: Failures,
    reconnects: u64,
    samples: Vec<Sample>,
}

/// A request and the reply to it, kept for a full check.
pub(crate) struct Sample {
    request: scep::client::Request,
    body: bytes::Bytes,
}
