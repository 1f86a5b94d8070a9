//! What is looked up when metrics are read: how long certificates have left, what waits in queues and profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actors::{Current, Metrics, Profiles, Runtime, Status};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use pki::Certificate;

/// How long a profile may take to say how it stands; then its last values stay.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is to be seen of one of Intune's tenants.
pub struct TenantSeen {
    /// Its id.
    pub id: String,
    /// Whether its services answer; `None` = they were not asked yet.
    pub is_up: Option<bool>,
    /// When the app's credential ends, where that is known.
    pub credential_ends: Option<DateTime<Utc>>,
    /// How many revocations wait for an admin's decision.
    pub held: usize,
}

/// The gauges of one server.
pub(super) struct Gauges {
    metrics: Metrics,
    /// Places that were written before: those that are gone must not keep their last value.
    written: Mutex<BTreeSet<Place>>,
}

impl Gauges {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            written: Mutex::default(),
        }
    }

    /// Looks everything up.
    pub(super) async fn refresh(
        &self,
        runtime: &Runtime,
        tls_expiry: DateTime<Utc>,
        tenants: &[TenantSeen],
    ) {
        let (start, finish) = runtime.services.pool.waiting();
        for (stage, waiting) in [("start", start), ("finish", finish)] {
            self.metrics
                .gauge("scepd_compute_queue_depth", &[("stage", stage)])
                .set(count(waiting));
        }
        let stopped = !runtime.is_writable();
        self.metrics
            .gauge("scepd_store_stopped", &[])
            .set(if stopped { 1.0 } else { 0.0 });
        for issuer in runtime.services.remotes.all() {
            let Some(health) = issuer.remote().map(|remote| remote.health()) else {
                continue;
            };
            let labels = [("issuer", issuer.id())];
            let works = health.reached && health.trouble.is_none();
            self.metrics
                .gauge("scepd_issuer_up", &labels)
                .set(if works { 1.0 } else { 0.0 });
            self.metrics
                .gauge("scepd_issuer_silent_seconds", &labels)
                .set(health.silent_for.as_secs_f64());
        }
        let mut now = expiries(runtime, tls_expiry);
        now.extend(of_tenants(tenants, runtime.services.clock.now()));
        let profiles = runtime.directory.all();
        let asked = profiles.iter().map(|(path_id, entry)| async move {
            let asked = entry.current().actor.send(Status);
            let status = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
            Some((path_id, status))
        });
        for (path_id, status) in join_all(asked).await.into_iter().flatten() {
            let of = |name| Place::of_profile(name, path_id);
            now.insert(of(IN_FLIGHT), count(status.in_flight));
            now.insert(of(PENDING), count(status.pending));
            now.insert(of(REPLAY), count(status.replay_entries));
        }
        self.publish(now, &profiles);
    }

    /// Writes what was found. What is no longer there becomes NaN, which no alert compares with anything; the recorder
    /// cannot forget a gauge. A profile that did not answer in time keeps its last values.
    fn publish(&self, now: BTreeMap<Place, f64>, profiles: &Profiles) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|place| {
            let is_asked = place.label == PROFILE && place.kind.is_none();
            let unanswered = is_asked && profiles.contains_key(&place.of);
            let stays = unanswered || now.contains_key(place);
            if !stays {
                place.set(&self.metrics, f64::NAN);
            }
            stays
        });
        for (place, value) in now {
            place.set(&self.metrics, value);
            written.insert(place);
        }
    }
}

const EXPIRY: &str = "scepd_certificate_expiry_seconds";
const IN_FLIGHT: &str = "scepd_profile_in_flight";
const PENDING: &str = "scepd_profile_pending_requests";
const REPLAY: &str = "scepd_profile_replay_entries";
const TENANT_UP: &str = "scepd_intune_up";
const TENANT_EXPIRY: &str = "scepd_intune_credential_expiry_seconds";
const TENANT_HELD: &str = "scepd_intune_revocations_held";

const PROFILE: &str = "profile";
const TENANT: &str = "tenant";

/// One gauge that may go away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    name: &'static str,
    /// Of what it is: [`PROFILE`] or [`TENANT`],
    label: &'static str,
    /// and which.
    of: String,
    /// Of a certificate.
    kind: Option<&'static str>,
}

impl Place {
    fn of_profile(name: &'static str, path_id: &str) -> Self {
        Self {
            name,
            label: PROFILE,
            of: path_id.to_owned(),
            kind: None,
        }
    }

    fn of_tenant(name: &'static str, id: &str) -> Self {
        Self {
            name,
            label: TENANT,
            of: id.to_owned(),
            kind: None,
        }
    }

    fn of_certificate(path_id: &str, kind: &'static str) -> Self {
        Self {
            name: EXPIRY,
            label: PROFILE,
            of: path_id.to_owned(),
            kind: Some(kind),
        }
    }

    fn set(&self, metrics: &Metrics, value: f64) {
        let of = (self.label, self.of.as_str());
        match self.kind {
            Some(kind) => metrics.gauge(self.name, &[of, ("kind", kind)]),
            None => metrics.gauge(self.name, &[of]),
        }
        .set(value);
    }
}

fn expiries(runtime: &Runtime, tls_expiry: DateTime<Utc>) -> BTreeMap<Place, f64> {
    let now = runtime.services.clock.now();
    let mut found = BTreeMap::new();
    for (path_id, entry) in runtime.directory.all().iter() {
        for (kind, end) in of_profile(&entry.current()) {
            found.insert(Place::of_certificate(path_id, kind), left(end, now));
        }
    }
    found.insert(Place::of_certificate("", "tls"), left(tls_expiry, now));
    found
}

fn of_tenants(tenants: &[TenantSeen], now: DateTime<Utc>) -> BTreeMap<Place, f64> {
    let mut found = BTreeMap::new();
    for tenant in tenants {
        let place = |name| Place::of_tenant(name, &tenant.id);
        if let Some(is_up) = tenant.is_up {
            found.insert(place(TENANT_UP), if is_up { 1.0 } else { 0.0 });
        }
        if let Some(ends) = tenant.credential_ends {
            found.insert(place(TENANT_EXPIRY), left(ends, now));
        }
        found.insert(place(TENANT_HELD), count(tenant.held));
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "seconds of centuries fit")]
fn left(end: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    end.signed_duration_since(now).num_seconds() as f64
}

fn of_profile(current: &Current) -> Vec<(&'static str, DateTime<Utc>)> {
    let spec = &current.spec;
    let first =
        |certificates: &[Certificate]| certificates.iter().map(Certificate::not_after).min();
    let authority = spec.issuer.authority();
    [
        (
            "ra",
            spec.ras
                .first()
                .and_then(|ra| ra.certificates().map(Certificate::not_after).min()),
        ),
        ("ca", first(authority.chain())),
        ("next_ca", authority.next().and_then(first)),
        (
            "trust_anchor",
            spec.intune
                .as_ref()
                .and_then(|intune| first(intune.signed.anchors.anchors())),
        ),
        ("mtls_ca", spec.mtls.as_deref().and_then(first)),
    ]
    .into_iter()
    .filter_map(|(kind, end)| Some((kind, end?)))
    .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
