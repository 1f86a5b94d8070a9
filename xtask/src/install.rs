//! What a check needs and the machine may lack: Debian packages, a Python environment, cargo tools.
//!
//! Nothing is installed silently, and nothing outside the target directory but Debian packages (as root only).

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::check::Context;
use crate::command::Run;
use crate::repo::{self, Repo};

/// A program that `cargo install` brings. Versions are raised by hand.
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
}

/// Licences, sources, bans and advisories.
pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
};
/// Debian packages.
pub(crate) const CARGO_DEB: CargoTool = CargoTool {
    name: "cargo-deb",
    version: "3.8.0",
};
/// Bills of materials.
pub(crate) const CARGO_CYCLONEDX: CargoTool = CargoTool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
};
/// Which lines tests reach.
pub(crate) const CARGO_LLVM_COV: CargoTool = CargoTool {
    name: "cargo-llvm-cov",
    version: "0.9.1",
};

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

/// A cargo tool: the one on PATH, else one built below the target directory.
///
/// Built without optimisation: that takes a minute where a release build takes ten, and it still answers in seconds.
pub(crate) fn cargo_tool(context: &Context, tool: &CargoTool) -> Result<PathBuf, String> {
    let CargoTool { name, version } = tool;
    if let Some(path) = repo::which(name) {
        return Ok(path);
    }
    let repo: &Repo = &context.repo;
    let root = repo.scratch("tools")?;
    let path = root.join("bin").join(name);
    // The list of what is installed, as cargo keeps it: `"cargo-deny 0.20.2 (registry+...)" = [...]`.
    let installed = std::fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    if path.is_file() && installed.contains(&format!("\"{name} {version} ")) {
        return Ok(path);
    }
    if !context.may_install {
        return Err(format!(
            "{name} is not installed (cargo install --locked {name})"
        ));
    }
    println!("installing {name} {version} into {}", repo.shown(&root));
    Run::cargo(
        repo,
        &[
            "install",
            "--locked",
            "--debug",
            "--quiet",
            "--version",
            version,
            "--root",
        ],
    )
    .arg(&root)
    .arg(name)
    .env("CARGO_TARGET_DIR", root.join("build"))
    .go()?;
    Ok(path)
}
