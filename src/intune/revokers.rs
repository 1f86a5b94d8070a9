//! The revokers of a server's tenants.

use std::sync::{Arc, Mutex, PoisonError};

use actors::Runtime;
use intune_cloud::Tenant;

use chrono::TimeDelta;

use super::batch::{Brake, Rules, Sweep};
use super::revocations::Revoker;
use crate::config::{Config, DeviceState};

/// One for each tenant that a profile names.
#[derive(Default)]
pub struct Revokers(Mutex<Vec<Arc<Revoker>>>);

impl Revokers {
    /// Those of a configuration; one whose tenant and rules stay the same goes on.
    pub fn apply(&self, tenants: &[Arc<Tenant>], config: &Config, runtime: &Arc<Runtime>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Vec::new();
        for settings in &config.tenants {
            let tenant = tenants.iter().find(|tenant| tenant.id() == settings.id);
            let Some(tenant) = tenant else { continue };
            let naming = config
                .profiles
                .iter()
                .filter(|profile| profile.intune_cloud.tenants.contains(&settings.id));
            let mut profiles: Vec<String> = Vec::new();
            let mut alone = Vec::new();
            for profile in naming {
                let names = std::iter::once(&profile.path_id).chain(&profile.formerly);
                profiles.extend(names.clone().cloned());
                if profile.intune_cloud.tenants.len() == 1 {
                    alone.extend(names.cloned());
                }
            }
            if profiles.is_empty() {
                continue;
            }
            let rules = Rules {
                fetches: settings.revoke,
                brake: Brake {
                    percent: settings.max_revocations_percent,
                    least: settings.max_revocations_least,
                },
                sweep: match settings.device_sweep {
                    DeviceState::Off => None,
                    mode => Some(Sweep {
                        enforces: mode == DeviceState::Enforce,
                        every: settings
                            .device_sweep_every
                            .chrono()
                            .max(TimeDelta::minutes(1)),
                    }),
                },
            };
            let same = known
                .iter()
                .find(|revoker| revoker.is_of(tenant, (&profiles, &alone), rules));
            next.push(match same {
                Some(same) => Arc::clone(same),
                None => Arc::new(Revoker::new(
                    Arc::clone(tenant),
                    Arc::clone(runtime),
                    (profiles, alone),
                    rules,
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
