//! `[[issuer]]`: CA certificates, keys, chains, neighbours.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use issuer::{Issuer, LocalCa, LocalCaParts, NextCa, PreviousCa};
use pki::{Certificate, KeyUsage, PrivateKey};
use scep::RaIdentity;

use super::files::Files;
use super::pair::{self, Pair};
use super::problem::{Findings, Location};
use super::{Run, publish, remote_issuers, urls};
use crate::config::{self, Publish};

/// What belongs into a file of a CA certificate.
const OWN_FILE: &str = "put a CA certificate, its key and its whole chain there";
/// What belongs into a file of the certificates above a CA.
const CHAIN_FILE: &str =
    "put the CA certificates above it there, each before the one that issued it";

/// An issuer that can sign, or have signed.
pub(super) struct ReadyIssuer {
    pub(super) issuer: Arc<dyn Issuer>,
    /// The CA's own certificate and key, for profiles on which the CA is its own RA; `None` where the key is somewhere else.
    pub(super) identity: Option<RaIdentity>,
}

/// All issuers by id. What is wrong is among the findings; an issuer that is missing here was named there.
pub(super) fn load(run: &Run<'_>, findings: &mut Findings) -> BTreeMap<String, ReadyIssuer> {
    let (issuers, files, now) = (&run.config.issuers, run.files, run.now);
    let (mut ready, mut elsewhere) = (BTreeMap::new(), Vec::new());
    for (index, settings) in issuers.iter().enumerate() {
        let location = Location::one_of("issuer", &settings.id);
        super::check_id(
            &settings.id,
            index,
            issuers.iter().map(|issuer| &issuer.id),
            &location,
            findings,
        );
        remote_issuers::refuse_foreign(settings, &location, findings);
        if remote_issuers::is_remote(settings.kind) {
            let read = remote_issuers::read(settings, &location, run.config, files, findings);
            elsewhere.extend(read);
        } else if let Some(issuer) = local(
            (settings, &run.config.publish),
            &location,
            files,
            now,
            findings,
        ) {
            ready.entry(settings.id.clone()).or_insert(issuer);
        }
    }
    for (id, issuer) in remote_issuers::open(elsewhere, findings) {
        let identity = None;
        ready.entry(id).or_insert(ReadyIssuer { issuer, identity });
    }
    ready
}

fn local(
    (settings, publish): (&config::Issuer, &Publish),
    location: &Location,
    files: &Files,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Option<ReadyIssuer> {
    let before = findings.0.len();
    let ca_spot = location.at("ca_cert_path");
    let ca = pair::load(
        files,
        (&ca_spot, settings.ca_cert_path.as_deref()),
        (&location.at("ca_key_path"), settings.ca_key_path.as_deref()),
        now,
        findings,
    );
    let chain = chain(
        settings.chain_path.as_deref(),
        &location.at("chain_path"),
        files,
        now,
        findings,
    );
    let next = next(settings, location, files, now, findings);
    let previous = previous(
        settings,
        &location.at("previous_ca_cert_paths"),
        files,
        findings,
    );
    let previous_keys = previous_keys(
        settings,
        &location.at("previous_ca_key_paths"),
        &previous,
        files,
        findings,
    );
    for (setting, list) in [
        ("cdp_urls", &settings.cdp_urls),
        ("ocsp_urls", &settings.ocsp_urls),
        ("ca_issuers_urls", &settings.ca_issuers_urls),
    ] {
        urls::check_public(list, &location.at(setting), findings);
    }
    super::range(
        settings.crl_lifetime,
        "1h",
        "366d",
        &location.at("crl_lifetime"),
        findings,
    );
    super::range(
        settings.ra_lifetime,
        "1h",
        "3660d",
        &location.at("ra_lifetime"),
        findings,
    );
    if findings
        .0
        .iter()
        .skip(before)
        .any(|found| found.severity == super::Severity::Failure)
    {
        return None;
    }
    let Pair {
        certificate,
        rest,
        key,
    } = ca?;
    if certificate
        .key_usage()
        .is_some_and(|usage| !usage.contains(KeyUsage::CRL_SIGN))
    {
        findings.warn(
            &ca_spot,
            "the CA certificate's key usage lacks cRLSign: this CA has no CRL, and GetCRL is refused",
            "use a CA certificate with cRLSign, or leave revocation to something else",
        );
    }
    let identity = RaIdentity {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    let chain = if settings.chain_path.is_some() {
        chain
    } else {
        rest
    };
    let trial = Trial {
        settings,
        location,
        certificate: &certificate,
        key: &key,
    };
    if !trial.all_fit(&chain, next.as_ref(), &previous, findings) {
        return None;
    }
    let previous = previous.into_iter().map(|(_, ca)| PreviousCa {
        key: previous_keys.iter().find(|key| fits(key, &ca)).cloned(),
        certificate: ca,
    });
    let places = publish::places_of(settings, publish, &certificate);
    let parts = LocalCaParts {
        chain,
        next,
        previous: previous.collect(),
        cdp_urls: places.crls,
        ocsp_urls: places.responders,
        ca_issuers_urls: places.cas,
        crl_lifetime: settings.crl_lifetime.chrono(),
        ra_lifetime: settings.ra_lifetime.chrono(),
        ..LocalCaParts::new(certificate, key)
    };
    match LocalCa::from_parts(&settings.id, parts) {
        Ok(issuer) => Some(ReadyIssuer {
            issuer: Arc::new(issuer),
            identity: Some(identity),
        }),
        Err(error) => {
            findings.fail(&ca_spot, error.to_string(), OWN_FILE);
            None
        }
    }
}

/// Puts each neighbour beside the CA alone, so that what does not fit is said of its own setting and file.
struct Trial<'a> {
    settings: &'a config::Issuer,
    location: &'a Location,
    certificate: &'a Certificate,
    key: &'a PrivateKey,
}

impl Trial<'_> {
    fn all_fit(
        &self,
        chain: &[Certificate],
        next: Option<&NextCa>,
        previous: &[(&Path, Certificate)],
        findings: &mut Findings,
    ) -> bool {
        let own = self.named("ca_cert_path", self.settings.ca_cert_path.as_deref());
        if !self.fits(|_| {}, &own, OWN_FILE, findings) {
            return false;
        }
        let (location, remedy) = match self.settings.chain_path.as_deref() {
            Some(path) => (self.named("chain_path", Some(path)), CHAIN_FILE),
            None => (own, OWN_FILE),
        };
        let mut fit = self.fits(
            |parts| parts.chain = chain.to_vec(),
            &location,
            remedy,
            findings,
        );
        if let Some(next) = next {
            fit &= self.next_fits(next, findings);
        }
        for (path, certificate) in previous {
            let location = self.named("previous_ca_cert_paths", Some(path));
            let add = |parts: &mut LocalCaParts| parts.previous = vec![past(certificate.clone())];
            fit &= self.fits(
                add,
                &location,
                "name files with certificates of CAs",
                findings,
            );
        }
        fit
    }

    fn next_fits(&self, next: &NextCa, findings: &mut Findings) -> bool {
        let with = |chain: &[Certificate]| {
            let next = NextCa {
                certificate: next.certificate.clone(),
                key: next.key.clone(),
                chain: chain.to_vec(),
            };
            |parts: &mut LocalCaParts| parts.next = Some(next)
        };
        let own = self.named(
            "next_ca_cert_path",
            self.settings.next_ca_cert_path.as_deref(),
        );
        if !self.fits(with(&[]), &own, OWN_FILE, findings) {
            return false;
        }
        let (location, remedy) = match self.settings.next_chain_path.as_deref() {
            Some(path) => (self.named("next_chain_path", Some(path)), CHAIN_FILE),
            None => (own, OWN_FILE),
        };
        self.fits(with(&next.chain), &location, remedy, findings)
    }

    fn fits(
        &self,
        add: impl FnOnce(&mut LocalCaParts),
        location: &Location,
        remedy: &str,
        findings: &mut Findings,
    ) -> bool {
        let mut parts = LocalCaParts::new(self.certificate.clone(), self.key.clone());
        add(&mut parts);
        let made = LocalCa::from_parts(&self.settings.id, parts);
        if let Err(error) = &made {
            findings.fail(location, error.to_string(), remedy);
        }
        made.is_ok()
    }

    fn named(&self, setting: &'static str, path: Option<&Path>) -> Location {
        let location = self.location.at(setting);
        path.map_or(location.clone(), |path| location.in_file(path))
    }
}

fn chain(
    path: Option<&Path>,
    location: &Location,
    files: &Files,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Vec<Certificate> {
    let Some(path) = path else { return Vec::new() };
    let chain = pair::certificates(files, path, location, findings).unwrap_or_default();
    for certificate in &chain {
        pair::in_validity(certificate, &location.in_file(path), now, findings);
    }
    chain
}

fn next(
    settings: &config::Issuer,
    location: &Location,
    files: &Files,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Option<NextCa> {
    let (certificate_spot, key_spot) = (
        location.at("next_ca_cert_path"),
        location.at("next_ca_key_path"),
    );
    let Some(path) = settings.next_ca_cert_path.as_deref() else {
        for (setting, path) in [
            ("next_ca_key_path", &settings.next_ca_key_path),
            ("next_chain_path", &settings.next_chain_path),
        ] {
            if let Some(path) = path {
                let what = "there is no next_ca_cert_path to go with it";
                findings.fail(
                    &location.at(setting).in_file(path),
                    what,
                    "set next_ca_cert_path or remove this",
                );
            }
        }
        return None;
    };
    let chain = chain(
        settings.next_chain_path.as_deref(),
        &location.at("next_chain_path"),
        files,
        now,
        findings,
    );
    let (certificate, rest, key) = match settings.next_ca_key_path.as_deref() {
        Some(key) => {
            let pair = pair::load(
                files,
                (&certificate_spot, Some(path)),
                (&key_spot, Some(key)),
                now,
                findings,
            )?;
            (pair.certificate, pair.rest, Some(pair.key))
        }
        None => {
            let all = pair::certificates(files, path, &certificate_spot, findings)?;
            let (first, rest) = all.split_first()?;
            pair::in_validity(first, &certificate_spot.in_file(path), now, findings);
            (first.clone(), rest.to_vec(), None)
        }
    };
    let chain = if settings.next_chain_path.is_some() {
        chain
    } else {
        rest
    };
    Some(NextCa {
        certificate,
        key,
        chain,
    })
}

/// CAs of the past may have expired: nothing new is signed by them.
fn previous<'a>(
    settings: &'a config::Issuer,
    location: &Location,
    files: &Files,
    findings: &mut Findings,
) -> Vec<(&'a Path, Certificate)> {
    let mut all = Vec::new();
    for path in &settings.previous_ca_cert_paths {
        let certificates = pair::certificates(files, path, location, findings).unwrap_or_default();
        all.extend(certificates.into_iter().map(|one| (path.as_path(), one)));
    }
    all
}

/// The keys of CAs of the past, each of which must be one of theirs.
fn previous_keys(
    settings: &config::Issuer,
    location: &Location,
    previous: &[(&Path, Certificate)],
    files: &Files,
    findings: &mut Findings,
) -> Vec<PrivateKey> {
    let mut keys = Vec::new();
    for path in &settings.previous_ca_key_paths {
        let Some(key) = pair::private_key(files, path, location, findings) else {
            continue;
        };
        if previous.iter().any(|(_, ca)| fits(&key, ca)) {
            keys.push(key);
        } else {
            findings.fail(
                &location.in_file(path),
                "it is the key of none of the certificates in previous_ca_cert_paths",
                "name the certificate of this CA there, or remove the key",
            );
        }
    }
    keys
}

fn fits(key: &PrivateKey, ca: &Certificate) -> bool {
    key.public_key().spki_der() == ca.public_key().spki_der()
}

fn past(certificate: Certificate) -> PreviousCa {
    PreviousCa {
        certificate,
        key: None,
    }
}
