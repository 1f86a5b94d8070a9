//! `scepd quickstart`: everything a first server needs, made in one directory and kept there.
//!
//! | module | makes |
//! |---|---|
//! | `material` | CA, TLS certificate, challenges, a throwaway Intune connector |
//! | `settings` | `scepd.toml` |
//! | `token` | the admin token |
//! | `place` | names and addresses of this machine; writing files |
//! | `facts` | `quickstart.json` |
//! | `mobileconfig` | profiles for Apple devices |
//! | `guide` | what is printed: commands, field values |
//!
//! What is there already is used as it is, so that running it again goes on with the same keys and data.

mod facts;
mod guide;
mod material;
mod mobileconfig;
mod place;
mod settings;
#[cfg(test)]
mod tests;
mod token;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

pub use facts::Facts;

use crate::config::{Config, Errors, Sources};

/// What `quickstart` is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that everything is made in.
    pub dir: PathBuf,
    /// Address of both listeners; absent = as before, at first all of this machine.
    pub listen: Option<IpAddr>,
    /// Port of https; 0 = any free one; absent = as before, at first 8443.
    pub https_port: Option<u16>,
    /// Port of plain http; 0 = any free one; absent = as before, at first 8080.
    pub http_port: Option<u16>,
    /// Port of CRLs, CA certificates and OCSP; 0 = any free one; absent = as before, at first 8081, or any free one where
    /// another port is chosen.
    pub publish_port: Option<u16>,
    /// Kind of CA key; absent = as before, at first RSA.
    pub ca: Option<CaKind>,
}

/// Kind of CA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CaKind {
    /// RSA with 2048 bits.
    Rsa,
    /// EC on P-256.
    Ec,
}

/// Why a first server could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory cannot be read or written.
    #[error("{}: {source}: see to the directory's permissions and free space", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// One file of a pair is there and the other is not.
    #[error("{} is there and {} is not: bring it back, or remove both to have new ones made", present.display(), missing.display())]
    HalfAPair {
        /// The file that is there.
        present: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// A file that was there before cannot be used.
    #[error("{}: {reason}: bring the right one back, or start in another directory", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key or certificate cannot be made.
    #[error("{what} cannot be made: {reason}")]
    Make {
        /// What was to be made.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// `scepd.toml` cannot be read.
    #[error("{0}")]
    Config(#[from] Errors),
    /// The store cannot be opened.
    #[error("{0}")]
    Store(String),
    /// The store cannot take the admin token.
    #[error("the admin token cannot be stored: {0}")]
    Token(String),
}

/// A directory with everything in it, from which a server can be started.
pub struct Made {
    dir: PathBuf,
    sources: Sources,
    config: Config,
}

/// Makes what is missing in the directory. Blocks on keys and disk.
///
/// # Errors
/// [`Error`]. What was made until then stays and is used the next time.
pub fn make(options: &Options, now: DateTime<Utc>) -> Result<Made, Error> {
    let dir = std::path::absolute(&options.dir).map_err(place::io(&options.dir))?;
    place::directory(&dir)?;
    let ca = material::ca(&dir, options.ca, now)?;
    material::tls(&dir, &ca, now)?;
    material::connector(&dir, now)?;
    for profile in settings::PROFILES {
        material::challenge(&dir, profile)?;
    }
    settings::ensure(&dir, options)?;
    let sources = sources(&dir, options)?;
    let config = sources.load()?.config;
    token::ensure(&dir, &config, now)?;
    Ok(Made {
        dir,
        sources,
        config,
    })
}

fn sources(dir: &Path, options: &Options) -> Result<Sources, Error> {
    let mut sources = Sources::of_process(Some(dir.join(settings::FILE)));
    // What is not asked for stays as the file has it.
    let config = sources.load()?.config;
    let (https, http) = (Some(config.server.https_listen), config.server.http_listen);
    let (published, port) = (config.publish.listen, options.publish_port);
    for (flag, key, present, port) in [
        (
            "--https-port",
            "server.https_listen",
            https,
            options.https_port,
        ),
        ("--http-port", "server.http_listen", http, options.http_port),
        ("--publish-port", "publish.listen", published, port),
    ] {
        if port.is_none() && (options.listen.is_none() || present.is_none()) {
            continue;
        }
        let before = present.unwrap_or_else(|| settings::everywhere(0));
        let flag = if port.is_some() { flag } else { "--listen" };
        let address = SocketAddr::new(
            options.listen.unwrap_or_else(|| before.ip()),
            port.unwrap_or_else(|| before.port()),
        );
        sources
            .flags
            .push((flag.to_owned(), key.to_owned(), address.to_string()));
    }
    Ok(sources)
}

/// Where the server came to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// https.
    pub https: SocketAddr,
    /// Plain http, where it is on.
    pub http: Option<SocketAddr>,
    /// CRLs, CA certificates and OCSP, where they are published.
    pub publish: Option<SocketAddr>,
}

impl Made {
    /// The sources of the configuration, to start the server from.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// To be called once the server answers: writes the profiles for Apple devices and
    /// `quickstart.json`, and prints the commands that lead to a first certificate. The last line
    /// begins with `ready`.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn announce(&self, listening: Listening, out: &mut dyn Write) -> Result<Facts, Error> {
        let facts = Facts::gather(&self.dir, &self.config, listening)?;
        mobileconfig::write(&self.dir, &facts)?;
        facts.write(&self.dir)?;
        guide::print(&self.dir, &facts, out).map_err(place::io(Path::new("standard output")))?;
        Ok(facts)
    }
}
