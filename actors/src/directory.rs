//! Where the front finds profiles. One writer, the supervisor, publishes; readers never lock.

use crate::limits::RequestGate;
use crate::profile::ProfileActor;
use crate::requests::Requests;
use crate::spec::ProfileSpec;
use crate::view::View;
use actix::Addr;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One profile as the front sees it. The same entry stays for as long as the profile is served;
/// what it holds is exchanged.
pub struct Entry {
    current: ArcSwap<Current>,
}

/// What belongs together: a request sees all of it from one moment.
#[derive(Clone)]
pub struct Current {
    /// The specification in force.
    pub spec: Arc<ProfileSpec>,
    /// What it says about itself, ready to be sent.
    pub view: Arc<View>,
    /// Counts requests before any RSA.
    pub gate: Arc<RequestGate>,
    /// Counts requests when they are answered.
    pub requests: Arc<Requests>,
    /// The actor, or its successor.
    pub actor: Addr<ProfileActor>,
}

impl Entry {
    pub(crate) fn new(current: Current) -> Self {
        Self {
            current: ArcSwap::from_pointee(current),
        }
    }

    /// All of it, from one moment.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    pub(crate) fn publish(&self, current: Current) {
        self.current.store(Arc::new(current));
    }
}

/// Every profile by its path id, in order.
pub type Profiles = BTreeMap<String, Arc<Entry>>;

/// The directory. Cheap to clone.
#[derive(Clone, Default)]
pub struct Directory {
    profiles: Arc<ArcSwap<Profiles>>,
}

impl Directory {
    /// The profile with this path id; the root profile's is empty.
    #[must_use]
    pub fn find(&self, path_id: &str) -> Option<Arc<Current>> {
        self.profiles
            .load()
            .get(path_id)
            .map(|entry| entry.current())
    }

    /// The profile that is called so now, or was before.
    #[must_use]
    pub fn find_by_any_name(&self, path_id: &str) -> Option<Arc<Current>> {
        self.find(path_id).or_else(|| {
            let profiles = self.profiles.load();
            let mut all = profiles.values().map(|entry| entry.current());
            all.find(|current| current.spec.is_called(path_id))
        })
    }

    /// All profiles, by path id.
    #[must_use]
    pub fn all(&self) -> Arc<Profiles> {
        self.profiles.load_full()
    }

    pub(crate) fn publish(&self, profiles: Profiles) {
        self.profiles.store(Arc::new(profiles));
    }
}
