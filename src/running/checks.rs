//! The start-up checks, run on demand beside the running server.

use std::sync::Arc;

use actors::Runtime;
use tokio::sync::Mutex;

use crate::checks::{self, Problem};
use crate::config::Sources;

/// What the checks found, run on demand.
pub struct Checked {
    /// Findings, failures and warnings.
    pub problems: Vec<Problem>,
    /// Path ids of the profiles that the configuration on disk has.
    pub profiles: Vec<String>,
}

/// Why the checks did not run.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Another run is under way.
    #[error("the checks are being run already")]
    UnderWay,
    /// They broke off.
    #[error("the checks broke off: {0}")]
    Broken(tokio::task::JoinError),
}

/// Runs the checks, one run at a time.
pub struct ChecksOnDemand {
    runtime: Arc<Runtime>,
    sources: Sources,
    /// Held while they run.
    running: Mutex<()>,
}

impl ChecksOnDemand {
    pub(crate) fn new(runtime: Arc<Runtime>, sources: Sources) -> Self {
        Self {
            runtime,
            sources,
            running: Mutex::new(()),
        }
    }

    /// Runs the start-up checks on what is on disk now, and changes nothing.
    ///
    /// # Errors
    /// [`CheckError`].
    pub async fn run(&self) -> Result<Checked, CheckError> {
        let _only_one = self.running.try_lock().map_err(|_| CheckError::UnderWay)?;
        let services = &self.runtime.services;
        let (sources, now) = (self.sources.clone(), services.clock.now());
        let store = Arc::clone(&services.store);
        let run = move || match sources.load() {
            Ok(effective) => Checked {
                problems: {
                    let mut problems = checks::check(&effective.config, now).problems;
                    // A store that cannot be read is said where it is used.
                    let forgotten = checks::forgotten(&effective.config, &*store, now);
                    problems.extend(forgotten.unwrap_or_default());
                    problems
                },
                profiles: effective
                    .config
                    .profiles
                    .iter()
                    .map(|profile| profile.path_id.clone())
                    .collect(),
            },
            Err(errors) => Checked {
                problems: vec![Problem::of_configuration(&errors)],
                profiles: Vec::new(),
            },
        };
        tokio::task::spawn_blocking(run)
            .await
            .map_err(CheckError::Broken)
    }
}
