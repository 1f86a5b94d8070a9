//! The figures of all rounds, and their medians as a table.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::{CONCURRENCY, Options};

/// One server in one round.
pub(super) struct Sample {
    per_second: f64,
    /// Microseconds of the server's CPU an enrollment.
    cpu: f64,
    /// The bare cryptography's CPU over the server's, in this round.
    of_floor: f64,
    p50: f64,
    p99: f64,
    /// MB after the round.
    resident: f64,
    /// The share of requests that were not answered with a certificate.
    failed: f64,
}

impl Sample {
    /// From the report of `scepd bench --json`. What was refused counts for nothing, but its CPU time does.
    ///
    /// # Errors
    /// The report is none, or nothing was enrolled: then there is nothing to compare.
    pub(super) fn new(
        report: &Value,
        cpu: Duration,
        floor: f64,
        resident: f64,
    ) -> Result<Self, String> {
        let number = |pointer: &str| {
            report
                .pointer(pointer)
                .and_then(Value::as_f64)
                .ok_or_else(|| format!("the report of `scepd bench` has no {pointer}"))
        };
        let (succeeded, failed) = (number("/succeeded")?, number("/failed")?);
        if succeeded <= 0.0 {
            return Err(format!("nothing was enrolled: {report}"));
        }
        let cpu = 1e6 * cpu.as_secs_f64() / succeeded;
        Ok(Self {
            per_second: number("/enrollments_per_second")?,
            cpu,
            of_floor: floor / cpu,
            p50: number("/latency_ms/p50")?,
            p99: number("/latency_ms/p99")?,
            resident,
            failed: failed / (succeeded + failed),
        })
    }

    /// Whether a request was not answered with a certificate.
    pub(super) fn failed(&self) -> bool {
        self.failed > 0.0
    }
}

pub(super) struct Table {
    caption: String,
    rows: Vec<(&'static str, Vec<Sample>)>,
}

impl Table {
    pub(super) fn new(options: &Options, names: impl Iterator<Item = &'static str>) -> Self {
        Self {
            caption: format!(
                "Medians of {} rounds of {} enrollments over {CONCURRENCY} connections.",
                options.rounds, options.count
            ),
            rows: names.map(|name| (name, Vec::new())).collect(),
        }
    }

    pub(super) fn add(&mut self, row: usize, sample: Sample) {
        println!(
            "  {:<18} {:>6.0}/s {:>6.0} us CPU an enrollment",
            self.rows.get(row).map_or("", |(name, _)| name),
            sample.per_second,
            sample.cpu
        );
        if let Some((_, samples)) = self.rows.get_mut(row) {
            samples.push(sample);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.caption)?;
        writeln!(
            f,
            "| | enrollments/s | CPU an enrollment | floor's CPU over it | p50 | p99 | resident | refused |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for (name, samples) in &self.rows {
            let of = |field: fn(&Sample) -> f64| median(samples.iter().map(field).collect());
            writeln!(
                f,
                "| {name} | {:.0} | {:.0} µs | {:.0}% | {:.0} ms | {:.0} ms | {:.0} MB | {:.0}% |",
                of(|sample| sample.per_second),
                of(|sample| sample.cpu),
                100.0 * of(|sample| sample.of_floor),
                of(|sample| sample.p50),
                of(|sample| sample.p99),
                of(|sample| sample.resident),
                100.0 * of(|sample| sample.failed),
            )?;
        }
        Ok(())
    }
}

/// The one in the middle; of an even number the lower of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_row_holds_medians_and_what_was_refused_counts_for_nothing() {
        let options = Options {
            peers: false,
            rounds: 3,
            count: 1000,
        };
        let report = |rate: f64, failed: u32| {
            json!({"succeeded": 1000 - failed, "failed": failed, "enrollments_per_second": rate,
                "latency_ms": {"p50": 1.0, "p99": 9.0}})
        };
        let sample = |rate, cpu, failed| {
            let cpu = Duration::from_millis(cpu);
            Sample::new(&report(rate, failed), cpu, 800.0, 50.0)
        };
        let mut table = Table::new(&options, ["it"].into_iter());
        for (rate, cpu) in [(900.0, 900), (1000.0, 1000), (5000.0, 2000)] {
            table.add(0, sample(rate, cpu, 0).unwrap());
        }
        let text = table.to_string();
        assert!(
            text.contains("| it | 1000 | 1000 µs | 80% | 1 ms | 9 ms | 50 MB | 0% |"),
            "{text}"
        );
        let some = sample(1000.0, 400, 500).unwrap();
        assert!(some.failed());
        assert_eq!((some.cpu, some.of_floor, some.failed), (800.0, 1.0, 0.5));
        assert!(sample(1.0, 1, 1000).is_err());
    }
}
