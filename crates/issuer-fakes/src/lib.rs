//! Fakes of certificate authorities that no test can have, on loopback: EJBCA, Active Directory Certificate Services, AWS
//! Private CA, Google Certificate Authority Service. Written from what is published about them, not from the clients.
//!
//! Each answers as its service does and is strict where that is documented: a request that the service would refuse is
//! refused in the service's own words. A real CA inside issues, revokes and signs CRLs. Every call is recorded, and
//! whatever can go wrong can be scripted ([`Fault`]); a certificate can differ in any field ([`CHANGES`]).
//! Nothing here says anything about a real service beyond what was published.
//!
//! | module | holds |
//! |---|---|
//! | `ejbca` | EJBCA's REST interface |
//! | `aws` | AWS Private CA, with signatures verified |
//! | `google` | Google Certificate Authority Service, its tokens and the metadata server |
//! | `adcs`, `cms` | CES (MS-WSTEP) and the pages of certsrv |
//! | `authority`, `certificate`, `change` | the CA inside, and how its certificates differ from what was asked for |
//! | `fault`, `journal`, `world` | what goes wrong, what was called, what is known |
//! | `server`, `tls`, `control` | HTTP and TLS; the control API |
//! | `csr`, `name`, `der`, `text`, `clock`, `message` | the small parts |
//!
//! It shares no code with the rest of the workspace: a judge that had the same parser would have the same faults.

mod adcs;
mod authority;
mod aws;
mod certificate;
mod change;
mod clock;
mod cms;
mod control;
mod csr;
mod der;
mod ejbca;
mod fault;
mod google;
mod journal;
mod message;
mod name;
mod server;
mod text;
mod tls;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use adcs::{Language as AdcsLanguage, Settings as AdcsSettings};
pub use authority::Issued;
pub use aws::Settings as AwsPcaSettings;
pub use change::{CHANGES, Change};
pub use clock::Clock;
pub use ejbca::{ApprovalForm as EjbcaApprovalForm, Settings as EjbcaSettings};
pub use fault::{Fault, Rule};
pub use google::Settings as GoogleCasSettings;
pub use journal::Call;
pub use message::{Kind, Operation};
pub use world::{Decision, Settings};

use message::Listener;
use server::Shared;
use world::World;

/// How a fake is started.
pub struct Options {
    /// What it is a fake of.
    pub kind: Kind,
    /// Its time.
    pub clock: Clock,
    /// The first of three ports after one another; any free ones when `None`.
    pub first_port: Option<u16>,
}

/// A running fake; it ends with its last handle.
pub struct Fake {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    url: String,
    metadata_url: String,
    trust: String,
    client: String,
    stranger: String,
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
    /// A port is taken, or no key could be generated.
    pub async fn start(options: Options) -> io::Result<Self> {
        let tls = tls::Tls::new()?;
        let mut next = options.first_port;
        let service = bind(Ipv4Addr::LOCALHOST, next).await?;
        next = next.map(|port| port.saturating_add(1));
        let metadata = bind(Ipv4Addr::LOCALHOST, next).await?;
        next = next.map(|port| port.saturating_add(1));
        // Another host than the service, where the system has more than one on loopback.
        let elsewhere = match bind(Ipv4Addr::new(127, 0, 0, 2), next).await {
            Ok(socket) => socket,
            Err(_) => bind(Ipv4Addr::LOCALHOST, next).await?,
        };
        let url = format!("https://{}", service.local_addr()?);
        let metadata_url = format!("http://{}", metadata.local_addr()?);
        let world = World {
            kind: options.kind,
            base: url.clone(),
            elsewhere: format!("https://{}", elsewhere.local_addr()?),
            authority: authority::Authority::new("Fake Issuing CA")?,
            waiting: Vec::new(),
            settings: Settings::default(),
            script: fault::Script::default(),
            journal: journal::Journal::default(),
            faults: Vec::new(),
            client_certificate: tls.client_certificate,
            ejbca: ejbca::State::default(),
            adcs: adcs::State::default(),
            aws_pca: aws::State::default(),
            google_cas: google::State::default(),
        };
        let shared = Arc::new(Shared::new(world, options.clock, tls.acceptor));
        let sockets = [
            (service, Listener::Service),
            (metadata, Listener::Metadata),
            (elsewhere, Listener::Elsewhere),
        ];
        let tasks = sockets
            .into_iter()
            .map(|(socket, who)| tokio::spawn(server::listen(Arc::clone(&shared), socket, who)));
        Ok(Self {
            tasks: tasks.collect(),
            shared,
            url,
            metadata_url,
            trust: tls.trust,
            client: tls.client,
            stranger: tls.stranger,
        })
    }

    /// Where the service is, without a slash at the end: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the metadata server of a virtual machine is, without a slash at the end.
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The certificate (PEM) of the CA behind the fake's TLS.
    #[must_use]
    pub fn trust(&self) -> &str {
        &self.trust
    }

    /// Certificate and key (PEM) of a client that may ask for certificates.
    #[must_use]
    pub fn client_identity(&self) -> &str {
        &self.client
    }

    /// Certificate and key (PEM) of a client that is known and has no rights.
    #[must_use]
    pub fn stranger_identity(&self) -> &str {
        &self.stranger
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// The CA's certificates (DER), the issuing one first, then the root.
    #[must_use]
    pub fn chain(&self) -> Vec<Vec<u8>> {
        let world = self.shared.world();
        world.authority.chain().map(<[u8]>::to_vec).to_vec()
    }

    /// The same in PEM.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        let chain = self.chain();
        let chain = chain.iter().map(|der| text::pem("CERTIFICATE", der));
        chain.collect()
    }

    /// The name of the issuing CA as text, in the order of its encoding.
    #[must_use]
    pub fn ca_name(&self) -> String {
        self.shared.world().authority.name.text()
    }

    /// Gives the issuing CA another key and certificate.
    ///
    /// # Errors
    /// No key could be generated.
    pub fn renew_ca_key(&self) -> io::Result<()> {
        self.shared.world().authority.renew_key()
    }

    /// Everything that was issued, the oldest first.
    #[must_use]
    pub fn issued(&self) -> Vec<Issued> {
        self.shared.world().authority.issued.clone()
    }

    /// The names of the service's own errors, for [`Fault::Error`].
    #[must_use]
    pub fn errors(&self) -> Vec<&'static str> {
        self.shared.world().errors()
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

    /// Scripts a difference for the next certificate.
    pub fn change(&self, change: Change) {
        self.fail(Operation::Issue, Some(1), Fault::Certificate { change });
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

    /// Changes how the service behaves.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.world().settings);
    }

    /// How AWS Private CA behaves.
    #[must_use]
    pub fn aws_pca_settings(&self) -> AwsPcaSettings {
        self.shared.world().settings.aws_pca.clone()
    }

    /// How Google Certificate Authority Service behaves.
    #[must_use]
    pub fn google_cas_settings(&self) -> GoogleCasSettings {
        self.shared.world().settings.google_cas.clone()
    }

    /// The key file (JSON) of the service account that Google's fake knows.
    #[must_use]
    pub fn google_key_file(&self) -> String {
        google::key_file(&self.shared.world())
    }

    /// The ids of the requests that wait for somebody.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        let world = self.shared.world();
        let waiting = world.waiting.iter();
        let waiting = waiting.filter(|one| one.decision == Decision::Waiting);
        waiting.map(|one| one.id.clone()).collect()
    }

    /// Decides a request that waits, or all of them when `id` is `*`.
    ///
    /// # Errors
    /// None with this id waits.
    pub fn decide(&self, id: &str, decision: Decision) -> Result<(), String> {
        control::decide(&mut self.shared.world(), id, decision)
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
        let calls = calls.filter(|call| call.operation == operation);
        calls.cloned().collect()
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
            let ended = calls.filter(|call| call.operation == operation && call.ended);
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

    /// What was sent that no program that keeps to the service's documents sends.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.shared.world().problems()
    }
}

async fn bind(host: Ipv4Addr, port: Option<u16>) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((host, port.unwrap_or(0)))).await
}
