//! A fake of the services of Microsoft that a SCEP server behind Intune talks to, on loopback: Entra's tokens, Graph, and
//! Intune's validation of SCEP requests and revocation. Written from what is published about them, not from any client.
//!
//! It answers as they do and is strict where they are documented: what no program that keeps to Microsoft's documents
//! sends is refused and noted as a problem. Every call is recorded. Whatever can go wrong can be scripted ([`Fault`]).
//! Nothing here says anything about a real tenant beyond what was published.
//!
//! | module | holds |
//! |---|---|
//! | `entra`, `assertion`, `identity`, `token` | tokens: secrets, signed and federated assertions, managed identities |
//! | `graph`, `directory`, `throttle` | service discovery, devices, users, batches, limits |
//! | `scep`, `challenge`, `csr`, `der` | validation and notifications, challenges, what stands in a CSR |
//! | `revocation` | what Intune wants revoked, and the results |
//! | `fault`, `journal` | what goes wrong, and what was called |
//! | `server`, `control` | HTTP, TLS and the proxy; the control API |
//!
//! It shares no code with the rest of the workspace: a judge that had the same parser would have the same faults.

mod assertion;
mod certificate;
mod challenge;
mod clock;
mod control;
mod csr;
mod der;
mod directory;
mod entra;
mod fault;
mod graph;
mod identity;
mod journal;
mod message;
mod revocation;
mod scep;
mod server;
mod text;
mod throttle;
mod token;
mod world;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use challenge::Mint;
pub use clock::Clock;
pub use directory::{Device, User};
pub use fault::{Fault, Rule};
pub use journal::Call;
pub use message::{Operation, Service};
pub use revocation::{Queue, Revocation};
pub use scep::{CODES, Transaction};
pub use world::{ChallengeUse, Federated, Secret, Settings, Tenant, Urls};

use server::{Listens, Shared};
use world::World;

/// How a fake is started.
pub struct Options {
    /// Its time.
    pub clock: Clock,
    /// The tenants that there are.
    pub tenants: Vec<Tenant>,
    /// The first of six ports after one another; any free ones when `None`.
    pub first_port: Option<u16>,
    /// https in the place of http, for Entra, Graph and Intune, and behind the proxy: certificate chain and key, PEM.
    pub tls: Option<(String, String)>,
    /// Where the fake of Azure Arc puts its keys; there is none without.
    pub arc_dir: Option<PathBuf>,
}

impl Options {
    /// One tenant, contoso, free ports, plain http.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            tenants: vec![Tenant::named("contoso")],
            first_port: None,
            tls: None,
            arc_dir: None,
        }
    }
}

/// A running fake; it ends with its last handle.
pub struct Fake {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Fake {
    /// Starts listening on loopback.
    ///
    /// # Errors
    /// A port is taken, or certificate and key are none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let tls = options.tls.as_ref().map(acceptor).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut next = options.first_port;
        let mut sockets = Vec::new();
        for _ in 0..5 {
            sockets.push(bind(Ipv4Addr::LOCALHOST, next).await?);
            next = next.map(|port| port.saturating_add(1));
        }
        // Another host than all others, where the system has more than one on loopback.
        let thief = match bind(Ipv4Addr::new(127, 0, 0, 2), next).await {
            Ok(socket) => socket,
            Err(_) => bind(Ipv4Addr::LOCALHOST, next).await?,
        };
        sockets.push(thief);
        let mut addresses = Vec::new();
        for socket in &sockets {
            addresses.push(socket.local_addr()?);
        }
        let url = |scheme: &str, place: usize| {
            let address = addresses.get(place).map(ToString::to_string);
            format!("{scheme}://{}", address.unwrap_or_default())
        };
        let urls = Urls {
            entra: url(scheme, 0),
            graph: url(scheme, 1),
            intune: url(scheme, 2),
            metadata: url("http", 3),
            proxy: url("http", 4),
            thief: url(scheme, 5),
        };
        let world = World {
            urls,
            tenants: options.tenants,
            settings: Settings::default(),
            script: fault::Script::default(),
            journal: journal::Journal::default(),
            tokens: token::Tokens::default(),
            challenges: std::collections::HashMap::new(),
            transactions: BTreeMap::new(),
            directories: std::collections::HashMap::new(),
            queues: std::collections::HashMap::new(),
            throttle: throttle::Throttle::default(),
            assertions: std::collections::HashMap::new(),
            identity_header: text::guid(),
            arc: identity::Arc::at(options.arc_dir),
        };
        let shared = Arc::new(Shared::new(world, options.clock, tls));
        let who = [
            Listens::Service(Service::Entra),
            Listens::Service(Service::Graph),
            Listens::Service(Service::Intune),
            Listens::Metadata,
            Listens::Proxy,
            Listens::Service(Service::Thief),
        ];
        let tasks = sockets
            .into_iter()
            .zip(who)
            .map(|(socket, who)| tokio::spawn(server::listen(Arc::clone(&shared), socket, who)));
        let tasks = tasks.collect();
        Ok(Self { shared, tasks })
    }

    /// Where it is.
    #[must_use]
    pub fn urls(&self) -> Urls {
        self.shared.world().urls.clone()
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// What App Service gives programs in `IDENTITY_HEADER`.
    #[must_use]
    pub fn identity_header(&self) -> String {
        self.shared.world().identity_header.clone()
    }

    /// The tenants.
    #[must_use]
    pub fn tenants(&self) -> Vec<Tenant> {
        self.shared.world().tenants.clone()
    }

    /// A new challenge.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn mint(&self, wanted: Mint) -> Result<String, String> {
        let now = self.shared.clock.now();
        self.shared.world().mint(wanted, now)
    }

    /// Scripts a fault for so many calls of an operation, or all of them.
    pub fn fail(&self, operation: Operation, times: Option<u64>, fault: Fault) {
        self.rule(Rule {
            operation,
            times,
            containing: None,
            fault,
        });
    }

    /// Scripts a fault.
    pub fn rule(&self, rule: Rule) {
        self.shared.world().script.rules.push(rule);
    }

    /// Everything goes well from now on.
    pub fn heal(&self) {
        self.shared.world().script.rules.clear();
    }

    /// Lets all calls that are held ([`Fault::Held`]) go on.
    pub fn release(&self) {
        self.shared.release();
    }

    /// Every call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.world().journal.calls.clone()
    }

    /// The calls of one operation.
    #[must_use]
    pub fn calls_of(&self, operation: Operation) -> Vec<Call> {
        let world = self.shared.world();
        let calls = world.journal.calls.iter();
        calls
            .filter(|call| call.operation == operation)
            .cloned()
            .collect()
    }

    /// How many calls of one operation there were.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        let world = self.shared.world();
        let calls = world.journal.calls.iter();
        calls.filter(|call| call.operation == operation).count()
    }

    /// Waits until so many calls of an operation have come.
    pub async fn came(&self, operation: Operation, count: usize) {
        self.until(|| self.count(operation) >= count).await;
    }

    /// Waits until so many calls of an operation have ended, with an answer or without.
    pub async fn ended(&self, operation: Operation, count: usize) {
        self.until(|| {
            let world = self.shared.world();
            let calls = world.journal.calls.iter();
            let ended = calls.filter(|call| call.operation == operation && call.ended.is_some());
            ended.count() >= count
        })
        .await;
    }

    async fn until(&self, done: impl Fn() -> bool) {
        let mut changes = self.shared.changes();
        loop {
            changes.mark_unchanged();
            if done() || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// What was sent that no program that keeps to Microsoft's documents sends.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.shared.world().problems()
    }

    /// Changes how the services behave.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.world().settings);
    }

    /// Changes a tenant, named by id or domain. A name that is none changes nothing.
    pub fn tenant(&self, name: &str, change: impl FnOnce(&mut Tenant)) {
        let mut world = self.shared.world();
        if let Some(tenant) = world.tenants.iter_mut().find(|tenant| tenant.is(name)) {
            change(tenant);
        }
    }

    /// Puts a device into a tenant's directories, in the place of the one with its Intune id.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn put_device(&self, tenant: &str, device: Device) -> Result<(), String> {
        let mut world = self.shared.world();
        let tenant = world.tenant_id(Some(tenant))?;
        world.directories.entry(tenant).or_default().put(device);
        Ok(())
    }

    /// Puts a user into a tenant's directory, in the place of the one with its name.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn put_user(&self, tenant: &str, user: User) -> Result<(), String> {
        let mut world = self.shared.world();
        let tenant = world.tenant_id(Some(tenant))?;
        world.directories.entry(tenant).or_default().put_user(user);
        Ok(())
    }

    /// Wants certificates of a tenant revoked.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn revoke(&self, tenant: &str, requests: Vec<Revocation>) -> Result<(), String> {
        let mut world = self.shared.world();
        let tenant = world.tenant_id(Some(tenant))?;
        let queue = world.queues.entry(tenant).or_default();
        requests.into_iter().for_each(|request| queue.put(request));
        Ok(())
    }

    /// What became of the revocation requests of a tenant.
    #[must_use]
    pub fn revocations(&self, tenant: &str) -> Queue {
        let world = self.shared.world();
        let tenant = world.tenant_id(Some(tenant)).unwrap_or_default();
        world.queues.get(&tenant).cloned().unwrap_or_default()
    }

    /// What became of each transactionID of a tenant.
    #[must_use]
    pub fn transactions(&self, tenant: &str) -> BTreeMap<String, Transaction> {
        let world = self.shared.world();
        let tenant = world.tenant_id(Some(tenant)).unwrap_or_default();
        let own = world.transactions.iter().filter(|(key, _)| key.0 == tenant);
        own.map(|((_, id), transaction)| (id.clone(), transaction.clone()))
            .collect()
    }

    /// A token as the foreign issuer of a tenant's federated credential makes it, with this life in seconds.
    ///
    /// # Errors
    /// The tenant has no such credential.
    pub fn foreign_token(&self, tenant: &str, seconds: i64) -> Result<String, String> {
        let now = self.shared.clock.now();
        assertion::foreign_token(&self.shared.world(), tenant, None, seconds, now)
    }
}

async fn bind(host: Ipv4Addr, port: Option<u16>) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((host, port.unwrap_or(0)))).await
}

fn acceptor((chain, key): &(String, String)) -> io::Result<TlsAcceptor> {
    let invalid = |error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
    };
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| invalid(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| invalid(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| invalid(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
