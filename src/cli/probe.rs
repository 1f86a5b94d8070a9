//! `scepd probe`: what a SCEP server can do.

use std::fmt::Write as _;

use chrono::Utc;
use clap::Args;
use pki::Name;
use serde_json::json;

use super::Failure;
use super::outcome::{print_json, print_text};
use super::server_args::{ServerArgs, block_on, failure};
use crate::client::{Error, Probe, ProbeOptions, probe};

/// Find out what a SCEP server can do: capabilities, certificates and their expiry, algorithms, GET, POST, renewal.
///
/// It asks for a CRL in many ways, which changes nothing on the server. With a challenge it enrolls and renews a
/// throwaway device.
#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// The server.
    url: String,
    /// Enroll and renew a throwaway device with this challenge password.
    #[arg(long, env = "SCEPD_CHALLENGE", hide_env_values = true)]
    challenge: Option<String>,
    /// Its name.
    #[arg(long, value_name = "DN", requires = "challenge")]
    subject: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: ProbeArgs) -> Result<(), Failure> {
    block_on(probing(args))
}

async fn probing(args: ProbeArgs) -> Result<(), Failure> {
    let subject = args
        .subject
        .as_deref()
        .map(Name::parse)
        .transpose()
        .map_err(Error::from)
        .map_err(failure)?;
    let mut server = args.server.meet(&args.url).await?;
    let options = ProbeOptions {
        challenge: args.challenge,
        subject,
    };
    let found = probe(&mut server, &options, Utc::now())
        .await
        .map_err(failure)?;
    if args.json {
        print_json(&json!(found));
    } else {
        print_text(&in_words(&found));
    }
    Ok(())
}

fn in_words(found: &Probe) -> String {
    let mut text = found.url.clone();
    let _ = write!(text, "\ncapabilities");
    let _ = write!(
        text,
        "\n  {}",
        if found.capabilities.is_empty() {
            "none".to_owned()
        } else {
            found.capabilities.join(" ")
        }
    );
    let _ = write!(text, "\ncertificates");
    for certificate in found
        .certificates
        .iter()
        .chain(found.next_ca.iter().flatten())
    {
        let _ = write!(
            text,
            "\n  {:<10} \"{}\", {}, {} days left (to {})",
            certificate.role,
            certificate.subject,
            certificate.key,
            certificate.days_left,
            certificate.not_after
        );
        let _ = write!(text, "\n             sha256 {}", certificate.sha256);
    }
    let _ = write!(text, "\nmessages");
    let trials = [
        ("POST", Some(&found.post)),
        ("GET", Some(&found.get)),
        ("enrollment", found.enrollment.as_ref()),
        ("renewal", found.renewal.as_ref()),
    ];
    for (name, trial) in trials {
        match trial {
            Some(trial) => {
                let works = yes(trial.works);
                let _ = write!(
                    text,
                    "\n  {name:<10} {works} ({}, {:.0} ms)",
                    trial.answer, trial.milliseconds
                );
            }
            None if name == "renewal" => {
                let _ = write!(
                    text,
                    "\n  {name:<10} {} (not tried: give a challenge)",
                    if found.renewal_advertised {
                        "offered"
                    } else {
                        "not offered"
                    }
                );
            }
            None => {}
        }
    }
    let _ = write!(text, "\nalgorithms");
    for algorithm in &found.algorithms {
        let _ = write!(
            text,
            "\n  {:<22} {} ({})",
            algorithm.name,
            yes(algorithm.accepted),
            algorithm.answer
        );
    }
    if found.findings.is_empty() {
        let _ = write!(text, "\nnothing to complain about");
    } else {
        let _ = write!(text, "\nfindings");
        for finding in &found.findings {
            let _ = write!(text, "\n  {finding}");
        }
    }
    text
}

fn yes(works: bool) -> &'static str {
    if works { "yes" } else { "no " }
}
