//! Whether a store that is not there was there once: then a new one would forget all that it knew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The one directory of sled's that a start may leave behind that was broken off before there was any data.
const MADE_FIRST: &str = "blobs";

/// Where a restore makes the store before it gets its name, so that there is never half a one.
pub(super) fn beside(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".restoring");
    PathBuf::from(name)
}

/// Nothing is left of a store where there is none.
///
/// # Errors
///
/// [`Error::HalfRestored`], [`Error::Gone`].
pub(super) fn is_none_lost(dir: &Path) -> Result<()> {
    // What cannot be looked at is said when it is opened.
    if dir.join("db").try_exists().unwrap_or(true) {
        return Ok(());
    }
    let part = beside(dir);
    if part.exists() {
        let path = dir.to_owned();
        return Err(Error::HalfRestored { path, part });
    }
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(());
    };
    let left = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| !is_empty_and_made_first(path));
    match left {
        Some(left) => Err(Error::Gone {
            path: dir.to_owned(),
            left,
        }),
        None => Ok(()),
    }
}

fn is_empty_and_made_first(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == MADE_FIRST)
        && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
