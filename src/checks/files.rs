//! Reading the files that settings name: each once and whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::problem::{Findings, Location};
use crate::stable_read::{self, Content, Unread};

/// The files of one run. Two settings that name the same file see the same octets.
#[derive(Default)]
pub(super) struct Files(Mutex<HashMap<PathBuf, Result<Arc<Content>, Unread>>>);

impl Files {
    /// The file of a setting.
    pub(super) fn read(
        &self,
        path: &Path,
        location: &Location,
        findings: &mut Findings,
    ) -> Option<Arc<Content>> {
        let read = {
            // A panic elsewhere leaves whole entries behind.
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known
                .entry(path.to_owned())
                .or_insert_with(|| stable_read::read(path).map(Arc::new))
                .clone()
        };
        read.inspect_err(|unread| {
            let (what, remedy) = unread.words();
            findings.fail(&location.in_file(path), what, remedy);
        })
        .ok()
    }

    /// A file that holds a key or another secret: mode 0600 or stricter, owned by this user.
    pub(super) fn read_secret(
        &self,
        path: &Path,
        location: &Location,
        findings: &mut Findings,
    ) -> Option<Arc<Content>> {
        let content = self.read(path, location, findings)?;
        let mut private = true;
        if content.mode & 0o077 != 0 {
            findings.fail(
                &location.in_file(path),
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
                &location.in_file(path),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn said(path: &Path, secret: bool) -> (bool, String) {
        let (files, mut findings) = (Files::default(), Findings::default());
        let location = Location::one_of("profile", "corp").at("ra_key_path");
        let content = if secret {
            files.read_secret(path, &location, &mut findings)
        } else {
            files.read(path, &location, &mut findings)
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
        let location = Location::section("server").at("tls_cert_path");
        fs::write(&path, "before").unwrap();
        files.read(&path, &location, &mut findings).unwrap();
        fs::write(&path, "after").unwrap();
        assert_eq!(
            files
                .read(&path, &location, &mut findings)
                .unwrap()
                .bytes
                .as_slice(),
            b"before"
        );
    }
}
