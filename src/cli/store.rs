//! `scepd store`: check everything that is kept.

use clap::{Args, Subcommand};

use super::Failure;
use super::orders::{carry_out, print, unexpected};
use super::sources::SourceArgs;
use crate::control::{Answer, Order};

/// Look after the store
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read every record and the audit chain, and say what is wrong; exits 1 if something is
    Verify(#[command(flatten)] Box<VerifyArgs>),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: StoreArgs) -> Result<(), Failure> {
    let Action::Verify(args) = args.action;
    match carry_out(&args.sources, &Order::VerifyStore)? {
        Answer::Checked(checked) => print(&checked, args.json, "the store"),
        _ => Err(unexpected()),
    }
}
