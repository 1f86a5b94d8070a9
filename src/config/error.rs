//! Why a configuration could not be read.

use std::fmt;
use std::path::PathBuf;

/// Everything that is wrong with the configuration's sources, all at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

/// One thing that is wrong. Messages never hold a value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration file: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// A key that no setting has.
    #[error("{file}:{line}: unknown key `{key}`{}", nearest_hint(nearest.as_deref()))]
    UnknownKey {
        /// The file, or what else the text came from.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The key with its section, dotted.
        key: String,
        /// The nearest known key of that section.
        nearest: Option<String>,
    },
    /// Not TOML, or a value of the wrong type or out of its range.
    #[error("{file}:{line}: {message}")]
    Invalid {
        /// The file, or what else the text came from.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A variable or a `--set` whose value does not fit the setting.
    #[error("{source_name}: {message}")]
    Override {
        /// The variable's or flag's name.
        source_name: String,
        /// What is wrong.
        message: String,
    },
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest
        .map(|key| format!("; did you mean `{key}`?"))
        .unwrap_or_default()
}
