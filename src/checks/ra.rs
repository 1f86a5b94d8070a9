//! A profile's RA certificates: from files, kept by the server, or the CA itself.

use chrono::{DateTime, Utc};
use issuer::Issuer;
use pki::{Certificate, KeyKind, KeyUsage};
use scep::RaIdentity;

use super::auto_ra::{self, Keeping, Kept};
use super::issuers::Ready;
use super::loaded::HeldRa;
use super::pair::{self, Pair};
use super::problem::{Findings, Spot, date};
use super::{Run, Severity};
use crate::config::{Profile, Ra};

/// The RA certificates of a profile, the current one first; `None` when something is wrong.
/// `issuer` is missing when it was refused already; what can be checked without it is.
pub(super) fn load(
    run: &Run<'_>,
    profile: &Profile,
    issuer: Option<&Ready>,
    spot: &Spot,
    findings: &mut Findings,
) -> Option<Kept> {
    super::range(
        profile.ra_overlap,
        "0s",
        "366d",
        &spot.at("ra_overlap"),
        findings,
    );
    match profile.ra {
        Ra::Files => from_files(run, profile, issuer, spot, findings),
        Ra::Auto => {
            refuse_files(profile, spot, findings);
            let keeping = Keeping {
                directory: &run
                    .config
                    .server
                    .data_dir
                    .join("ra")
                    .join(directory(&profile.path_id)),
                issuer: issuer?.issuer.as_ref(),
                path_id: &profile.path_id,
                new_keys: run.new_keys,
                overlap: profile.ra_overlap.chrono(),
                may_write: run.may_write,
            };
            auto_ra::keep(&keeping, run.now, &spot.at("ra"), findings)
        }
        Ra::Ca => {
            refuse_files(profile, spot, findings);
            let identity = issuer?.identity.clone();
            let spot = spot.at("ra");
            is_rsa(&identity.certificate, "the CA", &spot, findings).then(|| Kept {
                ras: vec![HeldRa {
                    identity,
                    until: None,
                }],
                look_again_at: None,
            })
        }
    }
}

/// No path id holds an underscore.
fn directory(path_id: &str) -> &str {
    if path_id.is_empty() { "_root" } else { path_id }
}

fn refuse_files(profile: &Profile, spot: &Spot, findings: &mut Findings) {
    for (setting, path) in [
        ("ra_cert_path", &profile.ra_cert_path),
        ("ra_key_path", &profile.ra_key_path),
        ("ra_previous_cert_path", &profile.ra_previous_cert_path),
        ("ra_previous_key_path", &profile.ra_previous_key_path),
    ] {
        if let Some(path) = path {
            let what = "RA files are used with ra = \"files\" only";
            findings.fail(
                &spot.at(setting).in_file(path),
                what,
                "remove the setting, or set ra = \"files\"",
            );
        }
    }
}

fn from_files(
    run: &Run<'_>,
    profile: &Profile,
    issuer: Option<&Ready>,
    spot: &Spot,
    findings: &mut Findings,
) -> Option<Kept> {
    if profile.ra_cert_path.is_none() && profile.ra_key_path.is_none() {
        let remedy =
            "set ra_cert_path and ra_key_path, or ra = \"auto\" to let the server keep one";
        findings.fail(
            &spot.at("ra_cert_path"),
            "the profile has no RA certificate",
            remedy,
        );
        return None;
    }
    let (certificate, key) = (spot.at("ra_cert_path"), spot.at("ra_key_path"));
    let current = pair::load(
        run.files,
        (&certificate, profile.ra_cert_path.as_deref()),
        (&key, profile.ra_key_path.as_deref()),
        run.now,
        findings,
    );
    let certificate = profile
        .ra_cert_path
        .as_deref()
        .map_or(certificate.clone(), |path| certificate.in_file(path));
    let current = current.and_then(|pair| fit(pair, &certificate, findings));
    if let Some((current, issuer)) = current.as_ref().zip(issuer) {
        of_issuer(&current.certificate, issuer, &certificate, findings);
    }
    let previous = previous(run, profile, spot, findings);
    let (previous, wrong) = match previous {
        Ok(previous) => (previous, false),
        Err(()) => (None, true),
    };
    let until = previous.as_ref().map(|pair| pair.certificate.not_after());
    let held = |identity: RaIdentity, until: Option<DateTime<Utc>>| HeldRa { identity, until };
    let ras = current.into_iter().map(|identity| held(identity, None));
    let ras: Vec<HeldRa> = ras
        .chain(previous.map(|identity| held(identity, until)))
        .collect();
    (!wrong && ras.first().is_some_and(|ra| ra.until.is_none())).then_some(Kept {
        ras,
        look_again_at: None,
    })
}

fn previous(
    run: &Run<'_>,
    profile: &Profile,
    spot: &Spot,
    findings: &mut Findings,
) -> Result<Option<RaIdentity>, ()> {
    if profile.ra_previous_cert_path.is_none() && profile.ra_previous_key_path.is_none() {
        return Ok(None);
    }
    let certificate = spot.at("ra_previous_cert_path");
    if is_over(run, profile, &certificate, findings) {
        return Ok(None);
    }
    let mut found = Findings::default();
    let pair = pair::load(
        run.files,
        (&certificate, profile.ra_previous_cert_path.as_deref()),
        (
            &spot.at("ra_previous_key_path"),
            profile.ra_previous_key_path.as_deref(),
        ),
        run.now,
        &mut found,
    );
    let certificate = profile
        .ra_previous_cert_path
        .as_deref()
        .map_or(certificate.clone(), |path| certificate.in_file(path));
    let identity = pair.and_then(|pair| fit(pair, &certificate, &mut found));
    // A replaced certificate ends sooner or later; that alone is no reason to say anything.
    found.0.retain(|found| found.severity == Severity::Failure);
    findings.0.append(&mut found.0);
    identity.map(Some).ok_or(())
}

/// Says it when the certificate of the previous pair has expired. A pair that was named there for
/// its overlap expires sooner or later, and a server that ran with it must still start and reload.
fn is_over(run: &Run<'_>, profile: &Profile, spot: &Spot, findings: &mut Findings) -> bool {
    let Some(path) = profile.ra_previous_cert_path.as_deref() else {
        return false;
    };
    // What cannot be read is said where the pair is read.
    let certificates = pair::certificates(run.files, path, spot, &mut Findings::default());
    let Some(certificate) = certificates.as_ref().and_then(|all| all.first()) else {
        return false;
    };
    let over = certificate.not_after() < run.now;
    if over {
        findings.warn(
            &spot.in_file(path),
            format!(
                "the previous RA certificate {} expired on {} and is not used any more",
                certificate.subject(),
                date(certificate.not_after())
            ),
            "remove ra_previous_cert_path and ra_previous_key_path",
        );
    }
    over
}

/// Whether a pair can stand as RA: RSA of 2048 bits or more, with the usages that it needs.
fn fit(pair: Pair, spot: &Spot, findings: &mut Findings) -> Option<RaIdentity> {
    let Pair {
        certificate, key, ..
    } = pair;
    let mut fits = is_rsa(&certificate, "the RA certificate", spot, findings);
    let needed = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);
    if let Some(usage) = certificate
        .key_usage()
        .filter(|usage| !usage.contains(needed))
    {
        let has: Vec<&str> = usage.names().collect();
        findings.fail(
            spot,
            format!(
                "its keyUsage is {}; an RA needs digitalSignature and keyEncipherment",
                has.join(", ")
            ),
            "have the CA issue one with both, or set ra = \"auto\"",
        );
        fits = false;
    }
    fits.then_some(RaIdentity { certificate, key })
}

/// Devices get the RA certificate beside the current CA's and look for the one's signature by the
/// other; what a CA of the past issued is of use in the previous pair only.
fn of_issuer(certificate: &Certificate, issuer: &Ready, spot: &Spot, findings: &mut Findings) {
    let ca = &issuer.identity.certificate;
    // Not the issuer's own look, which is at end-entity certificates only.
    let by_current = certificate.issuer().matches(ca.subject())
        && certificate.verify_signature_by(ca.public_key()).is_ok();
    if by_current || certificate.fingerprint() == ca.fingerprint() {
        return;
    }
    let subject = certificate.subject();
    if issuer.issuer.authority().issued(certificate) {
        findings.warn(
            spot,
            format!("the RA certificate {subject} was not issued by the profile's issuer as it is now, but by its previous or next CA"),
            "have the current CA issue one and name this pair as ra_previous_cert_path and ra_previous_key_path: many devices refuse it in GetCACert",
        );
    } else {
        findings.warn(
            spot,
            format!("the RA certificate {subject} was not issued by the profile's issuer"),
            "have the profile's CA issue it: many devices refuse another's",
        );
    }
}

fn is_rsa(certificate: &Certificate, whose: &str, spot: &Spot, findings: &mut Findings) -> bool {
    match certificate.public_key().kind() {
        KeyKind::Rsa { bits: 2048.. } => true,
        kind => {
            findings.fail(
                spot,
                format!("{whose} has a key of the type {kind}; devices encrypt to it, so it must be RSA of 2048 bits or more"),
                "use an RSA certificate and key, or set ra = \"auto\"",
            );
            false
        }
    }
}
