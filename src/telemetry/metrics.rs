//! The Prometheus recorder, and what each metric means.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// How often values that were recorded are folded into their histograms.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// Bounds of time histograms, in seconds: enrollments take milliseconds, stuck disks seconds.
const SECONDS: [f64; 15] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5,
    10.0,
];
/// Bounds of counts.
const COUNTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder, once in a process. `None` when another one is installed already.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER.get_or_init(install).as_ref()
}

fn install() -> Option<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_changes".to_owned()), &COUNTS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| tracing::error!(%error, "metrics cannot be kept"))
        .ok()?;
    describe();
    let openssl = pki::openssl_version();
    gauge!("scepd_build_info", "version" => env!("CARGO_PKG_VERSION"), "openssl" => openssl)
        .set(1.0);
    Some(handle)
}

fn describe() {
    describe_counter!(
        "scepd_scep_requests_total",
        "Requests to a profile, each once, by operation and result; docs/operations.md explains the values."
    );
    describe_counter!(
        "scepd_scep_intune_enrollments_total",
        "Intune enrollments by profile and outcome (the eleven labels); goes on after a restart."
    );
    describe_histogram!(
        "scepd_enroll_seconds",
        Unit::Seconds,
        "Time of an enrollment's stages: open, decide, issue, commit, reply."
    );
    describe_histogram!(
        "scepd_store_commit_seconds",
        Unit::Seconds,
        "Time of one durable commit of the store."
    );
    describe_histogram!(
        "scepd_store_commit_changes",
        "Changes that one commit made durable."
    );
    describe_counter!(
        "scepd_store_failed_commits_total",
        "Commits that the store failed, whatever the reason."
    );
    describe_gauge!(
        "scepd_store_stopped",
        "1 once a write has failed: nothing is issued until the server has started anew."
    );
    describe_counter!(
        "scepd_actor_restarts_total",
        "Profiles brought back after a panic."
    );
    describe_counter!(
        "scepd_admin_authentications_total",
        "Tokens presented to the admin side: accepted, refused, or limited (too many wrong ones from one source)."
    );
    describe_gauge!(
        "scepd_certificate_expiry_seconds",
        Unit::Seconds,
        "Time left for a certificate, negative once expired; kind is ra, ca, next_ca, tls, trust_anchor or mtls_ca (of several, the one that ends first)."
    );
    describe_gauge!(
        "scepd_compute_queue_depth",
        "Work that waits for a compute thread: start (new messages) or finish."
    );
    describe_gauge!(
        "scepd_profile_in_flight",
        "Enrollments under way in a profile."
    );
    describe_gauge!(
        "scepd_profile_pending_requests",
        "Requests of a profile that wait for an operator."
    );
    describe_counter!(
        "scepd_pending_full_total",
        "Requests turned away because as many wait for an operator as may; bound is profile or source."
    );
    describe_gauge!(
        "scepd_profile_replay_entries",
        "Challenges that a profile remembers."
    );
    describe_gauge!(
        "scepd_build_info",
        "1, with the version and the OpenSSL of this build."
    );
}
