//! Whom a profile trusts: Intune connectors and mTLS clients' CAs.

use std::path::Path;
use std::sync::Arc;

use challenge::TrustAnchors;
use chrono::{DateTime, Utc};
use pki::Certificate;
use rustls_pki_types::CertificateDer;

use super::files::Files;
use super::pair;
use super::problem::{Findings, Location, Problem};
use crate::config::Profile;

/// Reads a profile's connector certificates again, for a reload of these alone.
///
/// # Errors
/// What is wrong: Intune is off, no file is named, or the file is bad.
pub fn reload_anchors(
    profile: &Profile,
    now: DateTime<Utc>,
) -> Result<Arc<TrustAnchors>, Vec<Problem>> {
    let mut findings = Findings::default();
    let location = Location::one_of("profile", &profile.path_id);
    anchors(profile, &Files::default(), now, &location, &mut findings).ok_or(findings.0)
}

/// What a profile's trust files hold, each read by itself; `None` where the profile has none.
pub struct TrustFiles {
    /// The Intune connectors' certificates, or what is wrong with their file.
    pub anchors: Option<Result<Arc<TrustAnchors>, Vec<Problem>>>,
    /// The CAs of mTLS clients, or what is wrong with their file.
    pub client_cas: Option<Result<Vec<Certificate>, Vec<Problem>>>,
}

/// Reads the trust files of these profiles again, and nothing else. In the order of the profiles.
#[must_use]
pub fn reload_trust_files(profiles: &[Profile], now: DateTime<Utc>) -> Vec<TrustFiles> {
    let files = Files::default();
    let one = |profile: &Profile| {
        let location = Location::one_of("profile", &profile.path_id);
        TrustFiles {
            anchors: profile.intune.enabled.then(|| {
                let mut findings = Findings::default();
                anchors(profile, &files, now, &location, &mut findings).ok_or(findings.0)
            }),
            client_cas: profile.mtls.enabled.then(|| {
                let mut findings = Findings::default();
                let path = profile.mtls.client_ca_trust_bundle_path.as_deref();
                client_cas(path, &files, now, &location, &mut findings).ok_or(findings.0)
            }),
        }
    };
    profiles.iter().map(one).collect()
}

/// The connector certificates of a profile with Intune on.
pub(super) fn anchors(
    profile: &Profile,
    files: &Files,
    now: DateTime<Utc>,
    location: &Location,
    findings: &mut Findings,
) -> Option<Arc<TrustAnchors>> {
    let location = location.at("intune.connector_cert_path");
    let Some(path) = profile
        .intune
        .connector_cert_path
        .as_deref()
        .filter(|_| profile.intune.enabled)
    else {
        let what = if profile.intune.enabled {
            "it is not set"
        } else {
            "Intune is off on this profile"
        };
        findings.fail(
            &location,
            what,
            "name the file that holds the Intune connectors' certificates, and enable Intune",
        );
        return None;
    };
    let content = files.read(path, &location, findings)?;
    let location = location.in_file(path);
    match TrustAnchors::parse(&path.display().to_string(), &content.bytes, now) {
        Ok(anchors) => {
            for anchor in anchors.anchors() {
                pair::warn_of_end(anchor, &location, now, findings);
                if now < anchor.not_before() {
                    let what = format!("the certificate {} is not valid yet", anchor.subject());
                    findings.warn(&location, what, "check this machine's clock");
                }
            }
            Some(Arc::new(anchors))
        }
        Err(error) => {
            let (what, remedy) = told(&error, path);
            findings.fail(&location, what, remedy);
            None
        }
    }
}

/// The words of an error without the file, which the finding names already, and the advice that they end with.
///
/// What follows from a bad file is not said: nothing, where another one stays in use.
fn told(error: &challenge::Error, path: &Path) -> (String, String) {
    let words = error.to_string();
    let file = format!("{}: ", path.display());
    let words = words.strip_prefix(&file).unwrap_or(&words);
    let with_advice = match error {
        // What it holds is listed after the same sign.
        challenge::Error::NoUsableAnchor { .. } => None,
        _ => words.rsplit_once("; "),
    };
    let (what, remedy) =
        with_advice.unwrap_or((words, "put the Intune connector's certificate there"));
    (what.to_owned(), remedy.to_owned())
}

/// The CAs of a profile's mTLS clients: certificates of which none has expired, each one usable.
pub(super) fn client_cas(
    path: Option<&Path>,
    files: &Files,
    now: DateTime<Utc>,
    location: &Location,
    findings: &mut Findings,
) -> Option<Vec<Certificate>> {
    let location = location.at("mtls.client_ca_trust_bundle_path");
    let Some(path) = path else {
        findings.fail(
            &location,
            "it is not set",
            "name the file with the CA certificates of the devices, or switch mTLS off",
        );
        return None;
    };
    let certificates = pair::certificates(files, path, &location, findings)?;
    let location = location.in_file(path);
    let mut good = true;
    for certificate in &certificates {
        good &= pair::in_validity(certificate, &location, now, findings);
        if webpki::anchor_from_trusted_cert(&CertificateDer::from(certificate.der())).is_err() {
            let what = format!(
                "the certificate {} cannot be used to check others",
                certificate.subject()
            );
            findings.fail(&location, what, "put X.509 version 3 CA certificates there");
            good = false;
        } else if !certificate.is_ca() {
            let what = format!("the certificate {} is not a CA's", certificate.subject());
            findings.warn(
                &location,
                what,
                "put the CA certificate there that issued the devices' certificates",
            );
        }
    }
    good.then_some(certificates)
}
