//! What a check needs and the machine may lack: Debian packages, a Python environment, cargo tools.
//!
//! Nothing is installed silently, and nothing outside the target directory but Debian packages (as root only).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::command::Run;
use crate::repo::{self, Repo};
use crate::suite::Context;

/// The version that CI runs; raised by hand.
const CARGO_DENY: &str = "0.20.2";

/// See that these programs or files are there, by installing Debian packages when they are not.
///
/// # Errors
/// Why a check that needs them cannot run here.
pub(crate) fn debian(context: &Context, needs: &[&str], packages: &[&str]) -> Result<(), String> {
    static LISTS_FETCHED: AtomicBool = AtomicBool::new(false);
    let missing = || needs.iter().copied().find(|need| !present(need));
    let Some(first) = missing() else {
        return Ok(());
    };
    let by_hand = format!(
        "{first} is not installed (Debian: apt-get install {})",
        packages.join(" ")
    );
    if !context.may_install || repo::which("apt-get").is_none() {
        return Err(by_hand);
    }
    let user = Run::new(&context.repo, "id").arg("-u").output()?;
    if user.trim() != "0" {
        return Err(by_hand);
    }
    println!("installing Debian packages: {}", packages.join(" "));
    if !LISTS_FETCHED.swap(true, Ordering::Relaxed) {
        Run::new(&context.repo, "apt-get")
            .args(["update", "-qq"])
            .go()?;
    }
    Run::new(&context.repo, "apt-get")
        .args([
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "-o",
            "Dpkg::Use-Pty=0",
        ])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .go()?;
    match missing() {
        None => Ok(()),
        Some(need) => Err(format!(
            "{need} is still not there after installing {}",
            packages.join(" ")
        )),
    }
}

/// A program on PATH, or a file by its absolute path.
fn present(need: &str) -> bool {
    if need.starts_with('/') {
        PathBuf::from(need).exists()
    } else {
        repo::which(need).is_some()
    }
}

/// A Python environment below the target directory with what a requirements file lists; its interpreter.
pub(crate) fn python(context: &Context, name: &str, requirements: &str) -> Result<PathBuf, String> {
    let repo = &context.repo;
    let dir = repo.scratch("python")?.join(name);
    let python = dir.join("bin/python");
    let list = repo.path(requirements);
    let wanted = std::fs::read_to_string(&list)
        .map_err(|error| format!("cannot read {}: {error}", list.display()))?;
    let stamp = dir.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if !context.may_install {
        return Err(format!(
            "the Python packages of {requirements} are not installed"
        ));
    }
    println!(
        "installing the Python packages of {requirements} into {}",
        repo.shown(&dir)
    );
    let made = Run::new(repo, "python3")
        .args(["-m", "venv", "--clear"])
        .arg(&dir)
        .go();
    if made.is_err() {
        debian(
            context,
            &["/usr/bin/python3", "/usr/share/python-wheels"],
            &["python3-venv"],
        )?;
        Run::new(repo, "/usr/bin/python3")
            .args(["-m", "venv", "--clear"])
            .arg(&dir)
            .go()?;
    }
    Run::new(repo, &python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
        ])
        .arg("--requirement")
        .arg(&list)
        .go()?;
    std::fs::write(&stamp, wanted)
        .map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}

/// cargo-deny: the one on PATH, else one built below the target directory.
///
/// Built without optimisation: that takes a minute where a release build takes ten, and it still answers in seconds.
pub(crate) fn cargo_deny(context: &Context) -> Result<PathBuf, String> {
    if let Some(path) = repo::which("cargo-deny") {
        return Ok(path);
    }
    let repo: &Repo = &context.repo;
    let root = repo.scratch("tools")?;
    let path = root.join("bin/cargo-deny");
    let version = |path: &PathBuf| Run::new(repo, path).arg("--version").output();
    if version(&path).is_ok_and(|text| text.trim().ends_with(CARGO_DENY)) {
        return Ok(path);
    }
    if !context.may_install {
        return Err("cargo-deny is not installed (cargo install --locked cargo-deny)".to_owned());
    }
    println!(
        "installing cargo-deny {CARGO_DENY} into {}",
        repo.shown(&root)
    );
    Run::cargo(
        repo,
        &[
            "install",
            "--locked",
            "--debug",
            "--quiet",
            "--version",
            CARGO_DENY,
            "--root",
        ],
    )
    .arg(&root)
    .arg("cargo-deny")
    .env("CARGO_TARGET_DIR", root.join("build"))
    .go()?;
    Ok(path)
}
