//! The store: it opens, and its layout is known.

use std::sync::Arc;

use store::{Error, SledOptions, SledStore, Store};

use super::problem::{Problem, Severity, Spot};
use crate::config::{Config, StoreKind};

/// Opens the store for serving, making it where there is none.
///
/// # Errors
/// Why it cannot be used.
pub fn open_store(config: &Config) -> Result<Arc<dyn Store>, Box<Problem>> {
    let StoreKind::Sled = config.store.kind;
    let options = SledOptions {
        cache_bytes: config.store.cache_bytes,
        create: true,
        ..SledOptions::default()
    };
    match SledStore::open(config.store_path(), &options) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(Box::new(failure(config, &error))),
    }
}

/// Looks whether the store would open, without making or changing one. A store that a running
/// server has open, and one that is still to be made, are no failures.
#[must_use]
pub fn check_store(config: &Config) -> Option<Problem> {
    let StoreKind::Sled = config.store.kind;
    let options = SledOptions {
        cache_bytes: config.store.cache_bytes,
        create: false,
        ..SledOptions::default()
    };
    match SledStore::open(config.store_path(), &options) {
        Ok(_) | Err(Error::Missing { .. }) => None,
        Err(error @ Error::Locked { .. }) => Some(problem(
            Severity::Warning,
            config,
            &error,
            "its schema was not looked at",
        )),
        Err(error) => Some(failure(config, &error)),
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
