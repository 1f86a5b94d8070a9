//! `scepd bench`: how many enrollments a second.

use std::fmt::Write;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::json;

use super::Failure;
use super::outcome::{print_json, print_text};
use super::server_args::{DialectArgs, ServerArgs, block_on, failure};
use crate::client::bench::{self, BenchOptions, Challenges, Progress, Recipe, floor};
use crate::client::folder::read_key;

/// Measure enrollments a second, of any SCEP server, or what this machine's OpenSSL could do at best.
///
/// All requests are made before the clock starts. Exit code 1 when a request failed or a checked reply was not good.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// The server.
    #[arg(long, required_unless_present = "floor")]
    url: Option<String>,
    /// The challenge password that all requests carry.
    #[arg(long, env = "SCEPD_CHALLENGE", hide_env_values = true)]
    challenge: Option<String>,
    /// Enrollments.
    #[arg(long, short = 'n', default_value_t = 1000)]
    count: usize,
    /// Connections, each with one request under way.
    #[arg(long, short = 'c', default_value_t = 32)]
    concurrency: usize,
    /// Device keys that the requests share.
    #[arg(long, default_value_t = 4)]
    keys: usize,
    /// Replies that are checked fully, after the clock has stopped.
    #[arg(long, value_name = "N", default_value_t = 200)]
    check: usize,
    /// What stands before the CN in every subject, for instance "C=US, O=Example"
    #[arg(long, value_name = "DN")]
    subject: Option<String>,
    /// Ask for a DNS name as alternative name too.
    #[arg(long)]
    with_san: bool,
    /// PEM file with a connector's key: every request carries its own signed Intune challenge.
    #[arg(long, value_name = "FILE", conflicts_with = "challenge")]
    intune_key: Option<PathBuf>,
    /// aud of those challenges.
    #[arg(long, value_name = "TEXT", requires = "intune_key")]
    intune_audience: Option<String>,
    /// iss of those challenges.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "intune_key",
        default_value = "scepd bench"
    )]
    intune_issuer: String,
    /// Measure the cryptography of an enrollment alone, with this machine's OpenSSL on all cores; no server is needed.
    #[arg(long, conflicts_with_all = ["url", "challenge", "intune_key"])]
    floor: bool,
    /// How long each variant of --floor runs, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5.0,
        requires = "floor"
    )]
    seconds: f64,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    dialect: DialectArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: BenchArgs) -> Result<(), Failure> {
    match &args.url {
        Some(url) if !args.floor => {
            let url = url.clone();
            block_on(measure(args, url))
        }
        _ => measure_floor(&args),
    }
}

fn measure_floor(args: &BenchArgs) -> Result<(), Failure> {
    let seconds = Duration::try_from_secs_f64(args.seconds)
        .map_err(|_| Failure::usage(format!("--seconds {} is no length of time", args.seconds)))?;
    let found = floor::measure(seconds).map_err(failure)?;
    if args.json {
        print_json(&json!(found));
    } else {
        print_text(&found.to_string());
    }
    Ok(())
}

async fn measure(args: BenchArgs, url: String) -> Result<(), Failure> {
    let server = args.server.meet(&url).await?;
    let options = BenchOptions {
        count: args.count,
        concurrency: args.concurrency,
        keys: args.keys,
        checked: args.check,
        dialect: args.dialect.choose(&server)?,
    };
    let challenges = match (args.challenge, args.intune_key) {
        (_, Some(path)) => {
            let key = read_key(&path).map_err(failure)?;
            Challenges::Intune {
                minter: challenge::mint::Minter::new(&key)
                    .map_err(Failure::while_doing(format!("{}", path.display())))?,
                audience: args.intune_audience,
                issuer: args.intune_issuer,
                lifetime: TimeDelta::hours(1),
            }
        }
        (Some(secret), None) => Challenges::Static(secret),
        (None, None) => Challenges::None,
    };
    let recipe = Recipe {
        subject_prefix: args
            .subject
            .map(|prefix| format!("{prefix}, "))
            .unwrap_or_default(),
        with_san: args.with_san,
        challenges,
        now: Utc::now(),
    };
    let progress = Arc::new(Progress::default());
    let (running, ended) = mpsc::channel();
    let bars = std::thread::spawn({
        let (progress, count) = (progress.clone(), options.count as u64);
        move || draw(&progress, count, &ended)
    });
    let report = bench::run(&server, &recipe, &options, progress)
        .await
        .map_err(failure);
    drop(running);
    // The bars are decoration: what becomes of them changes nothing.
    let _ = bars.join();
    let report = report?;
    if args.json {
        print_json(&json!(report));
    } else {
        print_text(&report.to_string());
    }
    if report.all_good() {
        Ok(())
    } else {
        Err(Failure::new(
            "some enrollments failed or did not pass the checks; see the report",
        ))
    }
}

/// Two bars, one after the other, until the other end of `ended` goes away. On a terminal only.
fn draw(progress: &Progress, count: u64, ended: &mpsc::Receiver<()>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let style = ProgressStyle::with_template("{msg:<10} {bar:40} {pos}/{len} {rate} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{:.0}/s", state.per_sec());
        });
    let bar = |words: &'static str| {
        ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr_with_hz(5))
            .with_style(style.clone())
            .with_message(words)
    };
    let preparing = bar("preparing");
    let mut enrolling: Option<ProgressBar> = None;
    let tick = Duration::from_millis(200);
    while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(tick) {
        match &enrolling {
            Some(bar) => bar.set_position(progress.answered()),
            None if progress.prepared() >= count => {
                preparing.finish_and_clear();
                enrolling = Some(bar("enrolling"));
            }
            None => preparing.set_position(progress.prepared()),
        }
    }
    preparing.finish_and_clear();
    if let Some(bar) = enrolling {
        bar.finish_and_clear();
    }
}
