//! The server as a library: built from a configuration, reloaded, drained.
//!
//! [`Server::start`] runs every check, opens the store, starts the actors and the listeners;
//! [`Server::reload`] builds everything anew and swaps only when all of it is good;
//! [`Server::stop`] answers what came in and closes the store. `main` adds signals around it
//! ([`serve`]), tests use it on port 0.

mod admin;
pub(crate) mod assembly;
mod bind;
mod error;
mod lost;
mod memory;
mod ras;
mod reload;
mod remote_issuers;
mod retention;
mod revokers;
mod rotation;
mod serve;
mod superseded;

pub use bind::{Addresses, Sockets};
pub use error::ServerError;
pub use reload::Reloaded;
pub use remote_issuers::Alarmed;
pub use serve::serve;

use crate::auth::Gate;
use crate::checks::{self, DataDir, Loaded, Problem};
use crate::config::{Config, Effective, Sources};
use crate::http::admin::{AdminContext, routes as admin_routes};
use crate::http::{
    Channel, ConnectionLimit, ConnectionLimits, Front, FrontSettings, Listener, Phase, TlsAcceptor,
    TlsIdentity, Told, page, published, routes,
};
use crate::intune::{Revokers, Tenants};
use crate::publish::{self, Publication};
use crate::running::{ChecksOnDemand, InForce, TrustReload};
use crate::telemetry::access::{self, AccessLog};
use crate::telemetry::metrics::Registry;
use actors::{ApplyProfiles, Runtime, RuntimeConfig, SharedClock};
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

/// A running server.
pub struct Server {
    front: Arc<Front>,
    tls: TlsIdentity,
    sources: Sources,
    clock: SharedClock,
    in_force: Arc<InForce>,
    /// What the admin API works with.
    context: Arc<AdminContext>,
    /// What each new connection may cost.
    connection_limits: Arc<ArcSwap<ConnectionLimits>>,
    addresses: Addresses,
    /// `None` while `publish.listen` is not set.
    publication: Option<Arc<Publication>>,
    phase: watch::Sender<Phase>,
    listeners: Mutex<JoinSet<()>>,
    /// Until it has stopped.
    data_dir: std::sync::Mutex<Option<DataDir>>,
    /// Intune's tenants.
    tenants: Arc<Tenants>,
    /// What revokes what Intune wants revoked.
    revokers: Arc<Revokers>,
    /// Told when `audit.retention` may be another.
    retention_changed: Arc<Notify>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Every request that had come in was answered within the limit.
    pub in_time: bool,
    /// What was under way is on disk, and all threads have ended. What was answered is on disk
    /// anyway.
    pub flushed: bool,
}

impl Server {
    /// Checks everything, opens the store, starts the actors and serves `sockets`, or what the
    /// configuration names where a socket was not brought.
    ///
    /// # Errors
    /// [`ServerError`]: every failed check, a port that is taken, a store that cannot be opened.
    pub async fn start(
        sources: Sources,
        sockets: Sockets,
        clock: SharedClock,
    ) -> Result<Arc<Self>, ServerError> {
        if !pki::implicit_rejection_available() {
            return Err(ServerError::Cryptography(pki::openssl_version()));
        }
        let effective = read(&sources).await?;
        log_notices(&effective);
        let config = effective.config;
        let now = clock.now();
        let (loaded, sockets) = match (load(&config, now).await, sockets.bind(&config).await) {
            (Ok(loaded), Ok(sockets)) => (loaded, sockets),
            (loaded, sockets) => {
                let failures = loaded.err().into_iter();
                let failures = failures.chain(sockets.err().into_iter().flatten());
                let store = store_failure(&config).await.err();
                return Err(ServerError::all(failures.chain(store)));
            }
        };
        let addresses = sockets.addresses()?;
        let registry = Registry::new();
        let metrics = registry
            .as_ref()
            .map(|registry| registry.metrics().clone())
            .unwrap_or_default();
        let tenants = Arc::new(Tenants::default());
        let ready = tenants.prepare(&loaded.tenants, &clock, &metrics)?;
        let specs = assembly::specs(&loaded, &config, &ready, now)?;
        tenants.apply(&loaded.tenants, &ready);
        let gate = admin::gate_settings(&config, &loaded)?;
        let (store, data_dir) = open_store(&config).await?;
        warn_of_forgotten(&config, &store, now).await;
        let runtime = Runtime::open(store, Arc::clone(&clock), runtime_config(&config), metrics)?;
        // Accepted but for what the store says: on disk before a device can see them.
        let new_ras = ras::write(&loaded).await?;
        runtime
            .supervisor
            .send(ApplyProfiles(specs))
            .await
            .map_err(|_| actors::ApplyError::Stopped)??;
        let tls = loaded.tls.identity.clone();
        let settings = ArcSwap::from_pointee(front_settings(&config, &loaded));
        let services = &runtime.services;
        let gate = Gate::new(
            Arc::clone(&services.store),
            services.journal.clone(),
            Arc::clone(&clock),
            gate,
            &services.metrics,
        );
        let access = Arc::new(AccessLog::default());
        access.apply(open_access_log(&config)?);
        let runtime = Arc::new(runtime);
        let revokers = Arc::new(Revokers::default());
        revokers.apply(&tenants.all(), &config, &runtime);
        let front = Arc::new(Front {
            runtime: Arc::clone(&runtime),
            settings,
            access,
        });
        let publication = sockets.publish.as_ref().map(|_| {
            let (services, proxies) = (runtime.services.clone(), &config.server.trusted_proxies);
            Publication::new(services, &config.publish, proxies, loaded.issuers.values())
        });
        let (phase, in_phase) = watch::channel(Phase::Serving);
        let connection_limits = Arc::new(ArcSwap::from_pointee(connection_limits(&config)));
        let in_force = Arc::new(InForce::new(config, loaded));
        let context = AdminContext {
            tenants: Arc::clone(&tenants),
            revokers: Arc::clone(&revokers),
            checks: ChecksOnDemand::new(Arc::clone(&runtime), sources.clone()),
            trust: Arc::new(TrustReload::new(
                Arc::clone(&runtime),
                Arc::clone(&in_force),
            )),
            in_force: Arc::clone(&in_force),
            gate: Arc::new(gate),
            registry: registry.map(Arc::new),
            phase: in_phase,
            started_at: now,
            runtime,
        };
        let server = Arc::new(Self {
            front,
            tls,
            sources,
            clock,
            in_force,
            context: Arc::new(context),
            connection_limits,
            addresses,
            publication,
            phase,
            listeners: Mutex::new(JoinSet::new()),
            data_dir: std::sync::Mutex::new(Some(data_dir)),
            tenants,
            revokers,
            retention_changed: Arc::default(),
        });
        let issuers = server.in_force.loaded.lock().await.issuers.clone();
        server.keep_chains(&issuers).await;
        server
            .runtime()
            .services
            .remotes
            .set(issuers.into_values().collect());
        server.listen(sockets).await?;
        new_ras.keep();
        Ok(server)
    }

    async fn listen(self: &Arc<Self>, sockets: bind::Bound) -> Result<(), ServerError> {
        let beyond = admin_routes(Arc::clone(&self.context))
            .or(page())
            .unify()
            .boxed();
        let plain = TlsAcceptor::plain(&self.tls)?;
        let mutual = TlsAcceptor::mutual(&self.tls)?;
        let places = ConnectionLimit::new(self.config().server.max_connections);
        let places = &places;
        self.listen_on(
            sockets.https,
            Some(plain),
            Channel::Https,
            Some(beyond),
            places,
        )
        .await;
        if let Some(http) = sockets.http {
            self.listen_on(http, None, Channel::Plain, None, places)
                .await;
        }
        if let Some(mtls) = sockets.mtls {
            self.listen_on(mtls, Some(mutual), Channel::Mutual, None, places)
                .await;
        }
        if let Some((socket, publication)) = sockets.publish.zip(self.publication.clone()) {
            self.publish_on(socket, publication).await;
        }
        self.serve_beside(sockets.metrics).await;
        Ok(())
    }

    async fn publish_on(&self, socket: TcpListener, publication: Arc<Publication>) {
        // The first requests find everything made.
        publication.renew().await;
        let mut phase = self.phase.subscribe();
        let keeping = publish::keep(Arc::downgrade(&publication), async move {
            let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
        });
        let service = warp::service(published(publication));
        let listener = Listener {
            socket,
            tls: None,
            channel: Channel::Plain,
            told: None,
        };
        let serving = crate::http::serve(
            listener,
            hyper_util::service::TowerToHyperService::new(service),
            Arc::clone(&self.connection_limits),
            // Places of their own: devices that crowd keep no relying party out.
            ConnectionLimit::new(self.config().server.max_connections),
            self.phase.subscribe(),
        );
        let mut tasks = self.listeners.lock().await;
        tasks.spawn(keeping);
        tasks.spawn(serving);
    }

    async fn listen_on(
        &self,
        socket: TcpListener,
        tls: Option<TlsAcceptor>,
        channel: Channel,
        beyond: Option<BoxedFilter<(Response,)>>,
        places: &Arc<ConnectionLimit>,
    ) {
        let service = hyper_util::service::TowerToHyperService::new(warp::service(routes(
            Arc::clone(&self.front),
            beyond,
        )));
        let listener = Listener {
            socket,
            tls,
            channel,
            told: Some(Told {
                access: Arc::clone(&self.front.access),
                clock: Arc::clone(&self.clock),
            }),
        };
        let serving = crate::http::serve(
            listener,
            service,
            Arc::clone(&self.connection_limits),
            Arc::clone(places),
            self.phase.subscribe(),
        );
        self.listeners.lock().await.spawn(serving);
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What relying parties fetch, where it is published.
    #[must_use]
    pub fn publication(&self) -> Option<&Arc<Publication>> {
        self.publication.as_ref()
    }

    /// The profiles and what runs behind them.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.front.runtime
    }

    /// Intune's tenants.
    #[must_use]
    pub fn tenants(&self) -> &Arc<Tenants> {
        &self.tenants
    }

    /// What revokes what Intune wants revoked.
    #[must_use]
    pub fn revokers(&self) -> &Arc<Revokers> {
        &self.revokers
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.in_force.config()
    }

    /// Trust anchors, read again without touching anything else.
    #[must_use]
    pub fn trust(&self) -> &TrustReload {
        &self.context.trust
    }

    /// Takes no new connections, answers what came in within `limit`, then closes the store.
    pub async fn stop(&self, limit: Duration) -> Ended {
        self.phase.send_replace(Phase::Draining);
        let mut listeners = self.listeners.lock().await;
        let drained = async { while listeners.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(limit, drained).await.is_ok();
        listeners.abort_all();
        let front = Arc::clone(&self.front);
        // Joins threads: not for an async one.
        let closed = tokio::task::spawn_blocking(move || front.runtime.close()).await;
        let flushed = closed.unwrap_or_else(|error| {
            tracing::error!(%error, "the actors did not end well");
            false
        });
        // Another server may begin.
        let data_dir = self.data_dir.lock();
        drop(data_dir.unwrap_or_else(PoisonError::into_inner).take());
        Ended { in_time, flushed }
    }
}

/// Runs all checks and says what they found.
async fn load(config: &Config, now: DateTime<Utc>) -> Result<Loaded, ServerError> {
    let config = config.clone();
    let outcome = tokio::task::spawn_blocking(move || checks::load(&config, now))
        .await
        .map_err(|_| actors::ApplyError::Stopped)?;
    for warning in outcome.warnings() {
        tracing::warn!("{warning}");
    }
    let failures: Vec<_> = outcome.failures().cloned().collect();
    outcome.loaded.ok_or(ServerError::Checks(failures))
}

/// Reads the configuration's sources, off the async threads: a file system may hang.
async fn read(sources: &Sources) -> Result<Effective, ServerError> {
    let sources = sources.clone();
    let effective = tokio::task::spawn_blocking(move || sources.load())
        .await
        .map_err(|_| actors::ApplyError::Stopped)??;
    Ok(effective)
}

/// Whether the store would open, without making one.
async fn store_failure(config: &Config) -> Result<(), ServerError> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || checks::probe_store(&config))
        .await
        .map_err(|_| actors::ApplyError::Stopped)?
        .map_err(|problem| ServerError::Checks(vec![*problem]))
}

async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, DataDir), ServerError> {
    let config = config.clone();
    let open = move || {
        checks::make_data_dir(&config)?;
        let data_dir = DataDir::take(&config).or_else(|taken| {
            // With the same store, that is what to say.
            if config.store_path().join("db").exists() {
                checks::probe_store(&config)?;
            }
            Err(taken)
        })?;
        memory::without_huge_pages(&config.store_path());
        let store = checks::open_store(&config)?;
        data_dir.note(&config.store_path())?;
        Ok((store, data_dir))
    };
    tokio::task::spawn_blocking(open)
        .await
        .map_err(|_| actors::ApplyError::Stopped)?
        .map_err(|problem: Box<Problem>| ServerError::Checks(vec![*problem]))
}

/// Says which profiles are in the store and not in the configuration.
async fn warn_of_forgotten(config: &Config, store: &Arc<dyn Store>, now: DateTime<Utc>) {
    let (config, store) = (config.clone(), Arc::clone(store));
    let found = tokio::task::spawn_blocking(move || checks::forgotten(&config, &*store, now)).await;
    match found {
        Ok(Ok(problems)) => {
            for problem in problems {
                tracing::warn!("{problem}");
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "the profiles in the store cannot be listed"),
        Err(error) => tracing::warn!(%error, "the profiles in the store cannot be listed"),
    }
}

fn log_notices(effective: &Effective) {
    for notice in &effective.notices {
        if notice.warning {
            tracing::warn!("{}", notice.text);
        } else {
            tracing::info!("{}", notice.text);
        }
    }
}

fn runtime_config(config: &Config) -> RuntimeConfig {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    RuntimeConfig {
        compute_threads: match config.server.compute_threads {
            0 => cores,
            threads => threads,
        },
        compute_queue: config.server.compute_queue.max(1),
        arbiters: cores.min(4),
        // Only one process at a time has this store open.
        node: "scepd".to_owned(),
    }
}

/// Opens the log of requests, where it is one of its own.
fn open_access_log(config: &Config) -> Result<access::Opened, ServerError> {
    AccessLog::open(&config.log).map_err(|source| ServerError::AccessLog {
        place: String::from(config.log.access.clone()),
        source,
    })
}

fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        connections_per_source: config.server.connections_per_source(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        head_octets: config.server.max_header_bytes,
        head: config.server.header_timeout.duration(),
        idle: config.server.idle_timeout.duration(),
        stall: config.server.request_timeout.duration(),
    }
}

fn front_settings(config: &Config, loaded: &Loaded) -> FrontSettings {
    let server = &config.server;
    FrontSettings {
        max_body_bytes: server.max_body_bytes,
        body_timeout: server.body_timeout.duration(),
        request_timeout: server.request_timeout.duration(),
        trusted_proxies: server.trusted_proxies.clone(),
        interfaces: Arc::new(assembly::interfaces(loaded, config)),
    }
}
