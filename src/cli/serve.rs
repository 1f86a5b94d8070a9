//! `scepd serve`: the server itself.

use clap::Args;

use super::{Failure, SourceArgs};
use crate::server::{self, ServerError, Sockets};

/// EX_TEMPFAIL of sysexits.h: the same command works when it is run again.
const AGAIN: u8 = 75;

/// Serve SCEP, the admin API and the page until SIGTERM; SIGHUP reloads
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    sources: SourceArgs,
}

pub(super) fn run(args: ServeArgs) -> Result<(), Failure> {
    let sources = args.sources.sources()?;
    super::process::keep_memory_private();
    super::process::keep_files_private();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::while_doing("the async runtime cannot be started"))?;
    let ended = runtime.block_on(server::serve(sources, Sockets::default(), |_| {}));
    super::process::end(runtime);
    ended.map_err(|error| match error {
        ServerError::StoreLost => Failure::new(error.to_string()).with_code(AGAIN),
        error => Failure::new(error.to_string()),
    })
}
