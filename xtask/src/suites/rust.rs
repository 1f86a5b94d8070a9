//! Rust tests and doctests, by cargo alone.

use std::time::Duration;

use crate::check::Context;
use crate::check::Done;
use crate::command::Run;

/// The longest that the Rust tests may take, building from nothing included. One that hangs is named by the test
/// harness after a minute, and ends the run here.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Every test, those of a binary in one process: what one leaves behind must not be another one's.
pub(super) fn tests(context: &Context) -> Result<Done, String> {
    let args = [
        "test",
        "--workspace",
        "--locked",
        "--no-fail-fast",
        "--tests",
    ];
    Run::cargo(&context.repo, &args).go_within(LONGEST)?;
    Ok(Done::Passed)
}

pub(super) fn doctests(context: &Context) -> Result<Done, String> {
    Run::cargo(&context.repo, &["test", "--workspace", "--locked", "--doc"]).go()?;
    Ok(Done::Passed)
}
