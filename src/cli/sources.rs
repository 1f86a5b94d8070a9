//! The flags that say where the configuration comes from, shared by the commands that need one.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{Effective, Sources};

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
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http_listen: Option<SocketAddr>,
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
                self.http_listen.map(|address| address.to_string()),
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

/// The file must be found again on reload, wherever the process stands by then.
fn absolute(path: &std::path::Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(Failure::while_doing(path.display()))
}
