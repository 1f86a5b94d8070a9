//! `cargo xtask demo`: a server with everything made for it, in one command.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::build;
use crate::repo::Repo;

/// Build, then become `scepd quickstart`; further arguments are handed on.
pub(crate) fn demo(repo: &Repo, args: &[&str]) -> Result<(), String> {
    let binary = build::build(repo)?;
    let mut command = Command::new(&binary);
    command.arg("quickstart");
    if !args.contains(&"--dir") {
        command.arg("--dir").arg(repo.target().join("demo"));
    }
    command.args(args);
    // From here on this process is the server: signals and the exit code are its own.
    let error = command.exec();
    Err(format!("cannot run {}: {error}", binary.display()))
}
