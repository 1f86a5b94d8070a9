//! `cargo xtask bench`: what an enrollment costs, against the bare cryptography and against other servers.
//!
//! Everything is measured in one run, round after round, so that a machine that is busy with something else is as unkind to
//! one as to the other. What counts is CPU time an enrollment: that holds on a busy machine, where throughput does not.

mod peers;
mod process;
mod table;

use std::path::Path;

use serde_json::Value;

use crate::build;
use crate::check::Context;
use crate::command::Run;
use crate::repo::{self, Repo};
use crate::server::Server;
use peers::Peer;
use process::Process;
use table::{Sample, Table};

/// Enrollments of a round, unless `--count` says otherwise.
const COUNT: usize = 4000;
const ROUNDS: usize = 5;
const CONCURRENCY: &str = "32";

struct Options {
    peers: bool,
    rounds: usize,
    count: usize,
}

/// Measure, print the table, and write it to `target/bench/table.md`.
///
/// # Errors
/// A program could not be built or started, or an enrollment failed.
pub(crate) fn bench(repo: Repo, args: &[&str]) -> Result<(), String> {
    let options = options(args)?;
    let context = Context {
        repo,
        may_install: true,
    };
    let repo = &context.repo;
    match repo::brought() {
        Some(binary) => println!("measuring {} (SCEPD_BIN)", binary.display()),
        None => build::build(repo).map(|_| ())?,
    }
    let rsa = Server::quickstart(repo, "bench-rsa", &[])?;
    let elliptic = Server::quickstart_with(repo, "bench-ec", &["--ca", "ec"], &[])?;
    let mut subjects = vec![
        Subject::scepd("scepd, RSA CA", "RSA 2048", &rsa)?,
        Subject::scepd("scepd, P-256 CA", "EC P-256", &elliptic)?,
    ];
    let peers = match options.peers {
        true => vec![peers::step_ca(&context)?, peers::scepserver(&context)?],
        false => Vec::new(),
    };
    subjects.extend(peers.iter().map(Subject::peer));
    let mut table = Table::new(&options, subjects.iter().map(|subject| subject.name));
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        let floor = floor(repo)?;
        for (number, subject) in subjects.iter().enumerate() {
            table.add(number, subject.measure(repo, options.count, &floor)?);
        }
    }
    let text = table.to_string();
    let path = repo.target().join("bench").join("table.md");
    write(&path, &text)?;
    println!("\n{text}\nwritten to {}", repo.shown(&path));
    Ok(())
}

fn options(args: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        peers: false,
        rounds: ROUNDS,
        count: COUNT,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().and_then(|value| value.parse().ok());
            value
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{arg} takes a number above 0"))
        };
        match *arg {
            "--peers" => options.peers = true,
            "--rounds" => options.rounds = number()?,
            "--count" => options.count = number()?,
            other => {
                return Err(format!(
                    "`bench` takes --peers, --rounds N and --count N, not `{other}`"
                ));
            }
        }
    }
    Ok(options)
}

/// A server that is measured.
struct Subject<'a> {
    name: &'static str,
    /// The variant of the floor with the same cryptography.
    floor: &'static str,
    url: String,
    challenge: String,
    process: Process,
    arguments: Vec<&'a str>,
    /// Whether it may refuse some: that of others which break under load is a figure like others.
    may_fail: bool,
}

impl<'a> Subject<'a> {
    fn scepd(name: &'static str, floor: &'static str, server: &'a Server) -> Result<Self, String> {
        let challenge = server.dir().join("challenge-corp");
        let challenge = std::fs::read_to_string(&challenge)
            .map_err(|error| format!("{}: {error}", challenge.display()))?;
        Ok(Subject {
            name,
            floor,
            url: server.fact("/profiles/0/url")?.to_owned(),
            challenge: challenge.trim().to_owned(),
            process: Process(server.id()),
            arguments: vec!["--ca-file", server.fact("/ca_cert")?],
            may_fail: false,
        })
    }

    fn peer(peer: &'a Peer) -> Self {
        Subject {
            name: peer.name,
            floor: "RSA 2048",
            url: peer.url.clone(),
            challenge: peer.challenge.clone(),
            process: Process(peer.id()),
            // What is in their replies is not looked at: scepserver encrypts them with single DES.
            arguments: vec!["--insecure", "--check", "0"],
            may_fail: true,
        }
    }

    fn measure(&self, repo: &Repo, count: usize, floor: &Value) -> Result<Sample, String> {
        let before = self.process.cpu()?;
        let (_, text) = Run::new(repo, repo.binary())
            .args(["bench", "--json", "--legacy", "--url", &self.url])
            .args(["--count", &count.to_string(), "--concurrency", CONCURRENCY])
            .args(&self.arguments)
            .secret("--challenge", &self.challenge)
            .merged()?;
        // The report, then what was said besides.
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let report = match values.next() {
            Some(Ok(report)) => report,
            _ => return Err(format!("{}: {text}", self.name)),
        };
        let cpu = self.process.cpu()?.saturating_sub(before);
        let sample = Sample::new(
            &report,
            cpu,
            floor_of(floor, self.floor)?,
            self.process.resident()?,
        )?;
        if sample.failed() && !self.may_fail {
            return Err(format!("{}: enrollments failed: {report}", self.name));
        }
        Ok(sample)
    }
}

/// The bare cryptography, on every core for some seconds.
fn floor(repo: &Repo) -> Result<Value, String> {
    let text = Run::new(repo, repo.binary())
        .args(["bench", "--floor", "--json", "--seconds", "3"])
        .output()?;
    serde_json::from_str(&text).map_err(|error| format!("`scepd bench --floor`: {error}"))
}

/// Microseconds of CPU that the bare cryptography takes with this kind of CA key.
fn floor_of(floor: &Value, ca_key: &str) -> Result<f64, String> {
    let variants = floor.pointer("/variants").and_then(Value::as_array);
    variants
        .into_iter()
        .flatten()
        .find(|variant| variant.pointer("/ca_key").and_then(Value::as_str) == Some(ca_key))
        .and_then(|variant| variant.pointer("/cpu_microseconds"))
        .and_then(Value::as_f64)
        .ok_or_else(|| format!("`scepd bench --floor` measured no {ca_key}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", path.display());
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}
