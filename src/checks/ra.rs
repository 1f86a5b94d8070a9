//! A profile's RA certificates: from files, kept by the server, or the CA itself.

use std::path::{Path, PathBuf};

use issuer::{Issuer, RaRole};
use pki::{Certificate, KeyUsage};
use scep::RaIdentity;

use super::auto_ra::{self, Keeping, Kept};
use super::issuers::ReadyIssuer;
use super::loaded::HeldRa;
use super::pair;
use super::problem::{Findings, Location, date};
use super::profiles::Referred;
use super::ra_fit::{fit, is_rsa, is_usable, of_issuer};
use super::{Run, Severity};
use crate::config::{Profile, Ra};

/// The RAs of a profile, the current one first; `None` when something is wrong.
/// `issuer` is missing when it was refused already; what can be checked without it is.
pub(super) fn load(
    run: &Run<'_>,
    profile: &Profile,
    referred: &Referred<'_>,
    location: &Location,
    findings: &mut Findings,
) -> Option<Kept> {
    let issuer = referred.issuers.get(&profile.issuer_id);
    super::range(
        profile.ra_overlap,
        "0s",
        "366d",
        &location.at("ra_overlap"),
        findings,
    );
    if profile.ra_split && profile.ra != Ra::Auto {
        findings.fail(
            &location.at("ra_split"),
            "the server makes split RA certificates with ra = \"auto\" only",
            "set ra = \"auto\", or name the two pairs by ra_cert_path, ra_key_path, ra_sign_cert_path and ra_sign_key_path",
        );
    }
    if profile.ra_issuer_id.is_some() && profile.ra != Ra::Auto {
        findings.fail(
            &location.at("ra_issuer_id"),
            "it is used with ra = \"auto\" only",
            "remove it, or set ra = \"auto\"",
        );
    }
    match profile.ra {
        Ra::Files => from_files(run, profile, issuer, location, findings),
        Ra::Auto => {
            refuse_files(profile, location, findings);
            let keeping = Keeping {
                directory: &directory(run, &profile.path_id),
                former: &profile
                    .formerly
                    .iter()
                    .map(|name| directory(run, name))
                    .collect::<Vec<_>>(),
                issuer: maker(profile, referred, location, findings)?,
                path_id: &profile.path_id,
                new_keys: run.new_keys,
                lifetime: of_issuer_lifetime(run, profile),
                overlap: profile.ra_overlap.chrono(),
                split: profile.ra_split,
                makes: run.makes_ras,
            };
            auto_ra::keep(&keeping, run.now, &location.at("ra"), findings)
        }
        Ra::Ca => {
            refuse_files(profile, location, findings);
            let location = location.at("ra");
            let identity = identity_of(issuer?, &location, findings)?;
            let fits = is_rsa(&identity.certificate, "the CA", &location, findings)
                && is_usable(
                    &identity.certificate,
                    RaRole::Both,
                    "the CA",
                    &location,
                    findings,
                );
            fits.then(|| Kept {
                ras: vec![HeldRa {
                    ra: identity.into(),
                    until: None,
                }],
                ..Kept::default()
            })
        }
    }
}

/// The CA as one that opens what is encrypted to it by mistake; `None` when it is not to, or cannot.
pub(super) fn open_for_ca(
    profile: &Profile,
    issuer: Option<&ReadyIssuer>,
    current: Option<&scep::Ra>,
    location: &Location,
    findings: &mut Findings,
) -> Option<scep::Ra> {
    // As its own RA it opens everything anyway.
    if !profile.open_for_ca || profile.ra == Ra::Ca {
        return None;
    }
    let location = location.at("open_for_ca");
    let identity = identity_of(issuer?, &location, findings)?;
    if !is_rsa(&identity.certificate, "the CA", &location, findings) {
        return None;
    }
    // Who encrypts to the CA expects its signature.
    let may_sign = identity
        .certificate
        .key_usage()
        .is_none_or(|usage| usage.contains(KeyUsage::DIGITAL_SIGNATURE));
    let signs = match may_sign {
        true => identity.clone(),
        false => current?.signs.clone(),
    };
    Some(scep::Ra {
        opens: identity,
        signs,
    })
}

/// The CA as an identity of its own; it is none where its key is somewhere else.
fn identity_of(
    issuer: &ReadyIssuer,
    location: &Location,
    findings: &mut Findings,
) -> Option<RaIdentity> {
    if issuer.identity.is_none() {
        findings.fail(
            location,
            "the CA's key is somewhere else, so it cannot open requests here",
            "set ra = \"files\", or ra = \"auto\" with ra_issuer_id, and leave open_for_ca out",
        );
    }
    issuer.identity.clone()
}

/// For how long an RA certificate of an issuer elsewhere is asked for.
fn of_issuer_lifetime(run: &Run<'_>, profile: &Profile) -> chrono::TimeDelta {
    let id = profile.ra_issuer_id.as_ref().unwrap_or(&profile.issuer_id);
    let mut issuers = run.config.issuers.iter();
    let settings = issuers.find(|issuer| issuer.id == *id);
    settings.map_or(chrono::TimeDelta::days(365), |issuer| {
        issuer.ra_lifetime.chrono()
    })
}

/// Who issues the automatic RA certificates of a profile.
fn maker<'a>(
    profile: &Profile,
    referred: &Referred<'a>,
    location: &Location,
    findings: &mut Findings,
) -> Option<&'a dyn Issuer> {
    let id = profile.ra_issuer_id.as_ref().unwrap_or(&profile.issuer_id);
    let found = referred.issuers.get(id).map(|ready| &*ready.issuer);
    let location = location.at("ra_issuer_id");
    let Some(issuer) = found else {
        if profile.ra_issuer_id.is_some() {
            findings.fail(
                &location,
                format!("no [[issuer]] `{}` can be used", id.escape_debug()),
                "name the id of one that makes RA certificates",
            );
        }
        return None;
    };
    let remote = issuer.remote();
    if issuer.ra().is_none() && !remote.is_some_and(|remote| remote.makes_ras()) {
        findings.fail(
            &location,
            format!("the issuer `{id}` makes no RA certificates"),
            "set vault.ra_role on the issuer (`scepd issuer role` prints the role), or ra = \"files\"",
        );
        return None;
    }
    if profile.ra_split && issuer.ra().is_none() {
        findings.fail(
            &location,
            format!("the issuer `{id}` makes no split RA certificates"),
            "remove ra_split, or set ra = \"files\" and name the two pairs",
        );
        return None;
    }
    if *id != profile.issuer_id {
        findings.warn(
            &location,
            "the RA certificate is not issued by the profile's issuer",
            "many devices refuse another's; try yours, or have the profile's CA issue it",
        );
    }
    Some(issuer)
}

/// Where automatic RAs of a profile are. No path id holds an underscore.
fn directory(run: &Run<'_>, path_id: &str) -> PathBuf {
    let name = if path_id.is_empty() { "_root" } else { path_id };
    run.config.server.data_dir.join("ra").join(name)
}

/// A setting that names a file.
type Setting<'a> = (&'static str, Option<&'a Path>);

/// The settings of one RA: certificate and key of what devices encrypt to, and of what signs where
/// that is another pair.
#[derive(Clone, Copy)]
struct RaSettings<'a> {
    opens: [Setting<'a>; 2],
    signs: [Setting<'a>; 2],
}

impl<'a> RaSettings<'a> {
    fn current(profile: &'a Profile) -> Self {
        Self {
            opens: [
                ("ra_cert_path", profile.ra_cert_path.as_deref()),
                ("ra_key_path", profile.ra_key_path.as_deref()),
            ],
            signs: [
                ("ra_sign_cert_path", profile.ra_sign_cert_path.as_deref()),
                ("ra_sign_key_path", profile.ra_sign_key_path.as_deref()),
            ],
        }
    }

    fn previous(profile: &'a Profile) -> Self {
        Self {
            opens: [
                (
                    "ra_previous_cert_path",
                    profile.ra_previous_cert_path.as_deref(),
                ),
                (
                    "ra_previous_key_path",
                    profile.ra_previous_key_path.as_deref(),
                ),
            ],
            signs: [
                (
                    "ra_previous_sign_cert_path",
                    profile.ra_previous_sign_cert_path.as_deref(),
                ),
                (
                    "ra_previous_sign_key_path",
                    profile.ra_previous_sign_key_path.as_deref(),
                ),
            ],
        }
    }

    fn all(self) -> impl Iterator<Item = Setting<'a>> {
        self.opens.into_iter().chain(self.signs)
    }

    /// Whether another pair signs.
    fn is_split(self) -> bool {
        self.signs.iter().any(|(_, path)| path.is_some())
    }
}

fn refuse_files(profile: &Profile, location: &Location, findings: &mut Findings) {
    let settings = RaSettings::current(profile).all();
    for (setting, path) in settings.chain(RaSettings::previous(profile).all()) {
        if let Some(path) = path {
            let what = "RA files are used with ra = \"files\" only";
            findings.fail(
                &location.at(setting).in_file(path),
                what,
                "remove the setting, or set ra = \"files\"",
            );
        }
    }
}

fn from_files(
    run: &Run<'_>,
    profile: &Profile,
    issuer: Option<&ReadyIssuer>,
    location: &Location,
    findings: &mut Findings,
) -> Option<Kept> {
    if profile.ra_cert_path.is_none() && profile.ra_key_path.is_none() {
        let remedy =
            "set ra_cert_path and ra_key_path, or ra = \"auto\" to let the server keep one";
        findings.fail(
            &location.at("ra_cert_path"),
            "the profile has no RA certificate",
            remedy,
        );
        return None;
    }
    let current = read(
        run,
        RaSettings::current(profile),
        issuer,
        location,
        findings,
    );
    let previous = previous(run, profile, location, findings);
    let (previous, wrong) = match previous {
        Ok(previous) => (previous, false),
        Err(()) => (None, true),
    };
    let ras = current.map(|ra| HeldRa { ra, until: None });
    let previous = previous.map(|ra| {
        let until = ra.certificates().map(Certificate::not_after).min();
        HeldRa { ra, until }
    });
    let ras: Vec<HeldRa> = ras.into_iter().chain(previous).collect();
    (!wrong && ras.first().is_some_and(|ra| ra.until.is_none())).then_some(Kept {
        ras,
        ..Kept::default()
    })
}

/// An RA from its files. `issuer` is given where the RA should be of the issuer as it is now.
fn read(
    run: &Run<'_>,
    settings: RaSettings<'_>,
    issuer: Option<&ReadyIssuer>,
    location: &Location,
    findings: &mut Findings,
) -> Option<scep::Ra> {
    let mut pair = |[certificate, key]: [Setting<'_>; 2], role: RaRole| {
        let (at, path) = (location.at(certificate.0), certificate.1);
        let pair = pair::load(
            run.files,
            (&at, path),
            (&location.at(key.0), key.1),
            run.now,
            findings,
        );
        let at = path.map_or(at.clone(), |path| at.in_file(path));
        let identity = pair.and_then(|pair| fit(pair, role, &at, findings));
        if let Some((identity, issuer)) = identity.as_ref().zip(issuer) {
            of_issuer(&identity.certificate, issuer, &at, findings);
        }
        identity
    };
    if !settings.is_split() {
        return pair(settings.opens, RaRole::Both).map(scep::Ra::from);
    }
    let opens = pair(settings.opens, RaRole::Encryption);
    let signs = pair(settings.signs, RaRole::Signing);
    opens
        .zip(signs)
        .map(|(opens, signs)| scep::Ra { opens, signs })
}

fn previous(
    run: &Run<'_>,
    profile: &Profile,
    location: &Location,
    findings: &mut Findings,
) -> Result<Option<scep::Ra>, ()> {
    let settings = RaSettings::previous(profile);
    if settings.all().all(|(_, path)| path.is_none()) {
        return Ok(None);
    }
    if is_over(
        run,
        profile,
        &location.at("ra_previous_cert_path"),
        findings,
    ) {
        return Ok(None);
    }
    let mut found = Findings::default();
    let ra = read(run, settings, None, location, &mut found);
    // A replaced certificate ends sooner or later; that alone is no reason to say anything.
    found.0.retain(|found| found.severity == Severity::Failure);
    findings.0.append(&mut found.0);
    ra.map(Some).ok_or(())
}

/// Says it when the certificate of the previous pair has expired. A pair that was named there for
/// its overlap expires sooner or later, and a server that ran with it must still start and reload.
fn is_over(run: &Run<'_>, profile: &Profile, location: &Location, findings: &mut Findings) -> bool {
    let Some(path) = profile.ra_previous_cert_path.as_deref() else {
        return false;
    };
    // What cannot be read is said where the pair is read.
    let certificates = pair::certificates(run.files, path, location, &mut Findings::default());
    let Some(certificate) = certificates.as_ref().and_then(|all| all.first()) else {
        return false;
    };
    let over = certificate.not_after() < run.now;
    if over {
        findings.warn(
            &location.in_file(path),
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
