//! Rust tests, doctests and the release build.

use crate::build;
use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::repo;

pub(super) fn tests(context: &Context) -> Result<Done, String> {
    let repo = &context.repo;
    if repo::which("cargo-nextest").is_some() {
        Run::cargo(
            repo,
            &[
                "nextest",
                "run",
                "--workspace",
                "--locked",
                "--no-fail-fast",
            ],
        )
        .go()?;
    } else {
        Run::cargo(
            repo,
            &[
                "test",
                "--workspace",
                "--locked",
                "--no-fail-fast",
                "--tests",
            ],
        )
        .go()?;
    }
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
