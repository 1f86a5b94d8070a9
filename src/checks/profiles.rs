//! `[[profile]]`: everything a profile needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use issuer::CertificatePolicy;

use super::issuers::ReadyIssuer;
use super::loaded::{LoadedCompliance, LoadedProfile};
use super::problem::{Findings, Location};
use super::{Run, challenges, ra, ranges, remote_issuers, secrets, tenants, trust, urls, webhook};
use crate::config::{AskedUrl, Intune, Profile, UnknownCertificates};
use crate::hooks::compliance::ComplianceWebhook;
use crate::hooks::former_crl;

/// Path ids that other URLs of a SCEP server begin with.
const RESERVED: [&str; 2] = ["cgi-bin", "certsrv"];

/// What all profiles refer to.
pub(super) struct Referred<'a> {
    pub(super) issuers: &'a BTreeMap<String, ReadyIssuer>,
    pub(super) policies: &'a BTreeMap<String, CertificatePolicy>,
}

/// A profile that was checked: what was found, what was loaded, when to look again.
pub(super) type Checked = (
    Findings,
    Option<LoadedProfile>,
    Option<chrono::DateTime<chrono::Utc>>,
);

/// Checks all profiles, on all cores: an automatic RA key takes its time to make.
pub(super) fn load(
    run: &Run<'_>,
    referred: &Referred<'_>,
    findings: &mut Findings,
) -> Vec<Checked> {
    let profiles = &run.config.profiles;
    unique(profiles, findings);
    challenges::one_page_at_root(profiles, findings);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = profiles.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = profiles
            .chunks(share)
            .map(|share| {
                scope.spawn(|| {
                    share
                        .iter()
                        .map(|profile| one(run, profile, referred))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(profiles.len());
        for worker in workers {
            match worker.join() {
                Ok(checked) => all.extend(checked),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

fn unique(profiles: &[Profile], findings: &mut Findings) {
    let mut seen = std::collections::BTreeSet::new();
    for profile in profiles {
        if !seen.insert(profile.path_id.as_str()) {
            let location = Location::one_of("profile", &profile.path_id).at("path_id");
            findings.fail(
                &location,
                "another profile has the same path id",
                "give each profile its own",
            );
        }
    }
}

/// Whether a path id can stand in a URL: `[a-z0-9-]+` without a hyphen at either end, or empty.
pub(super) fn well_formed(path_id: &str) -> bool {
    path_id
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !path_id.starts_with('-')
        && !path_id.ends_with('-')
        && path_id.len() <= 64
}

fn one(run: &Run<'_>, profile: &Profile, referred: &Referred<'_>) -> Checked {
    let mut findings = Findings::default();
    let location = Location::one_of("profile", &profile.path_id);
    path_id(profile, &location.at("path_id"), &mut findings);
    let issuer_spot = location.at("issuer_id");
    let ids = run.config.issuers.iter().map(|issuer| issuer.id.as_str());
    refers(
        &profile.issuer_id,
        ids,
        "[[issuer]]",
        &issuer_spot,
        &mut findings,
    );
    let ids = run
        .config
        .certificate_profiles
        .iter()
        .map(|profile| profile.id.as_str());
    refers(
        &profile.profile_id,
        ids,
        "[[certificate_profile]]",
        &location.at("profile_id"),
        &mut findings,
    );
    let (issuer, policy) = (
        referred.issuers.get(&profile.issuer_id),
        referred.policies.get(&profile.profile_id),
    );

    let static_challenges = challenges::of_profile(run, profile, &location, &mut findings);
    challenges::one_time(profile, &location, &mut findings);
    let jamf = challenges::jamf(run, profile, &location, &mut findings);
    let challenge_webhook = webhook::of_profile(run, profile, &location, &mut findings);
    let ndes = challenges::ndes(run, profile, &location, &mut findings);
    let signers = challenges::signers(run, profile, &location, &mut findings);
    if let Some((issuer, policy)) = issuer.zip(policy) {
        let issuer = &*issuer.issuer;
        remote_issuers::objections(run.config, profile, issuer, policy, &mut findings);
    }
    let kept = ra::load(run, profile, referred, &location, &mut findings);
    let current = kept.as_ref().and_then(|kept| kept.ras.first());
    let current = current.map(|held| &held.ra);
    let ca = ra::open_for_ca(profile, issuer, current, &location, &mut findings);
    let mtls = profile.mtls.enabled.then(|| {
        let path = profile.mtls.client_ca_trust_bundle_path.as_deref();
        if run.config.server.mtls_listen.is_none() {
            let what = "the profile is served over mTLS, but server.mtls_listen is not set";
            findings.fail(
                &location.at("mtls.enabled"),
                what,
                "set server.mtls_listen or switch mTLS off",
            );
        }
        trust::client_cas(path, run.files, run.now, &location, &mut findings)
    });
    let anchors = profile
        .intune
        .enabled
        .then(|| trust::anchors(profile, run.files, run.now, &location, &mut findings));
    let compliance = compliance(run, &profile.intune, &location, &mut findings);
    tenants::of_profile(run.config, profile, &location, &mut findings);
    ranges::of_profile(profile, &location, &mut findings);
    former(run, profile, issuer, &location, &mut findings);

    if findings.failed() {
        return (findings, None, None);
    }
    let look_again_at = kept.as_ref().and_then(|kept| kept.look_again_at);
    let loaded = issuer
        .zip(policy)
        .zip(kept)
        .map(|((issuer, policy), kept)| LoadedProfile {
            settings: profile.clone(),
            issuer: Arc::clone(&issuer.issuer),
            policy: Arc::new(CertificatePolicy {
                renewal_subject_may_change: profile.renewal.allow_subject_change,
                renewal_sans_may_change: profile.renewal.allow_san_change,
                ..policy.clone()
            }),
            ras: kept.ras,
            ca,
            new_ra: kept.new,
            over_ras: kept.over,
            static_challenges,
            signers,
            jamf,
            ndes,
            challenge_webhook,
            mtls: mtls.flatten(),
            anchors: anchors.flatten(),
            compliance,
        });
    (
        findings,
        loaded.filter(|profile| !profile.ras.is_empty()),
        look_again_at,
    )
}

fn path_id(profile: &Profile, location: &Location, findings: &mut Findings) {
    let path_id = &profile.path_id;
    if !well_formed(path_id) {
        findings.fail(
            location,
            format!(
                "`{}` cannot stand in a URL",
                path_id.escape_debug().take(80).collect::<String>()
            ),
            "use a-z, 0-9 and hyphens inside, at most 64 characters; empty for the root profile",
        );
    } else if RESERVED.contains(&path_id.as_str()) {
        findings.fail(
            location,
            "it is part of URLs that old clients add by themselves",
            "use another path id",
        );
    }
}

pub(super) fn refers<'a>(
    id: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    list: &str,
    location: &Location,
    findings: &mut Findings,
) {
    if id.is_empty() {
        findings.fail(
            location,
            "it is not set",
            format!("name the id of one of the {list} sections"),
        );
    } else if !known.clone().any(|known| known == id) {
        let nearest =
            crate::config::nearest(known, id).map(|nearest| format!("; did you mean `{nearest}`?"));
        findings.fail(
            location,
            format!(
                "there is no `{id}` among the {list} sections{}",
                nearest.unwrap_or_default()
            ),
            format!("name the id of one of them, or add the {list}"),
        );
    }
}

fn compliance(
    run: &Run<'_>,
    intune: &Intune,
    location: &Location,
    findings: &mut Findings,
) -> Option<LoadedCompliance> {
    let settings = &intune.compliance;
    let hmac_secret = secrets::resolve(
        run.files,
        (
            &location.at("intune.compliance.hmac_secret"),
            settings.hmac_secret.as_ref(),
        ),
        (
            &location.at("intune.compliance.hmac_secret_file"),
            settings.hmac_secret_file.as_deref(),
        ),
        findings,
    );
    let ca_bundle = settings.ca_bundle_path.as_deref().and_then(|path| {
        super::pair::certificates(
            run.files,
            path,
            &location.at("intune.compliance.ca_bundle_path"),
            findings,
        )
    });
    let url_spot = location.at("intune.compliance.url");
    let Some(url) = settings
        .url
        .as_ref()
        .filter(|url| !url.as_str().trim().is_empty())
    else {
        if hmac_secret.is_some() || !settings.allowed_hosts.is_empty() {
            findings.warn(
                &url_spot,
                "it is not set, so the webhook is never asked",
                "set it or remove the other settings",
            );
        }
        return None;
    };
    if !intune.enabled {
        findings.warn(
            &url_spot,
            "Intune is off on this profile, so the webhook is never asked",
            "remove it",
        );
    }
    super::range(
        settings.timeout,
        "100ms",
        "1m",
        &location.at("intune.compliance.timeout"),
        findings,
    );
    if hmac_secret.is_none() {
        let what = "what the webhook is sent is not signed";
        findings.warn(
            &location.at("intune.compliance.hmac_secret"),
            what,
            "set a secret that the webhook checks",
        );
    }
    let asked = urls::check_asked(url.as_str(), &url_spot, findings)?;
    if !settings
        .allowed_hosts
        .iter()
        .any(|host| host.eq_ignore_ascii_case(asked.host))
    {
        findings.fail(
            &location.at("intune.compliance.allowed_hosts"),
            format!("the host of url, {}, is not among them", asked.host),
            "add it",
        );
        return None;
    }
    let webhook = ComplianceWebhook::new(
        url.as_str(),
        settings,
        hmac_secret.as_ref(),
        ca_bundle.as_deref(),
    );
    if let Err(error) = webhook {
        findings.fail(
            &url_spot,
            error.to_string(),
            "correct the webhook's settings",
        );
        return None;
    }
    Some(LoadedCompliance {
        settings: settings.clone(),
        url: url.as_str().to_owned(),
        hmac_secret,
        ca_bundle,
    })
}

/// Certificates that another server issued are renewed only while its CRL is at hand.
fn former(
    run: &Run<'_>,
    profile: &Profile,
    issuer: Option<&ReadyIssuer>,
    location: &Location,
    findings: &mut Findings,
) {
    let place = profile.renewal.unknown_crl.as_ref().map(AskedUrl::as_str);
    let location = location.at("renewal.unknown_crl");
    match (profile.renewal.unknown_certificates, place) {
        (UnknownCertificates::Refuse, None) => {}
        (UnknownCertificates::Refuse, Some(_)) => findings.warn(
            &location,
            "renewal.unknown_certificates is \"refuse\", so it is not used",
            "remove it, or set unknown_certificates = \"accept\"",
        ),
        (UnknownCertificates::Accept, None) => findings.fail(
            &location,
            "it is not set, so that nothing tells which of the unknown certificates are revoked",
            "name the former server's CRL, a file or an address",
        ),
        (UnknownCertificates::Accept, Some(url)) if former_crl::is_url(url) => {
            match urls::parse(url) {
                Ok(parsed) if matches!(parsed.scheme, "http" | "https") => {}
                Ok(_) => findings.fail(
                    &location,
                    "it is neither http nor https",
                    "use an address with one of them, or a file",
                ),
                Err(what) => findings.fail(&location, what, "correct the address"),
            }
        }
        (UnknownCertificates::Accept, Some(path)) => {
            let Some(issuer) = issuer else { return };
            let ca = issuer.issuer.authority().certificate().clone();
            let remedy = "put the former server's newest CRL there";
            match former_crl::check_file(std::path::Path::new(path), &ca, run.now) {
                Err(what) => findings.fail(&location, what, remedy),
                Ok(Err(what)) => findings.warn(
                    &location,
                    format!("{what}: until there is a newer one, unknown certificates are refused"),
                    remedy,
                ),
                Ok(Ok(())) => {}
            }
        }
    }
}

/// Whether any profile that is to be served asks for the mTLS listener.
pub(super) fn any_mtls(profiles: &[Profile]) -> bool {
    profiles.iter().any(|profile| {
        let interfaces = [
            &profile.jamf.client_cert_path,
            &profile.ndes.client_cert_path,
        ];
        profile.mtls.enabled || interfaces.into_iter().any(Option::is_some)
    })
}

/// Says what is odd about the profiles as a whole.
pub(super) fn overview(run: &Run<'_>, findings: &mut Findings) {
    let server = &run.config.server;
    let location = Location::section("server");
    if run.config.profiles.is_empty() {
        let remedy = "add a [[profile]], see `scepd config example`";
        findings.warn(
            &Location::section("profile").at("path_id"),
            "there is no SCEP profile, so no device can enroll",
            remedy,
        );
    }
    if server.mtls_listen.is_some() && !any_mtls(&run.config.profiles) {
        findings.warn(
            &location.at("mtls_listen"),
            "no profile is served over mTLS",
            "enable mTLS on a profile or remove it",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::well_formed;

    #[test]
    fn path_ids() {
        for good in ["", "corp", "a", "0", "corp-eu-1"] {
            assert!(well_formed(good), "{good}");
        }
        for bad in ["-a", "a-", "Corp", "a_b", "a/b", "a.b", "ä", " ", "a b"] {
            assert!(!well_formed(bad), "{bad}");
        }
    }
}
