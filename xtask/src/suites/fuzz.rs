//! A short run of every fuzz target, on the stable compiler.
//!
//! Only our own decoders are instrumented: cargo hands every compilation to this binary (`RUSTC_WRAPPER`), which adds the
//! coverage flags for the crates named here.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::check::Context;
use crate::check::Done;
use crate::command::Run;
use crate::install;
use crate::repo::Repo;

/// Set where this binary is called as the compiler.
const AS_COMPILER: &str = "SCEPD_FUZZ_COMPILER";

/// What makes libFuzzer see which edges and comparisons an input reached.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions=on",
];

/// The crates whose coverage guides the fuzzer: ours, and what decodes for them.
const INSTRUMENTED: [&str; 9] = [
    "pki",
    "scep",
    "challenge",
    "ocsp",
    "scepd_fuzz",
    "rasn",
    "rasn_cms",
    "rasn_pkix",
    "base64",
];

/// Names the directory of recorded messages to the targets.
const VECTORS: &str = "SCEPD_FUZZ_VECTORS";

/// Seconds that each target runs, unless [`SECONDS_NAME`] says otherwise.
const SECONDS: u32 = 6;

/// For longer runs on a schedule.
const SECONDS_NAME: &str = "SCEPD_FUZZ_SECONDS";

pub(crate) fn called_as_compiler() -> bool {
    env::var_os(AS_COMPILER).is_some()
}

/// `xtask RUSTC ARGS..`: the compiler, with coverage for what goes into a fuzz target.
pub(crate) fn compile() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(rustc) = args.next() else {
        return ExitCode::from(2);
    };
    let args: Vec<OsString> = args.collect();
    let mut command = Command::new(rustc);
    command.args(&args);
    // Build scripts and macros have no fuzzer to report to.
    let name = args
        .iter()
        .position(|arg| arg == "--crate-name")
        .and_then(|at| args.get(at + 1));
    let ours = |name: &str| INSTRUMENTED.contains(&name) || name.starts_with("fuzz_");
    if name.and_then(|name| name.to_str()).is_some_and(ours) {
        command.args(COVERAGE);
    }
    match command.status() {
        Ok(status) => ExitCode::from(
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
        ),
        Err(_) => ExitCode::from(2),
    }
}

pub(super) fn run(context: &Context) -> Result<Done, String> {
    let repo = &context.repo;
    if let Err(reason) = install::debian(context, &["g++"], &["g++"]) {
        return Ok(Done::Skipped(reason));
    }
    let vectors = repo.path("tests/fixtures/vectors");
    let target_dir = repo.scratch("fuzz")?;
    build(repo, &target_dir)?;

    let corpus = target_dir.join("corpus");
    let bin = |name: &str| target_dir.join("debug").join(format!("fuzz_{name}"));
    Run::new(repo, bin("seeds"))
        .arg("-runs=0")
        .env(VECTORS, &vectors)
        .env("SCEPD_FUZZ_CORPUS", &corpus)
        .go()?;
    let targets = targets(&repo.path("fuzz/targets"))?;
    let seconds = seconds()?;
    let mut crashed = Vec::new();
    for target in &targets {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir)
            .map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
        let (fine, text) = Run::new(repo, bin(target))
            .arg(&dir)
            .arg(format!(
                "-artifact_prefix={}/crash-{target}-",
                target_dir.display()
            ))
            .arg(format!("-max_total_time={seconds}"))
            .args([
                "-timeout=5",
                "-rss_limit_mb=1024",
                "-max_len=16384",
                "-print_final_stats=1",
            ])
            .env(VECTORS, &vectors)
            .merged()?;
        if fine {
            let runs = stat(&text, "stat::number_of_executed_units:");
            println!(
                "{target}: {runs} runs, {} inputs kept",
                stat(&text, "stat::new_units_added:")
            );
        } else {
            println!("{text}\n{target}: stopped on an input");
            crashed.push(target.as_str());
        }
    }
    println!(
        "fuzz: {} passed, {} failed",
        targets.len() - crashed.len(),
        crashed.len()
    );
    if crashed.is_empty() {
        return Ok(Done::Passed);
    }
    Err(format!(
        "{} stopped on an input (kept in {})",
        crashed.join(", "),
        repo.shown(&target_dir)
    ))
}

fn seconds() -> Result<u32, String> {
    match env::var(SECONDS_NAME) {
        Err(_) => Ok(SECONDS),
        Ok(text) => match text.parse() {
            Ok(seconds) if seconds > 0 => Ok(seconds),
            _ => Err(format!(
                "{SECONDS_NAME} is `{text}`; a number of seconds above 0 is needed"
            )),
        },
    }
}

/// Build the targets in a target directory of their own, with the OpenSSL that the other checks built.
fn build(repo: &Repo, target_dir: &Path) -> Result<(), String> {
    let lock = (repo.path("Cargo.lock"), repo.path("fuzz/Cargo.lock"));
    fs::copy(&lock.0, &lock.1)
        .map_err(|error| format!("cannot write {}: {error}", lock.1.display()))?;
    let this = env::current_exe().map_err(|error| format!("cannot name this program: {error}"))?;
    let mut run = Run::cargo(
        repo,
        &["build", "--manifest-path", "fuzz/Cargo.toml", "--bins"],
    )
    .env("RUSTC_WRAPPER", this)
    .env(AS_COMPILER, "1")
    .env("CARGO_TARGET_DIR", target_dir);
    if let Some(openssl) = built_openssl(repo) {
        run = run
            .env("OPENSSL_NO_VENDOR", "1")
            .env("OPENSSL_STATIC", "1")
            .env("OPENSSL_DIR", openssl);
    }
    run.go()
}

/// Where the dev build put OpenSSL; without it the fuzzers build one of their own, which takes minutes.
fn built_openssl(repo: &Repo) -> Option<PathBuf> {
    let entries = fs::read_dir(repo.target().join("debug/build")).ok()?;
    let candidates = entries
        .flatten()
        .map(|entry| entry.path().join("out/openssl-build/install"));
    let library = |install: &PathBuf| {
        let found = ["lib", "lib64"].map(|lib| install.join(lib).join("libcrypto.a"));
        found
            .iter()
            .find_map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
    };
    candidates
        .filter(|install| library(install).is_some())
        .max_by_key(library)
}

/// A number of libFuzzer's closing statistics.
fn stat<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or("?", str::trim)
}

/// The names of the targets: one source file each.
fn targets(dir: &Path) -> Result<Vec<String>, String> {
    let entries =
        fs::read_dir(dir).map_err(|error| format!("cannot read {}: {error}", dir.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}
