//! The store: it opens, and its layout is known.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use store::{Error, SledOptions, SledStore, Store};

use super::formerly::forgotten;
use super::problem::{Problem, Severity, Spot};
use crate::config::{Config, StoreKind};

/// Opens the store for serving, making it where there is none. One of an earlier version is migrated.
///
/// # Errors
/// Why it cannot be used.
pub fn open_store(config: &Config) -> Result<Arc<dyn Store>, Box<Problem>> {
    own(config)?;
    let serving = options(config, true);
    let reading = SledOptions {
        migrate: false,
        ..serving.clone()
    };
    let path = config.store_path();
    let opened = match SledStore::open(&path, &reading) {
        Err(Error::SchemaTooOld { found, known, .. }) => {
            tracing::warn!(
                "the store is migrated from schema version {found} to {known} in {}, after a backup was put beside it; \
                 this takes some seconds for every 100,000 certificates",
                path.display()
            );
            SledStore::open(&path, &serving).inspect(log_migration)
        }
        other => other,
    };
    match opened {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(Box::new(failure(config, &error))),
    }
}

fn log_migration(store: &SledStore) {
    if let Some(migration) = store.migration() {
        tracing::warn!(
            "the store has been migrated, {} records: {} holds what it was, for the scepd of before: keep it until \
             this one has proven itself, then remove it",
            migration.records,
            migration.backup.display()
        );
    }
}

/// Looks whether the store would open, without making one. A store that a running server has
/// open, and one that is still to be made, are no failures. One of another user is, and is not
/// opened: what the engine tidies up on opening would belong to this user then.
#[must_use]
pub fn check_store(config: &Config, now: DateTime<Utc>) -> Vec<Problem> {
    if let Err(problem) = own(config) {
        return vec![*problem];
    }
    match SledStore::open(config.store_path(), &options(config, false)) {
        Ok(store) => {
            forgotten(config, &store, now).unwrap_or_else(|error| vec![failure(config, &error)])
        }
        Err(Error::Missing { .. } | Error::SchemaTooOld { .. }) => Vec::new(),
        Err(error @ Error::Locked { .. }) => vec![problem(
            Severity::Warning,
            config,
            &error,
            "its schema and its profiles were not looked at",
        )],
        Err(error) => vec![failure(config, &error)],
    }
}

/// The same for a start: a store that another process has open is a failure.
///
/// # Errors
/// Why it cannot be used.
pub fn probe_store(config: &Config) -> Result<(), Box<Problem>> {
    own(config)?;
    match SledStore::open(config.store_path(), &options(config, false)) {
        Ok(_) | Err(Error::Missing { .. } | Error::SchemaTooOld { .. }) => Ok(()),
        Err(error) => Err(Box::new(failure(config, &error))),
    }
}

/// Says it when a store belongs to another user than the one of this process: what root wrote
/// there, its own user could not use any more.
///
/// Looks at the data file, not at the directory, which may be a volume of root's.
#[must_use]
pub fn other_owner(store: &Path) -> Option<String> {
    let owner = std::fs::metadata(store.join("db")).ok()?.uid();
    let user = rustix::process::geteuid().as_raw();
    (owner != user).then(|| format!("it belongs to user {owner}, and this is user {user}"))
}

/// Says it when others than this user come into the store's directory.
///
/// Files that were made before are as readable as they were then, and nobody comes as far as these while the directory
/// is closed: it is what counts.
pub(super) fn open_to_others(config: &Config) -> Option<Problem> {
    let path = config.store_path();
    let mode = std::fs::metadata(&path).ok()?.mode() & 0o7777;
    let data = path.join("db");
    let of_data = std::fs::metadata(&data).map_or(0, |metadata| metadata.mode() & 0o7777);
    if mode & 0o077 == 0 {
        return None;
    }
    let path = path.display();
    let (what, remedy) = if of_data & 0o077 == 0 {
        (
            format!("others than scepd's user may look into it (mode {mode:04o})"),
            format!("run chmod 700 {path}"),
        )
    } else {
        (
            format!(
                "others than scepd's user may look into it (mode {mode:04o}), and its file db (mode {of_data:04o}) \
                 holds the challenge passwords of requests that wait"
            ),
            format!("run chmod 700 {path} && chmod 600 {}", data.display()),
        )
    };
    Some(spot(config).problem(Severity::Warning, what, remedy))
}

fn own(config: &Config) -> Result<(), Box<Problem>> {
    let Some(what) = other_owner(&config.store_path()) else {
        return Ok(());
    };
    let remedy = "run scepd as its user, or give the whole directory to this one";
    let spot = spot(config);
    Err(Box::new(spot.problem(Severity::Failure, what, remedy)))
}

fn options(config: &Config, create: bool) -> SledOptions {
    let StoreKind::Sled = config.store.kind;
    SledOptions {
        cache_bytes: config.store.cache_bytes,
        create,
        migrate: create,
        ..SledOptions::default()
    }
}

fn spot(config: &Config) -> Spot {
    Spot::section("store")
        .at("path")
        .in_file(&config.store_path())
}

fn failure(config: &Config, error: &Error) -> Problem {
    problem(
        Severity::Failure,
        config,
        error,
        "nothing is served without the store",
    )
}

fn problem(severity: Severity, config: &Config, error: &Error, remedy: &str) -> Problem {
    spot(config).problem(severity, error.to_string(), remedy)
}
