//! RA certificates that the server keeps itself (`ra = "auto"`).
//!
//! Each pair is one file, `<when made, Unix seconds>.pem`, key and certificate together, so that
//! the two can never be seen apart. A new pair is made when the current one has less than a third
//! of its life left, or the issuer's CA is another one; the old one stays for its overlap.
//!
//! Pairs of one issuer that are made in one run share a key ([`NewKeys`]): making an RSA key takes
//! many times as long as everything else, and a thousand profiles should start within seconds. A
//! message is still bound to its profile, because it names the certificate that it is for.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use issuer::Issuer;
use pki::{Certificate, KeyKind, PrivateKey};
use scep::RaIdentity;

use super::files::Files;
use super::loaded::HeldRa;
use super::problem::{Findings, Spot};

/// What an RA key is: RSA, because devices encrypt to it, and no larger than needed, because every
/// request costs one decryption and one signature.
const KIND: KeyKind = KeyKind::Rsa { bits: 2048 };

/// The keys made in one run, by issuer.
#[derive(Default)]
pub(super) struct NewKeys(Mutex<BTreeMap<String, PrivateKey>>);

impl NewKeys {
    fn of(&self, issuer_id: &str) -> Result<PrivateKey, pki::Error> {
        // A panic elsewhere leaves whole keys behind. The others wait for the one being made.
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(issuer_id) {
            return Ok(key.clone());
        }
        let key = PrivateKey::generate(KIND)?;
        keys.insert(issuer_id.to_owned(), key.clone());
        Ok(key)
    }
}

/// Where pairs are kept, for whom, and how.
pub(super) struct Keeping<'a> {
    /// The profile's own directory.
    pub(super) directory: &'a Path,
    pub(super) issuer: &'a dyn Issuer,
    pub(super) path_id: &'a str,
    pub(super) new_keys: &'a NewKeys,
    pub(super) overlap: TimeDelta,
    /// Whether pairs may be made and removed; `false` only looks.
    pub(super) may_write: bool,
}

/// What is kept at a time.
pub(super) struct Kept {
    /// The current pair first; empty only when a pair is to be made and `may_write` is off.
    pub(super) ras: Vec<HeldRa>,
    /// When to look again: the current pair is due, or an old one's overlap ends.
    pub(super) look_again_at: Option<DateTime<Utc>>,
}

/// A pair on disk.
struct Stored {
    file: PathBuf,
    made_at: DateTime<Utc>,
    identity: RaIdentity,
}

/// Reads the pairs, makes a new one when it is time, removes those whose overlap is over.
/// `None` when something is wrong, which is then among the findings.
pub(super) fn keep(
    keeping: &Keeping<'_>,
    now: DateTime<Utc>,
    spot: &Spot,
    findings: &mut Findings,
) -> Option<Kept> {
    let mut stored = stored(keeping.directory, spot, findings)?;
    if stored
        .first()
        .is_none_or(|newest| keeping.is_due(&newest.identity.certificate, now))
    {
        if !keeping.may_write {
            let ras = stored
                .into_iter()
                .map(|pair| HeldRa {
                    identity: pair.identity,
                    until: None,
                })
                .collect();
            return Some(Kept {
                ras,
                look_again_at: None,
            });
        }
        let new = keeping.make(
            now,
            stored.first().map(|newest| newest.made_at),
            spot,
            findings,
        )?;
        stored.insert(0, new);
    }
    let mut ras = Vec::with_capacity(stored.len());
    let mut look_again_at = stored
        .first()
        .and_then(|current| keeping.due(&current.identity.certificate));
    let mut replaced_at: Option<DateTime<Utc>> = None;
    for pair in stored {
        let until =
            replaced_at.map(|at| (at + keeping.overlap).min(pair.identity.certificate.not_after()));
        replaced_at = Some(pair.made_at);
        if until.is_some_and(|until| until <= now) {
            if keeping.may_write {
                remove(&pair.file, spot, findings);
            }
            continue;
        }
        look_again_at = look_again_at.into_iter().chain(until).min();
        ras.push(HeldRa {
            identity: pair.identity,
            until,
        });
    }
    Some(Kept { ras, look_again_at })
}

impl Keeping<'_> {
    /// When a pair is to be replaced for its age; `None` when its CA ends with it, so that a new
    /// one would not live longer.
    fn due(&self, certificate: &Certificate) -> Option<DateTime<Utc>> {
        let lives_as_long_as_its_ca =
            certificate.not_after() >= self.issuer.authority().certificate().not_after();
        let life = certificate.not_after() - certificate.not_before();
        (!lives_as_long_as_its_ca).then(|| certificate.not_after() - life / 3)
    }

    fn is_due(&self, certificate: &Certificate, now: DateTime<Utc>) -> bool {
        let authority = self.issuer.authority();
        let ca = authority.certificate();
        let of_this_ca = certificate.issuer().matches(ca.subject())
            && certificate.verify_signature_by(ca.public_key()).is_ok();
        !of_this_ca
            || !certificate.valid_at(now)
            || self.due(certificate).is_some_and(|due| due <= now)
    }

    fn make(
        &self,
        now: DateTime<Utc>,
        newest: Option<DateTime<Utc>>,
        spot: &Spot,
        findings: &mut Findings,
    ) -> Option<Stored> {
        let identity = self
            .new_keys
            .of(self.issuer.id())
            .map_err(|error| error.to_string())
            .and_then(|key| {
                let certificate = self
                    .issuer
                    .ra()
                    .ok_or_else(|| issuer::Error::NoRa {
                        id: self.issuer.id().to_owned(),
                    })
                    .and_then(|ra| ra.certify_ra(key.public_key(), self.path_id, now))
                    .map_err(|error| error.to_string())?;
                Ok(RaIdentity { certificate, key })
            })
            .inspect_err(|error| {
                findings.fail(
                    spot,
                    format!("no RA certificate can be made: {error}"),
                    "see to the issuer",
                );
            })
            .ok()?;
        // Names sort by time; a clock that went back must not put the new pair behind the old one.
        let made_at = newest.map_or(now, |newest| now.max(newest + TimeDelta::seconds(1)));
        let file = self
            .directory
            .join(format!("{:012}.pem", made_at.timestamp()));
        write(&file, &identity)
            .inspect_err(|error| {
                let remedy = "see to the disk, and that scepd's user may write there";
                findings.fail(
                    &spot.in_file(&file),
                    format!("the RA certificate cannot be kept: {error}"),
                    remedy,
                );
            })
            .ok()?;
        Some(Stored {
            file,
            made_at,
            identity,
        })
    }
}

/// The pairs of a directory, newest first.
fn stored(directory: &Path, spot: &Spot, findings: &mut Findings) -> Option<Vec<Stored>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(error) => {
            let spot = spot.in_file(directory);
            findings.fail(
                &spot,
                format!("the directory cannot be read: {error}"),
                "give it to scepd's user",
            );
            return None;
        }
    };
    let mut files: Vec<(DateTime<Utc>, PathBuf)> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter_map(|path| Some((made_at(&path)?, path)))
        .collect();
    files.sort_by_key(|(made_at, _)| std::cmp::Reverse(*made_at));
    let mut whole = true;
    let mut stored = Vec::with_capacity(files.len());
    for (made_at, file) in files {
        match read(&file, spot, findings) {
            Some(identity) => stored.push(Stored {
                file,
                made_at,
                identity,
            }),
            None => whole = false,
        }
    }
    whole.then_some(stored)
}

fn made_at(file: &Path) -> Option<DateTime<Utc>> {
    let seconds = file
        .file_name()?
        .to_str()?
        .strip_suffix(".pem")?
        .parse()
        .ok()?;
    DateTime::from_timestamp(seconds, 0)
}

fn read(file: &Path, spot: &Spot, findings: &mut Findings) -> Option<RaIdentity> {
    let content = Files::default().read_secret(file, spot, findings)?;
    let wrong = match (
        Certificate::from_pem(&content.bytes),
        PrivateKey::from_pem(&content.bytes),
    ) {
        (Ok(certificate), Ok(key))
            if certificate.public_key().spki_der() == key.public_key().spki_der() =>
        {
            return Some(RaIdentity { certificate, key });
        }
        (Ok(_), Ok(_)) => "its key and certificate do not belong together".to_owned(),
        (Err(error), _) | (_, Err(error)) => error.to_string(),
    };
    let remedy = "restore it from a backup, or remove it: a new pair is then made, and devices must ask for it";
    findings.fail(&spot.in_file(file), wrong, remedy);
    None
}

/// Writes beside the place and renames, so that a crash leaves a whole file or none.
fn write(file: &Path, identity: &RaIdentity) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let unfinished = file.with_extension("new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let key = identity.key.to_pkcs8_pem().map_err(io::Error::other)?;
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    out.write_all(key.as_bytes())?;
    out.write_all(identity.certificate.to_pem().as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&unfinished, file)?;
    File::open(directory)?.sync_all()
}

fn remove(file: &Path, spot: &Spot, findings: &mut Findings) {
    if let Err(error) = std::fs::remove_file(file) {
        let what = format!("an RA certificate past its overlap cannot be removed: {error}");
        findings.warn(&spot.in_file(file), what, "remove it");
    }
}
