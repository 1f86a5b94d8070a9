//! The threads behind the front: the actix system with its arbiters, the compute pool, the journal.

use crate::challenges::Challenges;
use crate::clock::SharedClock;
use crate::compromised::CompromisedKeys;
use crate::compute::ComputePool;
use crate::crl::Crls;
use crate::directory::Directory;
use crate::journal::Journal;
use crate::peers::Peers;
use crate::registry::Metrics;
use crate::remote_issuers::RemoteIssuers;
use crate::scheduling;
use crate::shared::Services;
use crate::store_clock::StoreClock;
use crate::supervisor::{Drain, Supervisor};
use actix::{Actor, Addr, Arbiter, System};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use store::Store;

/// How large the runtime is, and what it is called.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Threads for RSA; one for each core is right.
    pub compute_threads: usize,
    /// New messages that may wait for a compute thread before load is shed.
    pub compute_queue: usize,
    /// Threads that profile actors are spread over.
    pub arbiters: usize,
    /// What this node is called in the leases of enrollments ([`store::Lease`]): the same after each start, and another one
    /// for every other node that works on the same store.
    pub node: String,
}

/// Why the runtime could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The operating system refused a thread.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// The actix system ended before it had started.
    #[error("the actor system did not start")]
    System,
}

/// Everything that runs behind the front.
pub struct Runtime {
    /// What profiles use together.
    pub services: Services,
    /// Where profiles are found.
    pub directory: Directory,
    /// Who starts and exchanges them.
    pub supervisor: Addr<Supervisor>,
    system: System,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Runtime {
    /// Starts all threads; what they count is kept in `metrics`. No profile is served yet: send the supervisor
    /// [`ApplyProfiles`](crate::ApplyProfiles).
    ///
    /// # Errors
    /// [`RuntimeError`].
    pub fn open(
        store: Arc<dyn Store>,
        clock: SharedClock,
        settings: RuntimeConfig,
        metrics: Metrics,
    ) -> Result<Self, RuntimeError> {
        let pool = ComputePool::start(settings.compute_threads, settings.compute_queue)?;
        let time = StoreClock::new(Arc::clone(&clock), Arc::clone(&store), &metrics);
        let time = Arc::new(time);
        let journal = Journal::start(
            Arc::clone(&store),
            Arc::clone(&time),
            pool.clone(),
            &metrics,
        )?;
        let challenges = Challenges::new(
            Arc::clone(&store),
            journal.clone(),
            Arc::clone(&time),
            Arc::clone(&clock),
            metrics.clone(),
        );
        let services = Services {
            challenges,
            store,
            journal,
            pool,
            clock,
            time,
            crls: Crls::default(),
            remotes: RemoteIssuers::default(),
            compromised: CompromisedKeys::default(),
            node: settings.node.into(),
            peers: Peers::default(),
            primality: Arc::default(),
            metrics,
        };
        let directory = Directory::default();
        let (tell, told) = mpsc::channel();
        let (for_supervisor, published) = (services.clone(), directory.clone());
        let thread = std::thread::Builder::new()
            .name("actors".to_owned())
            .spawn(move || {
                let runner = System::new();
                let (started, arbiters) = runner.block_on(async move {
                    let arbiters: Vec<Arbiter> = (0..settings.arbiters.max(1))
                        .map(|_| Arbiter::new())
                        .collect();
                    for arbiter in &arbiters {
                        arbiter.spawn_fn(scheduling::in_turn);
                    }
                    let handles = arbiters.iter().map(Arbiter::handle).collect();
                    let supervisor = Supervisor::new(for_supervisor, published, handles).start();
                    ((System::current(), supervisor), arbiters)
                });
                if tell.send(started).is_ok()
                    && let Err(error) = runner.run()
                {
                    tracing::error!(%error, "the actor system ended");
                }
                for arbiter in arbiters {
                    arbiter.stop();
                    let _ = arbiter.join();
                }
            })?;
        let (system, supervisor) = told.recv().map_err(|_| RuntimeError::System)?;
        Ok(Self {
            services,
            directory,
            supervisor,
            system,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Whether enrollments can become durable: `false` once a write has failed or the journal's
    /// thread is gone, for as long as the process lives. Never waits.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.services.is_writable()
    }

    /// Ends the actors, the pool and the journal, in this order, each after what it has under way,
    /// and waits for the end of all their threads. Blocks. Call it when the front has answered its
    /// last request. Says whether all that was under way is durable.
    /// A second call does nothing.
    pub fn close(&self) -> bool {
        // Otherwise it would take the end of its actors for crashes, and write so.
        self.supervisor.do_send(Drain);
        self.system.stop();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let ended = thread.is_none_or(|thread| thread.join().is_ok());
        self.services.pool.close();
        let written = self.services.journal.close();
        if let Err(error) = self.services.time.keep() {
            tracing::debug!(%error, "how much time has passed could not be noted");
        }
        ended && written && self.services.store.writable()
    }
}
