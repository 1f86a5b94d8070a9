//! What is looked up when metrics are read: how long certificates have left, what waits in queues and profiles.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actors::{Current, Status};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use metrics::gauge;
use pki::Certificate;

use crate::server::Server;

/// How long a profile may take to say how it stands; then its last values stay.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks everything up.
pub async fn refresh(server: &Server) {
    let (start, finish) = server.house().services.pool.waiting();
    gauge!("scepd_compute_queue_depth", "stage" => "start").set(count(start));
    gauge!("scepd_compute_queue_depth", "stage" => "finish").set(count(finish));
    let stopped = !server.house().is_writable();
    gauge!("scepd_store_stopped").set(if stopped { 1.0 } else { 0.0 });
    expiries(server);
    let profiles = server.house().directory.all();
    join_all(profiles.iter().map(|(path_id, entry)| async move {
        let asked = entry.current().actor.send(Status);
        if let Ok(Ok(status)) = tokio::time::timeout(PATIENCE, asked).await {
            let of = |name: &'static str| gauge!(name, "profile" => path_id.clone());
            of("scepd_profile_in_flight").set(count(status.in_flight));
            of("scepd_profile_pending_requests").set(count(status.pending));
            of("scepd_profile_replay_entries").set(count(status.replay_entries));
        }
    }))
    .await;
}

/// A certificate's place among the gauges: profile and kind.
type Place = (String, &'static str);

/// Places that were written before: those that are gone must not keep their last value.
static WRITTEN: Mutex<BTreeMap<Place, ()>> = Mutex::new(BTreeMap::new());

fn expiries(server: &Server) {
    let now = server.house().services.clock.now();
    let mut ends: BTreeMap<Place, DateTime<Utc>> = BTreeMap::new();
    for (path_id, entry) in server.house().directory.all().iter() {
        for (kind, end) in of_profile(&entry.current()) {
            ends.insert((path_id.clone(), kind), end);
        }
    }
    if let Some(end) = server.tls_expiry() {
        ends.insert((String::new(), "tls"), end);
    }
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    for (place, ()) in std::mem::take(&mut *written) {
        if !ends.contains_key(&place) {
            set(&place, f64::NAN);
        }
    }
    for (place, end) in ends {
        #[expect(clippy::cast_precision_loss, reason = "seconds of centuries fit")]
        set(&place, end.signed_duration_since(now).num_seconds() as f64);
        written.insert(place, ());
    }
}

fn set((profile, kind): &Place, seconds: f64) {
    gauge!("scepd_certificate_expiry_seconds", "profile" => profile.clone(), "kind" => *kind)
        .set(seconds);
}

fn of_profile(current: &Current) -> Vec<(&'static str, DateTime<Utc>)> {
    let spec = &current.spec;
    let first =
        |certificates: &[Certificate]| certificates.iter().map(Certificate::not_after).min();
    let next = spec.issuer.next_ca();
    [
        ("ra", spec.ras.first().map(|ra| ra.certificate.not_after())),
        ("ca", first(&spec.issuer.chain())),
        ("next_ca", next.as_deref().and_then(first)),
        (
            "trust_anchor",
            spec.intune
                .as_ref()
                .and_then(|intune| first(intune.anchors.anchors())),
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
