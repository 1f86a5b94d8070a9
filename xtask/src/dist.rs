//! `cargo xtask dist`: what a release consists of.
//!
//! The binary goes out stripped; what a debugger or a backtrace needs goes beside it. Everything is made from the
//! locked dependencies, and `SHA256SUMS` names every file.

use std::fs;
use std::path::{Path, PathBuf};

use crate::build;
use crate::check::Context;
use crate::command::Run;
use crate::install::{self, CARGO_CYCLONEDX, CARGO_DEB};
use crate::repo::Repo;

/// Make everything below `target/dist`, which is emptied first.
///
/// # Errors
/// A tool is missing or one of the steps failed; the message names it.
pub(crate) fn dist(repo: Repo) -> Result<(), String> {
    let context = Context {
        repo,
        may_install: true,
    };
    let repo = &context.repo;
    install::debian(&context, &["objcopy", "strip"], &["binutils"])?;
    let out = repo.target().join("dist");
    if out.exists() {
        fs::remove_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    }
    make_dir(&out)?;
    let built = build::build(repo)?;
    let binary = out.join("scepd");
    strip(repo, &built, &binary)?;
    documents(repo, &binary, &out)?;
    debian_package(&context, &out)?;
    bill_of_materials(&context, &out)?;
    sums(repo, &out)?;
    println!("made in {}:", repo.shown(&out));
    for file in files(&out)? {
        let size = fs::metadata(&file).map_or(0, |meta| meta.len());
        println!("{size:>12}  {}", repo.shown(&file));
    }
    Ok(())
}

/// The binary without, and beside it what it was stripped of.
fn strip(repo: &Repo, built: &Path, binary: &Path) -> Result<(), String> {
    let symbols = binary.with_extension("debug");
    Run::new(repo, "objcopy")
        .arg("--only-keep-debug")
        .arg("--compress-debug-sections")
        .arg(built)
        .arg(&symbols)
        .go()?;
    Run::new(repo, "strip")
        .arg("-o")
        .arg(binary)
        .arg(built)
        .go()?;
    // GNU debuggers look for the file that this names beside the binary.
    Run::new(repo, "objcopy")
        .arg(format!("--add-gnu-debuglink={}", symbols.display()))
        .arg(binary)
        .go()
}

/// Man pages and completions, as the binary itself prints them.
fn documents(repo: &Repo, binary: &Path, out: &Path) -> Result<(), String> {
    let man = out.join("man");
    make_dir(&man)?;
    Run::new(repo, binary)
        .arg("man")
        .arg("--dir")
        .arg(&man)
        .go()?;
    let completions = out.join("completions");
    make_dir(&completions)?;
    for (shell, file) in [
        ("bash", "scepd.bash"),
        ("zsh", "_scepd"),
        ("fish", "scepd.fish"),
    ] {
        let text = Run::new(repo, binary)
            .args(["completions", shell])
            .output()?;
        let path = completions.join(file);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// The package of what lies in `target/dist`; `Cargo.toml` says what goes where.
fn debian_package(context: &Context, out: &Path) -> Result<(), String> {
    let tool = install::cargo_tool(context, &CARGO_DEB)?;
    Run::new(&context.repo, tool)
        .args([
            "deb",
            "--no-build",
            "--no-strip",
            "--locked",
            "--package",
            "scepd",
            "--output",
        ])
        .arg(out)
        .env("CARGO_TARGET_DIR", context.repo.target())
        .go()
}

/// CycloneDX, of what is compiled into the binary.
fn bill_of_materials(context: &Context, out: &Path) -> Result<(), String> {
    let repo = &context.repo;
    let tool = install::cargo_tool(context, &CARGO_CYCLONEDX)?;
    Run::new(repo, tool)
        .args([
            "cyclonedx",
            "--format",
            "json",
            "--spec-version",
            "1.5",
            "--describe",
            "binaries",
        ])
        .args([
            "--no-build-deps",
            "--target",
            "x86_64-unknown-linux-gnu",
            "--manifest-path",
        ])
        .arg(repo.path("Cargo.toml"))
        .go()?;
    // The tool writes beside each manifest of the workspace; only the server's is of interest.
    let mut found = None;
    for file in files(repo.root())? {
        let name = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.ends_with("_bin.cdx.json")) {
            let of_server = file.parent() == Some(repo.root());
            if of_server {
                fs::copy(&file, out.join("scepd.cdx.json"))
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                found = Some(());
            }
            fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    found.ok_or_else(|| "cargo-cyclonedx wrote no bill of materials for scepd".to_owned())
}

/// `sha256sum -c SHA256SUMS` checks the whole directory.
fn sums(repo: &Repo, out: &Path) -> Result<(), String> {
    let mut run = Run::new(repo, "sha256sum").dir(out);
    for file in files(out)? {
        run = run.arg(file.strip_prefix(out).unwrap_or(&file));
    }
    let path = out.join("SHA256SUMS");
    fs::write(&path, run.output()?).map_err(|error| format!("{}: {error}", path.display()))
}

fn make_dir(dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))
}

/// The files below a directory, sorted; what is generated elsewhere is left out.
fn files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let skipped = ["target", "node_modules", ".git"];
        if !path.is_dir() {
            found.push(path);
        } else if !skipped.iter().any(|name| entry.file_name() == *name) {
            found.extend(files(&path)?);
        }
    }
    found.sort();
    Ok(found)
}
