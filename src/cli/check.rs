//! `scepd check`: every start-up check, all findings at once, nothing changed.

use chrono::Utc;
use clap::Args;

use super::{Failure, SourceArgs};
use crate::checks::{self, Problem, Severity};
use crate::config::Effective;

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
    let (problems, profiles) = match args.sources.sources()?.load() {
        Ok(effective) => (look(&effective), effective.config.profiles.len()),
        // Whoever reads the findings by a program reads these too.
        Err(errors) if args.json => (Problem::each_of_configuration(&errors), 0),
        Err(errors) => return Err(Failure::new(errors.to_string())),
    };
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
            eprintln!(
                "scepd: the configuration is good: {}, {}",
                count(profiles, "profile"),
                count(warnings, "warning")
            );
            Ok(())
        }
        _ => Err(Failure::new(format!(
            "{}, {}: the server would not start",
            count(failures, "failure"),
            count(warnings, "warning")
        ))),
    }
}

/// `1 warning`, `2 warnings`.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

fn look(effective: &Effective) -> Vec<Problem> {
    for notice in &effective.notices {
        eprintln!("scepd: {}", notice.text);
    }
    let now = Utc::now();
    let mut problems = checks::check(&effective.config, now).problems;
    problems.extend(checks::check_store(&effective.config, now));
    problems
}
