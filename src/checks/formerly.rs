//! Names that profiles had before (`formerly`), and profiles that the configuration has no more while
//! the store still holds something of theirs that decides.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use store::Store;

use super::problem::{Findings, Location, Problem, Severity};
use super::profiles::well_formed;
use crate::config::Config;

/// A former name is one that nobody has now, and one profile's only: what was done under it counts
/// in one place.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let mut claimed: BTreeMap<&str, &str> = BTreeMap::new();
    for profile in &config.profiles {
        let location = Location::one_of("profile", &profile.path_id).at("formerly");
        for name in &profile.formerly {
            if !well_formed(name) {
                let shown: String = name.escape_debug().take(80).collect();
                findings.fail(
                    &location,
                    format!("`{shown}` is no path id"),
                    "name path ids that this profile had; \"\" for the root profile",
                );
            } else if config.profiles.iter().any(|other| other.path_id == *name) {
                findings.fail(
                    &location,
                    format!("{} is still configured", called(name)),
                    "remove one of the two: what was done under a name cannot count for two profiles",
                );
            } else if let Some(other) = claimed.insert(name, &profile.path_id) {
                findings.fail(
                    &location,
                    format!(
                        "{} has {} for its former name too",
                        called(other),
                        called(name)
                    ),
                    "name it once: what was done under a name cannot count for two profiles",
                );
            }
        }
    }
}

/// Warns of profiles that are in the store and not in the configuration.
///
/// # Errors
/// The store cannot be read.
pub fn forgotten(
    config: &Config,
    store: &dyn Store,
    now: DateTime<Utc>,
) -> store::Result<Vec<Problem>> {
    if !config.server.scep_enabled {
        return Ok(Vec::new());
    }
    let known = |name: &str| {
        let mut profiles = config.profiles.iter();
        profiles.any(|profile| {
            profile.path_id == name || profile.formerly.iter().any(|former| former == name)
        })
    };
    let live = store.live_profiles(now)?;
    let gone = live.iter().filter(|name| !known(name));
    Ok(gone.map(|name| of_gone(config, name)).collect())
}

fn of_gone(config: &Config, name: &str) -> Problem {
    let what = format!(
        "it remembers used challenges or open requests of {}, which is not configured",
        called(name)
    );
    let remedy = format!(
        "if it has another name now, set formerly = \"{name}\" there, or its used challenges pass again; if it is gone for \
         good, nothing needs to be done"
    );
    let location = Location::section("store").at("path");
    location
        .in_file(&config.store_path())
        .problem(Severity::Warning, what, remedy)
}

fn called(name: &str) -> String {
    match name {
        "" => "the root profile".to_owned(),
        name => format!("profile {name}"),
    }
}
