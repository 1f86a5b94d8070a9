//! The sources merged: the file, over it the environment, over it the flags.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Config, Error, Errors, SHOWN, environment, file, profiles};
use crate::stable_read::{self, Content};

/// Where a configuration comes from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The TOML file; absent = environment and flags only.
    pub file: Option<PathBuf>,
    /// Variables, any; only those of the family are looked at.
    pub environment: Vec<(String, String)>,
    /// Flags: what the user typed, the dotted key, the value.
    pub flags: Vec<(String, String, String)>,
}

/// A line for the log about the configuration itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether the operator should look at it.
    pub warning: bool,
    /// What to say. Holds no secret.
    pub text: String,
}

impl Notice {
    pub(super) fn info(text: String) -> Self {
        Self {
            warning: false,
            text,
        }
    }

    pub(super) fn warn(text: String) -> Self {
        Self {
            warning: true,
            text,
        }
    }
}

/// The merged configuration with what is to be said about it.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The configuration.
    pub config: Config,
    /// Lines for the log.
    pub notices: Vec<Notice>,
}

impl Sources {
    /// This file (or none) and the process's environment.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("SCEPD_") || name.starts_with("CERTCTL_SCEP_"))
            .collect();
        Self {
            file,
            environment,
            flags: Vec::new(),
        }
    }

    /// Reads the file again and merges. Called at start and on every reload; blocks, for some time
    /// where the file is being written.
    ///
    /// # Errors
    /// Everything that is wrong with the sources, as far as it can be seen at once.
    pub fn load(&self) -> Result<Effective, Errors> {
        let (mut tree, open_to_others) = match &self.file {
            Some(path) => tree_of_file(path)?,
            None => (Table::new(), None),
        };
        let environment::Gathered {
            mut notices,
            mut errors,
        } = environment::apply(&self.environment, &mut tree);
        notices.extend(open_to_others);
        for (typed, key, value) in &self.flags {
            if let Err(message) = profiles::set_dotted(&mut tree, key, value) {
                errors.push(Error::Override {
                    source_name: typed.clone(),
                    message,
                });
            }
        }
        if !errors.is_empty() {
            return Err(Errors(errors));
        }
        let config = tree
            .try_into()
            .map_err(|error: toml::de::Error| Error::Override {
                source_name: "configuration".to_owned(),
                message: error.message().to_owned(),
            })?;
        Ok(Effective { config, notices })
    }
}

/// The file's tree, known to deserialize, with relative paths taken from the file's directory. And
/// what is to be said when it holds secrets that others may read.
fn tree_of_file(path: &Path) -> Result<(Table, Option<Notice>), Errors> {
    let unreadable = |reason: String| Error::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let content = stable_read::read(path).map_err(|unread| {
        let (what, remedy) = unread.words();
        unreadable(format!("{what}; {remedy}"))
    })?;
    let text = std::str::from_utf8(&content.bytes)
        .map_err(|_| unreadable("it is not a text (UTF-8); write it again".to_owned()))?;
    let config = file::parse(text, &path.display().to_string())?;
    let notice = open_to_others(path, &content, &config);
    let mut tree: Table = toml::from_str(text).map_err(|error| Error::Override {
        source_name: path.display().to_string(),
        message: error.message().to_owned(),
    })?;
    let directory = std::path::absolute(path).map_err(|error| unreadable(error.to_string()))?;
    if let Some(directory) = directory.parent() {
        rebase(&mut tree, directory);
    }
    Ok((tree, notice))
}

/// A file of another user, such as root, may be read by the group: that is how it is read here.
fn open_to_others(path: &Path, content: &Content, config: &Config) -> Option<Notice> {
    let own = content.owner == rustix::process::geteuid().as_raw();
    let open = content.mode & if own { 0o077 } else { 0o007 } != 0;
    (open && holds_secret(config)).then(|| {
        let path = path.display();
        Notice::warn(format!(
            "{path}: it holds secrets, and others than scepd's user may read it (mode {:04o}); \
             run chmod {} {path}, or name files for the secrets",
            content.mode & 0o7777,
            if own { "600" } else { "640" },
        ))
    })
}

/// Whether a secret is given inline: shown, it is [`SHOWN`].
fn holds_secret(config: &Config) -> bool {
    fn is_in(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => text == SHOWN,
            serde_json::Value::Array(items) => items.iter().any(is_in),
            serde_json::Value::Object(section) => section.values().any(is_in),
            _ => false,
        }
    }
    serde_json::to_value(config).is_ok_and(|shown| is_in(&shown))
}

/// By the naming rule of the settings: what names a file or directory ends in `path`, `paths`,
/// `file` or `dir`.
fn rebase(table: &mut Table, directory: &Path) {
    for (key, value) in table.iter_mut() {
        let names_a_file = ["path", "paths", "file", "dir"].iter().any(|end| {
            key.strip_suffix(end)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
        });
        rebase_value(value, directory, names_a_file);
    }
}

fn rebase_value(value: &mut Value, directory: &Path, names_a_file: bool) {
    match value {
        Value::Table(table) => rebase(table, directory),
        Value::Array(items) => {
            for item in items {
                rebase_value(item, directory, names_a_file);
            }
        }
        Value::String(path) if names_a_file && !path.is_empty() => {
            // `join` keeps an absolute path as it is. Both parts are UTF-8, or the text stays.
            if let Some(absolute) = directory.join(path.as_str()).to_str() {
                *path = absolute.to_owned();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sources(text: &str) -> (tempfile::TempDir, Sources) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("scepd.toml");
        std::fs::write(&file, text).unwrap();
        (
            directory,
            Sources {
                file: Some(file),
                ..Sources::default()
            },
        )
    }

    #[test]
    fn flags_beat_environment_beats_file() {
        let (_directory, mut sources) =
            sources("[log]\nlevel = 'file'\n[server]\ncompute_threads = 1\n");
        sources.environment = vec![
            ("SCEPD_LOG_LEVEL".to_owned(), "environment".to_owned()),
            ("SCEPD_SERVER_COMPUTE_THREADS".to_owned(), "2".to_owned()),
        ];
        sources.flags = vec![(
            "--log-level".to_owned(),
            "log.level".to_owned(),
            "flag".to_owned(),
        )];
        let config = sources.load().unwrap().config;
        assert_eq!(config.log.level, "flag");
        assert_eq!(config.server.compute_threads, 2);
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let (directory, sources) = sources(
            "[server]\ndata_dir='data'\ntls_cert_path='/abs/tls.pem'\n[[issuer]]\nid='path'\nca_cert_path='ca.pem'\n\
             previous_ca_cert_paths=['old.pem']\n[[profile]]\nchallenge_password='file'\nchallenge_password_file='secret'\n\
             [profile.mtls]\nclient_ca_trust_bundle_path='m.pem'\n",
        );
        let config = sources.load().unwrap().config;
        assert_eq!(config.server.data_dir, directory.path().join("data"));
        assert_eq!(
            config.server.tls_cert_path.unwrap().to_str(),
            Some("/abs/tls.pem")
        );
        let issuer = config.issuers.first().unwrap();
        assert_eq!(issuer.id, "path");
        assert_eq!(issuer.ca_cert_path, Some(directory.path().join("ca.pem")));
        assert_eq!(
            issuer.previous_ca_cert_paths,
            [directory.path().join("old.pem")]
        );
        let profile = config.profiles.first().unwrap();
        assert_eq!(
            profile.challenge_password_file,
            Some(directory.path().join("secret"))
        );
        assert_eq!(
            profile.challenge_password.as_ref().unwrap().expose(),
            "file"
        );
        assert_eq!(
            profile.mtls.client_ca_trust_bundle_path,
            Some(directory.path().join("m.pem"))
        );
    }

    #[test]
    fn every_wrong_override_is_listed() {
        let sources = Sources {
            file: None,
            environment: vec![("SCEPD_SERVER_COMPUTE_THREADS".to_owned(), "many".to_owned())],
            flags: vec![(
                "--set".to_owned(),
                "log.format".to_owned(),
                "xml".to_owned(),
            )],
        };
        assert_eq!(sources.load().unwrap_err().0.len(), 2);
    }

    #[test]
    fn secrets_in_a_file_that_others_may_read_are_warned_of() {
        use std::os::unix::fs::PermissionsExt;
        let secret = "[[profile]]\nchallenge_password='canary-71'\n";
        for (text, mode, said) in [
            (secret, 0o644, true),
            (secret, 0o640, true),
            (secret, 0o600, false),
            ("[[profile]]\nchallenge_password_file='/x'\n", 0o644, false),
        ] {
            let (_directory, sources) = sources(text);
            let path = sources.file.clone().unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            let notices = sources.load().unwrap().notices;
            assert_eq!(!notices.is_empty(), said, "{mode:o} {notices:?}");
            assert!(
                notices
                    .iter()
                    .all(|notice| notice.warning && !notice.text.contains("canary")),
                "{notices:?}"
            );
        }
    }

    #[test]
    fn what_is_no_whole_file_is_refused() {
        let (directory, mut sources) = sources("");
        let empty = sources.load().unwrap_err().to_string();
        assert!(empty.contains("it is empty"), "{empty}");
        sources.file = Some(directory.path().to_owned());
        let directory = sources.load().unwrap_err().to_string();
        assert!(directory.contains("not a regular file"), "{directory}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let sources = Sources {
            file: Some(PathBuf::from("/nowhere/scepd.toml")),
            ..Sources::default()
        };
        assert!(
            sources
                .load()
                .unwrap_err()
                .to_string()
                .starts_with("/nowhere/scepd.toml: cannot read")
        );
    }

    #[test]
    fn names_of_settings_follow_the_rule_for_paths() {
        let mut odd = Vec::new();
        for name in super::super::schema::paths_of_profile()
            .keys()
            .chain(super::super::schema::paths_of_sections().keys())
        {
            let looks = ["PATH", "PATHS", "FILE", "DIR"]
                .iter()
                .any(|end| name.ends_with(end));
            let names_material = ["BUNDLE", "CERT", "KEY"]
                .iter()
                .any(|end| name.ends_with(end));
            if names_material && !looks {
                odd.push(name);
            }
        }
        assert!(odd.is_empty(), "{odd:?}");
    }
}
