//! The supervisor: starts profile actors, exchanges what they work with, and ends them. How those
//! that died come back is in `restart`.
//!
//! It builds everything new before it swaps anything. Its own state is the list of instances; what
//! the front reads is in the [`Directory`].

use crate::commit_barrier::CommitBarrier;
use crate::directory::{Current, Directory, Entry, Profiles};
use crate::exit::ExitGuard;
use crate::limits::RequestGate;
use crate::messages::{Apply, End};
use crate::meters::restarts;
use crate::profile::ProfileActor;
use crate::requests::Requests;
use crate::shared::Services;
use crate::spec::ProfileSpec;
use crate::start::{Start, Unreadable, load_former};
use crate::view::{View, ViewError};
use actix::{
    Actor, ActorFutureExt, Addr, ArbiterHandle, AsyncContext, AtomicResponse, Context, Handler,
    Message, WrapFuture,
};
use challenge::TrustAnchors;
use pki::Certificate;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::ProfileState;

/// Why profiles could not be applied. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Two profiles have the same path id.
    #[error("profile `{0}` is there twice")]
    Twice(String),
    /// A profile's replies cannot be made.
    #[error("profile `{path_id}`: {source}")]
    View {
        /// The profile.
        path_id: String,
        /// Why.
        source: ViewError,
    },
    /// A profile's state cannot be read.
    #[error("profile `{path_id}`: its state cannot be read: {reason}")]
    State {
        /// The profile.
        path_id: String,
        /// The store's words.
        reason: String,
    },
    /// There is no such profile.
    #[error("there is no profile `{0}`")]
    Unknown(String),
    /// Intune is off on that profile.
    #[error("Intune is off on profile `{0}`")]
    IntuneOff(String),
    /// mTLS is off on that profile.
    #[error("mTLS is off on profile `{0}`")]
    MtlsOff(String),
    /// The supervisor is gone.
    #[error("the server is shutting down")]
    Stopped,
}

impl From<Unreadable> for ApplyError {
    fn from(Unreadable { path_id, reason }: Unreadable) -> Self {
        Self::State { path_id, reason }
    }
}

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Path ids of profiles that are new.
    pub added: Vec<String>,
    /// Path ids of profiles that go on with new specifications.
    pub updated: Vec<String>,
    /// Path ids of profiles that are gone.
    pub removed: Vec<String>,
}

pub(crate) struct Instance {
    pub(crate) number: u64,
    pub(crate) barrier: CommitBarrier,
}

/// The supervisor's actor.
pub struct Supervisor {
    pub(crate) services: Services,
    pub(crate) directory: Directory,
    arbiters: Vec<ArbiterHandle>,
    pub(crate) instances: HashMap<String, Instance>,
    /// Profiles that are no longer served, while requests still hold their actors.
    pub(crate) draining: HashMap<String, Instance>,
    started: u64,
}

impl Supervisor {
    /// A supervisor that spreads its profiles over `arbiters` (at least one) and publishes them in
    /// `directory`.
    #[must_use]
    pub fn new(services: Services, directory: Directory, arbiters: Vec<ArbiterHandle>) -> Self {
        Self {
            services,
            directory,
            arbiters,
            instances: HashMap::new(),
            draining: HashMap::new(),
            started: 0,
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
    }
}

/// Makes these the profiles that are served: all of them, or nothing changes.
#[derive(Message)]
#[rtype(result = "Result<Applied, ApplyError>")]
pub struct ApplyProfiles(pub Vec<ProfileSpec>);

impl Handler<ApplyProfiles> for Supervisor {
    /// Serialised: a second reload waits for the first.
    type Result = AtomicResponse<Self, Result<Applied, ApplyError>>;

    fn handle(
        &mut self,
        ApplyProfiles(specs): ApplyProfiles,
        _: &mut Context<Self>,
    ) -> Self::Result {
        let services = self.services.clone();
        let before = self.directory.all();
        // A profile that comes back while its last actor still has requests: what that one has not stored by now, it
        // must not store, or the new actor would not know of it.
        let fences: Vec<CommitBarrier> = specs
            .iter()
            .filter_map(|spec| self.draining.remove(&spec.path_id))
            .map(|instance| instance.barrier)
            .collect();
        // The same of one that gets another name, but for now it is still served.
        let renamed: Vec<CommitBarrier> = specs
            .iter()
            .flat_map(|spec| &spec.formerly)
            .filter(|former| !specs.iter().any(|spec| spec.path_id == **former))
            .filter_map(|former| {
                self.instances
                    .get(former)
                    .or_else(|| self.draining.get(former))
            })
            .map(|instance| instance.barrier.clone())
            .collect();
        let prepare = async move {
            for barrier in fences.iter().chain(&renamed) {
                barrier.drained().await;
            }
            let prepared = prepare(&services, &before, specs).await;
            if prepared.is_err() {
                renamed.iter().for_each(CommitBarrier::reopen);
            }
            prepared
        };
        AtomicResponse::new(Box::pin(prepare.into_actor(self).then(
            |prepared, this: &mut Self, ctx| {
                let started = prepared.map(|prepared| this.swap(prepared, ctx));
                async move {
                    match started {
                        Ok((applied, told)) => {
                            for (actor, apply) in told {
                                // A dead actor finds the new specification when it comes back.
                                let _ = actor.send(apply).await;
                            }
                            Ok(applied)
                        }
                        Err(error) => Err(error),
                    }
                }
                .into_actor(this)
            },
        )))
    }
}

/// A profile that is ready to be swapped in.
struct Prepared {
    spec: Arc<ProfileSpec>,
    view: Arc<View>,
    state: State,
}

/// The state that comes with a profile.
enum State {
    /// What a new actor starts from.
    New(Start),
    /// The actor goes on, with what was done under names that are its profile's from now on.
    GoesOn(Vec<ProfileState>),
}

/// Makes everything that can fail, before anything changes.
async fn prepare(
    services: &Services,
    before: &Arc<Profiles>,
    specs: Vec<ProfileSpec>,
) -> Result<BTreeMap<String, Prepared>, ApplyError> {
    let services = services.clone();
    let before = Arc::clone(before);
    // Reads the store and may sign: not for an async thread.
    let work = move || {
        let mut prepared = BTreeMap::new();
        for spec in specs {
            let path_id = spec.path_id.clone();
            let view = View::new(&spec).map_err(|source| ApplyError::View {
                path_id: path_id.clone(),
                source,
            })?;
            let state = match before.get(&path_id) {
                None => State::New(Start::load(&services, &spec)?),
                Some(entry) => {
                    let current = entry.current();
                    let new = |name: &&String| !current.spec.is_called(name);
                    let formerly: Vec<String> = spec.formerly.iter().filter(new).cloned().collect();
                    State::GoesOn(load_former(&services, &formerly)?)
                }
            };
            let ready = Prepared {
                spec: Arc::new(spec),
                view: Arc::new(view),
                state,
            };
            if prepared.insert(path_id.clone(), ready).is_some() {
                return Err(ApplyError::Twice(path_id));
            }
        }
        Ok(prepared)
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(ApplyError::Stopped))
}

type Told = Vec<(Addr<ProfileActor>, Apply)>;

impl Supervisor {
    /// Publishes what was prepared. Cannot fail.
    fn swap(
        &mut self,
        prepared: BTreeMap<String, Prepared>,
        ctx: &mut Context<Self>,
    ) -> (Applied, Told) {
        let before = self.directory.all();
        let mut applied = Applied::default();
        let mut told = Vec::new();
        let mut after = Profiles::new();
        for (path_id, Prepared { spec, view, state }) in prepared {
            if let Some(entry) = before.get(&path_id) {
                let current = entry.current();
                let gate = if current.gate.limits() == spec.request_limits {
                    Arc::clone(&current.gate)
                } else {
                    Arc::new(RequestGate::new(spec.request_limits))
                };
                let former = match state {
                    State::GoesOn(former) => former,
                    State::New(_) => Vec::new(),
                };
                let apply = Apply {
                    spec: Arc::clone(&spec),
                    former,
                };
                told.push((current.actor.clone(), apply));
                entry.publish(Current {
                    spec,
                    view,
                    gate,
                    ..Current::clone(&current)
                });
                after.insert(path_id.clone(), Arc::clone(entry));
                applied.updated.push(path_id);
            } else {
                let start = match state {
                    State::New(start) => start,
                    State::GoesOn(_) => Start::default(),
                };
                let actor = self.start(Arc::clone(&spec), start, ctx);
                // From 0 on: an alert must see the first restart too.
                restarts(&self.services.metrics, &path_id).increment(0);
                let current = Current {
                    gate: Arc::new(RequestGate::new(spec.request_limits)),
                    requests: Arc::new(Requests::new(&path_id, &self.services.metrics)),
                    spec,
                    view,
                    actor,
                };
                after.insert(path_id.clone(), Arc::new(Entry::new(current)));
                applied.added.push(path_id);
            }
        }
        for (path_id, entry) in before
            .iter()
            .filter(|(path_id, _)| !after.contains_key(*path_id))
        {
            entry.current().actor.do_send(End);
            if let Some(instance) = self.instances.remove(path_id) {
                self.draining.insert(path_id.clone(), instance);
            }
            applied.removed.push(path_id.clone());
        }
        self.directory.publish(after);
        self.note_peers();
        (applied, told)
    }

    /// What each profile has to know of the others follows from what is published.
    fn note_peers(&self) {
        let profiles = self.directory.all();
        let specs: Vec<_> = profiles
            .values()
            .map(|entry| Arc::clone(&entry.current().spec))
            .collect();
        self.services.peers.replace(&specs);
    }

    pub(crate) fn start(
        &mut self,
        spec: Arc<ProfileSpec>,
        state: Start,
        ctx: &mut Context<Self>,
    ) -> Addr<ProfileActor> {
        self.started += 1;
        let number = self.started;
        let slot = usize::try_from(number).unwrap_or_default() % self.arbiters.len().max(1);
        let arbiter = self
            .arbiters
            .get(slot)
            .cloned()
            .unwrap_or_else(actix::Arbiter::current);
        let barrier = CommitBarrier::default();
        let path_id = spec.path_id.clone();
        let exit = ExitGuard {
            path_id: path_id.clone(),
            instance: number,
            supervisor: ctx.address().recipient(),
        };
        self.instances.insert(
            path_id,
            Instance {
                number,
                barrier: barrier.clone(),
            },
        );
        let services = self.services.clone();
        ProfileActor::start_in_arbiter(&arbiter, move |_| {
            ProfileActor::new(spec, services, barrier, state, exit)
        })
    }
}

/// Exchanges whom one profile trusts, and nothing else. Everything was loaded and checked before.
#[derive(Message)]
#[rtype(result = "Result<(), ApplyError>")]
pub struct ReloadTrust {
    /// The profile.
    pub path_id: String,
    /// The Intune connectors' certificates; `None` keeps those in use.
    pub anchors: Option<Arc<TrustAnchors>>,
    /// The CAs of mTLS clients; `None` keeps those in use.
    pub client_cas: Option<Vec<Certificate>>,
}

impl Handler<ReloadTrust> for Supervisor {
    type Result = AtomicResponse<Self, Result<(), ApplyError>>;

    fn handle(&mut self, reload: ReloadTrust, _: &mut Context<Self>) -> Self::Result {
        let published = self.publish_trust(reload);
        let told = async move {
            let (actor, spec) = published?;
            let former = Vec::new();
            let _ = actor.send(Apply { spec, former }).await;
            Ok(())
        };
        AtomicResponse::new(Box::pin(told.into_actor(self)))
    }
}

impl Supervisor {
    fn publish_trust(
        &self,
        reload: ReloadTrust,
    ) -> Result<(Addr<ProfileActor>, Arc<ProfileSpec>), ApplyError> {
        let profiles = self.directory.all();
        let entry = profiles
            .get(&reload.path_id)
            .ok_or_else(|| ApplyError::Unknown(reload.path_id.clone()))?;
        let current = entry.current();
        let mut spec = ProfileSpec::clone(&current.spec);
        if let Some(anchors) = reload.anchors {
            let Some(intune) = &mut spec.intune else {
                return Err(ApplyError::IntuneOff(reload.path_id));
            };
            intune.signed.anchors = anchors;
        }
        if let Some(client_cas) = reload.client_cas {
            let Some(mtls) = &mut spec.mtls else {
                return Err(ApplyError::MtlsOff(reload.path_id));
            };
            *mtls = client_cas;
        }
        let spec = Arc::new(spec);
        entry.publish(Current {
            spec: Arc::clone(&spec),
            ..Current::clone(&current)
        });
        self.note_peers();
        Ok((current.actor.clone(), spec))
    }
}

/// Tells the supervisor that the end has come: actors that end from now on are not brought back.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Drain;

impl Handler<Drain> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.instances.clear();
    }
}
