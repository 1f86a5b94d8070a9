//! Rust tests, doctests and the release build.

use crate::build;
use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::install;

/// Every test, each in a process of its own.
pub(super) fn tests(context: &Context) -> Result<Done, String> {
    let nextest = match install::cargo_tool(context, &install::CARGO_NEXTEST) {
        Ok(nextest) => nextest,
        Err(reason) => return Ok(Done::Skipped(reason)),
    };
    // As cargo calls it.
    Run::new(&context.repo, nextest)
        .args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ])
        .go()?;
    Ok(Done::Passed)
}

/// Every test once more, those of a binary together in one process: what one leaves behind must not be another one's.
pub(super) fn together(context: &Context) -> Result<Done, String> {
    Run::cargo(
        &context.repo,
        &[
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--tests",
        ],
    )
    .go()?;
    Ok(Done::Passed)
}

pub(super) fn doctests(context: &Context) -> Result<Done, String> {
    Run::cargo(&context.repo, &["test", "--workspace", "--locked", "--doc"]).go()?;
    Ok(Done::Passed)
}

pub(super) fn release(context: &Context) -> Result<Done, String> {
    build::build(&context.repo)?;
    Ok(Done::Passed)
}
