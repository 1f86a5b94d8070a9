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
/// throwaway device, and fails when that does not work.
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
    match found.failed() {
        Some(what) => Err(Failure::new(format!("the {what} did not work"))),
        None => Ok(()),
    }
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
        if certificate.role != "RA" {
            let _ = write!(text, "\n             sha1 {}", certificate.sha1);
        }
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
                let offered = match found.renewal_advertised {
                    true => "offered",
                    false => "not offered",
                };
                let why = match found.enrollment {
                    Some(_) => "the enrollment failed",
                    None => "give a challenge",
                };
                let _ = write!(text, "\n  {name:<10} {offered} (not tried: {why})");
            }
            None => {}
        }
    }
    let _ = write!(text, "\nalgorithms");
    for algorithm in &found.algorithms {
        let _ = write!(
            text,
            "\n  {:<22} {:<7} ({})",
            algorithm.name,
            algorithm.accepted.map_or("unclear", yes).trim_end(),
            algorithm.answer
        );
    }
    if found.algorithms.iter().any(|one| one.accepted.is_none()) {
        let _ = write!(
            text,
            "\n  unclear: a server may answer so whether it could open the message or not"
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{AlgorithmReport, Trial};

    fn trial(works: bool) -> Trial {
        Trial {
            works,
            answer: "badCertId".to_owned(),
            milliseconds: 2.0,
        }
    }

    fn words(accepted: Option<bool>, enrollment: Option<Trial>) -> String {
        in_words(&Probe {
            url: "http://127.0.0.1/scep".to_owned(),
            at: Utc::now(),
            capabilities: Vec::new(),
            certificates: Vec::new(),
            next_ca: None,
            get: trial(true),
            post: trial(true),
            algorithms: vec![AlgorithmReport {
                name: "AES-128",
                accepted,
                answer: "badCertId".to_owned(),
            }],
            renewal_advertised: false,
            enrollment,
            renewal: None,
            findings: Vec::new(),
        })
    }

    #[test]
    fn why_no_renewal_was_tried() {
        let text = words(None, None);
        assert!(text.contains("not tried: give a challenge"), "{text}");
        let text = words(None, Some(trial(false)));
        assert!(text.contains("not tried: the enrollment failed"), "{text}");
    }

    #[test]
    fn what_an_answer_does_not_tell_is_called_unclear() {
        let note = "whether it could open the message or not";
        for (accepted, said) in [
            (Some(true), "yes "),
            (Some(false), "no "),
            (None, "unclear "),
        ] {
            let text = words(accepted, None);
            let line = text.lines().find(|line| line.contains("AES-128"));
            let rest = line.and_then(|line| line.split_once("AES-128"));
            let verdict = rest.map(|(_, rest)| rest.trim_start());
            assert!(verdict.is_some_and(|rest| rest.starts_with(said)), "{text}");
            assert_eq!(text.contains(note), accepted.is_none(), "{text}");
        }
    }
}
