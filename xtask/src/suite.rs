//! The list of checks, and the table that closes a run.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::check::{Context, Done, Suite};
use crate::repo::Repo;
use crate::suites;

struct Row {
    name: &'static str,
    result: &'static str,
    time: Duration,
    note: String,
}

/// `cargo xtask test`.
pub(crate) fn test(repo: Repo, args: &[&str]) -> Result<ExitCode, String> {
    let all = suites::all();
    let mut chosen: Vec<&Suite> = all.iter().collect();
    let mut may_install = true;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match *arg {
            "--list" => {
                for suite in &all {
                    println!("{:<20} {}", suite.name, suite.what);
                }
                return Ok(ExitCode::SUCCESS);
            }
            "--no-install" => may_install = false,
            "--only" => {
                let names = names(&all, rest.next())?;
                chosen.retain(|suite| names.contains(suite.name));
            }
            "--skip" => {
                let names = names(&all, rest.next())?;
                chosen.retain(|suite| !names.contains(suite.name));
            }
            other => {
                return Err(format!(
                    "`test` takes --list, --only, --skip and --no-install, not `{other}`"
                ));
            }
        }
    }
    if chosen.is_empty() {
        return Err("no check is left to run".to_owned());
    }

    let context = Context { repo, may_install };
    let started = Instant::now();
    let rows: Vec<Row> = chosen
        .into_iter()
        .map(|suite| run(suite, &context))
        .collect();
    close(&rows, started.elapsed());
    let failed = rows.iter().any(|row| row.result == "FAIL");
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The checks that a comma-separated list names; `interop` also names `interop-strongswan` and its siblings.
fn names(all: &[Suite], list: Option<&&str>) -> Result<BTreeSet<&'static str>, String> {
    let mut names = BTreeSet::new();
    for wanted in list
        .ok_or("--only and --skip take a list of names")?
        .split(',')
    {
        let before = names.len();
        let named = |suite: &&Suite| {
            suite.name == wanted
                || suite
                    .name
                    .strip_prefix(wanted)
                    .is_some_and(|rest| rest.starts_with('-'))
        };
        names.extend(all.iter().filter(named).map(|suite| suite.name));
        if names.len() == before && !names.contains(wanted) {
            return Err(format!(
                "no check is called `{wanted}`; `cargo xtask test --list` names them"
            ));
        }
    }
    Ok(names)
}

fn run(suite: &Suite, context: &Context) -> Row {
    println!("\n== {}: {}", suite.name, suite.what);
    let started = Instant::now();
    let (result, note) = match (suite.run)(context) {
        Ok(Done::Passed) => ("PASS", String::new()),
        Ok(Done::Skipped(reason)) => ("SKIPPED", reason),
        Err(reason) => ("FAIL", reason),
    };
    let time = started.elapsed();
    println!(
        "== {}: {result} after {:.1} s{}{note}",
        suite.name,
        time.as_secs_f64(),
        separator(&note)
    );
    Row {
        name: suite.name,
        result,
        time,
        note,
    }
}

fn separator(note: &str) -> &'static str {
    if note.is_empty() { "" } else { ": " }
}

fn close(rows: &[Row], total: Duration) {
    println!("\n{:<20} {:<8} {:>8}  note", "check", "result", "seconds");
    for row in rows {
        let note = row.note.lines().next().unwrap_or_default();
        println!(
            "{:<20} {:<8} {:>8.1}  {note}",
            row.name,
            row.result,
            row.time.as_secs_f64()
        );
    }
    let count = |result| rows.iter().filter(|row| row.result == result).count();
    println!("{:<20} {:<8} {:>8.1}", "together", "", total.as_secs_f64());
    println!(
        "\nchecks: {} passed, {} failed, {} skipped",
        count("PASS"),
        count("FAIL"),
        count("SKIPPED")
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::names;
    use crate::suites;

    #[test]
    fn a_prefix_names_its_family_and_a_typo_is_refused() {
        let all = suites::all();
        let chosen = names(&all, Some(&"interop,fmt")).unwrap();
        assert!(
            chosen.contains("fmt")
                && chosen.contains("interop-strongswan")
                && !chosen.contains("clippy")
        );
        assert!(names(&all, Some(&"fmtt")).unwrap_err().contains("fmtt"));
    }

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let all = suites::all();
        let names: std::collections::BTreeSet<_> = all.iter().map(|suite| suite.name).collect();
        assert_eq!(names.len(), all.len());
    }
}
