//! `cargo xtask build`: the admin page, then the release binary that carries it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::command::Run;
use crate::repo::{self, Repo};

/// Build everything; the binary's path.
pub(crate) fn build(repo: &Repo) -> Result<PathBuf, String> {
    page(repo)?;
    binary(repo)?;
    println!("built {}", repo.shown(&repo.binary()));
    Ok(repo.binary())
}

/// The binary that checks run: the debug binary, built when it has to be, or the one that `SCEPD_BIN` names.
pub(crate) fn for_checks(repo: &Repo) -> Result<(), String> {
    if let Some(binary) = repo::brought() {
        println!("checking {} (SCEPD_BIN)", binary.display());
        return Ok(());
    }
    page(repo)?;
    // With `--package` cargo would choose other features for the dependencies, and build them a second time.
    let args = ["build", "--workspace", "--locked", "--bin", "scepd"];
    Run::cargo(repo, &args).go()
}

/// Build the release binary alone.
fn binary(repo: &Repo) -> Result<(), String> {
    Run::cargo(
        repo,
        &[
            "build",
            "--release",
            "--locked",
            "--package",
            "scepd",
            "--bin",
            "scepd",
        ],
    )
    .go()
}

/// Build the admin page into `web-ui/dist`, when its sources are there and newer than what was built.
pub(crate) fn page(repo: &Repo) -> Result<(), String> {
    let page = repo.path("web-ui");
    if !page.join("package.json").is_file() {
        println!("no admin page in this checkout: the binary is built without one");
        return Ok(());
    }
    packages(repo)?;
    let built = modified(&page.join("dist/index.html"));
    let sources =
        newest(&page, &["dist", "node_modules"]).max(newest(&repo.path("api"), &["target"]));
    if built.is_some() && built >= sources {
        return Ok(());
    }
    Run::new(repo, "npm").args(["run", "build"]).dir(&page).go()
}

/// Bring the page's packages to what `package-lock.json` says.
pub(crate) fn packages(repo: &Repo) -> Result<(), String> {
    let page = repo.path("web-ui");
    if repo::which("npm").is_none() {
        return Err("npm is not installed; the admin page needs Node.js 20 or newer".to_owned());
    }
    let installed = modified(&page.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&page.join("package-lock.json")) {
        return Ok(());
    }
    Run::new(repo, "npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .dir(&page)
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
        .go()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

/// The newest change below a directory, leaving out what is generated.
fn newest(dir: &Path, skip: &[&str]) -> Option<SystemTime> {
    let mut newest = None;
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        let at = if !path.is_dir() {
            modified(&path)
        } else if skip.iter().any(|name| entry.file_name() == *name) {
            None
        } else {
            self::newest(&path, skip)
        };
        newest = newest.max(at);
    }
    newest
}
