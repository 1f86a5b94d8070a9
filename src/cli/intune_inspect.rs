//! `scepd intune-inspect`: why a challenge is, or would be, refused.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use challenge::{
    AnchorTenant, CsrFacts, Error, GateVerdict, IntuneSettings, Report, TrustAnchors, inspect,
};
use chrono::{DateTime, Utc};
use clap::Args;
use pki::Csr;

use super::{Failure, SourceArgs, intune_files};
use crate::config::{ExtraName, Profile, Span};

/// Explain an Intune challenge gate by gate, against a profile or a trust-anchor file, without touching any state
///
/// Exit code 0: no gate that could be asked refuses; 3: one does.
#[derive(Debug, Args)]
pub(super) struct IntuneInspectArgs {
    /// The challenge; - = standard input [default: the challengePassword of --csr]
    challenge: Option<String>,
    /// File with the challenge
    #[arg(long, value_name = "FILE", conflicts_with = "challenge")]
    file: Option<PathBuf>,
    /// The device's CSR, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Use this profile's anchors and settings; an empty text is the root profile
    #[arg(long, value_name = "PATH_ID", conflicts_with = "anchors")]
    profile: Option<String>,
    /// Trust these connector certificates, PEM or DER
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// Override the audience
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// Override how old a challenge may be; 0 = no matter
    #[arg(long, value_name = "DURATION")]
    challenge_validity: Option<Span>,
    /// Override the tolerance for clocks
    #[arg(long, value_name = "DURATION")]
    clock_skew_tolerance: Option<Span>,
    /// Override the enrollments of a device within 24 h; 0 = no limit
    #[arg(long, value_name = "NUMBER")]
    per_device_rate_limit_24h: Option<u32>,
    /// Bind only the names that the challenge has
    #[arg(long)]
    pinned_only: bool,
    /// Accept names of this kind although no claim can vouch for them
    #[arg(long, value_name = "ip|uri|other", value_parser = extra_name)]
    extra_name: Vec<ExtraName>,
    /// As of this time, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sources: SourceArgs,
}

pub(super) fn run(args: IntuneInspectArgs) -> Result<(), Failure> {
    let now = args.at.unwrap_or_else(Utc::now);
    let csr = args
        .csr
        .as_deref()
        .map(intune_files::read_csr)
        .transpose()?;
    let challenge = args.challenge(csr.as_ref())?;
    let Basis {
        settings,
        anchors,
        tenants,
    } = args.basis()?;
    let anchors = anchors
        .as_deref()
        .map(|file| read_anchors(file, now))
        .transpose()?;
    let anchors = match tenants.is_empty() {
        true => anchors,
        false => {
            let read = tenants.into_iter();
            let read = read.map(|(tenant, file)| Ok((tenant, read_anchors(&file, now)?)));
            let tenants = read.collect::<Result<Vec<_>, Failure>>()?;
            Some(TrustAnchors::with_tenants(anchors, tenants))
        }
    };
    let facts = csr.as_ref().map(CsrFacts::from_csr);
    let report = inspect(&challenge, anchors.as_ref(), &settings, facts.as_ref(), now);
    if args.json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(Failure::while_doing("cannot write the report"))?;
        println!("{text}");
    } else {
        print!("{}", printable(&as_text(&report)));
    }
    match report.refused_by {
        None => Ok(()),
        Some(_) => Err(Failure::new(verdict(&report)).with_code(3)),
    }
}

/// What a challenge is held against.
#[derive(Default)]
struct Basis {
    settings: IntuneSettings,
    /// The trust-anchor file of the profile itself.
    anchors: Option<PathBuf>,
    /// Tenants with trust-anchor files of their own.
    tenants: Vec<(AnchorTenant, PathBuf)>,
}

impl IntuneInspectArgs {
    fn challenge(&self, csr: Option<&Csr>) -> Result<String, Failure> {
        let file = match (&self.challenge, &self.file) {
            (Some(text), _) if text != "-" => return Ok(text.clone()),
            (Some(_), _) => Path::new("-"),
            (None, Some(file)) => file,
            (None, None) => match csr.map(|csr| csr.challenge_password()) {
                Some(Some(password)) => return Ok(password.to_owned()),
                Some(None) => return Err(Failure::usage("the CSR holds no challengePassword")),
                None if std::io::stdin().is_terminal() => {
                    return Err(Failure::usage(
                        "give a challenge, --file, or a --csr that holds one",
                    ));
                }
                None => Path::new("-"),
            },
        };
        let text = String::from_utf8(intune_files::read(file)?)
            .map_err(|_| Failure::new(format!("{}: not text", file.display())))?;
        Ok(text.trim().to_owned())
    }

    /// The settings to go by, and the trust-anchor files.
    fn basis(&self) -> Result<Basis, Failure> {
        let mut basis = match (&self.anchors, &self.profile) {
            (Some(file), _) => Basis {
                anchors: Some(file.clone()),
                ..Basis::default()
            },
            (None, None) if self.sources.config.is_none() => Basis::default(),
            (None, path_id) => self.of_profile(path_id.as_deref().unwrap_or_default())?,
        };
        let settings = &mut basis.settings;
        if let Some(audience) = &self.audience {
            settings.audience = Some(audience.clone());
        }
        if let Some(validity) = self.challenge_validity {
            settings.challenge_validity = Some(validity.chrono()).filter(|_| !validity.is_zero());
        }
        if let Some(skew) = self.clock_skew_tolerance {
            settings.clock_skew = skew.chrono();
        }
        if let Some(limit) = self.per_device_rate_limit_24h {
            settings.per_device_limit_24h = limit;
        }
        settings.pinned_only |= self.pinned_only;
        for name in &self.extra_name {
            match name {
                ExtraName::Ip => settings.extra_names.ip = true,
                ExtraName::Uri => settings.extra_names.uri = true,
                ExtraName::Other => settings.extra_names.other = true,
            }
        }
        Ok(basis)
    }

    fn of_profile(&self, path_id: &str) -> Result<Basis, Failure> {
        let profiles = self.sources.load()?.config.profiles;
        let found = profiles.iter().find(|profile| profile.path_id == path_id);
        let Some(profile) = found else {
            let known: Vec<_> = profiles.iter().map(Profile::label).collect();
            return Err(Failure::usage(format!(
                "no profile {path_id:?}; --profile can be: {}",
                known.join(", ")
            )));
        };
        if !profile.intune.enabled {
            eprintln!(
                "scepd: Intune is off on this profile: it would take no signed challenge at all"
            );
        }
        let tenants = profile.intune.tenant.iter().filter_map(|tenant| {
            let audience = tenant.audience_in(&profile.intune).unwrap_or_default();
            let rules = AnchorTenant {
                id: tenant.id.clone(),
                issuer: tenant.issuer.clone(),
                audience: audience.to_owned(),
            };
            Some((rules, tenant.connector_cert_path.clone()?))
        });
        Ok(Basis {
            settings: IntuneSettings::from(&profile.intune),
            anchors: profile.intune.connector_cert_path.clone(),
            tenants: tenants.collect(),
        })
    }
}

/// The server would not load an expired anchor, but it may have expired since: then the report
/// says so, gate by gate.
fn read_anchors(file: &Path, now: DateTime<Utc>) -> Result<TrustAnchors, Failure> {
    let bytes = intune_files::read(file)?;
    let name = file.display().to_string();
    match TrustAnchors::parse(&name, &bytes, now) {
        Err(error @ Error::ExpiredAnchor { .. }) => {
            eprintln!("scepd: {error}");
            TrustAnchors::parse(&name, &bytes, DateTime::<Utc>::MIN_UTC)
        }
        other => other,
    }
    .map_err(|error| Failure::new(error.to_string()))
}

fn as_text(report: &Report) -> String {
    let mut out = String::new();
    let origin = match report.authentic {
        true => "authentic",
        false => "NOT AUTHENTICATED: anyone may have written it",
    };
    for (name, part) in [("header", &report.header), ("claims", &report.payload)] {
        if let Some(value) = part {
            let _ = writeln!(out, "{name} ({origin}):\n{}", indented(value));
        }
    }
    if let Some(csr) = &report.csr {
        let _ = writeln!(out, "CSR:\n{}", indented(csr));
    }
    for gate in &report.gates {
        let verdict = match gate.verdict {
            GateVerdict::Passes => "passes",
            GateVerdict::Refuses => "REFUSES",
            GateVerdict::NotAsked => "-",
            GateVerdict::Depends => "depends",
        };
        let label = gate
            .label
            .map(|label| format!("{label}: "))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "{} {:<12} {verdict:<8} {label}{}",
            gate.gate, gate.name, gate.words
        );
    }
    let _ = writeln!(out, "=> {}", verdict(report));
    out
}

fn verdict(report: &Report) -> String {
    let name = |gate: u8| {
        report
            .gates
            .iter()
            .find(|row| row.gate == gate)
            .map(|row| row.name)
            .unwrap_or_default()
    };
    match (report.refused_by, report.label, report.fail_info) {
        (Some(1), _, _) => "not a signed challenge: the static challenge decides".to_owned(),
        (Some(gate), Some(label), fail_info) => {
            let fail_info = match fail_info {
                Some(1) => "1 (badMessageCheck)",
                _ => "2 (badRequest)",
            };
            format!(
                "refused by gate {gate}, {}: {label}, failInfo {fail_info}",
                name(gate)
            )
        }
        _ if report
            .gates
            .iter()
            .any(|row| row.gate <= 6 && row.verdict == GateVerdict::NotAsked) =>
        {
            "no gate that could be asked refuses; those marked - were not asked".to_owned()
        }
        _ => "gates 1 to 6 pass; the server's state decides the rest".to_owned(),
    }
}

fn indented(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Names come from strangers: nothing in them may move the cursor or turn the line around.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '"' | '\'' | '\\' => out.push(character),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

fn extra_name(text: &str) -> Result<ExtraName, String> {
    match text {
        "ip" => Ok(ExtraName::Ip),
        "uri" => Ok(ExtraName::Uri),
        "other" => Ok(ExtraName::Other),
        _ => Err("write ip, uri or other".to_owned()),
    }
}

#[cfg(test)]
mod tests;
