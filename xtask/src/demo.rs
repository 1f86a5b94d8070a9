//! `cargo xtask demo`: a server with everything made for it, in one command; `cargo xtask intune-fake` and `issuer-fake`:
//! what stands in for Microsoft's services and for CAs while one rehearses.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::build;
use crate::repo::{self, Repo};

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

/// Build, then become the program of this crate of fakes; further arguments are handed on.
pub(crate) fn fake(repo: &Repo, package: &str, args: &[&str]) -> Result<(), String> {
    let args = args.strip_prefix(&["--"]).unwrap_or(args);
    let mut command = Command::new(repo::cargo());
    command
        .current_dir(repo.root())
        .args(["run", "--quiet", "--locked", "--package", package, "--"])
        .args(args);
    let error = command.exec();
    Err(format!("cannot run cargo: {error}"))
}
