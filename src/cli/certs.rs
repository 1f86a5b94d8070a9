//! `scepd certs`: certificates that another server issued, and many of them revoked or released at once.

mod many;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use issuer::policy::usage::is_for_ras;
use pki::{Certificate, Crl, RevokedEntry, oid};
use store::CaId;

use super::Failure;
use super::orders::{carry_out, unexpected};
use super::sources::SourceArgs;
use crate::config::{Config, Issuer, Profile};
use crate::control::import::{AT_ONCE, Import, ImportCounts, Imported};
use crate::control::{Answer, Order};
use crate::stable_read;

/// Take over certificates that another server issued; revoke or release many at once
#[derive(Debug, Args)]
pub(super) struct CertsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put certificates of the CA into the store, so that they renew and can be revoked here; may be repeated
    Import(#[command(flatten)] Box<ImportArgs>),
    /// Revoke all certificates of a selection, in one step; first without --expected, which counts them
    Revoke(#[command(flatten)] Box<many::RevokeArgs>),
    /// Release all certificates of a selection from hold, in one step; first without --expected, which counts them
    Release(#[command(flatten)] Box<many::ReleaseArgs>),
}

#[derive(Debug, Args)]
struct ImportArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Path id of the profile through which they are renewed; "" is the root profile [default: the only profile]
    #[arg(long, value_name = "PATH_ID")]
    profile: Option<String>,
    /// Newest CRL of the former server, DER or PEM: what it lists is revoked here too
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
    /// Certificates, DER or PEM bundles, and directories with such files
    #[arg(value_name = "FILE|DIR", required = true)]
    from: Vec<PathBuf>,
}

pub(super) fn run(args: CertsArgs) -> Result<(), Failure> {
    super::process::keep_files_private();
    match args.action {
        Action::Import(args) => import(*args),
        Action::Revoke(args) => many::revoke(*args),
        Action::Release(args) => many::release(*args),
    }
}

/// What was found beside what the store makes of it.
#[derive(Debug, Default)]
struct Found {
    certificates: Vec<Certificate>,
    /// Of another CA, or CAs themselves.
    foreign: u64,
    expired: u64,
    /// Of this CA, and no device's: whose each is.
    no_devices: Vec<String>,
    /// Files without a certificate that can be read, and why.
    unread: Vec<String>,
}

fn import(args: ImportArgs) -> Result<(), Failure> {
    let config = args.sources.load()?.config;
    if config.profiles.is_empty() {
        return Err(no_profiles(&args.sources));
    }
    let profile = profile(&config, args.profile.as_deref())?;
    let issuer = config
        .issuers
        .iter()
        .find(|issuer| issuer.id == profile.issuer_id)
        .ok_or_else(|| Failure::new(format!("there is no issuer `{}`", profile.issuer_id)))?;
    let cas = authorities(issuer)?;
    let revoked = match &args.crl {
        Some(file) => revocations(file, &cas)?,
        None => HashMap::new(),
    };
    let servers = Servers::of(&config, profile);
    let found = gather(&args.from, &cas, &servers, Utc::now())?;
    for line in found.unread.iter().chain(&found.no_devices) {
        eprintln!("{line}");
    }
    let current = cas.first().map(|ca| *CaId::of_ca(ca).as_bytes());
    let ca = current.ok_or_else(unexpected)?;
    let mut counts = ImportCounts::default();
    for some in found.certificates.chunks(AT_ONCE) {
        let order = Order::ImportCertificates(Import {
            issuer_id: issuer.id.clone(),
            ca,
            profile: profile.path_id.clone(),
            through_gates: profile.intune.enabled,
            certificates: some.iter().map(|one| imported(one, &revoked)).collect(),
        });
        let Answer::Imported(some) = carry_out(&args.sources, &order)? else {
            return Err(unexpected());
        };
        counts.new += some.new;
        counts.known += some.known;
        counts.conflicting += some.conflicting;
        counts.revoked += some.revoked;
    }
    println!("{}", summary(&counts, &found, profile));
    match counts.conflicting {
        0 => Ok(()),
        some => Err(Failure::new(format!(
            "{some} certificates have the serial number of another one in the store and were left out"
        ))),
    }
}

fn summary(counts: &ImportCounts, found: &Found, profile: &Profile) -> String {
    format!(
        "profile {}: {} new, {} known already, {} foreign (not of this CA, or CAs), {} of an RA or a TLS server (left out), {} expired \
         (left out), {} files unread; {} revoked now",
        profile.label(),
        counts.new,
        counts.known,
        found.foreign,
        found.no_devices.len(),
        found.expired,
        found.unread.len(),
        counts.revoked
    )
}

fn imported(certificate: &Certificate, revoked: &HashMap<Vec<u8>, RevokedEntry>) -> Imported {
    let entry = revoked.get(certificate.serial().minimal());
    Imported {
        der: hex::encode(certificate.der()),
        revoked_at: entry.map(|entry| entry.revoked_at),
        reason: entry
            .and_then(|entry| entry.reason)
            .map_or(0, pki::RevocationReason::number),
    }
}

/// Why there is no profile to import for.
fn no_profiles(sources: &SourceArgs) -> Failure {
    Failure::new(match &sources.config {
        Some(file) => format!("{} has no [[profile]]", file.display()),
        None => "no configuration was named, and /etc/scepd/scepd.toml is not there or has no [[profile]]: name the server's own with \
                 --config, since the certificates are held against its CA"
            .to_owned(),
    })
}

/// What the server itself holds certificates for.
struct Servers {
    /// Its own, for TLS and as RA.
    own: Vec<Certificate>,
    /// Whether devices of the profile may have certificates for TLS servers.
    devices_serve_tls: bool,
}

impl Servers {
    fn of(config: &Config, profile: &Profile) -> Self {
        let ras = config.profiles.iter().flat_map(|profile| {
            [
                &profile.ra_cert_path,
                &profile.ra_sign_cert_path,
                &profile.ra_previous_cert_path,
                &profile.ra_previous_sign_cert_path,
            ]
        });
        let files = ras.chain([&config.server.tls_cert_path]).flatten();
        // What cannot be read is said by `check`; here it only means that there is less to compare with.
        let read = files.filter_map(|file| Certificate::bundle_from_pem(&read(file).ok()?).ok());
        let allowed = config
            .certificate_profiles
            .iter()
            .find(|one| one.id == profile.profile_id)
            .is_some_and(|one| one.ekus_allowed.iter().any(|usage| usage == "server_auth"));
        Self {
            own: read
                .filter_map(|bundle| bundle.into_iter().next())
                .collect(),
            devices_serve_tls: allowed,
        }
    }

    /// Whose certificate it is, unless it may be a device's.
    fn whose(&self, certificate: &Certificate) -> Option<&'static str> {
        let usages = certificate.ext_key_usages();
        let has = |usage: &str| usages.iter().any(|one| one == usage);
        if usages.iter().any(|usage| is_for_ras(usage)) {
            return Some("an RA's");
        }
        if self.own.contains(certificate) {
            return Some("one of this server's own");
        }
        let serves = has(oid::EKU_SERVER_AUTH) && !has(oid::EKU_CLIENT_AUTH);
        (serves && !self.devices_serve_tls).then_some(
            "a TLS server's (the certificate profile does not allow server_auth for devices)",
        )
    }
}

fn profile<'a>(config: &'a Config, named: Option<&str>) -> Result<&'a Profile, Failure> {
    match (named, config.profiles.as_slice()) {
        (Some(path_id), all) => all
            .iter()
            .find(|profile| profile.path_id == path_id)
            .ok_or_else(|| Failure::usage(format!("there is no profile `{path_id}`"))),
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::usage(
            "there is more than one profile, or none: name one with --profile",
        )),
    }
}

/// The certificates of the CA: the one in force, and those of the past whose devices may renew.
fn authorities(issuer: &Issuer) -> Result<Vec<Certificate>, Failure> {
    let mut cas = Vec::new();
    let current = issuer.ca_cert_path.iter();
    for (n, path) in current.chain(&issuer.previous_ca_cert_paths).enumerate() {
        let bundle = read(path).map_err(Failure::new)?;
        let mut bundle = Certificate::bundle_from_pem(&bundle)
            .map_err(Failure::while_doing(path.display().to_string()))?;
        if n == 0 {
            // The rest of the file is its chain.
            bundle.truncate(1);
        }
        cas.append(&mut bundle);
    }
    match cas.is_empty() {
        true => Err(Failure::new(format!(
            "issuer `{}`: ca_cert_path is not set",
            issuer.id
        ))),
        false => Ok(cas),
    }
}

fn read(path: &Path) -> Result<stable_read::Bytes, String> {
    match stable_read::read(path) {
        Ok(content) => Ok(content.bytes),
        Err(unread) => Err(format!("{}: {}", path.display(), unread.words().0)),
    }
}

/// What the CRL lists, by serial number.
fn revocations(
    file: &Path,
    cas: &[Certificate],
) -> Result<HashMap<Vec<u8>, RevokedEntry>, Failure> {
    let wrong = |what: &str| Failure::new(format!("{}: {what}", file.display()));
    let octets = read(file).map_err(Failure::new)?;
    let crl = Crl::from_der_or_pem(&octets).map_err(|error| wrong(&error.to_string()))?;
    let signed_by = |ca: &Certificate| {
        crl.issuer().matches(ca.subject()) && crl.verify_signature_by(ca.public_key()).is_ok()
    };
    if !cas.iter().any(signed_by) {
        return Err(wrong("it is not signed by the profile's CA"));
    }
    if crl.is_partial() {
        return Err(wrong(
            "it is a delta CRL, or one for a part of the certificates: name the whole one",
        ));
    }
    let removed = Some(pki::RevocationReason::RemoveFromCrl);
    Ok(crl
        .entries()
        .iter()
        .filter(|entry| entry.reason != removed)
        .map(|entry| (entry.serial.minimal().to_vec(), entry.clone()))
        .collect())
}

fn gather(
    from: &[PathBuf],
    cas: &[Certificate],
    servers: &Servers,
    now: DateTime<Utc>,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    for path in from {
        let whole = fs::metadata(path).map_err(Failure::while_doing(path.display().to_string()))?;
        let mut files = Vec::new();
        match whole.is_dir() {
            true => {
                below(path, &mut files).map_err(Failure::while_doing(path.display().to_string()))?
            }
            false => files.push(path.clone()),
        }
        for file in files {
            take(&file, cas, servers, now, &mut found);
        }
    }
    Ok(found)
}

/// The files in a directory and in those below, in the order of their names.
fn below(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        // Links are not followed: they may lead round in a circle.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            below(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn take(
    file: &Path,
    cas: &[Certificate],
    servers: &Servers,
    now: DateTime<Utc>,
    found: &mut Found,
) {
    let bundle = read(file).and_then(|octets| {
        Certificate::bundle_from_pem(&octets)
            .map_err(|error| format!("{}: {error}", file.display()))
    });
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(why) => {
            found.unread.push(why);
            return;
        }
    };
    for certificate in bundle {
        let signed_by = |ca: &Certificate| {
            certificate.issuer().matches(ca.subject())
                && certificate.verify_signature_by(ca.public_key()).is_ok()
        };
        if certificate.is_ca() || !cas.iter().any(signed_by) {
            found.foreign += 1;
        } else if let Some(whose) = servers.whose(&certificate) {
            found.no_devices.push(format!(
                "{}: the certificate \"{}\" is no device's, but {whose}; it is left out",
                file.display(),
                certificate.subject()
            ));
        } else if certificate.not_after() < now {
            found.expired += 1;
        } else {
            found.certificates.push(certificate);
        }
    }
}

#[cfg(test)]
mod tests;
