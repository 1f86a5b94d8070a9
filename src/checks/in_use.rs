//! The data directory belongs to one server at a time: a lock for as long as it runs, and in the
//! locked file where its store is, so that a store that is gone is missed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::problem::{Location, Problem, Severity};
use crate::config::Config;

/// The file's name in the data directory.
const FILE: &str = "scepd.lock";
/// Begins the line that says which process it is.
const PROCESS: &[u8] = b"process ";
/// Begins the line that says where the store is.
const STORE: &[u8] = b"store ";
/// The longest content that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The right to serve from a data directory, until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    file: File,
    path: PathBuf,
}

impl DataDir {
    /// Takes the data directory of this configuration, which must be there.
    ///
    /// # Errors
    /// Another server serves from it, or its file cannot be locked.
    pub fn take(config: &Config) -> Result<Self, Box<Problem>> {
        let path = path(config);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(|error| failed(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path }),
            Err(TryLockError::WouldBlock) => {
                let whose = whose(&read(&file).unwrap_or_default());
                let what = format!("another scepd serves from this directory{whose}");
                let remedy = "stop it first, or give each server a data_dir of its own";
                Err(Box::new(location(config).problem(
                    Severity::Failure,
                    what,
                    remedy,
                )))
            }
            Err(TryLockError::Error(error)) => Err(failed(&path, &error)),
        }
    }

    /// Notes where the store is, once it is open.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&self, store: &Path) -> Result<(), Box<Problem>> {
        let written = || -> io::Result<()> {
            let store = std::path::absolute(store)?;
            let mut content = PROCESS.to_vec();
            content.extend_from_slice(std::process::id().to_string().as_bytes());
            content.push(b'\n');
            content.extend_from_slice(STORE);
            content.extend_from_slice(store.as_os_str().as_bytes());
            content.push(b'\n');
            let mut file = &self.file;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&content)?;
            file.set_len(content.len() as u64)?;
            file.sync_data()
        };
        written().map_err(|error| failed(&self.path, &error))
    }
}

/// Where the store of the server that ran last on this data directory was.
pub(super) fn last_store(config: &Config) -> Option<PathBuf> {
    let content = File::open(path(config)).and_then(|file| read(&file)).ok()?;
    let path = line(&content, STORE)?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())))
}

/// The file that says so.
pub(super) fn path(config: &Config) -> PathBuf {
    config.server.data_dir.join(FILE)
}

fn read(mut file: &File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(LONGEST).read_to_end(&mut content)?;
    Ok(content)
}

fn line<'a>(content: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    content
        .split(|octet| *octet == b'\n')
        .find_map(|line| line.strip_prefix(begin))
}

fn whose(content: &[u8]) -> String {
    let text = |begin| line(content, begin).map(|line| String::from_utf8_lossy(line).into_owned());
    match (text(PROCESS), text(STORE)) {
        (Some(process), Some(store)) => format!(": process {process}, with the store {store}"),
        _ => String::new(),
    }
}

fn location(config: &Config) -> Location {
    Location::section("server")
        .at("data_dir")
        .in_file(&config.server.data_dir)
}

fn failed(path: &Path, error: &io::Error) -> Box<Problem> {
    let location = Location::section("server").at("data_dir").in_file(path);
    let what = format!("this file cannot be locked and written: {error}");
    let remedy = "give the directory to the user that runs scepd, on a file system that has locks";
    Box::new(location.problem(Severity::Failure, what, remedy))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_noted_is_read_whatever_the_path_holds() {
        assert_eq!(line(b"process 7\nstore /a b\n", STORE), Some(&b"/a b"[..]));
        assert_eq!(line(b"", STORE), None);
        assert_eq!(
            whose(b"process 7\nstore /a\n"),
            ": process 7, with the store /a"
        );
        assert_eq!(whose(b"proc"), "");
    }
}
