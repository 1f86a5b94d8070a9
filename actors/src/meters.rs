//! One profile's metrics: times have their histograms at hand, counters are looked up by their labels.

use crate::registry::Metrics;
use metrics::{Counter, Histogram};
use std::time::Duration;

/// A stage of an enrollment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Open,
    Decide,
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
        }
    }

    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        let histogram = match stage {
            Stage::Open => &self.open,
            Stage::Decide => &self.decide,
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
