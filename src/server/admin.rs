//! Beside enrollments: who may call the admin side, the control socket, health and metrics, what is done every now and then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::StoreClock;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::{Server, ServerError, ras, remote_issuers, retention, revokers, superseded};
use crate::auth::GateSettings;
use crate::auth::jwks::JwksUrl;
use crate::auth::oidc::Oidc;
use crate::auth::secret::Digest;
use crate::checks::{self, Loaded};
use crate::config::{self, Config};
use crate::control::{self, Control};
use crate::http::{Channel, ConnectionLimit, Listener, Phase, admin};
use crate::telemetry;

/// How many connections the listener for health and metrics has at once.
const PROBES: usize = 64;

impl Server {
    /// Health, readiness and metrics on a listener of their own, and the control socket.
    pub(super) async fn serve_beside(self: &Arc<Self>, probes: Option<TcpListener>) {
        let mut tasks = self.listeners.lock().await;
        if let Some(socket) = probes {
            let service = warp::service(admin::probe_routes(Arc::clone(&self.context)));
            let service = hyper_util::service::TowerToHyperService::new(service);
            let listener = Listener {
                socket,
                tls: None,
                channel: Channel::Plain,
                told: None,
            };
            // Places of their own, so that a crowd of devices does not hide itself.
            tasks.spawn(crate::http::serve(
                listener,
                service,
                Arc::clone(&self.connection_limits),
                ConnectionLimit::new(PROBES),
                self.phase.subscribe(),
            ));
        }
        let data_dir = self.config().server.data_dir.clone();
        match Control::bind(&data_dir) {
            Ok(listener) => {
                tasks.spawn(take_orders(
                    self.control(),
                    listener,
                    data_dir,
                    self.phase.subscribe(),
                ));
            }
            Err(error) => {
                let path = socket(&data_dir);
                tracing::warn!(path, %error, "commands cannot reach this server: its socket cannot be made");
            }
        }
        tasks.spawn(watch_clocks(
            Arc::clone(&self.runtime().services.time),
            self.phase.subscribe(),
        ));
        tasks.spawn(retention::let_go(
            Arc::downgrade(self),
            Arc::clone(&self.retention_changed),
            self.phase.subscribe(),
        ));
        tasks.spawn(revokers::keep_turning(
            Arc::clone(&self.revokers),
            self.phase.subscribe(),
        ));
        tasks.spawn(superseded::revoke(
            Arc::downgrade(self),
            self.phase.subscribe(),
        ));
        tasks.spawn(ras::let_go(Arc::downgrade(self), self.phase.subscribe()));
        let watch = remote_issuers::watch(Arc::downgrade(self), self.phase.subscribe());
        tasks.spawn(watch);
        if let Some(registry) = self.context.registry.clone() {
            let mut phase = self.phase.subscribe();
            tasks.spawn(async move {
                let draining = phase.wait_for(|phase| *phase == Phase::Draining);
                let mut draining = std::pin::pin!(draining);
                while tokio::time::timeout(telemetry::metrics::UPKEEP, draining.as_mut())
                    .await
                    .is_err()
                {
                    registry.upkeep();
                }
            });
        }
    }

    fn control(&self) -> Control {
        Control {
            services: self.runtime().services.clone(),
            directory: self.runtime().directory.clone(),
            revokers: Arc::clone(&self.revokers),
        }
    }
}

async fn take_orders(
    control: Control,
    listener: UnixListener,
    data_dir: PathBuf,
    mut phase: watch::Receiver<Phase>,
) {
    tokio::select! {
        () = control.serve(listener) => {}
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => {}
    }
    let _ = std::fs::remove_file(data_dir.join(control::SOCKET));
}

/// How often the clocks are looked at when nothing else asks for the time.
const CLOCKS: Duration = Duration::from_secs(10);
/// How often it is noted how much time has passed: what an abrupt end of an idle server loses at most.
const KEEP_TIME: Duration = Duration::from_secs(600);

/// Looks at the clocks, so that a step of the wall clock is noticed, and time that passes is counted.
async fn watch_clocks(time: Arc<StoreClock>, mut phase: watch::Receiver<Phase>) {
    let draining = phase.wait_for(|phase| *phase == Phase::Draining);
    let mut draining = std::pin::pin!(draining);
    let mut kept = Instant::now();
    while tokio::time::timeout(CLOCKS, draining.as_mut())
        .await
        .is_err()
    {
        if kept.elapsed() < KEEP_TIME {
            let _ = time.now();
            continue;
        }
        kept = Instant::now();
        let keeping = Arc::clone(&time);
        match tokio::task::spawn_blocking(move || keeping.keep()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "how much time has passed could not be noted")
            }
            Err(error) => tracing::debug!(%error, "noting how much time has passed was broken off"),
        }
    }
}

fn socket(data_dir: &Path) -> String {
    data_dir.join(control::SOCKET).display().to_string()
}

/// What the gate works with, from what the checks let through.
///
/// # Errors
/// The OIDC provider's keys or address cannot be used.
pub(super) fn gate_settings(config: &Config, loaded: &Loaded) -> Result<GateSettings, ServerError> {
    let admin = &config.admin;
    let metrics_token = loaded.admin.metrics_token.as_ref();
    Ok(GateSettings {
        session_lifetime: admin.session_lifetime.duration(),
        session_idle: admin.session_idle.duration(),
        bad_token_limit: admin.bad_token_limit,
        bad_token_window: admin.bad_token_window.duration(),
        metrics_token: metrics_token.map(|token| Digest::of(token.expose())),
        oidc: oidc(&admin.oidc, loaded)
            .map_err(ServerError::Oidc)?
            .map(Arc::new),
    })
}

fn oidc(settings: &config::Oidc, loaded: &Loaded) -> Result<Option<Oidc>, String> {
    if settings.issuer.is_none() || settings.audience.is_none() {
        return Ok(None);
    }
    let rules = checks::oidc_rules(settings);
    match (&loaded.admin.oidc_keys, &settings.jwks_url) {
        (Some(keys), _) => Oidc::with_keys(rules, keys)
            .map(Some)
            .map_err(|error| error.to_string()),
        (None, Some(url)) => Ok(Some(Oidc::with_source(
            rules,
            Arc::new(JwksUrl::new(url.as_str())?),
        ))),
        (None, None) => Ok(None),
    }
}
