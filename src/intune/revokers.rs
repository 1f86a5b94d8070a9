//! The revokers of a server's tenants.

use std::sync::{Arc, Mutex, PoisonError};

use actors::Runtime;
use intune_cloud::Tenant;

use super::revocations::{Brake, Revoker};
use crate::config::Config;

/// One for each tenant that a profile names and whose revocations are to be handled.
#[derive(Default)]
pub struct Revokers(Mutex<Vec<Arc<Revoker>>>);

impl Revokers {
    /// Those of a configuration; one whose tenant and rules stay the same goes on.
    pub fn apply(&self, tenants: &[Arc<Tenant>], config: &Config, runtime: &Arc<Runtime>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Vec::new();
        for settings in config.tenants.iter().filter(|tenant| tenant.revoke) {
            let tenant = tenants.iter().find(|tenant| tenant.id() == settings.id);
            let Some(tenant) = tenant else { continue };
            let naming = config
                .profiles
                .iter()
                .filter(|profile| profile.intune_cloud.tenants.contains(&settings.id));
            let profiles: Vec<String> = naming
                .flat_map(|profile| std::iter::once(&profile.path_id).chain(&profile.formerly))
                .cloned()
                .collect();
            if profiles.is_empty() {
                continue;
            }
            let brake = Brake {
                percent: settings.max_revocations_percent,
                least: settings.max_revocations_least,
            };
            let same = known
                .iter()
                .find(|revoker| revoker.is_of(tenant, &profiles, brake));
            next.push(match same {
                Some(same) => Arc::clone(same),
                None => Arc::new(Revoker::new(
                    Arc::clone(tenant),
                    Arc::clone(runtime),
                    profiles,
                    brake,
                )),
            });
        }
        *known = next;
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Revoker>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The one of that tenant.
    pub fn find(&self, id: &str) -> Option<Arc<Revoker>> {
        self.all().into_iter().find(|revoker| revoker.id() == id)
    }

    /// Does what is due, for every tenant.
    pub async fn turn(&self) {
        for revoker in self.all() {
            revoker.turn().await;
        }
    }
}
