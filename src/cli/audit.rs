//! `scepd audit`: check the chain of audit events, write events out.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::Failure;
use super::orders::{VerifyArgs, carry_out_with, unexpected};
use super::sources::SourceArgs;
use crate::control::{Answer, Order};

/// Check the chain of audit events, or write events out as JSON lines
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read every event and name those that were altered, removed or added; exits 1 if there are any
    Verify(#[command(flatten)] Box<VerifyArgs>),
    /// Write events to standard output, oldest first, one JSON object a line
    Export(#[command(flatten)] Box<ExportArgs>),
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Begin with this event; one more than the last id of an earlier export goes on where it ended
    #[arg(long, value_name = "ID", default_value_t = 0)]
    from_id: u64,
    /// Only events at this time or later (RFC 3339, such as 2026-11-23T00:00:00Z)
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Only events before this time
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
}

pub(super) fn run(args: AuditArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    match args.action {
        Action::Verify(args) => args.run(&Order::VerifyAudit, "the audit chain"),
        Action::Export(args) => {
            let order = Order::ExportAudit {
                from_id: args.from_id,
                since: args.since,
                until: args.until,
            };
            export(&args.sources, &order)
        }
    }
}

/// Writes to stdout. A reader that has seen enough (`| head`) ends that without a word.
fn export(sources: &SourceArgs, order: &Order) -> Result<(), Failure> {
    let stdout = io::stdout();
    let mut out = io::BufWriter::new(stdout.lock());
    let mut broken = None;
    let mut sink = |line: &str| {
        writeln!(out, "{line}").map_err(|error| {
            let kind = error.kind();
            broken = Some(error);
            kind.into()
        })
    };
    let answer = carry_out_with(sources, order, &mut sink);
    let flushed = out.flush();
    match broken.or(flushed.err()) {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        Some(error) => return Err(Failure::while_doing("standard output")(error)),
        None => {}
    }
    match answer? {
        Answer::Exported { events } => {
            eprintln!("scepd: {events} events written");
            Ok(())
        }
        _ => Err(unexpected()),
    }
}
