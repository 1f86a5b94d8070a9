//! One profile's metrics: times have their histograms at hand, counters are looked up by their labels.

use crate::registry::Metrics;
use metrics::{Counter, Histogram};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A stage of an enrollment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Open,
    Admit,
    Issue,
    Commit,
    Reply,
}

pub(crate) struct Meters {
    profile: String,
    metrics: Metrics,
    open: Histogram,
    decide: Histogram,
    issue: Histogram,
    commit: Histogram,
    reply: Histogram,
    /// Challenges that were refused since this actor began.
    challenges_refused: AtomicU64,
}

impl Meters {
    pub(crate) fn new(profile: &str, metrics: &Metrics) -> Self {
        let of = |stage: &'static str| {
            metrics.histogram(
                "scepd_enroll_seconds",
                &[("profile", profile), ("stage", stage)],
            )
        };
        for bound in ["profile", "source"] {
            pending_full(metrics, profile, bound).increment(0);
        }
        Self {
            profile: profile.to_owned(),
            metrics: metrics.clone(),
            open: of("open"),
            decide: of("decide"),
            issue: of("issue"),
            commit: of("commit"),
            reply: of("reply"),
            challenges_refused: AtomicU64::new(0),
        }
    }

    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        let histogram = match stage {
            Stage::Open => &self.open,
            Stage::Admit => &self.decide,
            Stage::Issue => &self.issue,
            Stage::Commit => &self.commit,
            Stage::Reply => &self.reply,
        };
        histogram.record(took.as_secs_f64());
    }

    /// The outcomes counted before this process or this actor: the metrics go on from there.
    pub(crate) fn resume(&self, counters: &challenge::Counters) {
        for (label, count) in counters.iter() {
            self.outcome(label).absolute(count);
        }
    }

    /// A request that may not wait for an operator, because as many wait as may.
    pub(crate) fn pending_full(&self, bound: &'static str) {
        pending_full(&self.metrics, &self.profile, bound).increment(1);
    }

    /// A challenge that was made here, or might have been, and was refused.
    pub(crate) fn one_time_refused(&self, reason: &'static str) {
        self.challenges_refused.fetch_add(1, Ordering::Relaxed);
        self.one_time(reason).increment(1);
    }

    /// How many challenges were refused since this actor began.
    pub(crate) fn challenges_refused(&self) -> u64 {
        self.challenges_refused.load(Ordering::Relaxed)
    }

    /// The refusals of challenges are counted from 0 on.
    pub(crate) fn one_time_begins(&self) {
        for reason in challenge::OneTime::REASONS {
            self.one_time(reason).increment(0);
        }
    }

    fn one_time(&self, reason: &'static str) -> Counter {
        let labels = [("profile", self.profile.as_str()), ("reason", reason)];
        self.metrics
            .counter("scepd_challenges_refused_total", &labels)
    }

    /// How many challenges are open.
    pub(crate) fn open_challenges(&self, open: u64) {
        let labels = [("profile", self.profile.as_str())];
        let gauge = self.metrics.gauge("scepd_challenges_open", &labels);
        gauge.set(open as f64);
    }

    /// One outcome of the nine gates.
    pub(crate) fn intune(&self, label: challenge::Label) {
        self.outcome(label).increment(1);
    }

    fn outcome(&self, label: challenge::Label) -> Counter {
        self.metrics.counter(
            "scepd_scep_intune_enrollments_total",
            &[
                ("profile", self.profile.as_str()),
                ("status", label.as_str()),
            ],
        )
    }
}

fn pending_full(metrics: &Metrics, profile: &str, bound: &'static str) -> Counter {
    let labels = [("profile", profile), ("bound", bound)];
    metrics.counter("scepd_pending_full_total", &labels)
}

/// How often a profile was brought back.
pub(crate) fn restarts(metrics: &Metrics, path_id: &str) -> Counter {
    metrics.counter("scepd_actor_restarts_total", &[("profile", path_id)])
}
