//! RA certificates that the server keeps itself (`ra = "auto"`): which there are, and which are to be made.
//!
//! An RA is one file, `<when made, Unix seconds>.pem`, keys and certificates together, so that they
//! can never be seen apart: one pair, or two where one signs and one is encrypted to (`ra_split`). A
//! new RA is made when the current one has less than a third of its life left, or the issuer's CA is
//! another one; the old one stays for its overlap.
//!
//! Nothing is written here: what is made is in memory, and becomes a file when the start or reload
//! is accepted ([`ra_files`](super::ra_files)).
//!
//! RAs of one issuer that are made in one run share their keys ([`NewKeys`]): making an RSA key takes
//! many times as long as everything else, and a thousand profiles should start within seconds. A
//! message is still bound to its profile, because it names the certificate that it is for.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use issuer::{Issuer, RaRole};
use pki::{Certificate, Csr, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::{Ra, RaIdentity};

use super::files::Files;
use super::loaded::HeldRa;
use super::problem::{Findings, Location};
use super::ra_files::{NewRa, OverRa};

/// What an RA key is: RSA, because devices encrypt to it, and no larger than needed, because every
/// request costs one decryption and one signature.
const KIND: KeyKind = KeyKind::Rsa { bits: 2048 };

/// The keys made in one run, by issuer and role.
#[derive(Default)]
pub(super) struct NewKeys(Mutex<BTreeMap<(String, RaRole), PrivateKey>>);

impl NewKeys {
    fn of(&self, issuer_id: &str, role: RaRole) -> Result<PrivateKey, pki::Error> {
        // A panic elsewhere leaves whole keys behind. The others wait for the one being made.
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (issuer_id.to_owned(), role);
        if let Some(key) = keys.get(&of) {
            return Ok(key.clone());
        }
        let key = PrivateKey::generate(KIND)?;
        keys.insert(of, key.clone());
        Ok(key)
    }
}

/// Where RAs are kept, for whom, and how.
pub(super) struct Keeping<'a> {
    /// The profile's own directory.
    pub(super) directory: &'a Path,
    /// Those of its former names.
    pub(super) former: &'a [PathBuf],
    pub(super) issuer: &'a dyn Issuer,
    pub(super) path_id: &'a str,
    pub(super) new_keys: &'a NewKeys,
    /// How long an RA certificate of an issuer elsewhere is to be valid.
    pub(super) lifetime: TimeDelta,
    pub(super) overlap: TimeDelta,
    /// Whether one pair signs and another one is encrypted to.
    pub(super) split: bool,
    /// Whether RAs that are due are made; `false` only looks.
    pub(super) makes: bool,
}

/// What is held at a time.
#[derive(Default)]
pub(super) struct Kept {
    /// The current RA first; empty only when one is to be made and `makes` is off.
    pub(super) ras: Vec<HeldRa>,
    /// What was made, and is to be written before it is shown to devices.
    pub(super) new: Option<NewRa>,
    /// Those whose overlap is over at the time that was given.
    pub(super) over: Vec<OverRa>,
    /// When to look again: the current RA is due, or an old one's overlap ends.
    pub(super) look_again_at: Option<DateTime<Utc>>,
}

/// An RA on disk, or one that is going to be there.
struct Stored {
    file: PathBuf,
    made_at: DateTime<Utc>,
    ra: Ra,
}

impl Stored {
    fn ends(&self) -> DateTime<Utc> {
        ends(&self.ra)
    }
}

/// When the first of its certificates ends.
fn ends(ra: &Ra) -> DateTime<Utc> {
    let (opens, signs) = (&ra.opens.certificate, &ra.signs.certificate);
    opens.not_after().min(signs.not_after())
}

/// Reads the RAs and makes a new one when it is time, in memory.
/// `None` when something is wrong, which is then among the findings.
pub(super) fn keep(
    keeping: &Keeping<'_>,
    now: DateTime<Utc>,
    location: &Location,
    findings: &mut Findings,
) -> Option<Kept> {
    let mut stored = stored(keeping.directory, location, findings)?;
    let mut kept = Kept::default();
    // Not simply the newest: one that was made under a clock that was ahead is not valid yet.
    let current = stored
        .iter()
        .position(|one| !keeping.is_due(&one.ra, now))
        .or_else(|| {
            if !keeping.makes {
                return None;
            }
            let newest = stored.first().map(|newest| newest.made_at);
            let mut said = Findings::default();
            let Some(new) = keeping.make(now, newest, location, &mut said) else {
                let still = keeping.still_good(&stored, now);
                if still.is_some() {
                    for found in &mut said.0 {
                        found.severity = super::Severity::Warning;
                    }
                }
                findings.0.append(&mut said.0);
                return still;
            };
            kept.new = Some(NewRa {
                file: new.file.clone(),
                ra: new.ra.clone(),
            });
            stored.insert(0, new);
            Some(0)
        });
    let Some(current) = current else {
        // What was wrong is said; or only a look was asked for.
        return (!keeping.makes).then(|| Kept {
            ras: stored
                .into_iter()
                .map(|one| HeldRa {
                    ra: one.ra,
                    until: None,
                })
                .collect(),
            ..Kept::default()
        });
    };
    let mut replaced_at: Option<DateTime<Utc>> = None;
    for (place, one) in stored.into_iter().enumerate() {
        let until = match place {
            _ if place == current => None,
            // Newer than the current one: devices that saw it may encrypt to it to its end.
            _ if place < current => Some(one.ends()),
            _ => replaced_at.map(|at| (at + keeping.overlap).min(one.ends())),
        };
        replaced_at = Some(one.made_at);
        match until {
            Some(until) if until <= now => kept.over.push(OverRa {
                file: one.file,
                until,
            }),
            Some(until) => {
                kept.look_again_at = kept.look_again_at.into_iter().chain([until]).min();
                kept.ras.push(HeldRa {
                    ra: one.ra,
                    until: Some(until),
                });
            }
            None => {
                let due = keeping.due(&one.ra);
                kept.look_again_at = kept.look_again_at.into_iter().chain(due).min();
                let held = HeldRa {
                    ra: one.ra,
                    until: None,
                };
                kept.ras.insert(0, held);
            }
        }
    }
    // A device that was set up under a former name may know what that one had, to its end.
    for directory in keeping.former {
        for one in self::stored(directory, location, findings)? {
            let until = one.ends();
            if until <= now {
                kept.over.push(OverRa {
                    file: one.file,
                    until,
                });
            } else {
                kept.look_again_at = kept.look_again_at.into_iter().chain([until]).min();
                kept.ras.push(HeldRa {
                    ra: one.ra,
                    until: Some(until),
                });
            }
        }
    }
    Some(kept)
}

impl Keeping<'_> {
    /// When an RA is to be replaced for its age; `None` when its CA ends with it, so that a new
    /// one would not live longer.
    fn due(&self, ra: &Ra) -> Option<DateTime<Utc>> {
        let due = |certificate: &Certificate| {
            let lives_as_long_as_its_ca =
                certificate.not_after() >= self.issuer.authority().certificate().not_after();
            let life = certificate.not_after() - certificate.not_before();
            (!lives_as_long_as_its_ca).then(|| certificate.not_after() - life / 3)
        };
        ra.certificates().filter_map(due).min()
    }

    fn is_due(&self, ra: &Ra, now: DateTime<Utc>) -> bool {
        !self.is_in_order(ra, now) || self.due(ra).is_some_and(|due| due <= now)
    }

    fn is_in_order(&self, ra: &Ra, now: DateTime<Utc>) -> bool {
        let authority = self.issuer.authority();
        let ca = authority.certificate();
        let in_order = |certificate: &Certificate| {
            certificate.issuer().matches(ca.subject())
                && certificate.verify_signature_by(ca.public_key()).is_ok()
                && certificate.valid_at(now)
        };
        ra.is_split() == self.split && ra.certificates().all(in_order)
    }

    /// Where an issuer elsewhere is away, an RA that is due and still in force is used for the time being.
    fn still_good(&self, stored: &[Stored], now: DateTime<Utc>) -> Option<usize> {
        self.issuer.remote()?;
        stored.iter().position(|one| self.is_in_order(&one.ra, now))
    }

    fn make(
        &self,
        now: DateTime<Utc>,
        newest: Option<DateTime<Utc>>,
        location: &Location,
        findings: &mut Findings,
    ) -> Option<Stored> {
        let ra = self
            .new_ra(now)
            .inspect_err(|error| {
                findings.fail(
                    location,
                    format!("no RA certificate can be made: {error}"),
                    "see to the issuer",
                );
            })
            .ok()?;
        // Names sort by time; a clock that went back must not put the new RA behind the old one.
        let made_at = newest.map_or(now, |newest| now.max(newest + TimeDelta::seconds(1)));
        let file = self
            .directory
            .join(format!("{:012}.pem", made_at.timestamp()));
        Some(Stored { file, made_at, ra })
    }

    fn new_ra(&self, now: DateTime<Utc>) -> Result<Ra, String> {
        if !self.split {
            return Ok(self.new_pair(RaRole::Both, now)?.into());
        }
        Ok(Ra {
            opens: self.new_pair(RaRole::Encryption, now)?,
            signs: self.new_pair(RaRole::Signing, now)?,
        })
    }

    fn new_pair(&self, role: RaRole, now: DateTime<Utc>) -> Result<RaIdentity, String> {
        let key = self
            .new_keys
            .of(self.issuer.id(), role)
            .map_err(|error| error.to_string())?;
        let certificate = match (self.issuer.ra(), self.issuer.remote()) {
            (Some(local), _) => local
                .certify_ra_for(role, key.public_key(), self.path_id, now)
                .map_err(|error| error.to_string())?,
            (None, Some(remote)) => {
                let csr = self.csr(&key).map_err(|error| error.to_string())?;
                let asked = remote.certify_ra(&csr, now + self.lifetime);
                super::remote_issuers::waiting_for(asked)
                    .map_err(|error| error.to_string())?
                    .map_err(|error| error.to_string())?
            }
            (None, None) => {
                let id = self.issuer.id().to_owned();
                return Err(issuer::Error::NoRa { id }.to_string());
            }
        };
        Ok(RaIdentity { certificate, key })
    }
}

impl Keeping<'_> {
    /// What an issuer elsewhere is asked with.
    fn csr(&self, key: &PrivateKey) -> Result<Csr, pki::Error> {
        let profile = match self.path_id {
            "" => "root profile",
            path_id => path_id,
        };
        let subject = Name::parse(&format!("CN=SCEP RA {profile}"))?;
        Csr::build(&subject, &SubjectAltNames::default(), None, &[], key)
    }
}

/// The RAs of a directory, newest first.
fn stored(directory: &Path, location: &Location, findings: &mut Findings) -> Option<Vec<Stored>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(error) => {
            let location = location.in_file(directory);
            findings.fail(
                &location,
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
        match read(&file, location, findings) {
            Some(ra) => stored.push(Stored { file, made_at, ra }),
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

fn read(file: &Path, location: &Location, findings: &mut Findings) -> Option<Ra> {
    let content = Files::default().read_secret(file, location, findings)?;
    let pairs = Certificate::bundle_from_pem(&content.bytes)
        .and_then(|certificates| Ok((certificates, PrivateKey::bundle_from_pem(&content.bytes)?)))
        .map(|(certificates, keys)| {
            let pairs = certificates.into_iter().zip(keys);
            pairs
                .map(|(certificate, key)| RaIdentity { certificate, key })
                .collect::<Vec<_>>()
        });
    let belong = |pair: &RaIdentity| {
        pair.certificate.public_key().spki_der() == pair.key.public_key().spki_der()
    };
    let wrong = match pairs.as_deref() {
        Ok(pairs) if !pairs.iter().all(belong) => {
            "its key and certificate do not belong together".to_owned()
        }
        Ok([pair]) => return Some(pair.clone().into()),
        Ok([opens, signs]) => {
            return Some(Ra {
                opens: opens.clone(),
                signs: signs.clone(),
            });
        }
        Ok(pairs) => format!(
            "there are {} certificates with keys in it, not one or two",
            pairs.len()
        ),
        Err(error) => error.to_string(),
    };
    let remedy = "restore it from a backup, or remove it: a new RA is then made, and devices must ask for it";
    findings.fail(&location.in_file(file), wrong, remedy);
    None
}
