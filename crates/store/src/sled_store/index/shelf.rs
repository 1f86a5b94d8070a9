//! Full blocks of the indexes as files beside the database, so that a start need not read every
//! record and searchable text need not be in memory.
//!
//! Everything in them can be made again from the database, and is when a file is missing, damaged or
//! does not fit what the database holds: they are neither flushed nor backed up. A file is
//! `"scepd index 1\n"`, SHA-256 of the head, length of the head (8 octets), the head, and the text.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::BLOCK_ROWS;
use super::block::{Block, Text};
use crate::{Error, Result};

const MAGIC: &[u8] = b"scepd index 1\n";

/// No head is longer.
const HEAD_MAX: u64 = 16 << 20;

/// What is shelved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sled_store) enum Shelved {
    Events,
    Certificates,
    Enrollments,
    Thumbprints,
}

impl Shelved {
    const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Certificates => "certificates",
            Self::Enrollments => "enrollments",
            Self::Thumbprints => "thumbprints",
        }
    }
}

/// The directory with the files.
#[derive(Clone, Debug)]
pub(in crate::sled_store) struct Shelf {
    dir: PathBuf,
}

/// All of a block but its text.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sled_store) struct Head<C> {
    /// The number of the first row.
    pub(in crate::sled_store) first: u64,
    pub(in crate::sled_store) times: Vec<i64>,
    pub(in crate::sled_store) ends: Vec<i64>,
    /// What the numbers in `classes` stand for.
    pub(in crate::sled_store) class_values: Vec<C>,
    pub(in crate::sled_store) classes: Vec<u32>,
    pub(in crate::sled_store) stops: Vec<u32>,
    /// By what the rows are found, one after the other, for each way in which they are.
    pub(in crate::sled_store) digests: Vec<Vec<[u8; 16]>>,
    /// The numbers of rows that a start looks at again.
    pub(in crate::sled_store) marked: Vec<u64>,
    /// What shows that the database holds the same rows, where the digests do not.
    pub(in crate::sled_store) proof: Vec<u8>,
    text_length: u64,
    text_sum: [u8; 32],
}

impl<C> Head<C> {
    /// Of a block whose first row has this number, without what the block does not know.
    pub(in crate::sled_store) fn new(first: u64, block: Option<&Block>) -> Self {
        let column = |of: fn(&Block) -> &[i64]| block.map_or(&[][..], of).to_vec();
        Self {
            first,
            times: column(Block::times),
            ends: column(Block::ends),
            class_values: Vec::new(),
            classes: block.map_or(&[][..], Block::classes).to_vec(),
            stops: block.map_or(&[][..], Block::stops).to_vec(),
            digests: Vec::new(),
            marked: Vec::new(),
            proof: Vec::new(),
            text_length: 0,
            text_sum: [0; 32],
        }
    }

    /// The block, whose rows have these classes now; `None` when its columns do not fit each other.
    pub(in crate::sled_store) fn block(
        &mut self,
        text: StoredText,
        with_end: bool,
        classes: Vec<u32>,
    ) -> Option<Block> {
        let rows = self.times.len();
        let ends = if with_end { rows } else { 0 };
        let fits = rows == BLOCK_ROWS
            && self.ends.len() == ends
            && classes.len() == rows
            && self.stops.len() == rows
            && self.stops.is_sorted()
            && self.stops.last().map(|&stop| u64::from(stop)) == Some(self.text_length);
        fits.then(|| {
            Block::stored(
                std::mem::take(&mut self.times),
                std::mem::take(&mut self.ends),
                classes,
                std::mem::take(&mut self.stops),
                Text::File(Arc::new(text)),
                with_end,
            )
        })
    }
}

/// A block's text in its file.
#[derive(Debug)]
pub(in crate::sled_store) struct StoredText {
    path: PathBuf,
    offset: u64,
    length: usize,
    sum: [u8; 32],
    /// Whether it was compared with its sum.
    checked: AtomicBool,
}

impl StoredText {
    /// The text.
    pub(super) fn read(&self) -> Result<Vec<u8>> {
        let damaged = || Error::Corrupt {
            what: format!(
                "{} is damaged (it can be made again: remove it and restart scepd)",
                self.path.display()
            ),
        };
        let mut text = vec![0; self.length];
        File::open(&self.path)
            .and_then(|file| file.read_exact_at(&mut text, self.offset))
            .map_err(|_| damaged())?;
        if !self.checked.load(Ordering::Relaxed) {
            if sum(&text) != self.sum {
                return Err(damaged());
            }
            self.checked.store(true, Ordering::Relaxed);
        }
        Ok(text)
    }
}

impl Shelf {
    /// The shelf of the store in `dir`, made where it is missing. `None` when that fails: then
    /// everything stays in memory.
    pub(in crate::sled_store) fn of(dir: &Path) -> Option<Self> {
        let dir = dir.join("index");
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => return None,
        }
        Some(Self { dir })
    }

    fn path(&self, what: Shelved, first: u64) -> PathBuf {
        self.dir.join(format!("{}-{first:016}", what.name()))
    }

    /// Writes a full block. `None` when that fails.
    pub(in crate::sled_store) fn put<C: Serialize>(
        &self,
        what: Shelved,
        mut head: Head<C>,
        text: &[u8],
    ) -> Option<StoredText> {
        head.text_length = text.len() as u64;
        head.text_sum = sum(text);
        let octets = postcard::to_stdvec(&head).ok()?;
        let path = self.path(what, head.first);
        let part = path.with_extension("part");
        let mut options = File::options();
        let opened = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = opened.open(&part).ok()?;
        let mut written = file.write_all(MAGIC);
        for part in [
            &sum(&octets)[..],
            &(octets.len() as u64).to_be_bytes(),
            &octets,
            text,
        ] {
            written = written.and_then(|()| file.write_all(part));
        }
        written.ok()?;
        drop(file);
        fs::rename(&part, &path).ok()?;
        let offset = (MAGIC.len() + 32 + 8 + octets.len()) as u64;
        Some(StoredText {
            path,
            offset,
            length: text.len(),
            sum: head.text_sum,
            checked: AtomicBool::new(true),
        })
    }

    /// Reads the block whose first row has this number; `None` when it is not there or damaged.
    pub(in crate::sled_store) fn read<C: for<'a> Deserialize<'a>>(
        &self,
        what: Shelved,
        first: u64,
    ) -> Option<(Head<C>, StoredText)> {
        let path = self.path(what, first);
        let mut file = File::open(&path).ok()?;
        let mut start = vec![0; MAGIC.len() + 32 + 8];
        file.read_exact(&mut start).ok()?;
        let (magic, rest) = start.split_at(MAGIC.len());
        let (expected, length) = rest.split_at(32);
        let length = u64::from_be_bytes(length.try_into().ok()?);
        if magic != MAGIC || length > HEAD_MAX {
            return None;
        }
        let mut octets = vec![0; usize::try_from(length).ok()?];
        file.read_exact(&mut octets).ok()?;
        if sum(&octets) != expected {
            return None;
        }
        let head: Head<C> = postcard::from_bytes(&octets).ok()?;
        let offset = start.len() as u64 + length;
        let whole = file.metadata().ok()?.len() == offset.checked_add(head.text_length)?;
        let text = StoredText {
            path,
            offset,
            length: usize::try_from(head.text_length).ok()?,
            sum: head.text_sum,
            checked: AtomicBool::new(false),
        };
        (whole && head.first == first).then_some((head, text))
    }

    /// How many blocks there are, in whatever state.
    pub(in crate::sled_store) fn blocks(&self, what: Shelved) -> usize {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = files.map(|file| file.file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(what.name()))
            .count()
    }

    /// Takes a block away.
    pub(in crate::sled_store) fn remove(&self, what: Shelved, first: u64) {
        // One that stays does not fit the database any more, and is made again.
        let _ = fs::remove_file(self.path(what, first));
    }
}

fn sum(octets: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, octets).as_ref());
    sum
}
