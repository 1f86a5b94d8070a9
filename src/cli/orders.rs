//! How commands get at the store: by the running server, or else alone.

use std::sync::Arc;

use actors::{Clock, SystemClock};
use clap::Args;
use store::{SledOptions, SledStore, Store};

use super::Failure;
use super::sources::SourceArgs;
use crate::auth::tokens::By;
use crate::checks;
use crate::config::Config;
use crate::control::work::Sink;
use crate::control::{Answer, Checked, ControlError, Order, SOCKET, alone, ask};

/// Carries an order out.
pub(super) fn carry_out(sources: &SourceArgs, order: &Order) -> Result<Answer, Failure> {
    carry_out_with(sources, order, &mut |_| Ok(()))
}

/// Carries an order out. Lines of an export go to `sink`, which keeps its own errors: here they
/// only end the order.
pub(super) fn carry_out_with(
    sources: &SourceArgs,
    order: &Order,
    sink: Sink<'_>,
) -> Result<Answer, Failure> {
    let config = sources.load()?.config;
    let answer = match ask(&config.server.data_dir, order, sink) {
        Err(error @ ControlError::NotRunning { .. }) if order.needs_server() => {
            return Err(Failure::new(format!(
                "{error}; this is done by the running server: start it, or name its data directory with --data-dir"
            )));
        }
        Err(ControlError::NotRunning { .. }) => {
            let store = open(&config, order)?;
            let by = By {
                name: format!("uid {}", rustix::process::getuid().as_raw()),
                kind: "CLI",
                request_id: None,
            };
            alone(store.as_ref(), order, &by, SystemClock.reading(), sink).map_err(Failure::new)?
        }
        other => other.map_err(|error| Failure::new(error.to_string()))?,
    };
    match answer {
        Answer::Refused(reason) => Err(Failure::new(reason)),
        done => Ok(done),
    }
}

/// Makes a store only for the first token and for certificates of another server: a store that is not there has nothing to check. What
/// only looks at a store also opens one with records that cannot be read, to name them.
fn open(config: &Config, order: &Order) -> Result<Arc<dyn Store>, Failure> {
    let path = config.store_path();
    let options = SledOptions {
        cache_bytes: config.store.cache_bytes,
        create: matches!(
            order,
            Order::CreateToken { .. } | Order::ImportCertificates(_)
        ),
        lenient: matches!(
            order,
            Order::VerifyStore | Order::VerifyAudit | Order::ExportAudit { .. }
        ),
        migrate: false,
        ..SledOptions::default()
    };
    if let Some(what) = checks::other_owner(&path) {
        return Err(Failure::new(format!(
            "the store {}: {what}: run this command as its user",
            path.display()
        )));
    }
    if options.create {
        checks::probe_store(config).or_else(|problem| {
            // Whose it is, and that it is locked, is said below.
            if path.join("db").exists() {
                Ok(())
            } else {
                Err(Failure::new(problem.to_string()))
            }
        })?;
    }
    match SledStore::open(&path, &options) {
        Ok(store) => Ok(Arc::new(store)),
        Err(store::Error::Locked { .. }) => Err(Failure::new(format!(
            "a server has the store {} open and does not answer on {}: it may be starting or shutting down; try again",
            path.display(),
            config.server.data_dir.join(SOCKET).display(),
        ))),
        Err(error @ store::Error::Missing { .. }) => Err(Failure::new(format!(
            "{error}; a running server keeps the data_dir that it was started with: name that one with --data-dir"
        ))),
        Err(error) => Err(Failure::new(format!(
            "the store {}: {error}",
            path.display()
        ))),
    }
}

/// `verify` of what the store holds: the flags that the commands share.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    /// Has `what` checked by `order`, prints what came of it, and fails when something is wrong.
    pub(super) fn run(&self, order: &Order, what: &str) -> Result<(), Failure> {
        match carry_out(&self.sources, order)? {
            Answer::Checked(checked) => print(&checked, self.json, what),
            _ => Err(unexpected()),
        }
    }
}

/// Prints what a check came to, and fails when something is wrong.
fn print(checked: &Checked, json: bool, what: &str) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(&checked.report)
            .map_err(Failure::while_doing("the report"))?;
        println!("{text}");
    } else {
        for line in &checked.words {
            println!("{line}");
        }
    }
    if checked.good {
        Ok(())
    } else {
        Err(Failure::new(format!("{what} is damaged")))
    }
}

/// Only a server of another version can answer something that was not asked.
pub(super) fn unexpected() -> Failure {
    Failure::new("the running server gave an answer that does not fit; is it of another version?")
}
