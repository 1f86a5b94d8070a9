//! The report of a run, as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::checks::Checks;
use super::{BenchOptions, Failures, Floor, Measured, Percentiles};
use crate::client::{Method, Server};

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The server.
    pub url: String,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Enrollments asked for.
    pub count: usize,
    /// Connections.
    pub concurrency: usize,
    /// Time to prepare the requests, before the clock.
    pub prepare_seconds: f64,
    /// From the first request to the last reply.
    pub seconds: f64,
    /// Enrollments that came back with SUCCESS.
    pub succeeded: usize,
    /// Those a second.
    pub enrollments_per_second: f64,
    /// How long those took, in milliseconds.
    pub latency_ms: Percentiles,
    /// All others.
    pub failed: u64,
    /// By kind.
    pub failures: Failures,
    /// Connections that the server closed and that were made again.
    pub reconnects: u64,
    /// Replies that passed every check that a device makes.
    pub checked: u64,
    /// Replies that did not, by what was wrong.
    pub check_failures: Failures,
    /// CPU time of the load generator itself while the clock ran.
    pub generator_cpu_seconds: Option<f64>,
    /// The same as a share of one core.
    pub generator_cpu_share: Option<f64>,
}

impl Report {
    pub(super) fn new(
        server: &Server,
        options: &BenchOptions,
        prepare_time: Duration,
        measured: Measured,
        checks: Checks,
    ) -> Report {
        let seconds = measured.elapsed.as_secs_f64();
        let per_second = |n: f64| if seconds > 0.0 { n / seconds } else { 0.0 };
        let succeeded = measured.latencies.len();
        let own = measured.own_cpu.map(|cpu| cpu.as_secs_f64());
        Report {
            url: server.session.endpoint().to_string(),
            method: match options.dialect.method {
                Method::Get => "GET",
                Method::Post => "POST",
            },
            count: options.count,
            concurrency: options.concurrency,
            prepare_seconds: prepare_time.as_secs_f64(),
            seconds,
            succeeded,
            enrollments_per_second: per_second(succeeded as f64),
            latency_ms: measured.latencies.percentiles(),
            failed: measured.failures.total(),
            failures: measured.failures,
            reconnects: measured.reconnects,
            checked: checks.passed,
            check_failures: checks.failures,
            generator_cpu_seconds: own,
            generator_cpu_share: own.map(per_second),
        }
    }

    /// Whether everything that was asked for came, and everything that was checked was good.
    pub fn all_good(&self) -> bool {
        self.failed == 0 && self.check_failures.total() == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} enrollments by {} over {} connections to {}",
            self.count, self.method, self.concurrency, self.url
        )?;
        writeln!(
            f,
            "  prepared in   {:.1} s (not counted)",
            self.prepare_seconds
        )?;
        writeln!(f, "  took          {:.2} s", self.seconds)?;
        writeln!(
            f,
            "  throughput    {:.1} enrollments/s",
            self.enrollments_per_second
        )?;
        let Percentiles { p50, p90, p99, max } = self.latency_ms;
        writeln!(
            f,
            "  latency       p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"
        )?;
        writeln!(f, "  succeeded     {}", self.succeeded)?;
        writeln!(f, "  failed        {}", self.failed)?;
        for (kind, count) in self.failures.iter() {
            writeln!(f, "    {count} x {kind}")?;
        }
        let bad = self.check_failures.total();
        writeln!(
            f,
            "  fully checked {} of {} good",
            self.checked,
            self.checked + bad
        )?;
        for (kind, count) in self.check_failures.iter() {
            writeln!(f, "    {count} x {kind}")?;
        }
        if self.reconnects > 0 {
            writeln!(f, "  reconnected   {} times", self.reconnects)?;
        }
        match (self.generator_cpu_seconds, self.generator_cpu_share) {
            (Some(seconds), Some(share)) => {
                write!(
                    f,
                    "  the generator itself used {seconds:.2} s of CPU ({:.0}% of one core)",
                    share * 100.0
                )
            }
            _ => write!(
                f,
                "  what the generator itself used is not known on this system"
            ),
        }
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the cryptography of an enrollment alone, {} on {} cores:",
            self.openssl, self.cores
        )?;
        for variant in &self.variants {
            write!(
                f,
                "\n  CA {:<8}  {:.0} enrollments/s ({:.0} us of CPU each)",
                variant.ca_key, variant.enrollments_per_second, variant.cpu_microseconds
            )?;
            if variant.share_of_cores < 0.95 {
                write!(
                    f,
                    "; disturbed: it had {:.0}% of the cores, on idle ones {:.0} enrollments/s",
                    variant.share_of_cores * 100.0,
                    variant.on_idle_cores
                )?;
            }
        }
        Ok(())
    }
}
