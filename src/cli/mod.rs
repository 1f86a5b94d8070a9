//! The command line: one file a command, wired here with one line each.
//!
//! A command is a `clap::Args` struct and a `run(args) -> Result<(), Failure>`; what it prints
//! to stdout is its result, what goes wrong is a [`Failure`] that [`main`] prints to stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod bench;
mod certs;
mod challenge;
mod check;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod client_tests;
mod completions;
mod config;
#[cfg(test)]
mod documents_tests;
mod enroll;
mod errand;
mod failure;
mod intune;
mod intune_challenge;
mod intune_files;
mod intune_inspect;
mod issuer;
mod man;
#[cfg(test)]
mod operations_tests;
mod orders;
mod outcome;
mod poll;
mod probe;
mod process;
mod quickstart;
mod renew;
mod serve;
mod server_args;
mod sources;
mod store;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::Failure;
pub use sources::SourceArgs;

/// A SCEP (RFC 8894) enrollment server for device fleets, with its client and tools.
#[derive(Debug, Parser)]
#[command(
    name = "scepd",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Box<check::CheckArgs>),
    Config(config::ConfigArgs),
    Quickstart(quickstart::QuickstartArgs),
    Serve(Box<serve::ServeArgs>),
    Enroll(enroll::EnrollArgs),
    Renew(renew::RenewArgs),
    Poll(poll::PollArgs),
    Probe(probe::ProbeArgs),
    Bench(bench::BenchArgs),
    Token(token::TokenArgs),
    Audit(audit::AuditArgs),
    Store(store::StoreArgs),
    Certs(certs::CertsArgs),
    Challenge(challenge::ChallengeArgs),
    Intune(intune::IntuneArgs),
    Issuer(issuer::IssuerArgs),
    IntuneChallenge(intune_challenge::IntuneChallengeArgs),
    IntuneInspect(Box<intune_inspect::IntuneInspectArgs>),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Check(args) => check::run(*args),
            Self::Config(args) => config::run(args),
            Self::Quickstart(args) => quickstart::run(args),
            Self::Serve(args) => serve::run(*args),
            Self::Enroll(args) => enroll::run(args),
            Self::Renew(args) => renew::run(args),
            Self::Poll(args) => poll::run(args),
            Self::Probe(args) => probe::run(args),
            Self::Bench(args) => bench::run(args),
            Self::Token(args) => token::run(args),
            Self::Audit(args) => audit::run(args),
            Self::Store(args) => store::run(args),
            Self::Certs(args) => certs::run(args),
            Self::Challenge(args) => challenge::run(args),
            Self::Intune(args) => intune::run(args),
            Self::Issuer(args) => issuer::run(args),
            Self::IntuneChallenge(args) => intune_challenge::run(args),
            Self::IntuneInspect(args) => intune_inspect::run(*args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}

/// Parses the process's arguments, runs the command, and says what went wrong on stderr.
///
/// Exit codes: 0 done; 1 the command failed (or what a [`Failure`] asks for); 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    // A second installation can only mean that the same provider is already there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("scepd: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
