//! The server itself: version, health, readiness, metrics.

use api::endpoints::{ShowAbout, ShowHealth, ShowReadiness};
use std::time::Duration;

use api::{About, Health, Readiness, ReadinessCheck};
use warp::http::StatusCode;
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::blocking;
use crate::auth::SignedIn;
use crate::http::Channel;

/// How long the store may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn about(context: &AdminContext, _: &SignedIn) -> Result<Response, Problem> {
    reply::ok::<ShowAbout>(&About {
        name: "scepd".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        openssl: pki::openssl_version(),
        started_at: context.started_at,
        now: context.runtime().services.clock.now(),
    })
}

pub(super) fn health() -> Result<Response, Problem> {
    reply::ok::<ShowHealth>(&Health {
        status: "ok".to_owned(),
    })
}

pub(super) async fn readiness(context: &AdminContext) -> Result<Response, Problem> {
    let checks = vec![
        check("store", store(context).await),
        check("profiles", profiles(context)),
    ];
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    reply::with_status::<ShowReadiness>(status, &Readiness { ready, checks })
}

fn check(name: &str, found: Result<(), String>) -> ReadinessCheck {
    ReadinessCheck {
        name: name.to_owned(),
        ok: found.is_ok(),
        message: found.err().unwrap_or_default(),
    }
}

async fn store(context: &AdminContext) -> Result<(), String> {
    if !context.runtime().is_writable() {
        return Err(
            "a write failed and the store takes no more: see to its disk; the server ends by itself, to be started \
             anew, once the disk takes writes again"
                .to_owned(),
        );
    }
    let store = context.runtime().services.store.clone();
    let read = blocking(move || Ok(store.setting("readiness")?));
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(problem)) => {
            tracing::error!(reason = problem.logged(), "the store cannot be read");
            Err("the store cannot be read".to_owned())
        }
        Err(_) => Err("the store does not answer".to_owned()),
    }
}

fn profiles(context: &AdminContext) -> Result<(), String> {
    if context.is_draining() {
        return Err("the server is shutting down".to_owned());
    }
    let profiles = context.runtime().directory.all();
    let down: Vec<&str> = profiles
        .iter()
        .filter(|(_, entry)| !entry.current().actor.connected())
        .map(|(path_id, _)| path_id.as_str())
        .collect();
    match down.as_slice() {
        [] => Ok(()),
        [path_id] => Err(format!("profile `{path_id}` is being restarted")),
        [path_id, others @ ..] => Err(format!(
            "profile `{path_id}` and {} others are being restarted",
            others.len()
        )),
    }
}

/// Prometheus text. Served elsewhere alone when a listener for metrics is configured.
pub(super) async fn metrics(context: &AdminContext, peer: Channel) -> Result<Response, Problem> {
    if context.config().admin.metrics_listen.is_some() && peer == Channel::Https {
        return Err(Problem::not_found(
            "metrics have a listener of their own; see admin.metrics_listen",
        ));
    }
    let Some(registry) = &context.registry else {
        return Err(Problem::fault("metrics are not kept; the log says why"));
    };
    Ok(reply::file(
        "text/plain; version=0.0.4; charset=utf-8",
        registry
            .render(
                context.runtime(),
                context.in_force.tls_expiry(),
                &super::tenants::seen(context).await,
            )
            .await,
    ))
}
