//! `cargo xtask coverage`: which lines the Rust tests reach.
//!
//! cargo-llvm-cov does the work. It needs LLVM's own readers in the version that the compiler was built with: rustup's
//! component `llvm-tools`, or Debian's package of that LLVM.

use std::path::PathBuf;

use crate::check::Context;
use crate::command::Run;
use crate::install::{self, CARGO_LLVM_COV};
use crate::repo::Repo;

/// Run the tests of these packages, or of all, and report; lcov.info and pages go to `target/coverage`.
///
/// # Errors
/// A tool is missing, a test failed, or a report could not be written.
pub(crate) fn coverage(repo: Repo, packages: &[&str]) -> Result<(), String> {
    let context = Context {
        repo,
        may_install: true,
    };
    let tool = install::cargo_tool(&context, &CARGO_LLVM_COV)?;
    let readers = readers(&context)?;
    let repo = &context.repo;
    let out = repo.target().join("coverage");
    let run = |args: &[&str]| {
        let run = Run::new(repo, &tool).arg("llvm-cov").args(args);
        readers
            .iter()
            .fold(run, |run, (name, path)| run.env(name, path))
    };
    let mut tests = vec!["--no-report", "--locked", "--tests"];
    if packages.is_empty() {
        tests.push("--workspace");
    }
    for package in packages {
        tests.extend(["--package", package]);
    }
    run(&["clean", "--workspace"]).go()?;
    run(&tests).go()?;
    run(&["report", "--html", "--output-dir"]).arg(&out).go()?;
    run(&["report", "--lcov", "--output-path"])
        .arg(out.join("lcov.info"))
        .go()?;
    run(&["report", "--summary-only"]).go()?;
    println!("pages: {}", repo.shown(&out.join("html/index.html")));
    Ok(())
}

/// Where cargo-llvm-cov finds LLVM's programs, as variables; none where rustup's component is there.
fn readers(context: &Context) -> Result<Vec<(&'static str, PathBuf)>, String> {
    let repo = &context.repo;
    let said = Run::new(repo, "rustc").arg("-vV").output()?;
    let fact = |name: &str| said.lines().find_map(|line| line.strip_prefix(name));
    let (Some(host), Some(llvm)) = (fact("host: "), fact("LLVM version: ")) else {
        return Err("`rustc -vV` names no host or no LLVM version".to_owned());
    };
    let sysroot = Run::new(repo, "rustc")
        .args(["--print", "sysroot"])
        .output()?;
    let component = PathBuf::from(sysroot.trim())
        .join("lib/rustlib")
        .join(host)
        .join("bin/llvm-profdata");
    if component.is_file() {
        return Ok(Vec::new());
    }
    let major = llvm.split('.').next().unwrap_or(llvm);
    let package = format!("llvm-{major}");
    let profdata = format!("llvm-profdata-{major}");
    let cov = format!("llvm-cov-{major}");
    install::debian(context, &[&profdata, &cov], &[&package])
        .map_err(|reason| format!("{reason}; or `rustup component add llvm-tools`"))?;
    let found = |program: &str| {
        crate::repo::which(program).ok_or_else(|| format!("{program} is not on PATH"))
    };
    Ok(vec![
        ("LLVM_PROFDATA", found(&profdata)?),
        ("LLVM_COV", found(&cov)?),
    ])
}
