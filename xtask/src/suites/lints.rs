//! Formatting, clippy, rustdoc and cargo-deny.

use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::install;

pub(super) fn fmt(context: &Context) -> Result<Done, String> {
    Run::cargo(&context.repo, &["fmt", "--all", "--check"]).go()?;
    let fuzz = ["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"];
    Run::cargo(&context.repo, &fuzz).go()?;
    Ok(Done::Passed)
}

pub(super) fn clippy(context: &Context) -> Result<Done, String> {
    let args = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    Run::cargo(&context.repo, &args).go()?;
    Ok(Done::Passed)
}

pub(super) fn docs(context: &Context) -> Result<Done, String> {
    Run::cargo(
        &context.repo,
        &["doc", "--workspace", "--no-deps", "--locked"],
    )
    .env("RUSTDOCFLAGS", "-D warnings")
    .go()?;
    Ok(Done::Passed)
}

pub(super) fn deny(context: &Context) -> Result<Done, String> {
    let tool = install::cargo_tool(context, &install::CARGO_DENY)?;
    Run::new(&context.repo, tool)
        .args([
            "--locked",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ])
        .go()?;
    Ok(Done::Passed)
}

/// The advisory database is fetched; where it cannot be, nothing was checked and the table says so.
pub(super) fn advisories(context: &Context) -> Result<Done, String> {
    let tool = install::cargo_tool(context, &install::CARGO_DENY)?;
    let (ok, text) = Run::new(&context.repo, tool)
        .args(["--locked", "--log-level", "error", "check", "advisories"])
        .merged()?;
    if ok {
        return Ok(Done::Passed);
    }
    if text.contains("failed to fetch advisory database") {
        return Ok(Done::Skipped(
            "the advisory database cannot be fetched from this machine".to_owned(),
        ));
    }
    println!("{text}");
    Err("cargo-deny reports an advisory (above)".to_owned())
}
