//! The high-water mark, beside the database, of how far the audit chain had come.
//!
//! sled takes a fault in what it wrote last for a write that a power cut cut short: it goes back to
//! what was before, without a word. Every change that matters has an audit event, so the end of the
//! chain is the end of everything, and it is noted in a file that sled knows nothing of, after it is
//! on disk. A chain that ends before the one noted has lost something that was there.
//!
//! The note is not flushed each time: after a power cut it may be older than the chain, never newer.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::Head;
use crate::{Error, Result};

const NAME: &str = "witness";
const PREFIX: &str = "scepd audit chain up to ";

/// The file. Its one line always has the same length, so that it is written over in one step.
pub(super) struct HighWaterMark {
    file: File,
}

/// Where the high-water mark of the store in `dir` is.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// What was noted last; `None` in a store of a version that noted nothing.
///
/// # Errors
///
/// [`Error::Corrupt`] when it is not what was written; [`Error::Io`].
pub(super) fn read(dir: &Path) -> Result<Option<Head>> {
    match fs::read(path(dir)) {
        // Made by a process that ended before it wrote its first line.
        Ok(octets) if octets.is_empty() => Ok(None),
        Ok(octets) => {
            let noted = std::str::from_utf8(&octets).ok().and_then(parse);
            let path = path(dir);
            let path = path.display();
            let what = || format!("{path} cannot be read (if nothing else is wrong, remove it)");
            noted
                .map(Some)
                .ok_or_else(|| Error::Corrupt { what: what() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io {
            doing: "read its witness",
            source,
        }),
    }
}

impl HighWaterMark {
    /// Takes over the high-water mark of the store in `dir`, whose chain ends with `head`, or makes one.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when the chain went on after `head` once; [`Error::Corrupt`], [`Error::Io`].
    pub(super) fn of(dir: &Path, head: &Head) -> Result<Self> {
        if let Some(noted) = read(dir)?
            && noted.id > head.id
        {
            return Err(Error::Lost {
                from: head.id + 1,
                to: noted.id,
                witness: path(dir),
            });
        }
        let mut options = File::options();
        let opened = options.write(true).create(true).truncate(false).mode(0o600);
        let file = opened.open(path(dir)).map_err(failed)?;
        let mark = Self { file };
        mark.note(head)?;
        mark.file.sync_all().map_err(failed)?;
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(failed)?;
        Ok(mark)
    }

    /// Notes that the chain up to `head` is on disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub(super) fn note(&self, head: &Head) -> Result<()> {
        self.file
            .write_all_at(line(head).as_bytes(), 0)
            .map_err(failed)
    }
}

impl Drop for HighWaterMark {
    fn drop(&mut self) {
        // Should it fail, the note is older, which does no harm.
        let _ = self.file.sync_data();
    }
}

fn failed(source: io::Error) -> Error {
    Error::Io {
        doing: "write its witness",
        source,
    }
}

fn line(head: &Head) -> String {
    format!("{PREFIX}{:020} {}\n", head.id, hex::encode(head.digest))
}

fn parse(line: &str) -> Option<Head> {
    let (id, digest) = line
        .strip_prefix(PREFIX)?
        .strip_suffix('\n')?
        .split_once(' ')?;
    let mut head = Head {
        id: id.parse().ok()?,
        ..Head::NONE
    };
    hex::decode_to_slice(digest, &mut head.digest).ok()?;
    Some(head)
}
