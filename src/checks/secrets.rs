//! Secrets inline or from files.

use std::path::Path;

use super::files::Files;
use super::problem::{Findings, Location};
use crate::config::{SHOWN, Secret};

/// The secret of a setting, from the configuration itself or from its `_file`; `None` when neither
/// is set or it was refused.
pub(super) fn resolve(
    files: &Files,
    inline: (&Location, Option<&Secret>),
    file: (&Location, Option<&Path>),
    findings: &mut Findings,
) -> Option<Secret> {
    let (secret, location) = match (inline.1, file.1) {
        (Some(_), Some(path)) => {
            findings.fail(
                &file.0.in_file(path),
                "the secret is given inline as well",
                "keep one of the two",
            );
            return None;
        }
        (Some(secret), None) => (secret.clone(), inline.0.clone()),
        (None, Some(path)) => {
            let content = files.read_secret(path, file.0, findings)?;
            let location = file.0.in_file(path);
            let Ok(text) = std::str::from_utf8(&content.bytes) else {
                findings.fail(
                    &location,
                    "it is not a text (UTF-8)",
                    "write the secret as one line of text",
                );
                return None;
            };
            // Editors and echo end a file with a line feed that nobody means.
            (
                Secret::new(
                    text.strip_suffix('\n')
                        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)),
                ),
                location,
            )
        }
        (None, None) => return None,
    };
    if secret.expose().trim().is_empty() {
        findings.fail(
            &location,
            "the secret is empty",
            "write one, or remove the setting",
        );
        return None;
    }
    // A configuration that was shown and taken over as it is would make it a password that anybody can read up.
    if secret.expose().trim() == SHOWN {
        findings.fail(
            &location,
            "this is what `config show` writes in a secret's place",
            "put the secret itself",
        );
        return None;
    }
    if secret.expose().contains(['\n', '\r', '\0']) {
        findings.fail(
            &location,
            "the secret has more than one line",
            "write it as one line of text",
        );
        return None;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn from_file(text: &[u8]) -> (Option<String>, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (location, mut findings) = (
            Location::section("admin").at("metrics_token_file"),
            Findings::default(),
        );
        let secret = resolve(
            &Files::default(),
            (&location, None),
            (&location, Some(&path)),
            &mut findings,
        );
        let text = findings.0.iter().map(ToString::to_string).collect();
        (secret.map(|secret| secret.expose().to_owned()), text)
    }

    #[test]
    fn one_line_feed_at_the_end_is_not_part_of_it() {
        assert_eq!(from_file(b"canary ").0.as_deref(), Some("canary "));
        assert_eq!(from_file(b"canary\n").0.as_deref(), Some("canary"));
        assert_eq!(from_file(b"canary\r\n").0.as_deref(), Some("canary"));
    }

    #[test]
    fn what_is_no_secret_is_refused_unseen() {
        for text in [b"\n".as_slice(), b"canary\ncanary\n", b"canary\xff", b"  "] {
            let (secret, said) = from_file(text);
            assert!(
                secret.is_none() && !said.is_empty() && !said.contains("canary"),
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_shown_in_its_place_is_no_secret() {
        let (secret, said) = from_file(b"<set>\n");
        assert!(secret.is_none() && said.contains("config show"), "{said}");
        let (location, mut findings) = (
            Location::section("admin").at("metrics_token"),
            Findings::default(),
        );
        let shown = Secret::new(" <set>");
        let secret = resolve(
            &Files::default(),
            (&location, Some(&shown)),
            (&location, None),
            &mut findings,
        );
        assert!(secret.is_none() && findings.failed());
    }

    #[test]
    fn inline_and_file_exclude_each_other() {
        let (location, mut findings) = (
            Location::section("admin").at("metrics_token"),
            Findings::default(),
        );
        let inline = Secret::new("canary");
        let file = Path::new("/nowhere");
        assert!(
            resolve(
                &Files::default(),
                (&location, Some(&inline)),
                (&location, Some(file)),
                &mut findings
            )
            .is_none()
        );
        assert!(findings.failed());
        assert!(
            resolve(
                &Files::default(),
                (&location, Some(&inline)),
                (&location, None),
                &mut findings
            )
            .is_some()
        );
    }
}
