//! Changes to files that are there whole after a crash, or not at all.
//!
//! Everything that changes the directory goes through here, one system call of consequence a step, so that tests can end
//! the work between any two of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::client::Error;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Whoever the umask lets.
    Usual,
    /// The owner.
    Owner,
}

/// Writes a file beside its place, syncs it, and renames it there.
pub(super) fn write(path: &Path, content: &[u8], access: Access) -> Result<(), Error> {
    let beside = beside(path);
    fresh(&beside, content, access)?;
    rename(&beside, path)?;
    sync_parent(path)
}

/// Writes a file in a directory that nobody looks into yet, and syncs it.
pub(super) fn fresh(path: &Path, content: &[u8], access: Access) -> Result<(), Error> {
    let write = || {
        // What a killed run left may have another mode.
        forget(path)?;
        step()?;
        let mode = match access {
            Access::Usual => 0o666,
            Access::Owner => 0o600,
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(content)?;
        step()?;
        file.sync_all()
    };
    write().map_err(|error: io::Error| Error::file(path, error))
}

/// Makes `link` a symbolic link to `target` by one rename, whatever it was.
pub(super) fn link(target: &Path, link: &Path) -> Result<(), Error> {
    let beside = beside(link);
    let make = || {
        forget(&beside)?;
        step()?;
        symlink(target, &beside)
    };
    make().map_err(|error: io::Error| Error::file(&beside, error))?;
    rename(&beside, link)?;
    sync_parent(link)
}

/// Renames within a directory; the caller syncs it.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    step()
        .and_then(|()| fs::rename(from, to))
        .map_err(|error| Error::file(to, error))
}

/// Makes a directory with those above it, where they are missing.
pub(super) fn make_dir(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    step()
        .and_then(|()| fs::create_dir_all(path))
        .map_err(|error| Error::file(path, error))?;
    sync_parent(path)
}

/// Removes a file that may be missing.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    step()
        .and_then(|()| forget(path))
        .map_err(|error| Error::file(path, error))
}

/// Removes a directory and what is in it.
pub(super) fn remove_dir(path: &Path) -> Result<(), Error> {
    step()
        .and_then(|()| fs::remove_dir_all(path))
        .map_err(|error| Error::file(path, error))
}

/// Syncs a directory: what was made, renamed and removed in it is kept.
pub(super) fn sync_dir(path: &Path) -> Result<(), Error> {
    step()
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(|error| Error::file(path, error))
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    sync_dir(parent)
}

/// Where `path` is written before it is renamed: in the same directory, and hidden.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(not(test))]
#[allow(clippy::unnecessary_wraps)]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use fault::{end_at, step};

#[cfg(test)]
mod fault {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// From the step after the next `steps` ones on, every step of this thread fails: as if the process had been killed
    /// there. `None` ends that.
    pub(in crate::client::folder) fn end_at(steps: Option<usize>) {
        LEFT.set(steps);
    }

    pub(in crate::client::folder) fn step() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("killed here")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
