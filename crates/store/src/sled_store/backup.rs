//! The whole store as one file: every record as it is stored, and a SHA-256 at the end.
//!
//! `"scepd store backup 1\n"`, the schema version (4 octets), then for each record the lengths of
//! key and value (4 octets each, big-endian), the key and the value; a key of length 0 ends the
//! records, and the SHA-256 of all octets so far follows.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::PoisonError;

use ring::digest::{Context, SHA256};

use super::absent;
use super::engine::Engine;
use super::keys::Kind;
use super::{SledOptions, SledStore, load};
use crate::{Error, Result, SCHEMA_VERSION};

const MAGIC: &[u8] = b"scepd store backup 1\n";

/// No record is larger.
const PART_MAX: usize = 64 << 20;

/// A restored batch is written when it holds this much.
const BATCH_OCTETS: usize = 256 << 10;

/// What was written or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// Records.
    pub records: u64,
    /// The layout that they are in.
    pub schema_version: u32,
}

impl SledStore {
    /// Writes every record to `out`. Commits wait meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when `out` fails; otherwise as every read.
    pub fn backup(&self, out: &mut dyn Write) -> Result<BackupSummary> {
        let _quiet = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        write(&self.engine, SCHEMA_VERSION, out)
    }

    /// As [`backup`](Self::backup), of a store that nobody has open, whatever its version, without a
    /// look at what the records say.
    ///
    /// # Errors
    ///
    /// As [`SledStore::open`], but for what is wrong with records.
    pub fn backup_of(
        dir: &Path,
        options: &SledOptions,
        out: &mut dyn Write,
    ) -> Result<BackupSummary> {
        let options = SledOptions {
            create: false,
            ..options.clone()
        };
        let engine = Engine::open(dir, &options)?;
        let schema = load::schema(&engine)?;
        write(&engine, schema, out)
    }

    /// Makes a new store in `dir` from a backup. The backup is read to its end and checked before
    /// anything is written.
    ///
    /// # Errors
    ///
    /// [`Error::Occupied`] when there is a store in `dir`; [`Error::HalfRestored`], [`Error::Gone`] when something is left of
    /// one; [`Error::Backup`] when the file is not
    /// a whole backup; [`Error::SchemaTooNew`]; otherwise as [`SledStore::open`].
    pub fn restore<F: Read + Seek>(dir: &Path, input: &mut F) -> Result<BackupSummary> {
        if dir.join("db").exists() {
            return Err(Error::Occupied {
                path: dir.to_owned(),
            });
        }
        absent::is_none_lost(dir)?;
        let summary = each_record(dir, input, &mut |_, _| Ok(()))?;
        input.seek(SeekFrom::Start(0)).map_err(reading)?;
        let beside = absent::beside(dir);
        fill(&beside, input)?;
        fs::rename(&beside, dir).map_err(|source| Error::Io {
            doing: "rename the restored directory",
            source,
        })?;
        Ok(summary)
    }
}

/// Writes every record of a store with this layout's version.
pub(super) fn write(engine: &Engine, schema: u32, out: &mut dyn Write) -> Result<BackupSummary> {
    let mut out = Summing {
        out,
        sum: Context::new(&SHA256),
    };
    let mut records = 0;
    out.put(MAGIC)?;
    out.put(&schema.to_be_bytes())?;
    for kind in Kind::ALL.iter().chain(&Kind::EARLIER) {
        engine.scan(&[kind.letter()], |key, value| {
            for part in [key, value] {
                out.put(
                    &u32::try_from(part.len())
                        .map_err(|_| too_long())?
                        .to_be_bytes(),
                )?;
            }
            out.put(key)?;
            out.put(value)?;
            records += 1;
            Ok(true)
        })?;
    }
    out.put(&[0; 8])?;
    let sum = out.sum.clone().finish();
    out.put(sum.as_ref())?;
    out.out.flush().map_err(writing)?;
    Ok(BackupSummary {
        records,
        schema_version: schema,
    })
}

fn fill<F: Read>(dir: &Path, input: &mut F) -> Result<()> {
    let engine = Engine::open(dir, &SledOptions::default())?;
    let mut batch = sled::Batch::default();
    let (mut held, mut records) = (0, 0);
    each_record(dir, input, &mut |key, value| {
        held += key.len() + value.len();
        records += 1;
        batch.insert(key, value);
        if held >= BATCH_OCTETS {
            engine.write(std::mem::take(&mut batch), records)?;
            (held, records) = (0, 0);
        }
        Ok(())
    })?;
    engine.write(batch, records)
}

/// Reads a backup to its end, calling `visit` for each record, and checks its sum.
fn each_record<F: Read>(
    dir: &Path,
    input: &mut F,
    visit: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<()>,
) -> Result<BackupSummary> {
    let mut input = Checked {
        input: io::BufReader::new(input),
        sum: Context::new(&SHA256),
    };
    if input.take(MAGIC.len())? != MAGIC {
        return Err(not_whole("it does not begin like one"));
    }
    let schema_version = input.number()?;
    if schema_version > SCHEMA_VERSION {
        let path = dir.to_owned();
        return Err(Error::SchemaTooNew {
            path,
            found: schema_version,
            known: SCHEMA_VERSION,
        });
    }
    let mut records = 0;
    loop {
        let (key, value) = (input.number()? as usize, input.number()? as usize);
        if key == 0 {
            break;
        }
        if key > PART_MAX || value > PART_MAX {
            return Err(not_whole("a record's length is out of range"));
        }
        let key = input.take(key)?;
        visit(key, input.take(value)?)?;
        records += 1;
    }
    let sum = input.sum.clone().finish();
    if input.take(32)? != sum.as_ref() {
        return Err(not_whole("its checksum does not fit"));
    }
    Ok(BackupSummary {
        records,
        schema_version,
    })
}

struct Summing<'a> {
    out: &'a mut dyn Write,
    sum: Context,
}

impl Summing<'_> {
    fn put(&mut self, octets: &[u8]) -> Result<()> {
        self.sum.update(octets);
        self.out.write_all(octets).map_err(writing)
    }
}

struct Checked<R> {
    input: R,
    sum: Context,
}

impl<R: Read> Checked<R> {
    fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut octets = Vec::new();
        let mut part = self.input.by_ref().take(length as u64);
        part.read_to_end(&mut octets).map_err(reading)?;
        if octets.len() < length {
            return Err(not_whole("it ends too early"));
        }
        self.sum.update(&octets);
        Ok(octets)
    }

    fn number(&mut self) -> Result<u32> {
        let octets = self.take(4)?;
        Ok(octets
            .iter()
            .fold(0, |number, &octet| number << 8 | u32::from(octet)))
    }
}

fn not_whole(why: &'static str) -> Error {
    Error::Backup { why }
}

fn too_long() -> Error {
    Error::Engine {
        doing: "back up",
        message: "a record is longer than 4 GiB".to_owned(),
    }
}

pub(super) fn writing(source: io::Error) -> Error {
    Error::Io {
        doing: "write the backup",
        source,
    }
}

fn reading(source: io::Error) -> Error {
    Error::Io {
        doing: "read the backup",
        source,
    }
}
