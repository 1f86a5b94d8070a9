//! `quickstart.json`: how to reach the server and what devices need, for scripts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::material::{CA_CERT, CONNECTOR_CERT, CONNECTOR_KEY};
use super::place::{self, Readers};
use super::{Error, Listening, settings, token};
use crate::config::{Config, Profile};

pub(super) const FILE: &str = "quickstart.json";

/// What `quickstart.json` holds. It names challenges, so it is its owner's alone.
#[derive(Clone, Serialize)]
pub struct Facts {
    /// Where https answers.
    pub https_url: String,
    /// Where plain http answers.
    pub http_url: Option<String>,
    /// Where CRLs, CA certificates and OCSP answers are.
    pub publish_url: Option<String>,
    /// The SCEP profiles, in the order of the configuration.
    pub profiles: Vec<ProfileFacts>,
    /// The CA certificate that everything chains to, TLS too.
    pub ca_cert: PathBuf,
    /// The server's process.
    pub pid: u32,
    /// Key of the throwaway Intune connector.
    pub connector_key: PathBuf,
    /// Its certificate, the trust anchor of the Intune profile.
    pub connector_cert: PathBuf,
    /// The audience that challenges for the Intune profile must carry.
    pub audience: Option<String>,
    /// File with a token for the admin API and page.
    pub admin_token_file: PathBuf,
}

/// One profile.
#[derive(Clone, Serialize)]
pub struct ProfileFacts {
    /// Its path id.
    pub path_id: String,
    /// Its address on the https listener.
    pub url: String,
    /// Its static challenge password, where it has one.
    pub challenge: Option<String>,
}

impl Facts {
    pub(super) fn gather(dir: &Path, config: &Config, listening: Listening) -> Result<Self, Error> {
        let https_url = url("https", listening.https);
        let profiles = config.profiles.iter().map(|profile| {
            Ok(ProfileFacts {
                path_id: profile.path_id.clone(),
                url: profile_url(&https_url, &profile.path_id),
                challenge: challenge(profile)?,
            })
        });
        let intune = config
            .profiles
            .iter()
            .filter(|profile| profile.intune.enabled);
        let intune = intune
            .clone()
            .find(|profile| profile.path_id == settings::INTUNE)
            .or(intune.clone().next());
        Ok(Self {
            profiles: profiles.collect::<Result<_, Error>>()?,
            http_url: listening.http.map(|address| url("http", address)),
            publish_url: listening.publish.map(|address| url("http", address)),
            ca_cert: dir.join(CA_CERT),
            pid: std::process::id(),
            connector_key: dir.join(CONNECTOR_KEY),
            connector_cert: dir.join(CONNECTOR_CERT),
            audience: intune.and_then(|profile| profile.intune.audience.clone()),
            admin_token_file: dir.join(token::FILE),
            https_url,
        })
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE);
        let text =
            serde_json::to_string_pretty(self).map_err(|error| place::io(&path)(error.into()))?;
        place::write(&path, format!("{text}\n").as_bytes(), Readers::Owner)
    }

    pub(super) fn profile(&self, path_id: &str) -> Option<&ProfileFacts> {
        self.profiles
            .iter()
            .find(|profile| profile.path_id == path_id)
    }
}

/// `localhost`, or the address itself where the server listens on a single one.
fn url(scheme: &str, address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => format!("{scheme}://localhost:{port}"),
        _ => format!("{scheme}://{address}"),
    }
}

pub(super) fn profile_url(base: &str, path_id: &str) -> String {
    if path_id.is_empty() {
        format!("{base}/scep")
    } else {
        format!("{base}/scep/{path_id}")
    }
}

fn challenge(profile: &Profile) -> Result<Option<String>, Error> {
    if let Some(secret) = &profile.challenge_password {
        return Ok(Some(secret.expose().to_owned()));
    }
    let Some(path) = &profile.challenge_password_file else {
        return Ok(None);
    };
    let text = place::read(path)?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}
