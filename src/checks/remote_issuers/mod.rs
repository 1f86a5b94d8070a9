//! `[[issuer]]` whose key is somewhere else: settings, credentials, what the other side says of itself, and whether it can
//! make what certificate profiles approve.
//!
//! | module | holds |
//! |---|---|
//! | `kinds` | the table: how the settings of each kind are read |
//! | `reading` | what is read for every kind: address, trust, time; and how credentials are |
//! | the rest | one module a kind |

mod adcs;
mod aws_keys;
mod aws_pca;
mod ejbca;
mod google_cas;
mod kinds;
mod reading;
mod scep;
mod step_ca;
mod vault;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::join_all;
use issuer::{CertificatePolicy, IssueError, Issuer, Objection};

use super::files::Files;
use super::problem::{Findings, Location};
use crate::config::{self, Config, IssuerKind, Profile};
use reading::Reading;

/// An issuer that is being reached.
type Opened = Pin<Box<dyn Future<Output = Result<Arc<dyn Issuer>, IssueError>>>>;

/// One that is to be reached.
pub(super) struct Opening {
    id: String,
    location: Location,
    /// The setting that what is wrong over there is said of.
    role: &'static str,
    opened: Opened,
}

/// Where the chain that an issuer elsewhere last showed is kept, PEM, issuing CA first.
pub(crate) fn chain_file(data_dir: &Path, issuer_id: &str) -> PathBuf {
    data_dir.join("issuers").join(format!("{issuer_id}.pem"))
}

/// Reads the settings and everything that they name. Nothing is asked yet.
pub(super) fn read(
    settings: &config::Issuer,
    location: &Location,
    config: &Config,
    files: &Files,
    findings: &mut Findings,
) -> Option<Opening> {
    let kind = kinds::KINDS
        .iter()
        .find(|kind| kind.kind == settings.kind)?;
    let before = findings.0.len();
    refuse_local(settings, location, findings);
    let reading = Reading::new(settings, location, config, files, findings);
    let opened = (kind.read)(&reading, findings);
    let failed = |found: &super::Problem| found.severity == super::Severity::Failure;
    if findings.0.iter().skip(before).any(failed) {
        return None;
    }
    Some(Opening {
        id: settings.id.clone(),
        location: location.clone(),
        role: kind.role,
        opened: opened?,
    })
}

/// Sections of other kinds, and in an issuer of this machine settings of issuers elsewhere.
pub(super) fn refuse_foreign(
    settings: &config::Issuer,
    location: &Location,
    findings: &mut Findings,
) {
    for (kind, section) in settings.sections() {
        if kind != settings.kind {
            findings.fail(
                &location.at(section),
                format!("this section is for issuers of type \"{}\"", name_of(kind)),
                "remove it, or correct type",
            );
        }
    }
    if is_remote(settings.kind) {
        return;
    }
    for (setting, is_set) in [
        ("url", settings.url.is_some()),
        ("ca_bundle_path", settings.ca_bundle_path.is_some()),
        ("tls_fingerprint", settings.tls_fingerprint.is_some()),
        ("proxy", settings.proxy.is_some()),
        ("accept_shorter_validity", settings.accept_shorter_validity),
    ] {
        if is_set {
            findings.fail(
                &location.at(setting),
                "it is for issuers that are somewhere else: this one is a CA of this machine",
                "remove it, or correct type",
            );
        }
    }
}

fn name_of(kind: IssuerKind) -> &'static str {
    let mut all = IssuerKind::ELSEWHERE.iter();
    all.find(|(one, _)| *one == kind)
        .map_or("local", |(_, name)| *name)
}

/// Settings that only a local CA has.
fn refuse_local(settings: &config::Issuer, location: &Location, findings: &mut Findings) {
    let set = [
        ("ca_cert_path", settings.ca_cert_path.is_some()),
        ("ca_key_path", settings.ca_key_path.is_some()),
        ("next_ca_cert_path", settings.next_ca_cert_path.is_some()),
        ("next_ca_key_path", settings.next_ca_key_path.is_some()),
        ("next_chain_path", settings.next_chain_path.is_some()),
        ("cdp_urls", !settings.cdp_urls.is_empty()),
        ("ocsp_urls", !settings.ocsp_urls.is_empty()),
        ("ca_issuers_urls", !settings.ca_issuers_urls.is_empty()),
    ];
    for (setting, is_set) in set {
        if is_set {
            findings.fail(
                &location.at(setting),
                "it is for issuers of type \"local\": this one decides on it by itself",
                "remove it, and set it up at the issuer",
            );
        }
    }
}

/// Reaches all of them at a time, and says what is wrong there. Blocks for as long as their timeouts.
pub(super) fn open(
    openings: Vec<Opening>,
    findings: &mut Findings,
) -> Vec<(String, Arc<dyn Issuer>)> {
    if openings.is_empty() {
        return Vec::new();
    }
    let opened = openings.into_iter().map(async |opening| {
        let Opening {
            id,
            location,
            role,
            opened,
        } = opening;
        (id, location, role, opened.await)
    });
    let opened = match waiting_for(join_all(opened)) {
        Ok(opened) => opened,
        Err(error) => {
            findings.fail(
                &Location::section("issuer").at("url"),
                format!("no issuer can be reached: {error}"),
                "see to the limits of this process",
            );
            return Vec::new();
        }
    };
    let mut ready = Vec::new();
    for (id, location, role, opened) in opened {
        match opened {
            Err(error) => findings.fail(
                &location.at("url"),
                format!("the issuer gives no CA certificate, and none is known from before: {error}"),
                "see to the issuer, its address and its TLS settings, and try again (`scepd issuer test` tells the steps apart)",
            ),
            Ok(issuer) => {
                say(&*issuer, &location, role, findings);
                ready.push((id, issuer));
            }
        }
    }
    ready
}

/// Waits for something outside, on a thread that is none of the asynchronous ones.
///
/// # Errors
/// The system gives no runtime.
pub(super) fn waiting_for<T>(asked: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(asked))
}

fn say(issuer: &dyn Issuer, location: &Location, role: &'static str, findings: &mut Findings) {
    let Some(remote) = issuer.remote() else {
        return;
    };
    if let Some(trouble) = remote.health().trouble {
        findings.warn(
            &location.at("url"),
            format!(
                "the issuer is not there now ({trouble}); its CA certificates are those of before"
            ),
            "see to it: devices wait until it is back",
        );
    }
    for objection in remote.findings() {
        add(&objection, &location.at(role), findings);
    }
}

/// Says what an issuer cannot make of a certificate profile; once for each pair of them.
pub(super) fn objections(
    config: &Config,
    profile: &Profile,
    issuer: &dyn Issuer,
    policy: &CertificatePolicy,
    findings: &mut Findings,
) {
    let pair =
        |one: &Profile| one.issuer_id == profile.issuer_id && one.profile_id == profile.profile_id;
    let is_first = config
        .profiles
        .iter()
        .find(|one| pair(one))
        .is_some_and(|first| first.path_id == profile.path_id);
    let Some(remote) = issuer.remote().filter(|_| is_first) else {
        return;
    };
    let location = Location::one_of("certificate_profile", &profile.profile_id);
    for objection in remote.objections(policy) {
        add(&objection, &location.at(objection.setting), findings);
    }
}

fn add(objection: &Objection, location: &Location, findings: &mut Findings) {
    match objection.is_fatal {
        true => findings.fail(location, objection.what.clone(), objection.remedy.clone()),
        false => findings.warn(location, objection.what.clone(), objection.remedy.clone()),
    }
}

/// Whether a kind is somewhere else.
pub(super) fn is_remote(kind: IssuerKind) -> bool {
    kind != IssuerKind::Local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_elsewhere_is_in_the_table() {
        let known: Vec<IssuerKind> = kinds::KINDS.iter().map(|kind| kind.kind).collect();
        let named: Vec<IssuerKind> = IssuerKind::ELSEWHERE
            .iter()
            .map(|(kind, _)| *kind)
            .collect();
        assert_eq!(known, named);
    }
}
