//! `[issuer.scep]`.

use std::path::PathBuf;
use std::sync::Arc;

use issuer::Issuer;
use outbound::{Url, endpoint};
use pki::KeyKind;
use remote_issuers::upstream_scep::{CaTrust, Settings, UpstreamScep};

use super::Opened;
use super::reading::{Reading, fingerprint};
use crate::checks::problem::Findings;
use crate::checks::{pair, range};

/// Reads the section and the files that it names.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Findings) -> Option<Opened> {
    let scep = &reading.settings.scep;
    range(
        scep.poll_every,
        "1s",
        "1d",
        &reading.at("scep.poll_every"),
        findings,
    );
    let trust = trust(reading, findings);
    let url = url(reading, findings);
    let signer = signer(reading, findings);
    let options = reading.options(findings);
    let (url, trust) = (url?, trust?);
    if url.scheme() != "https" && matches!(trust, CaTrust::Connection) {
        findings.fail(
            &reading.at("scep.ca_fingerprint"),
            "neither it nor scep.ca_path is set, and over http nobody vouches for the CA",
            "write the SHA-256 fingerprint of the CA certificate, or ask by https",
        );
    }
    let opening = reading.opening(url, options?, findings)?;
    let settings = Settings {
        signer: signer?,
        trust,
        identifier: scep.ca_identifier.clone(),
        allows_legacy: scep.legacy,
        poll_every: scep.poll_every.duration(),
    };
    Some(Box::pin(async move {
        let upstream = UpstreamScep::open(opening, settings).await?;
        Ok(Arc::new(upstream) as Arc<dyn Issuer>)
    }))
}

/// SCEP is often spoken over http: what counts is encrypted and signed by itself.
fn url(reading: &Reading<'_>, findings: &mut Findings) -> Option<Url> {
    let text = reading.settings.url.as_ref().map(|url| url.as_str());
    match text.and_then(|text| text.trim().strip_prefix("http://")) {
        // All else that is wrong with an address is the same.
        Some(rest) => match endpoint(&format!("https://{rest}")) {
            Ok(_) => Url::parse(text.unwrap_or_default().trim()).ok(),
            Err(error) => {
                findings.fail(&reading.at("url"), error.to_string(), "correct it");
                None
            }
        },
        None => reading.url(findings),
    }
}

fn trust(reading: &Reading<'_>, findings: &mut Findings) -> Option<CaTrust> {
    let scep = &reading.settings.scep;
    let pin = reading.at("scep.ca_fingerprint");
    match (&scep.ca_fingerprint, &scep.ca_path) {
        (Some(_), Some(_)) => {
            findings.fail(&pin, "scep.ca_path is set as well", "keep one of the two");
            None
        }
        (Some(text), None) => fingerprint(text, &pin, findings).map(CaTrust::Fingerprint),
        (None, Some(path)) => {
            let location = reading.at("scep.ca_path");
            pair::certificates(reading.files, path, &location, findings).map(CaTrust::Anchors)
        }
        (None, None) => Some(CaTrust::Connection),
    }
}

fn signer(
    reading: &Reading<'_>,
    findings: &mut Findings,
) -> Option<(pki::Certificate, pki::PrivateKey)> {
    let scep = &reading.settings.scep;
    let named = |path: &Option<PathBuf>, at: &'static str, findings: &mut Findings| {
        if path.is_none() {
            let remedy = "name the file (`scepd issuer role scep` prints how to make one)";
            findings.fail(&reading.at(at), "it is not set", remedy);
        }
        path.clone()
    };
    let (cert_at, key_at) = ("scep.signer_cert_path", "scep.signer_key_path");
    let certificate = named(&scep.signer_cert_path, cert_at, findings);
    let key = named(&scep.signer_key_path, key_at, findings);
    let (certificate, key) = (certificate?, key?);
    let location = reading.at(cert_at);
    let chain = pair::certificates(reading.files, &certificate, &location, findings);
    let key = pair::private_key(reading.files, &key, &reading.at(key_at), findings);
    let (chain, key) = (chain?, key?);
    let first = chain.first()?.clone();
    if first.public_key().spki_der() != key.public_key().spki_der() {
        findings.fail(
            &reading.at(key_at),
            "it is not the key of scep.signer_cert_path",
            "name the certificate and its own key",
        );
        return None;
    }
    if !matches!(key.kind(), KeyKind::Rsa { .. }) {
        findings.fail(
            &reading.at(key_at),
            format!("it is {}, and replies are encrypted to it", key.kind()),
            "make an RSA key: `scepd issuer role scep` prints how",
        );
        return None;
    }
    Some((first, key))
}
