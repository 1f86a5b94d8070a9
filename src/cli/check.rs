//! `scepd check`: every start-up check, all findings at once, nothing changed.

use chrono::Utc;
use clap::Args;

use super::{Failure, SourceArgs};
use crate::checks::{self, Severity};

/// Run every start-up check and list all that is wrong, without starting or changing anything
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Print the findings as a JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: CheckArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    let effective = args.sources.load()?;
    for notice in &effective.notices {
        eprintln!("scepd: {}", notice.text);
    }
    let mut problems = checks::check(&effective.config, Utc::now()).problems;
    problems.extend(checks::check_store(&effective.config));
    let failures = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Failure)
        .count();
    let warnings = problems.len() - failures;
    if args.json {
        let text = serde_json::to_string_pretty(&problems)
            .map_err(Failure::while_doing("cannot write the findings"))?;
        println!("{text}");
    } else {
        for problem in &problems {
            let severity = match problem.severity {
                Severity::Failure => "FAIL",
                Severity::Warning => "warn",
            };
            println!("{severity}  {problem}");
        }
    }
    match failures {
        0 => {
            let profiles = effective.config.profiles.len();
            eprintln!("scepd: the configuration is good: {profiles} profiles, {warnings} warnings");
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "{failures} failures, {warnings} warnings: the server would not start"
        ))),
    }
}
