//! `scepd certs`: certificates that another server issued.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use pki::{Certificate, Crl, RevokedEntry};
use store::CaId;

use super::Failure;
use super::orders::{carry_out, unexpected};
use super::sources::SourceArgs;
use crate::config::{Config, Issuer, Profile};
use crate::control::import::{AT_ONCE, Import, ImportCounts, Imported};
use crate::control::{Answer, Order};
use crate::stable_read;

/// Take over certificates that another server issued
#[derive(Debug, Args)]
pub(super) struct CertsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put certificates of the CA into the store, so that they renew and can be revoked here; may be repeated
    Import(#[command(flatten)] Box<ImportArgs>),
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
    }
}

/// What was found beside what the store makes of it.
#[derive(Debug, Default)]
struct Found {
    certificates: Vec<Certificate>,
    /// Of another CA, or CAs themselves.
    foreign: u64,
    expired: u64,
    /// Files without a certificate that can be read, and why.
    unread: Vec<String>,
}

fn import(args: ImportArgs) -> Result<(), Failure> {
    let config = args.sources.load()?.config;
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
    let found = gather(&args.from, &cas, Utc::now())?;
    for file in &found.unread {
        eprintln!("{file}");
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
        "profile {}: {} new, {} known already, {} foreign (not of this CA), {} expired (left out), {} files unread; {} revoked now",
        profile.label(),
        counts.new,
        counts.known,
        found.foreign,
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

fn gather(from: &[PathBuf], cas: &[Certificate], now: DateTime<Utc>) -> Result<Found, Failure> {
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
            take(&file, cas, now, &mut found);
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

fn take(file: &Path, cas: &[Certificate], now: DateTime<Utc>, found: &mut Found) {
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
        } else if certificate.not_after() < now {
            found.expired += 1;
        } else {
            found.certificates.push(certificate);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use actors::{Clock, SystemClock};
    use chrono::TimeDelta;
    use issuer::{CrlSigner as _, Issuer as _, LocalCa, LocalCaParts, RaCertifier as _};
    use pki::{Curve, KeyKind, Name, PrivateKey, RevocationReason};
    use store::{ClockReading, SledOptions, SledStore, Store};

    use super::*;
    use crate::auth::tokens::By;
    use crate::control::alone;

    fn authority(now: DateTime<Utc>, name: &str) -> LocalCa {
        let kind = KeyKind::Ec(Curve::P256);
        let subject = Name::parse(name).unwrap();
        let (certificate, key) = issuer::create_root(&subject, kind, now, 20).unwrap();
        LocalCa::from_parts("local", LocalCaParts::new(certificate, key)).unwrap()
    }

    fn issue(ca: &LocalCa, now: DateTime<Utc>) -> Certificate {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        ca.certify_ra(key.public_key(), "x", now).unwrap()
    }

    #[test]
    fn a_directory_is_imported_once_with_what_the_crl_revokes() {
        let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap();
        let long_ago = now - TimeDelta::days(3650);
        let (ca, other) = (
            authority(long_ago, "CN=CA"),
            authority(long_ago, "CN=Other"),
        );
        let (good, revoked, old) = (issue(&ca, now), issue(&ca, now), issue(&ca, long_ago));
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("certs")).unwrap();
        fs::create_dir(path("certs/more")).unwrap();
        let bundle = format!("{}{}", good.to_pem(), issue(&other, now).to_pem());
        fs::write(path("certs/bundle.pem"), bundle).unwrap();
        fs::write(path("certs/more/one.cer"), revoked.der()).unwrap();
        fs::write(path("certs/old.pem"), old.to_pem()).unwrap();
        fs::write(path("certs/readme"), "nothing").unwrap();
        let cas = [ca.authority().certificate().clone()];
        let found = gather(&[path("certs")], &cas, now).unwrap();
        assert_eq!((found.foreign, found.expired), (1, 1));
        assert_eq!(found.unread.len(), 1, "{:?}", found.unread);
        let entry = RevokedEntry {
            serial: revoked.serial().clone(),
            revoked_at: now - TimeDelta::hours(1),
            reason: Some(RevocationReason::KeyCompromise),
        };
        let crl = ca.sign_crl(&[entry], 3, now).unwrap();
        fs::write(path("old.crl"), crl.der()).unwrap();
        assert!(revocations(&path("old.crl"), &[other.authority().certificate().clone()]).is_err());
        let revocations = revocations(&path("old.crl"), &cas).unwrap();

        let options = SledOptions::default();
        let store: Arc<dyn Store> = Arc::new(SledStore::open(path("store"), &options).unwrap());
        let by = By {
            name: "uid 0".to_owned(),
            kind: "CLI",
            request_id: None,
        };
        let import = |revoked: &HashMap<_, _>| {
            let order = Order::ImportCertificates(Import {
                issuer_id: "local".to_owned(),
                ca: [0; 16],
                profile: "corp".to_owned(),
                through_gates: false,
                certificates: found
                    .certificates
                    .iter()
                    .map(|one| imported(one, revoked))
                    .collect(),
            });
            let clocks = ClockReading {
                wall: now,
                monotonic: SystemClock.instant(),
            };
            match alone(store.as_ref(), &order, &by, clocks, &mut |_| Ok(())) {
                Ok(Answer::Imported(counts)) => counts,
                Ok(_) => ImportCounts::default(),
                Err(error) => {
                    assert_eq!(error, "");
                    ImportCounts::default()
                }
            }
        };
        let counts = |new, known, revoked| ImportCounts {
            new,
            known,
            conflicting: 0,
            revoked,
        };
        // First without the CRL, then with it, then once more.
        assert_eq!(import(&HashMap::new()), counts(2, 0, 0));
        assert_eq!(import(&revocations), counts(0, 2, 1));
        assert_eq!(import(&revocations), counts(0, 2, 0));
        let record = |certificate: &Certificate| {
            let serial = certificate.serial().as_bytes();
            let ca = CaId::of_ca(ca.authority().certificate());
            store.certificate(&ca, serial).unwrap().unwrap()
        };
        assert_eq!(record(&good).profile, "corp");
        assert_eq!(record(&good).through_gates, Some(false));
        assert_eq!(
            record(&revoked).revoked.map(|revoked| revoked.reason),
            Some(1)
        );
        let events = store.audit(&store::AuditQuery::default()).unwrap();
        assert_eq!(
            events.total, 2,
            "an import that changes nothing is no event"
        );
    }
}
