//! The flags that say where the configuration comes from, shared by the commands that need one.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{self, Effective, Sources};

/// Where the file is looked for when none is named.
const DEFAULT_FILE: &str = "/etc/scepd/scepd.toml";

/// Configuration file and the flags that override it.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceArgs {
    /// Configuration file [default: /etc/scepd/scepd.toml when it exists]
    #[arg(long, short = 'c', value_name = "FILE", env = "SCEPD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Override one setting, for example --set log.level=debug or --set profile.corp.crypto=compatible
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Override server.https_listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub https_listen: Option<SocketAddr>,
    /// Override server.http_listen (SCEP only, unencrypted)
    #[arg(long, value_name = "ADDRESS:PORT|off", value_parser = optional_address)]
    pub http_listen: Option<String>,
    /// Override server.data_dir
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Override log.level
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Override log.format
    #[arg(long, value_name = "text|json")]
    pub log_format: Option<String>,
}

impl SourceArgs {
    /// The sources that these flags and the process's environment make; kept for reloads.
    ///
    /// # Errors
    /// A `--set` without `=`.
    pub fn sources(&self) -> Result<Sources, Failure> {
        let file = match &self.config {
            Some(file) => Some(absolute(file)?),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
        };
        let mut sources = Sources::of_process(file);
        let data_dir = self.data_dir.as_deref().map(absolute).transpose()?;
        let named = [
            (
                "--https-listen",
                "server.https_listen",
                self.https_listen.map(|address| address.to_string()),
            ),
            (
                "--http-listen",
                "server.http_listen",
                self.http_listen.clone(),
            ),
            (
                "--data-dir",
                "server.data_dir",
                data_dir.map(|directory| directory.display().to_string()),
            ),
            ("--log-level", "log.level", self.log_level.clone()),
            ("--log-format", "log.format", self.log_format.clone()),
        ];
        for set in &self.set {
            let (key, value) = set.split_once('=').ok_or_else(|| {
                Failure::usage("--set: write KEY=VALUE, for example --set log.level=debug")
            })?;
            sources
                .flags
                .push((format!("--set {key}"), key.to_owned(), value.to_owned()));
        }
        for (flag, key, value) in named {
            if let Some(value) = value {
                sources.flags.push((flag.to_owned(), key.to_owned(), value));
            }
        }
        Ok(sources)
    }

    /// Reads and merges the sources once.
    ///
    /// # Errors
    /// What [`SourceArgs::sources`] and [`Sources::load`] refuse.
    pub fn load(&self) -> Result<Effective, Failure> {
        self.sources()?
            .load()
            .map_err(|errors| Failure::new(errors.to_string()))
    }
}

/// Passed on as it was written: the setting itself is read by the same rule.
fn optional_address(text: &str) -> Result<String, String> {
    config::read_optional_address(text).map(|_| text.to_owned())
}

/// The file must be found again on reload, wherever the process stands by then.
fn absolute(path: &std::path::Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(Failure::while_doing(path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        sources: SourceArgs,
    }

    #[test]
    fn a_flag_switches_the_http_listener_off() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[server]\nhttp_listen = '127.0.0.1:80'\n").unwrap();
        let file = file.path().to_str().unwrap();
        let listens = |value: &str| {
            let args = ["scepd", "--config", file, "--http-listen", value];
            let args = Only::try_parse_from(args).map_err(|error| error.to_string())?;
            let mut sources = args.sources.sources().map_err(|error| error.to_string())?;
            // Another process's variables are nothing to this test.
            sources.environment.clear();
            let effective = sources.load().map_err(|error| error.to_string())?;
            Ok::<_, String>(effective.config.server.http_listen)
        };
        assert_eq!(listens("off"), Ok(None));
        assert_eq!(listens(""), Ok(None));
        assert_eq!(listens("[::1]:81"), Ok("[::1]:81".parse().ok()));
        let said = listens("81").unwrap_err();
        assert!(
            said.contains("--http-listen") && said.contains("or off"),
            "{said}"
        );
    }
}
