//! The store: it opens, and its layout is known.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use store::{Error, SledOptions, SledStore, Store};

use super::formerly::forgotten;
use super::in_use;
use super::problem::{Location, Problem, Severity};
use crate::config::{Config, StoreKind};
use crate::control;

/// Opens the store for serving, making it where there is none. One of an earlier version is migrated.
///
/// # Errors
/// Why it cannot be used.
pub fn open_store(config: &Config) -> Result<Arc<dyn Store>, Box<Problem>> {
    own(config)?;
    let serving = options(config, true);
    let reading = SledOptions {
        migrate: false,
        create: false,
        ..serving.clone()
    };
    let path = config.store_path();
    let opened = match SledStore::open(&path, &reading) {
        Err(Error::Missing { .. }) => {
            not_lost(config)?;
            SledStore::open(&path, &serving)
        }
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
        // Its store would be locked, if it were the one that this configuration names.
        Ok(store) => forgotten(config, &store, now)
            .unwrap_or_else(|error| vec![failure(config, &error)])
            .into_iter()
            .chain(served_with_another(config))
            .collect(),
        Err(Error::SchemaTooOld { .. }) => served_with_another(config).into_iter().collect(),
        Err(Error::Missing { .. }) => match not_lost(config) {
            Err(problem) => vec![*problem],
            Ok(()) => served_with_another(config).into_iter().collect(),
        },
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
        Ok(_) | Err(Error::SchemaTooOld { .. }) => Ok(()),
        Err(Error::Missing { .. }) => not_lost(config),
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
    Some(location(config).problem(Severity::Warning, what, remedy))
}

fn own(config: &Config) -> Result<(), Box<Problem>> {
    let Some(what) = other_owner(&config.store_path()) else {
        return Ok(());
    };
    let remedy = "run scepd as its user, or give the whole directory to this one";
    let location = location(config);
    Err(Box::new(location.problem(Severity::Failure, what, remedy)))
}

/// A server that ran on this data directory has left traces there. Where they are and its store is not,
/// a new one would forget every certificate, revocation and used challenge.
fn not_lost(config: &Config) -> Result<(), Box<Problem>> {
    let path = config.store_path();
    if path.join("db").exists() {
        return Ok(());
    }
    let lost = |what: String, remedy: String| {
        Err(Box::new(location(config).problem(
            Severity::Failure,
            what,
            remedy,
        )))
    };
    let (mark, ras) = (in_use::path(config), config.server.data_dir.join("ra"));
    let and_ras = match has_files(&ras) {
        true => format!(", and move {} away", ras.display()),
        false => String::new(),
    };
    if let Some(last) = in_use::last_store(config) {
        let what = match std::path::absolute(&path) {
            Ok(path) if path == last => "the store that was here is gone".to_owned(),
            _ => format!(
                "there is no store here, and the server that ran on this data_dir had its store in {}",
                last.display()
            ),
        };
        let remedy = format!(
            "restore a backup (scepd store restore), or correct store.path; to begin with an empty store, which knows \
             no certificate, no revocation and no used challenge, remove {}{and_ras}",
            mark.display()
        );
        return lost(what, remedy);
    }
    // A server of an earlier version left no such mark.
    if !and_ras.is_empty() {
        let what = format!(
            "there is no store here, and {} has RA certificates of a server that had one",
            ras.display()
        );
        let remedy = format!(
            "restore a backup (scepd store restore), or correct server.data_dir or store.path; to begin with an empty \
             store, which knows no certificate, no revocation and no used challenge, move {} away",
            ras.display()
        );
        return lost(what, remedy);
    }
    Ok(())
}

/// Whether there is a file in this directory or one below it.
fn has_files(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => has_files(&entry.path()),
        Ok(kind) => kind.is_file(),
        Err(_) => false,
    })
}

/// A warning where a server runs on this data directory, which does not have the store open that this
/// configuration names.
fn served_with_another(config: &Config) -> Option<Problem> {
    if !control::is_served(&config.server.data_dir) {
        return None;
    }
    let location = Location::section("server")
        .at("data_dir")
        .in_file(&config.server.data_dir);
    let what = "a server runs on this directory, and with another store";
    let remedy =
        "this configuration can be served once that one has stopped, or with a data_dir of its own";
    Some(location.problem(Severity::Warning, what, remedy))
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

fn location(config: &Config) -> Location {
    Location::section("store")
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
    location(config).problem(severity, error.to_string(), remedy)
}
