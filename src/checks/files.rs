//! Reading the files that settings name: each once and whole.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::problem::{Findings, Spot};

/// No certificate, key or secret file is larger.
const LARGEST: u64 = 4 * 1024 * 1024;
/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 5;

/// The files of one run. Two settings that name the same file see the same octets.
#[derive(Default)]
pub(super) struct Files(Mutex<HashMap<PathBuf, Result<Arc<Content>, Unread>>>);

/// A file as it was when it was read.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    mode: u32,
    owner: u32,
}

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unread {
    Absent,
    Forbidden,
    NotAFile,
    Empty,
    TooLarge,
    Changing,
    Other(String),
}

impl Unread {
    fn words(&self) -> (String, &'static str) {
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

impl Files {
    /// The file of a setting.
    pub(super) fn read(
        &self,
        path: &Path,
        spot: &Spot,
        findings: &mut Findings,
    ) -> Option<Arc<Content>> {
        let read = {
            // A panic elsewhere leaves whole entries behind.
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known
                .entry(path.to_owned())
                .or_insert_with(|| read_whole(path).map(Arc::new))
                .clone()
        };
        read.inspect_err(|unread| {
            let (what, remedy) = unread.words();
            findings.fail(&spot.in_file(path), what, remedy);
        })
        .ok()
    }

    /// A file that holds a key or another secret: mode 0600 or stricter, owned by this user.
    pub(super) fn read_secret(
        &self,
        path: &Path,
        spot: &Spot,
        findings: &mut Findings,
    ) -> Option<Arc<Content>> {
        let content = self.read(path, spot, findings)?;
        let mut private = true;
        if content.mode & 0o077 != 0 {
            findings.fail(
                &spot.in_file(path),
                format!(
                    "others than its owner may use it (mode {:04o})",
                    content.mode & 0o7777
                ),
                format!("run chmod 600 {}", path.display()),
            );
            private = false;
        }
        let user = rustix::process::geteuid().as_raw();
        if content.owner != user {
            findings.fail(
                &spot.in_file(path),
                format!(
                    "it belongs to user {}, and scepd runs as user {user}",
                    content.owner
                ),
                format!("run chown {user} {}", path.display()),
            );
            private = false;
        }
        private.then_some(content)
    }
}

fn read_whole(path: &Path) -> Result<Content, Unread> {
    for _ in 0..ATTEMPTS {
        let first = read_once(path)?;
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
    Ok(Reading {
        content,
        stamp: Stamp::of(&metadata),
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
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn said(path: &Path, secret: bool) -> (bool, String) {
        let (files, mut findings) = (Files::default(), Findings::default());
        let spot = Spot::one_of("profile", "corp").at("ra_key_path");
        let content = if secret {
            files.read_secret(path, &spot, &mut findings)
        } else {
            files.read(path, &spot, &mut findings)
        };
        (
            content.is_some(),
            findings
                .0
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }

    #[test]
    fn bad_files_are_named_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ra.key");
        let (read, text) = said(&path, true);
        assert!(
            !read
                && text.starts_with("profile corp: ra_key_path (")
                && text.contains("no such file"),
            "{text}"
        );
        assert!(text.contains(path.to_str().unwrap()));

        fs::write(&path, "").unwrap();
        assert!(said(&path, false).1.contains("it is empty"));
        assert!(
            said(directory.path(), false)
                .1
                .contains("not a regular file")
        );
    }

    #[test]
    fn secrets_must_be_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ra.key");
        fs::write(&path, "x").unwrap();
        for (mode, private) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o644, false),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let (read, text) = said(&path, true);
            assert_eq!(read, private, "{mode:o} {text}");
            assert_eq!(text.contains("chmod 600"), !private, "{text}");
        }
        assert!(said(&path, false).0, "a certificate may be open");
    }

    #[test]
    fn one_run_sees_one_state_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bundle.pem");
        let (files, mut findings) = (Files::default(), Findings::default());
        let spot = Spot::section("server").at("tls_cert_path");
        fs::write(&path, "before").unwrap();
        files.read(&path, &spot, &mut findings).unwrap();
        fs::write(&path, "after").unwrap();
        assert_eq!(
            files
                .read(&path, &spot, &mut findings)
                .unwrap()
                .bytes
                .as_slice(),
            b"before"
        );
    }
}
