//! What a check is.

use crate::repo::Repo;

/// One named check.
pub(crate) struct Suite {
    /// What `--only` and `--skip` take.
    pub(crate) name: &'static str,
    /// What it shows, in a few words.
    pub(crate) what: &'static str,
    /// The check; an error is a failure.
    pub(crate) run: fn(&Context) -> Result<Done, String>,
}

/// What a check may ask for.
pub(crate) struct Context {
    pub(crate) repo: Repo,
    /// Whether missing tools may be installed.
    pub(crate) may_install: bool,
}

/// How a check ended when it did not fail.
pub(crate) enum Done {
    Passed,
    /// It did not run, for this reason. Never counted as passed.
    Skipped(String),
}
