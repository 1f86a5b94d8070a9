//! From the layouts of schema versions 1 to 3 to this one.
//!
//! A backup is put beside the store first. Then each record of versions 1 and 2 is replaced by one
//! of this layout, under another letter, in batches that are written whole or not at all; those of version 3
//! stay as they are and can be read. The first
//! batch raises the schema version and notes that a migration is under way, so that no earlier scepd
//! touches what is half done, and the next start goes on where this one was broken off.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pki::Certificate;
use sled::IVec;

use super::backup::{self, writing};
use super::engine::{Engine, encoded};
use super::keys::{Kind, earlier_chain_key, id_of, migrating_key, name_of, schema_key};
use super::tables::{Digest, digest_of};
use super::wire::{self, CertificateFacts, EarlierFacts, EarlierRequest};
use super::{SledOptions, load};
use crate::{CaId, Error, Result, SCHEMA_VERSION};

/// The first schema version whose records need not be replaced.
const READABLE_SINCE: u32 = 3;

/// Records that are replaced at a time.
const BATCH: usize = 1000;

/// A store of an earlier version that is one of this version now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The version from which it came.
    pub from: u32,
    /// The backup of what it was.
    pub backup: PathBuf,
    /// How many records were replaced since the process started.
    pub records: u64,
}

/// Makes a store of an earlier version one of this version, or goes on with that.
pub(super) fn bring_up(engine: &Engine, options: &SledOptions) -> Result<Option<Migration>> {
    let found = load::schema(engine)?;
    let under_way = from(engine)?;
    let Some(from) = under_way.or((found < SCHEMA_VERSION).then_some(found)) else {
        return Ok(None);
    };
    if !options.migrate {
        return Err(Error::SchemaTooOld {
            path: engine.dir().to_owned(),
            found: from,
            known: SCHEMA_VERSION,
        });
    }
    let mut migrating = Migrating {
        engine,
        cas: HashMap::new(),
        replaced: 0,
    };
    // Before anything is written: what cannot be read is found now, and nothing has changed then.
    if from < READABLE_SINCE {
        migrating.read_all()?;
    }
    let backup = match under_way {
        // It was finished before the first batch.
        Some(_) => newest_backup(engine.dir(), from),
        None => {
            let backup = back_up(engine, from)?;
            migrating.begin(from)?;
            backup
        }
    };
    if from < READABLE_SINCE {
        migrating.certificates()?;
        migrating.requests()?;
        migrating.crls()?;
    }
    migrating.end(from)?;
    Ok(Some(Migration {
        from,
        backup,
        records: migrating.replaced,
    }))
}

/// The version from which the migration comes that is under way.
fn from(engine: &Engine) -> Result<Option<u32>> {
    let Some(octets) = engine.get(&migrating_key())? else {
        return Ok(None);
    };
    let octets: [u8; 4] = octets.as_ref().try_into().map_err(|_| Error::Corrupt {
        what: "the note of its migration cannot be read".to_owned(),
    })?;
    Ok(Some(u32::from_be_bytes(octets)))
}

/// `store.schema-2.backup`, or with a number where that is taken.
fn backup_path(dir: &Path, schema: u32, number: u32) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(format!(".schema-{schema}"));
    if number > 1 {
        name.push(format!("-{number}"));
    }
    name.push(".backup");
    PathBuf::from(name)
}

/// Where the next backup goes.
fn free_backup(dir: &Path, schema: u32) -> PathBuf {
    let paths = (1..=u32::MAX).map(|number| backup_path(dir, schema, number));
    let mut free = paths.filter(|path| !path.exists());
    free.next().unwrap_or_else(|| backup_path(dir, schema, 1))
}

/// Where the last one is.
fn newest_backup(dir: &Path, schema: u32) -> PathBuf {
    let paths = (1..=u32::MAX).map(|number| backup_path(dir, schema, number));
    let there = paths.take_while(|path| path.exists());
    there.last().unwrap_or_else(|| backup_path(dir, schema, 1))
}

/// Puts a whole backup beside the store, on disk when this returns.
fn back_up(engine: &Engine, schema: u32) -> Result<PathBuf> {
    let path = free_backup(engine.dir(), schema);
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut options = File::options();
    let opened = options.write(true).create(true).truncate(true).mode(0o600);
    let file = opened.open(&part).map_err(writing)?;
    let mut out = std::io::BufWriter::new(&file);
    backup::write(engine, schema, &mut out)?;
    drop(out);
    file.sync_all().map_err(writing)?;
    fs::rename(&part, &path).map_err(writing)?;
    if let Some(dir) = path.parent() {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(writing)?;
    }
    Ok(path)
}

struct Migrating<'a> {
    engine: &'a Engine,
    /// The CA of each certificate, by the issuer's configured name and the serial.
    cas: HashMap<Digest, CaId>,
    replaced: u64,
}

/// What certificates were known by: the issuer's configured name and the serial.
fn earlier_digest(issuer_id: &str, serial: &[u8]) -> Digest {
    let zeros = serial.iter().take_while(|&&octet| octet == 0).count();
    digest_of(
        issuer_id.as_bytes(),
        serial.get(zeros..).unwrap_or_default(),
    )
}

impl Migrating<'_> {
    /// Decodes every record that will be replaced, and learns the CA of every certificate.
    fn read_all(&mut self) -> Result<()> {
        let engine = self.engine;
        engine.numbered(Kind::Certificate, 1, |_, octets| {
            let facts = CertificateFacts::decode(octets)?;
            let digest = earlier_digest(facts.issuer_id, facts.serial);
            self.cas.insert(digest, facts.ca());
            Ok(true)
        })?;
        engine.numbered(Kind::EarlierCertificate, 1, |id, octets| {
            let facts =
                EarlierFacts::decode(octets).map_err(|error| at("certificate", id, error))?;
            let ca = self.ca_of(id, facts.issuer_id)?;
            let digest = earlier_digest(facts.issuer_id, facts.serial);
            self.cas.insert(digest, ca);
            Ok(true)
        })?;
        engine.numbered(Kind::EarlierRequest, 1, |id, octets| {
            let request = EarlierRequest::decode(octets);
            let enrollment = request
                .and_then(|request| request.enrollment(|name, serial| self.known(name, serial)));
            enrollment.map_err(|error| at("request", id, error))?;
            Ok(true)
        })?;
        engine.scan(&[Kind::EarlierCrl.letter()], |key, octets| {
            let name = name_of(key).unwrap_or_default();
            wire::decode_earlier_crl(name, octets)?;
            Ok(true)
        })
    }

    /// The CA that the certificate's own DER names.
    fn ca_of(&self, id: u64, issuer_id: &str) -> Result<CaId> {
        let der = self.engine.get(&Kind::Der.id(id))?;
        let certificate = der.and_then(|der| Certificate::from_der(&der).ok());
        let ca = certificate.as_ref().and_then(CaId::of_issuer);
        Ok(ca.unwrap_or_else(|| CaId::of_configured_name(issuer_id)))
    }

    fn known(&self, issuer_id: &str, serial: &[u8]) -> CaId {
        let ca = self.cas.get(&earlier_digest(issuer_id, serial)).copied();
        ca.unwrap_or_else(|| CaId::of_configured_name(issuer_id))
    }

    fn begin(&self, from: u32) -> Result<()> {
        let mut batch = sled::Batch::default();
        batch.insert(schema_key(), SCHEMA_VERSION.to_be_bytes().to_vec());
        batch.insert(migrating_key(), from.to_be_bytes().to_vec());
        self.engine.write(batch, 2)
    }

    fn end(&self, from: u32) -> Result<()> {
        let mut batch = sled::Batch::default();
        batch.remove(migrating_key());
        if from < 2 {
            batch.insert(earlier_chain_key(), Vec::new());
        }
        self.engine.write(batch, 2)
    }

    /// Replaces the records of a kind, some at a time, until there are none.
    fn each(
        &mut self,
        kind: Kind,
        at_a_time: usize,
        mut replace: impl FnMut(&Self, &IVec, &IVec) -> Result<Vec<(Vec<u8>, Vec<u8>)>>,
    ) -> Result<()> {
        let end = [kind.letter() + 1];
        loop {
            let some = self.engine.some_in(&[kind.letter()], &end, at_a_time)?;
            if some.is_empty() {
                return Ok(());
            }
            let mut batch = sled::Batch::default();
            for (key, octets) in &some {
                for (key, octets) in replace(self, key, octets)? {
                    batch.insert(key, octets);
                }
                batch.remove(key);
            }
            self.engine.write(batch, some.len() * 2)?;
            self.replaced += some.len() as u64;
        }
    }

    fn certificates(&mut self) -> Result<()> {
        self.each(Kind::EarlierCertificate, BATCH, |this, key, octets| {
            let id = id_of(key).unwrap_or_default();
            let facts = EarlierFacts::decode(octets)?;
            let ca = this.known(facts.issuer_id, facts.serial);
            let octets = encoded(facts.with_ca(ca).encode())?;
            Ok(vec![(Kind::Certificate.id(id), octets)])
        })
    }

    fn requests(&mut self) -> Result<()> {
        self.each(Kind::EarlierRequest, BATCH, |this, key, octets| {
            let id = id_of(key).unwrap_or_default();
            let request = EarlierRequest::decode(octets)?;
            let record = request.enrollment(|name, serial| this.known(name, serial))?;
            let octets = encoded(wire::encode_enrollment(&record, record.version))?;
            let mut new = vec![(Kind::Enrollment.id(id), octets)];
            if record.stage.is_open() {
                new.push((Kind::Unfinished.id(id), Vec::new()));
            }
            Ok(new)
        })
    }

    /// Of two issuers with one CA the CRL with the higher number stays.
    fn crls(&mut self) -> Result<()> {
        // One at a time, so that each sees the one before.
        self.each(Kind::EarlierCrl, 1, |this, key, octets| {
            let name = name_of(key).unwrap_or_default();
            let crl = wire::decode_earlier_crl(name, octets)?;
            let key = Kind::Crl.name(&crl.ca.to_string());
            let other = this.engine.get(&key)?;
            let other = other
                .map(|octets| wire::decode_crl(crl.ca, &octets))
                .transpose()?;
            if other.is_some_and(|other| other.number >= crl.number) {
                return Ok(Vec::new());
            }
            Ok(vec![(key, encoded(wire::encode_crl(&crl))?)])
        })
    }
}

/// An error that names the record.
fn at(what: &str, id: u64, error: Error) -> Error {
    match error {
        Error::Corrupt { what: problem } => Error::Corrupt {
            what: format!("{what} {id}: {problem}"),
        },
        other => other,
    }
}
