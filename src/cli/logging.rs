//! Where log lines go: standard error, as text or JSON.

use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::config::{Log, LogFormat};

/// Starts logging for the rest of the process.
///
/// # Errors
/// The level is no log filter, or logging was started before.
pub(super) fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.level).map_err(Failure::while_doing("log.level"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    started.map_err(Failure::while_doing("logging cannot be started"))
}
