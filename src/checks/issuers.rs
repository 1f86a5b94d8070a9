//! `[[issuer]]`: CA certificates, keys, chains, neighbours.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use issuer::{LocalCa, LocalCaParts, NextCa, PreviousCa};
use pki::{Certificate, KeyUsage};
use scep::RaIdentity;

use super::files::Files;
use super::pair::{self, Pair};
use super::problem::{Findings, Spot};
use super::urls;
use crate::config::{self, IssuerKind};

/// An issuer that can sign.
pub(super) struct Ready {
    pub(super) issuer: Arc<LocalCa>,
    /// The CA's own certificate and key, for profiles on which the CA is its own RA.
    pub(super) identity: RaIdentity,
}

/// All issuers by id. What is wrong is among the findings; an issuer that is missing here was named there.
pub(super) fn load(
    issuers: &[config::Issuer],
    files: &Files,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> BTreeMap<String, Ready> {
    let mut ready = BTreeMap::new();
    for (index, settings) in issuers.iter().enumerate() {
        let spot = Spot::one_of("issuer", &settings.id);
        super::check_id(
            &settings.id,
            index,
            issuers.iter().map(|issuer| &issuer.id),
            &spot,
            findings,
        );
        let IssuerKind::Local = settings.kind;
        if let Some(issuer) = local(settings, &spot, files, now, findings) {
            ready.entry(settings.id.clone()).or_insert(issuer);
        }
    }
    ready
}

fn local(
    settings: &config::Issuer,
    spot: &Spot,
    files: &Files,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Option<Ready> {
    let before = findings.0.len();
    let ca_spot = spot.at("ca_cert_path");
    let ca = pair::load(
        files,
        (&ca_spot, settings.ca_cert_path.as_deref()),
        (&spot.at("ca_key_path"), settings.ca_key_path.as_deref()),
        now,
        findings,
    );
    let chain = chain(
        settings.chain_path.as_deref(),
        &spot.at("chain_path"),
        files,
        now,
        findings,
    );
    let next = next(settings, spot, files, now, findings);
    let previous = previous(
        settings,
        &spot.at("previous_ca_cert_paths"),
        files,
        findings,
    );
    for (setting, list) in [
        ("cdp_urls", &settings.cdp_urls),
        ("ocsp_urls", &settings.ocsp_urls),
        ("ca_issuers_urls", &settings.ca_issuers_urls),
    ] {
        urls::check_public(list, &spot.at(setting), findings);
    }
    super::range(
        settings.crl_lifetime,
        "1h",
        "366d",
        &spot.at("crl_lifetime"),
        findings,
    );
    super::range(
        settings.ra_lifetime,
        "1h",
        "3660d",
        &spot.at("ra_lifetime"),
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
    let parts = LocalCaParts {
        chain: if settings.chain_path.is_some() {
            chain
        } else {
            rest
        },
        next,
        previous,
        cdp_urls: settings.cdp_urls.clone(),
        ocsp_urls: settings.ocsp_urls.clone(),
        ca_issuers_urls: settings.ca_issuers_urls.clone(),
        crl_lifetime: settings.crl_lifetime.chrono(),
        ra_lifetime: settings.ra_lifetime.chrono(),
        ..LocalCaParts::new(certificate, key)
    };
    match LocalCa::from_parts(&settings.id, parts) {
        Ok(issuer) => Some(Ready {
            issuer: Arc::new(issuer),
            identity,
        }),
        Err(error) => {
            let ca_spot = settings
                .ca_cert_path
                .as_deref()
                .map_or(ca_spot.clone(), |path| ca_spot.in_file(path));
            findings.fail(
                &ca_spot,
                error.to_string(),
                "put a CA certificate, its key and its whole chain there",
            );
            None
        }
    }
}

fn chain(
    path: Option<&Path>,
    spot: &Spot,
    files: &Files,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Vec<Certificate> {
    let Some(path) = path else { return Vec::new() };
    let chain = pair::certificates(files, path, spot, findings).unwrap_or_default();
    for certificate in &chain {
        pair::in_validity(certificate, &spot.in_file(path), now, findings);
    }
    chain
}

fn next(
    settings: &config::Issuer,
    spot: &Spot,
    files: &Files,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> Option<NextCa> {
    let (certificate_spot, key_spot) = (spot.at("next_ca_cert_path"), spot.at("next_ca_key_path"));
    let Some(path) = settings.next_ca_cert_path.as_deref() else {
        for (setting, path) in [
            ("next_ca_key_path", &settings.next_ca_key_path),
            ("next_chain_path", &settings.next_chain_path),
        ] {
            if let Some(path) = path {
                let what = "there is no next_ca_cert_path to go with it";
                findings.fail(
                    &spot.at(setting).in_file(path),
                    what,
                    "set next_ca_cert_path or remove this",
                );
            }
        }
        return None;
    };
    let chain = chain(
        settings.next_chain_path.as_deref(),
        &spot.at("next_chain_path"),
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
fn previous(
    settings: &config::Issuer,
    spot: &Spot,
    files: &Files,
    findings: &mut Findings,
) -> Vec<PreviousCa> {
    let paths = settings.previous_ca_cert_paths.iter();
    paths
        .filter_map(|path| pair::certificates(files, path, spot, findings))
        .flatten()
        .map(|certificate| PreviousCa {
            certificate,
            key: None,
        })
        .collect()
}
