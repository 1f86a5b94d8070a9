//! Whom a profile trusts: Intune connectors and mTLS clients' CAs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use challenge::{AnchorTenant, TrustAnchors};
use chrono::{DateTime, Utc};
use pki::Certificate;
use rustls_pki_types::CertificateDer;

use super::files::Files;
use super::pair;
use super::problem::{Findings, Location, Problem};
use crate::config::{Intune, Profile};

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

/// The connector certificates of a profile with Intune on: its own, and those of its tenants.
pub(super) fn anchors(
    profile: &Profile,
    files: &Files,
    now: DateTime<Utc>,
    location: &Location,
    findings: &mut Findings,
) -> Option<Arc<TrustAnchors>> {
    let intune = &profile.intune;
    let own_location = location.at("intune.connector_cert_path");
    if !intune.enabled {
        findings.fail(
            &own_location,
            "Intune is off on this profile",
            "name the file that holds the Intune connectors' certificates, and enable Intune",
        );
        return None;
    }
    let read = |path: Option<&Path>, location: &Location, findings: &mut Findings| {
        one_file(path, files, now, location, findings)
    };
    let own = match (&intune.connector_cert_path, intune.tenant.is_empty()) {
        (None, false) => Some(None),
        (path, _) => read(path.as_deref(), &own_location, findings).map(Some),
    };
    if intune.tenant.is_empty() {
        return own?.map(Arc::new);
    }
    let mut tenants = Vec::new();
    let mut all_good = true;
    for (index, tenant) in intune.tenant.iter().enumerate() {
        let rules = rules(intune, index, location, findings);
        let at = location.at("intune.tenant.connector_cert_path");
        let anchors = read(tenant.connector_cert_path.as_deref(), &at, findings);
        match rules.zip(anchors) {
            Some(good) => tenants.push(good),
            None => all_good = false,
        }
    }
    let own = own.filter(|_| all_good)?;
    let of_one_alone = no_key_twice(own.as_ref(), &tenants, location, findings);
    of_one_alone.then(|| Arc::new(TrustAnchors::with_tenants(own, tenants)))
}

/// What the anchors of a profile's tenant may vouch for.
fn rules(
    intune: &Intune,
    index: usize,
    location: &Location,
    findings: &mut Findings,
) -> Option<AnchorTenant> {
    let (earlier, rest) = intune.tenant.split_at_checked(index)?;
    let tenant = rest.first()?;
    let id = &tenant.id;
    let named = !id.trim().is_empty() && !id.chars().any(char::is_control);
    let namesake = earlier.iter().any(|other| other.id == *id);
    let twin = earlier.iter().find(|other| other.issuer == tenant.issuer);
    let twin = twin.map_or("", |twin| twin.id.as_str());
    let audience = tenant.audience_in(intune);
    let faults = [
        (
            !named,
            "intune.tenant.id",
            "a tenant has no name".to_owned(),
            "give it one: the audit says by it who vouched",
        ),
        (
            named && namesake,
            "intune.tenant.id",
            format!("two tenants are called `{id}`"),
            "give each its own name",
        ),
        (
            tenant.issuer.is_empty(),
            "intune.tenant.issuer",
            format!("the tenant `{id}` has no issuer"),
            "set the `iss` that its connector writes",
        ),
        (
            !tenant.issuer.is_empty() && !twin.is_empty(),
            "intune.tenant.issuer",
            format!(
                "the tenants `{twin}` and `{id}` have the same issuer, so that each could vouch for the other's devices"
            ),
            "have each connector write an `iss` of its own",
        ),
        (
            audience.is_none(),
            "intune.tenant.audience",
            format!("the tenant `{id}` has no audience, and neither has the profile"),
            "set the `aud` that its connector writes",
        ),
    ];
    let mut good = true;
    for (_, setting, what, remedy) in faults.into_iter().filter(|(is_so, ..)| *is_so) {
        findings.fail(&location.at(setting), what, remedy);
        good = false;
    }
    good.then(|| AnchorTenant {
        id: id.clone(),
        issuer: tenant.issuer.clone(),
        audience: audience.unwrap_or_default().to_owned(),
    })
}

/// A key that two of them have would say nothing of which one vouched.
fn no_key_twice(
    own: Option<&TrustAnchors>,
    tenants: &[(AnchorTenant, TrustAnchors)],
    location: &Location,
    findings: &mut Findings,
) -> bool {
    let mut seen: BTreeMap<&[u8], &str> = BTreeMap::new();
    for anchor in own.iter().flat_map(|own| own.anchors()) {
        seen.insert(anchor.public_key().spki_der(), "the profile itself");
    }
    let mut good = true;
    for (tenant, anchors) in tenants {
        for anchor in anchors.anchors() {
            let before = seen.insert(anchor.public_key().spki_der(), &tenant.id);
            let Some(other) = before.filter(|other| *other != tenant.id) else {
                continue;
            };
            findings.fail(
                &location.at("intune.tenant.connector_cert_path"),
                format!(
                    "the key of {} is that of the tenant `{}` and of {other}, so nothing says which of them vouched",
                    anchor.subject(),
                    tenant.id
                ),
                "give each connector a key of its own",
            );
            good = false;
        }
    }
    good
}

/// What one trust-anchor file holds.
fn one_file(
    path: Option<&Path>,
    files: &Files,
    now: DateTime<Utc>,
    location: &Location,
    findings: &mut Findings,
) -> Option<TrustAnchors> {
    let Some(path) = path else {
        findings.fail(
            location,
            "it is not set",
            "name the file that holds the Intune connectors' certificates, and enable Intune",
        );
        return None;
    };
    let content = files.read(path, location, findings)?;
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
            Some(anchors)
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
