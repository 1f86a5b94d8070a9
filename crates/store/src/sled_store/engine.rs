//! sled behind typed errors: what it reports, and what it panics about on damaged files.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sled::IVec;

use super::SledOptions;
use super::compression::Compression;
use super::keys::{Kind, id_of};
use crate::{Conflict, Error, Result};

/// Records in a batch whose replaced pages are freed without further ado.
const FREED: usize = 64;

/// How often a locked store is tried again, and how long between.
const LOCK_TRIES: u32 = 10;
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

/// The open database.
pub(super) struct Engine {
    db: sled::Db,
    /// sled's data file, to make it safe against power cuts.
    file: Option<File>,
    dir: PathBuf,
    compression: Arc<Compression>,
}

impl Engine {
    pub(super) fn open(dir: &Path, options: &SledOptions) -> Result<Self> {
        let data = dir.join("db");
        let there = data.try_exists().map_err(|source| Error::Forbidden {
            path: data.clone(),
            source,
        })?;
        if !there {
            if !options.create {
                return Err(Error::Missing {
                    path: dir.to_owned(),
                });
            }
            let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|source| Error::Io {
                doing: "make its directory",
                source,
            })?;
        }
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(options.cache_bytes)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(None);
        let db = opened(&config, dir).map_err(|error| forbidden(dir, error))?;
        let compression = guarded("read", || Compression::load(&db))??;
        let file = if options.sync {
            let opened = File::open(&data);
            Some(opened.map_err(|source| Error::Io {
                doing: "open its data file",
                source,
            })?)
        } else {
            None
        };
        Ok(Self {
            db,
            file,
            dir: dir.to_owned(),
            compression: Arc::new(compression),
        })
    }

    /// How values are compressed. Only [`get`](Self::get) and [`numbered`](Self::numbered) show them as they were;
    /// everything else reads and writes what is kept.
    pub(super) fn compression(&self) -> &Compression {
        &self.compression
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What reads single records, for as long as it is kept.
    pub(super) fn reader(&self) -> Reader {
        Reader {
            db: self.db.clone(),
            compression: Arc::clone(&self.compression),
        }
    }

    /// Whether nothing was ever written.
    pub(super) fn is_empty(&self) -> Result<bool> {
        guarded("read", || {
            Ok(self.db.first()?.is_none() && self.db.tree_names().len() <= 1)
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>> {
        let kept = guarded("read", || self.db.get(key))?;
        Ok(kept.map(|kept| self.compression.value(key, kept)))
    }

    /// The records of a kind that is known by number, from `from` on, until `visit` says false or
    /// fails. Numbers that are not there are passed over.
    ///
    /// Every record is asked for by itself: sled notes each access, and only notices that its
    /// cache is full after so many; a plain scan of large pages would pile them up in memory.
    pub(super) fn numbered(
        &self,
        kind: Kind,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let end = [kind.letter() + 1];
        let mut id = from;
        loop {
            let value = match self.get(&kind.id(id))? {
                Some(value) => value,
                None => match self.first_in(&kind.id(id), &end)? {
                    None => return Ok(()),
                    Some((key, value)) => {
                        let Some(found) = id_of(&key) else {
                            return Ok(());
                        };
                        id = found;
                        self.compression.value(&key, value)
                    }
                },
            };
            if !visit(id, &value)? {
                return Ok(());
            }
            match id.checked_add(1) {
                Some(next) => id = next,
                None => return Ok(()),
            }
        }
    }

    /// The first record at `from` or after it, below `end`.
    pub(super) fn first_in(&self, from: &[u8], end: &[u8]) -> Result<Option<(IVec, IVec)>> {
        guarded("read", || self.db.range(from..end).next().transpose())
    }

    /// The last record at `from` or after it, below `end`.
    pub(super) fn last_in(&self, from: &[u8], end: &[u8]) -> Result<Option<(IVec, IVec)>> {
        guarded("read", || self.db.range(from..end).next_back().transpose())
    }

    /// Up to `most` records at `from` or after it, below `end`.
    pub(super) fn some_in(
        &self,
        from: &[u8],
        end: &[u8],
        most: usize,
    ) -> Result<Vec<(IVec, IVec)>> {
        guarded("read", || self.db.range(from..end).take(most).collect())
    }

    /// Every record whose key begins so, in order, until `visit` says false or fails.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&IVec, &IVec) -> Result<bool>,
    ) -> Result<()> {
        let mut records = self.db.scan_prefix(prefix);
        while let Some((key, value)) = guarded("read", || records.next().transpose())? {
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Writes everything or nothing, and returns once it is on disk. `records` is how many there
    /// are in the batch.
    pub(super) fn write(&self, batch: sled::Batch, records: usize) -> Result<()> {
        guarded("write", || {
            self.db.apply_batch(batch)?;
            self.db.flush()?;
            if let Some(file) = &self.file {
                file.sync_data()?;
            }
            // sled frees the pages that writes replaced bit by bit, whenever the tree is used: a
            // large batch replaces more than its one use frees.
            for _ in 0..records.saturating_sub(FREED) / 2 {
                self.db.contains_key([])?;
            }
            Ok(())
        })
    }
}

/// Reads single records. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reader {
    db: sled::Db,
    compression: Arc<Compression>,
}

impl Reader {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>> {
        let kept = guarded("read", || self.db.get(key))?;
        Ok(kept.map(|kept| self.compression.value(key, kept)))
    }
}

/// Runs a call of sled; damage makes it panic in places, which is an error like others here.
fn guarded<T>(doing: &'static str, call: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(translated(doing, error)),
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "no reason given".to_owned());
            Err(Error::Corrupt {
                what: format!("its files cannot be read ({message})"),
            })
        }
    }
}

fn translated(doing: &'static str, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => Error::Io { doing, source },
        sled::Error::Corruption { at, .. } => {
            let at = at.map(|at| format!(" (at {at:?})")).unwrap_or_default();
            Error::Corrupt {
                what: format!("its files fail their checksum{at}"),
            }
        }
        other => Error::Engine {
            doing,
            message: other.to_string(),
        },
    }
}

/// Opens the database. sled lets go of its lock on a thread of its own after the last handle is
/// dropped, so a store that was closed a moment ago is waited for.
fn opened(config: &sled::Config, dir: &Path) -> Result<sled::Db> {
    let mut tries = LOCK_TRIES;
    loop {
        match guarded("open", || config.open()) {
            Err(Error::Io { source, .. }) if is_lock(&source) => {
                if tries == 0 {
                    return Err(Error::Locked {
                        path: dir.to_owned(),
                    });
                }
                tries -= 1;
                std::thread::park_timeout(LOCK_WAIT);
            }
            Err(Error::Corrupt { what }) => {
                return Err(Error::Damaged {
                    path: dir.to_owned(),
                    what,
                });
            }
            other => return other,
        }
    }
}

/// The file that could not be opened, where that was the reason: sled does not name it.
fn forbidden(dir: &Path, error: Error) -> Error {
    match error {
        Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            let path = first_forbidden(dir).unwrap_or_else(|| dir.to_owned());
            Error::Forbidden { path, source }
        }
        other => other,
    }
}

fn first_forbidden(dir: &Path) -> Option<PathBuf> {
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        let opened = if path.is_dir() {
            std::fs::read_dir(&path).map(drop)
        } else {
            File::options().read(true).write(true).open(&path).map(drop)
        };
        if opened.is_err() {
            return Some(path);
        }
    }
    None
}

/// sled reports a lock that another process holds in words only.
fn is_lock(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// For records of a fixed shape, which always fit.
pub(super) fn encoded(octets: std::result::Result<Vec<u8>, Conflict>) -> Result<Vec<u8>> {
    octets.map_err(|conflict| Error::Engine {
        doing: "encode",
        message: conflict.to_string(),
    })
}
