//! What becomes of a server whose store failed to write.
//!
//! Nobody knows then what of the last batch is on disk, and the storage engine cannot be opened a
//! second time in a process that may hold on to parts of the first. So the process ends, and whoever
//! supervises it starts it anew from what is on disk. It does not end before the disk takes writes
//! again: until then it says that it is not ready, answers what needs no store, and a new process
//! could do no better.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Server;

/// How often the store is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The longest time between two tries of the disk; the first comes after a second.
const RARELY: Duration = Duration::from_secs(30);

/// What must fit onto the disk before a new start is worth it, in octets.
const ROOM: usize = 4 << 20;

/// Until the store has stopped, and its disk takes writes again.
pub(super) async fn lost(server: &Server) {
    while server.runtime().is_writable() {
        tokio::time::sleep(LOOK).await;
    }
    tracing::error!(
        "the store has stopped after a failed write; requests are answered 503. When its disk takes writes again, this \
         process ends, to be started anew"
    );
    let probe = server.config().server.data_dir.join(".write-probe");
    let mut wait = LOOK;
    loop {
        let path = probe.clone();
        let tried = tokio::task::spawn_blocking(move || try_disk(&path)).await;
        match tried.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, path = %probe.display(), "the store's disk still takes no writes");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RARELY);
    }
}

/// Writes a file, sees it to the disk, and removes it.
fn try_disk(path: &Path) -> io::Result<()> {
    struct Removed(PathBuf);
    impl Drop for Removed {
        fn drop(&mut self) {
            // Written over by the next try, if it stays.
            let _ = fs::remove_file(&self.0);
        }
    }
    let removed = Removed(path.to_owned());
    let mut file = File::create(&removed.0)?;
    // No zeros: a file system may keep those without room for them.
    file.write_all(&vec![0x5c; ROOM])?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_disk_is_tried_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("probe");
        try_disk(&path).unwrap();
        assert!(!path.exists());
        try_disk(&dir.path().join("no such directory/probe")).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
