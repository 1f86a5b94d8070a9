//! What a check found, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::config;

/// What to do about a configuration that cannot be read.
const UNREAD: &str = "correct it; nothing else was looked at";

/// Whether a finding stops the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be served like this.
    Failure,
    /// It works, but not for long or not as meant.
    Warning,
}

/// One finding: where, what is wrong, what to do. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it stops the start.
    pub severity: Severity,
    /// The section of the configuration: `server`, `issuer`, `profile`, ...
    pub section: &'static str,
    /// The section's id or path id, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The setting, with its section inside (`intune.audience`).
    pub setting: &'static str,
    /// The file that the setting names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// The same, one for each thing that is wrong, with the file where one is at fault.
    #[must_use]
    pub fn each_of_configuration(errors: &config::Errors) -> Vec<Self> {
        let each = errors.0.iter().map(|error| {
            let location = Location::section("configuration");
            let location = match error {
                config::Error::Unreadable { path, .. } => location.in_file(path),
                config::Error::UnknownKey { file, .. } | config::Error::Invalid { file, .. } => {
                    location.in_file(Path::new(file))
                }
                config::Error::Override { .. } => location,
            };
            location.problem(Severity::Failure, error.to_string(), UNREAD)
        });
        each.collect()
    }

    /// A configuration that cannot even be read.
    #[must_use]
    pub fn of_configuration(errors: &config::Errors) -> Self {
        Location::section("configuration").problem(Severity::Failure, errors.to_string(), UNREAD)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.section)?;
        match &self.id {
            Some(id) if id.is_empty() => f.write_str(" (root)")?,
            Some(id) => write!(f, " {id}")?,
            None => {}
        }
        write!(f, ": {}", self.setting)?;
        if let Some(file) = &self.file {
            write!(f, " ({})", file.display())?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}

/// Where in the configuration something is said.
#[derive(Debug, Clone)]
pub(super) struct Location {
    section: &'static str,
    id: Option<String>,
    setting: &'static str,
    file: Option<PathBuf>,
}

impl Location {
    pub(super) fn section(section: &'static str) -> Self {
        Self {
            section,
            id: None,
            setting: "",
            file: None,
        }
    }

    pub(super) fn one_of(section: &'static str, id: &str) -> Self {
        Self {
            section,
            id: Some(id.to_owned()),
            setting: "",
            file: None,
        }
    }

    pub(super) fn at(&self, setting: &'static str) -> Self {
        Self {
            setting,
            file: None,
            ..self.clone()
        }
    }

    pub(super) fn problem(
        self,
        severity: Severity,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        let Self {
            section,
            id,
            setting,
            file,
        } = self;
        Problem {
            severity,
            section,
            id,
            setting,
            file,
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn in_file(&self, file: &Path) -> Self {
        Self {
            file: Some(file.to_owned()),
            ..self.clone()
        }
    }
}

/// All findings of a run.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Problem>);

impl Findings {
    pub(super) fn fail(
        &mut self,
        location: &Location,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Failure, location, what.into(), remedy.into());
    }

    pub(super) fn warn(
        &mut self,
        location: &Location,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Warning, location, what.into(), remedy.into());
    }

    /// Fails unless the condition holds.
    pub(super) fn demand(&mut self, holds: bool, location: &Location, what: &str, remedy: &str) {
        if !holds {
            self.fail(location, what, remedy);
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.0
            .iter()
            .any(|problem| problem.severity == Severity::Failure)
    }

    fn add(&mut self, severity: Severity, location: &Location, what: String, remedy: String) {
        self.0
            .push(location.clone().problem(severity, what, remedy));
    }
}

/// A date for operators, to the minute.
pub(super) fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
