//! Files read once and whole: regular ones, not too large, and not while they are being written.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

/// No configuration, certificate, key or secret file is larger.
const LARGEST: u64 = 4 * 1024 * 1024;
/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 5;
/// Who writes a file in place is done with it this long after its last change, mostly.
const SETTLED: Duration = Duration::from_millis(100);
/// How often a file that was changed only just now is waited for.
const WAITS: usize = 2;

/// A file's octets, wiped when they are dropped.
pub(crate) type Bytes = Zeroizing<Vec<u8>>;

/// A file as it was when it was read.
pub(crate) struct Content {
    /// What is in it; at least one octet.
    pub(crate) bytes: Bytes,
    /// Its type and permissions, as `st_mode`.
    pub(crate) mode: u32,
    /// The user that it belongs to.
    pub(crate) owner: u32,
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    Absent,
    Forbidden,
    NotAFile,
    Empty,
    TooLarge,
    Changing,
    Other(String),
}

impl Unread {
    /// What is wrong, and what to do.
    pub(crate) fn words(&self) -> (String, &'static str) {
        let (what, remedy) = match self {
            Self::Absent => ("there is no such file", "put it there or correct the path"),
            Self::Forbidden => (
                "this user may not read it",
                "give it to the user that runs scepd, mode 0600",
            ),
            Self::NotAFile => ("it is not a regular file", "name a file"),
            Self::Empty => ("it is empty", "was it written to the end? write it again"),
            Self::TooLarge => ("it is larger than 4 MiB", "name the right file"),
            Self::Changing => (
                "it keeps changing while it is read",
                "write files beside their place and rename them, then try again",
            ),
            Self::Other(reason) => {
                return (
                    format!("it cannot be read: {reason}"),
                    "see to the disk and the permissions",
                );
            }
        };
        (what.to_owned(), remedy)
    }
}

/// Reads a file until two readings are the same. Between the two readings of a file that was
/// changed only just now, a moment passes, so that one that is still being written is not taken
/// for whole: this blocks, for a quarter of a second at the longest.
///
/// # Errors
/// [`Unread`].
pub(crate) fn read(path: &Path) -> Result<Content, Unread> {
    let mut waits = WAITS;
    for _ in 0..ATTEMPTS {
        let first = read_once(path)?;
        if let Some(unsettled) = first.unsettled.filter(|_| waits > 0) {
            waits -= 1;
            let until = std::time::Instant::now() + unsettled;
            // Parking may end early.
            while let Some(left) = until
                .checked_duration_since(std::time::Instant::now())
                .filter(|left| !left.is_zero())
            {
                std::thread::park_timeout(left);
            }
        }
        let second = read_once(path)?;
        if first.stamp == second.stamp && first.content.bytes == second.content.bytes {
            if first.content.bytes.is_empty() {
                return Err(Unread::Empty);
            }
            return Ok(first.content);
        }
    }
    Err(Unread::Changing)
}

struct Reading {
    content: Content,
    stamp: Stamp,
    /// How long until its last change is [`SETTLED`] ago; `None` when it is.
    unsettled: Option<Duration>,
}

#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn read_once(path: &Path) -> Result<Reading, Unread> {
    // Asked before opening, because opening a pipe waits for its other end.
    if !std::fs::metadata(path).map_err(unread)?.is_file() {
        return Err(Unread::NotAFile);
    }
    let file = File::open(path).map_err(unread)?;
    let metadata = file.metadata().map_err(unread)?;
    if !metadata.is_file() {
        return Err(Unread::NotAFile);
    }
    if metadata.size() > LARGEST {
        return Err(Unread::TooLarge);
    }
    // One allocation, so that no copy of a secret is left behind by growing.
    let capacity = usize::try_from(metadata.size())
        .unwrap_or(0)
        .saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    (&file)
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    let content = Content {
        bytes,
        mode: metadata.mode(),
        owner: metadata.uid(),
    };
    // A date in the future says nothing.
    let age = metadata
        .modified()
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    Ok(Reading {
        content,
        stamp: Stamp::of(&metadata),
        unsettled: age.and_then(|age| SETTLED.checked_sub(age)),
    })
}

fn unread(error: io::Error) -> Unread {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unread::Absent,
        io::ErrorKind::PermissionDenied => Unread::Forbidden,
        _ => Unread::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_still_being_written_is_not_taken_for_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scepd.toml");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"first = 1\n").unwrap();
        // The other half comes while the reading waits: at once, but after its first look.
        let reader = std::thread::spawn({
            let path = path.clone();
            move || read(&path).map(|content| content.bytes.to_vec())
        });
        let until = std::time::Instant::now() + SETTLED / 4;
        while std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        file.write_all(b"second = 2\n").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), b"first = 1\nsecond = 2\n");
    }

    #[test]
    fn pipes_and_directories_are_no_files() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).err(), Some(Unread::NotAFile));
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        // Opening it would wait for its other end.
        assert_eq!(read(&pipe).err(), Some(Unread::NotAFile));
    }
}
