//! Latencies and failures of a run, and what is said about them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// How long requests took, in microseconds.
#[derive(Debug, Default, Clone)]
pub struct Latencies(Vec<u32>);

/// What is said about [`Latencies`], in milliseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half were faster.
    pub p50: f64,
    /// Nine in ten were faster.
    pub p90: f64,
    /// All but one in a hundred were faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Latencies {
    /// Room for `n` of them, so that nothing is allocated while the clock runs.
    pub fn with_capacity(n: usize) -> Latencies {
        Latencies(Vec::with_capacity(n))
    }

    /// Notes one.
    pub fn add(&mut self, latency: Duration) {
        self.0
            .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes over those of another connection.
    pub fn absorb(&mut self, other: Latencies) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The nearest-rank percentiles; all zero when there are no latencies.
    pub fn percentiles(mut self) -> Percentiles {
        self.0.sort_unstable();
        let at = |per_cent: usize| {
            let rank = (self.0.len() * per_cent).div_ceil(100).max(1);
            self.0
                .get(rank - 1)
                .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        Percentiles {
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: at(100),
        }
    }
}

/// What came instead of a certificate, and how often.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Failures(BTreeMap<String, u64>);

impl Failures {
    /// Counts one of a kind.
    pub fn add(&mut self, kind: impl Into<String>) {
        *self.0.entry(kind.into()).or_default() += 1;
    }

    /// Takes over those of another connection.
    pub fn absorb(&mut self, other: Failures) {
        for (kind, count) in other.0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Kind and count, by kind.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(kind, count)| (kind.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut latencies = Latencies::with_capacity(100);
        for millis in (1..=100u64).rev() {
            latencies.add(Duration::from_millis(millis));
        }
        let found = latencies.percentiles();
        assert_eq!(
            found,
            Percentiles {
                p50: 50.0,
                p90: 90.0,
                p99: 99.0,
                max: 100.0
            }
        );

        let mut one = Latencies::default();
        one.add(Duration::from_millis(7));
        assert_eq!(
            one.percentiles(),
            Percentiles {
                p50: 7.0,
                p90: 7.0,
                p99: 7.0,
                max: 7.0
            }
        );
        assert_eq!(Latencies::default().percentiles(), Percentiles::default());
    }

    #[test]
    fn failures_add_up() {
        let mut here = Failures::default();
        here.add("HTTP 503");
        here.add("HTTP 503");
        let mut there = Failures::default();
        there.add("HTTP 503");
        there.add("badRequest");
        here.absorb(there);
        assert_eq!(
            here.iter().collect::<Vec<_>>(),
            [("HTTP 503", 3), ("badRequest", 1)]
        );
        assert_eq!(here.total(), 4);
    }
}
