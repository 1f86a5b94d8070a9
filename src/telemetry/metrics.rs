//! A server's Prometheus registry, and what each metric means.

use std::sync::Arc;
use std::time::Duration;

use actors::{Metrics, Runtime};
use chrono::{DateTime, Utc};
use metrics::{Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::gauges::{Gauges, TenantSeen};

/// How often values that were recorded are folded into their histograms.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// Bounds of time histograms, in seconds: enrollments take milliseconds, stuck disks seconds.
const SECONDS: [f64; 15] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5,
    10.0,
];
/// Bounds of counts.
const COUNTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// One server's registry.
pub struct Registry {
    metrics: Metrics,
    handle: PrometheusHandle,
    pub(super) gauges: Gauges,
}

impl Registry {
    /// An empty one, with what is known of each metric. `None`: it cannot be made, and nothing is kept.
    #[must_use]
    pub fn new() -> Option<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_changes".to_owned()), &COUNTS)
            })
            .map_err(|error| tracing::error!(%error, "metrics cannot be kept"))
            .ok()?
            .build_recorder();
        describe(&recorder);
        let handle = recorder.handle();
        let metrics = Metrics::new(Arc::new(recorder));
        let openssl = pki::openssl_version();
        let build = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("openssl", openssl.as_str()),
        ];
        metrics.gauge("scepd_build_info", &build).set(1.0);
        Some(Self {
            gauges: Gauges::new(metrics.clone()),
            metrics,
            handle,
        })
    }

    /// Where the server's parts keep what they count.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Folds what was recorded into the histograms: every [`UPKEEP`].
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// All metrics as Prometheus text; `tls_expiry` is when the TLS certificate in use ends.
    pub async fn render(
        &self,
        runtime: &Runtime,
        tls_expiry: DateTime<Utc>,
        tenants: &[TenantSeen],
    ) -> String {
        self.gauges.refresh(runtime, tls_expiry, tenants).await;
        self.handle.render()
    }
}

fn describe(recorder: &impl Recorder) {
    recorder.describe_counter(
        "scepd_scep_requests_total".into(),
        None,
        "Requests to a profile, each once, by operation and result; docs/operations.md explains the values.".into(),
    );
    recorder.describe_counter(
        "scepd_scep_intune_enrollments_total".into(),
        None,
        "Intune enrollments by profile and outcome (the eleven labels); goes on after a restart."
            .into(),
    );
    recorder.describe_histogram(
        "scepd_enroll_seconds".into(),
        Some(Unit::Seconds),
        "Time of an enrollment's stages: open, decide, issue, commit, reply.".into(),
    );
    recorder.describe_histogram(
        "scepd_store_commit_seconds".into(),
        Some(Unit::Seconds),
        "Time of one durable commit of the store.".into(),
    );
    recorder.describe_histogram(
        "scepd_store_commit_changes".into(),
        None,
        "Changes that one commit made durable.".into(),
    );
    recorder.describe_counter(
        "scepd_store_failed_commits_total".into(),
        None,
        "Commits that the store failed, whatever the reason.".into(),
    );
    recorder.describe_gauge(
        "scepd_store_stopped".into(),
        None,
        "1 once a write has failed: nothing is issued until the server has started anew.".into(),
    );
    recorder.describe_counter(
        "scepd_clock_steps_total".into(),
        None,
        "How often the wall clock was set ahead or back by more than 5 s, as the monotonic clock shows.".into(),
    );
    recorder.describe_gauge(
        "scepd_clock_last_step_seconds".into(),
        Some(Unit::Seconds),
        "The last such step; negative when the clock was put back.".into(),
    );
    recorder.describe_gauge(
        "scepd_clock_unproven_seconds".into(),
        Some(Unit::Seconds),
        "How far the wall clock is ahead of the time that has surely passed: after a pause, or when it is wrong."
            .into(),
    );
    recorder.describe_counter(
        "scepd_actor_restarts_total".into(),
        None,
        "Profiles brought back after a panic.".into(),
    );
    recorder.describe_counter(
        "scepd_admin_authentications_total".into(),
        None,
        "Tokens presented to the admin side: accepted, refused, or limited (too many wrong ones from one source).".into(),
    );
    recorder.describe_gauge(
        "scepd_certificate_expiry_seconds".into(),
        Some(Unit::Seconds),
        "Time left for a certificate, negative once expired; kind is ra, ca, next_ca, tls, trust_anchor or mtls_ca (of several, the one that ends first).".into(),
    );
    recorder.describe_gauge(
        "scepd_compute_queue_depth".into(),
        None,
        "Work that waits for a compute thread: start (new messages) or finish.".into(),
    );
    recorder.describe_gauge(
        "scepd_profile_in_flight".into(),
        None,
        "Enrollments under way in a profile.".into(),
    );
    recorder.describe_gauge(
        "scepd_profile_pending_requests".into(),
        None,
        "Requests of a profile that wait for an operator.".into(),
    );
    recorder.describe_counter(
        "scepd_pending_full_total".into(),
        None,
        "Requests turned away because as many wait for an operator as may; bound is profile or source.".into(),
    );
    recorder.describe_gauge(
        "scepd_profile_replay_entries".into(),
        None,
        "Challenges that a profile remembers.".into(),
    );
    describe_intune(recorder);
    describe_published(recorder);
    recorder.describe_gauge(
        "scepd_build_info".into(),
        None,
        "1, with the version and the OpenSSL of this build.".into(),
    );
}

fn describe_intune(recorder: &impl Recorder) {
    recorder.describe_counter(
        "scepd_intune_codes_total".into(),
        None,
        "What Intune said of challenges, by tenant and code.".into(),
    );
    recorder.describe_counter(
        "scepd_intune_calls_total".into(),
        None,
        "Calls to Entra ID, Graph and Intune, by tenant, step and result: answered or failed."
            .into(),
    );
    recorder.describe_histogram(
        "scepd_intune_seconds".into(),
        Some(Unit::Seconds),
        "Time of calls to Entra ID, Graph and Intune, by tenant and step.".into(),
    );
    recorder.describe_gauge(
        "scepd_intune_up".into(),
        None,
        "1 while a tenant's services answer, 0 while something is wrong.".into(),
    );
    recorder.describe_gauge(
        "scepd_intune_credential_expiry_seconds".into(),
        Some(Unit::Seconds),
        "Time left for the secret or certificate of a tenant's app, negative once it has ended."
            .into(),
    );
    recorder.describe_gauge(
        "scepd_intune_revocations_held".into(),
        None,
        "Revocations of a tenant that are held until an admin releases or refuses them.".into(),
    );
}

fn describe_published(recorder: &impl Recorder) {
    recorder.describe_counter(
        "scepd_ocsp_answers_total".into(),
        None,
        "OCSP answers by what they say, and whether they were cached, fresh or unsigned.".into(),
    );
    recorder.describe_histogram(
        "scepd_ocsp_seconds".into(),
        Some(Unit::Seconds),
        "Time from an OCSP request that has arrived to its answer.".into(),
    );
    recorder.describe_counter(
        "scepd_ocsp_limited_total".into(),
        None,
        "OCSP requests for an answer of their own from sources that had as many as they may."
            .into(),
    );
    recorder.describe_gauge(
        "scepd_ocsp_responder_end_timestamp_seconds".into(),
        Some(Unit::Seconds),
        "When the certificate that signs OCSP answers for a CA ends (Unix time).".into(),
    );
    recorder.describe_gauge(
        "scepd_crl_next_update_timestamp_seconds".into(),
        Some(Unit::Seconds),
        "The nextUpdate of the CRL that is published of a CA (Unix time).".into(),
    );
    recorder.describe_histogram(
        "scepd_crl_seconds".into(),
        Some(Unit::Seconds),
        "Time to make a CRL that is published, and to keep it in the store.".into(),
    );
    recorder.describe_gauge(
        "scepd_crl_bytes".into(),
        Some(Unit::Bytes),
        "The size of the CRL that is published of a CA.".into(),
    );
}
