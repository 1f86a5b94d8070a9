//! What is read for issuers of every kind, and how credentials are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use outbound::{Client, Identity, Options, Trust, Url, endpoint};
use pki::Certificate;
use remote_issuers::{Credential, Opening};
use zeroize::Zeroizing;

use super::chain_file;
use crate::checks::files::Files;
use crate::checks::problem::{Findings, Location};
use crate::checks::{count, pair, range, secrets};
use crate::config::{self, Config, Secret};
use crate::stable_read;

/// The most octets of an answer: a chain or a CRL of a large fleet.
const LARGEST_ANSWER: usize = 32 << 20;

/// An `[[issuer]]` that is being read.
pub(super) struct Reading<'a> {
    /// The section.
    pub(super) settings: &'a config::Issuer,
    /// Where it stands.
    pub(super) location: &'a Location,
    /// The files that it may name.
    pub(super) files: &'a Files,
    /// The chain that the issuer showed before.
    known: Vec<Certificate>,
    above: Vec<Certificate>,
    previous: Vec<Certificate>,
}

impl<'a> Reading<'a> {
    /// Reads what every kind has beside its address and its trust.
    pub(super) fn new(
        settings: &'a config::Issuer,
        location: &'a Location,
        config: &Config,
        files: &'a Files,
        findings: &mut Findings,
    ) -> Self {
        let at = |setting| location.at(setting);
        range(settings.timeout, "100ms", "1m", &at("timeout"), findings);
        count(
            settings.max_in_flight,
            1..=1024,
            &at("max_in_flight"),
            findings,
        );
        let above = settings
            .chain_path
            .as_deref()
            .and_then(|path| pair::certificates(files, path, &at("chain_path"), findings));
        let mut previous = Vec::new();
        for path in &settings.previous_ca_cert_paths {
            let read = pair::certificates(files, path, &at("previous_ca_cert_paths"), findings);
            previous.extend(read.unwrap_or_default());
        }
        // A file that cannot be read is as good as none: the other side is asked anyway.
        let kept = stable_read::read(&chain_file(&config.server.data_dir, &settings.id)).ok();
        let known = kept.and_then(|kept| Certificate::bundle_from_pem(&kept.bytes).ok());
        Self {
            settings,
            location,
            files,
            known: known.unwrap_or_default(),
            above: above.unwrap_or_default(),
            previous,
        }
    }

    /// Where a setting stands.
    pub(super) fn at(&self, setting: &'static str) -> Location {
        self.location.at(setting)
    }

    /// The address, which must be set.
    pub(super) fn url(&self, findings: &mut Findings) -> Option<Url> {
        let location = self.at("url");
        let Some(url) = &self.settings.url else {
            findings.fail(&location, "it is not set", "write https://host:port");
            return None;
        };
        endpoint(url.as_str())
            .inspect_err(|error| findings.fail(&location, error.to_string(), "correct it"))
            .ok()
    }

    /// What an issuer is opened with, reached as `options` say.
    pub(super) fn opening(
        &self,
        url: Url,
        options: Options,
        findings: &mut Findings,
    ) -> Option<Opening> {
        let client = Client::new(options).inspect_err(|error| {
            findings.fail(
                &self.at("url"),
                error.to_string(),
                "correct the issuer's TLS settings",
            );
        });
        Some(Opening {
            id: self.settings.id.clone(),
            url,
            client: client.ok()?,
            ticks: Arc::new(Instant::now),
            clock: Arc::new(chrono::Utc::now),
            known: self.known.clone(),
            max_in_flight: self.settings.max_in_flight,
            accepts_shorter_validity: self.settings.accept_shorter_validity,
            above: self.above.clone(),
            previous: self.previous.clone(),
        })
    }

    /// Trust, proxy and time for a call, as the common settings have them.
    pub(super) fn options(&self, findings: &mut Findings) -> Option<Options> {
        let settings = self.settings;
        let mut options = Options {
            timeout: settings.timeout.duration(),
            max_body: LARGEST_ANSWER,
            ..Options::new(self.trust(findings)?)
        };
        if let Some(proxy) = &settings.proxy {
            match Url::parse(proxy.as_str()) {
                Ok(proxy) => options.proxy = Some(proxy),
                Err(_) => {
                    findings.fail(&self.at("proxy"), "it is no URL", "write http://host:port");
                    return None;
                }
            }
        }
        Some(options)
    }

    fn trust(&self, findings: &mut Findings) -> Option<Trust> {
        let pin = self.at("tls_fingerprint");
        match (
            &self.settings.ca_bundle_path,
            &self.settings.tls_fingerprint,
        ) {
            (Some(_), Some(_)) => {
                findings.fail(&pin, "ca_bundle_path is set as well", "keep one of the two");
                None
            }
            (Some(path), None) => {
                let location = self.at("ca_bundle_path");
                let bundle = pair::certificates(self.files, path, &location, findings)?;
                let roots = bundle.iter().map(|root| root.der().to_vec());
                Some(Trust::Roots(roots.collect()))
            }
            (None, Some(text)) => fingerprint(text, &pin, findings).map(Trust::Fingerprint),
            (None, None) => Some(Trust::System),
        }
    }

    /// The client certificate of the connection, from two settings that must be there.
    pub(super) fn identity(
        &self,
        chain: (&'static str, &Option<PathBuf>),
        key: (&'static str, &Option<PathBuf>),
        findings: &mut Findings,
    ) -> Option<Identity> {
        let (chain_at, key_at) = (self.at(chain.0), self.at(key.0));
        let named = |path: &Option<PathBuf>, location: &Location, findings: &mut Findings| {
            if path.is_none() {
                findings.fail(location, "it is not set", "name the file");
            }
            path.clone()
        };
        let chain = named(chain.1, &chain_at, findings);
        let key = named(key.1, &key_at, findings);
        let (chain, key) = (chain?, key?);
        let certificate = self.files.read(&chain, &chain_at, findings);
        let private = self.files.read_secret(&key, &key_at, findings);
        Identity::from_pem(&certificate?.bytes, &private?.bytes)
            .inspect_err(|error| {
                findings.fail(
                    &chain_at,
                    error.to_string(),
                    "put a certificate and its key there, in PEM",
                );
            })
            .ok()
    }

    /// A credential that is given inline or by a file, read anew each time that it is used. One of the two must be set.
    pub(super) fn secret(
        &self,
        inline: (&'static str, &Option<Secret>),
        file: (&'static str, &Option<PathBuf>),
        findings: &mut Findings,
    ) -> Option<Credential> {
        if inline.1.is_none() && file.1.is_none() {
            findings.fail(
                &self.at(file.0),
                "it is not set",
                "name the file that holds the credential",
            );
        }
        let found = secrets::resolve(
            self.files,
            (&self.at(inline.0), inline.1.as_ref()),
            (&self.at(file.0), file.1.as_deref()),
            findings,
        );
        Some(credential(file.1.clone(), found?))
    }

    /// A text that must be set.
    pub(super) fn needed(
        &self,
        value: &Option<String>,
        setting: &'static str,
        findings: &mut Findings,
    ) -> Option<String> {
        if value.is_none() {
            findings.fail(
                &self.at(setting),
                "it is not set",
                "write what the other side calls it",
            );
        }
        value.clone()
    }

    /// A piece of a path of the other side's API.
    pub(super) fn path(
        &self,
        text: &str,
        setting: &'static str,
        findings: &mut Findings,
    ) -> String {
        let location = &self.at(setting);
        let path = text.trim_matches('/');
        let plain = |segment: &str| {
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && segment
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
        };
        if path.is_empty() {
            findings.fail(
                location,
                "it is not set",
                "write the name that it has there",
            );
        } else if !path.split('/').all(plain) {
            findings.fail(
                location,
                "it is no path of letters, digits, -, _ and .",
                "write the name that it has there",
            );
        }
        path.to_owned()
    }
}

/// A SHA-256 fingerprint in hex, with colons or without.
pub(super) fn fingerprint(
    text: &str,
    location: &Location,
    findings: &mut Findings,
) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|one| *one != ':').collect();
    let octets = hex::decode(digits).ok().and_then(|all| all.try_into().ok());
    if octets.is_none() {
        findings.fail(
            location,
            "it is no SHA-256 fingerprint",
            "write 64 hexadecimal digits: openssl x509 -noout -fingerprint -sha256",
        );
    }
    octets
}

/// The file's content of the moment, or what the configuration says.
fn credential(file: Option<PathBuf>, inline: Secret) -> Credential {
    match file {
        Some(file) => of_file(file),
        None => Arc::new(move || Ok(Zeroizing::new(inline.expose().to_owned()))),
    }
}

/// The content of a file, without blanks at its ends, read anew each time.
pub(super) fn of_file(file: PathBuf) -> Credential {
    Arc::new(move || {
        let content = stable_read::read(&file).map_err(|unread| {
            let (what, remedy) = unread.words();
            format!("{}: {what}; {remedy}", file.display())
        })?;
        let text = std::str::from_utf8(&content.bytes)
            .map_err(|_| format!("{}: it is not a text", file.display()))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    })
}
