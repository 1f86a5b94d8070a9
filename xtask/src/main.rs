//! The repository's own commands: `cargo xtask build | demo | intune-fake | issuer-fake | test | openapi | bench | coverage | dist`.
//!
//! A map:
//! - [`repo`] knows where things are, [`command`] runs a program and says how it ended;
//! - [`install`] brings what a check needs and says so;
//! - [`build`] and [`demo`] are the commands a newcomer types;
//! - [`openapi`] writes the admin API's document and the page's types of it;
//! - [`mod@bench`] measures, [`coverage`] says which lines the tests reach, [`dist`] makes what a release consists of;
//! - [`suite`] is the list of checks and the closing table, [`suites`] holds the checks themselves.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to the terminal"
)]

mod bench;
mod build;
mod check;
mod command;
mod coverage;
mod demo;
mod dist;
mod install;
mod openapi;
mod repo;
mod server;
mod suite;
mod suites;

use std::process::ExitCode;

use repo::Repo;

const USAGE: &str = "\
cargo xtask COMMAND

  build                      the admin page and the release binary
  demo [-- ARGS..]           build, then run a ready-made server until Ctrl-C (ARGS go to `scepd quickstart`)
  intune-fake [ARGS..]       a fake of Entra, Graph and Intune on loopback, until Ctrl-C; docs/intune-rehearsal.md
  issuer-fake KIND [ARGS..]  a fake of a CA (ejbca, adcs, aws-pca, google-cas) on loopback, until Ctrl-C; docs/issuers-rehearsal.md
  test [--only A,B] [--skip A,B] [--no-install]
                             every check, as CI runs it; installs what is missing
  test --list                the names of the checks
  openapi                    api/openapi.yaml and the page's types of it, made anew of the route table and the types
  bench [--peers] [--rounds N] [--count N]
                             CPU an enrollment against the bare cryptography's; with --peers, step-ca and scepserver too
  coverage [PACKAGE..]       which lines the Rust tests reach, as a table and as target/coverage/html and lcov.info
  dist                       what a release consists of, in target/dist: stripped binary, .deb, man pages,
                             completions, bill of materials, checksums
";

fn main() -> ExitCode {
    // Set by the `fuzz` suite: cargo then calls this binary in the place of rustc.
    if suites::fuzz::called_as_compiler() {
        return suites::fuzz::compile();
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[&str]) -> Result<ExitCode, String> {
    let repo = Repo::locate()?;
    match args {
        ["build"] => Ok(code(build::build(&repo).map(|_| ()))),
        ["demo", rest @ ..] => {
            let rest = rest.strip_prefix(&["--"]).unwrap_or(rest);
            Ok(code(demo::demo(&repo, rest)))
        }
        ["intune-fake", rest @ ..] => Ok(code(demo::fake(&repo, "intune-fake", rest))),
        ["issuer-fake", rest @ ..] => Ok(code(demo::fake(&repo, "issuer-fakes", rest))),
        ["test", rest @ ..] => suite::test(repo.for_checks(), rest),
        ["openapi"] => Ok(code(openapi::openapi(&repo))),
        ["bench", rest @ ..] => Ok(code(bench::bench(repo, rest))),
        ["coverage", packages @ ..] => Ok(code(coverage::coverage(repo, packages))),
        ["dist"] => Ok(code(dist::dist(repo))),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(format!("unknown command `{}`\n\n{USAGE}", args.join(" "))),
    }
}

fn code(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
