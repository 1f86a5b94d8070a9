//! Who may enroll: the static challenges of a profile, and the proxy that devices come through.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use challenge::{LENGTHS, StaticChallenges, THE_STATIC_CHALLENGE};
use pki::Certificate;
use warp::http::HeaderName;

use super::loaded::LoadedInterface;
use super::problem::{Findings, Location};
use super::{Run, advice, pair, secrets};
use crate::config::{Alphabet, Profile, Secret};

/// The longest name of a static challenge, in characters.
const LONGEST_NAME: usize = 64;

/// The static challenges of a profile, and whether it has any way to authenticate a device.
pub(super) fn of_profile(
    run: &Run<'_>,
    profile: &Profile,
    location: &Location,
    findings: &mut Findings,
) -> StaticChallenges {
    let inline = location.at("challenge_password");
    let given = profile.challenge_password.is_some()
        || profile.challenge_password_file.is_some()
        || !profile.challenge_passwords.is_empty();
    if !given
        && !profile.intune.enabled
        && !profile.intune_cloud.is_on()
        && !profile.one_time.enabled
        && profile.challenge_webhook.url.is_none()
    {
        findings.fail(
            &inline,
            "the profile has no way to authenticate a device",
            "set challenge_password or challenge_password_file, or enable Intune or one_time, name a tenant in intune_cloud.tenants, or set challenge_webhook.url",
        );
    }
    let mut known: Vec<Secret> = Vec::new();
    let mut all = StaticChallenges::default();
    let the_one = secrets::resolve(
        run.files,
        (&inline, profile.challenge_password.as_ref()),
        (
            &location.at("challenge_password_file"),
            profile.challenge_password_file.as_deref(),
        ),
        findings,
    );
    if let Some(password) = the_one {
        check(profile, &password, &inline, findings);
        all = all.with(THE_STATIC_CHALLENGE, password.expose(), None);
        known.push(password);
    }
    let mut names = BTreeSet::from([THE_STATIC_CHALLENGE]);
    for one in &profile.challenge_passwords {
        let location = location.at("challenge_passwords");
        let called = shown(&one.name);
        let characters = one.name.chars().count();
        if !(1..=LONGEST_NAME).contains(&characters) || one.name.chars().any(char::is_control) {
            findings.fail(
                &location,
                format!("the name `{called}` does not have 1 to {LONGEST_NAME} characters that can be printed"),
                "give it a name that tells it from the others in the audit",
            );
        } else if !names.insert(&one.name) {
            findings.fail(
                &location,
                format!("two static challenges of the profile are called `{called}`"),
                "give each its own: the audit says which was used",
            );
        }
        if one.value.is_none() && one.value_file.is_none() {
            findings.fail(
                &location,
                format!("`{called}` has neither value nor value_file"),
                "set one of the two, or remove the entry",
            );
        }
        let value = secrets::resolve(
            run.files,
            (&location, one.value.as_ref()),
            (&location, one.value_file.as_deref()),
            findings,
        );
        let Some(password) = value else { continue };
        check(profile, &password, &location, findings);
        if known.contains(&password) {
            findings.fail(
                &location,
                format!(
                    "`{called}` has the value of another static challenge of the profile, so that neither could be withdrawn \
                     alone"
                ),
                "give each its own value",
            );
        }
        let expires = one.expires.map(crate::config::Moment::utc);
        if expires.is_some_and(|end| end <= run.now) {
            findings.warn(
                &location,
                format!("`{called}` has expired, so devices that come with it are refused"),
                "remove the entry when no device has it any more",
            );
        }
        all = all.with(&one.name, password.expose(), expires);
        known.push(password);
    }
    all
}

/// Whether challenges that are made for one device are as they can be.
pub(super) fn one_time(profile: &Profile, location: &Location, findings: &mut Findings) {
    let settings = &profile.one_time;
    super::range(
        settings.lifetime,
        "1m",
        "30d",
        &location.at("one_time.lifetime"),
        findings,
    );
    findings.demand(
        LENGTHS.contains(&settings.length),
        &location.at("one_time.length"),
        "a challenge has 12 to 64 characters",
        "use 16, or 32 for 128 bits",
    );
    findings.demand(
        (1..=100_000).contains(&settings.max_open),
        &location.at("one_time.max_open"),
        "1 to 100000 may be open at once",
        "use a number in between",
    );
    if settings.enabled
        && settings.alphabet != Alphabet::Hex
        && profile.challenge_webhook.url.is_some()
    {
        findings.warn(
            &location.at("one_time.alphabet"),
            "challenges of 12 to 64 letters and digits are taken for those that are made here, and challenge_webhook is not asked about them",
            "leave it at hex, or use a profile of its own for the webhook",
        );
    }
}

/// What the webhook of Jamf Pro must be shown, where it is on.
pub(super) fn jamf(
    run: &Run<'_>,
    profile: &Profile,
    location: &Location,
    findings: &mut Findings,
) -> Option<LoadedInterface> {
    let settings = &profile.jamf;
    if !settings.enabled {
        return None;
    }
    needs_one_time(profile, &location.at("jamf.enabled"), findings);
    super::range(
        settings.lifetime,
        "5m",
        "1d",
        &location.at("jamf.lifetime"),
        findings,
    );
    if profile.path_id.is_empty() {
        findings.fail(
            &location.at("jamf.enabled"),
            "the webhook of the root profile would have no URL",
            "give the profile a path id",
        );
    }
    let (header_spot, name_spot) = (
        location.at("jamf.header_name"),
        location.at("jamf.username"),
    );
    let by_header = !settings.header_name.is_empty();
    let path = settings.client_cert_path.as_deref();
    let clients = clients(run, path, location, "jamf.client_cert_path", findings);
    if !by_header && settings.username.is_empty() && path.is_some() {
        return Some(LoadedInterface {
            header: None,
            secret: None,
            clients: Some(clients?),
        });
    }
    if by_header != settings.username.is_empty() {
        findings.fail(
            if by_header { &header_spot } else { &name_spot },
            "the webhook is called with Basic authentication or with a header, one of the two",
            "set username and password, or header_name and header_value, or client_cert_path",
        );
        return None;
    }
    let (inline, file) = match by_header {
        true => (&settings.header_value, &settings.header_value_file),
        false => (&settings.password, &settings.password_file),
    };
    let (inline_spot, file_spot) = match by_header {
        true => (
            location.at("jamf.header_value"),
            location.at("jamf.header_value_file"),
        ),
        false => (
            location.at("jamf.password"),
            location.at("jamf.password_file"),
        ),
    };
    let secret = needed(run, (&inline_spot, inline), (&file_spot, file), findings)?;
    let header = match by_header {
        false => None,
        true => match HeaderName::try_from(settings.header_name.as_str()) {
            Ok(header) => Some(header),
            Err(_) => {
                findings.fail(
                    &header_spot,
                    "it cannot be the name of a header",
                    "use letters, digits and hyphens, such as X-Jamf-Token",
                );
                return None;
            }
        },
    };
    Some(LoadedInterface {
        header,
        secret: Some(secret),
        clients,
    })
}

/// The certificates of those who may call an interface, where they must show one. What cannot be used lets nobody in.
fn clients(
    run: &Run<'_>,
    path: Option<&Path>,
    location: &Location,
    setting: &'static str,
    findings: &mut Findings,
) -> Option<Vec<Certificate>> {
    let path = path?;
    let location = location.at(setting);
    findings.demand(
        run.config.server.mtls_listen.is_some(),
        &location,
        "client certificates are shown on the mTLS listener, and server.mtls_listen is not set",
        "set server.mtls_listen, or remove this",
    );
    let certificates = pair::certificates(run.files, path, &location, findings)?;
    for certificate in &certificates {
        pair::warn_of_end(certificate, &location.in_file(path), run.now, findings);
    }
    Some(certificates)
}

/// What the NDES page must be shown, where it is on.
pub(super) fn ndes(
    run: &Run<'_>,
    profile: &Profile,
    location: &Location,
    findings: &mut Findings,
) -> Option<LoadedInterface> {
    let settings = &profile.ndes;
    if !settings.enabled {
        return None;
    }
    needs_one_time(profile, &location.at("ndes.enabled"), findings);
    if profile.path_id.is_empty() && !settings.at_root {
        findings.fail(
            &location.at("ndes.at_root"),
            "the page of the root profile would have no URL",
            "set ndes.at_root = true, or give the profile a path id",
        );
    }
    if settings.username.is_empty() || settings.username.contains([':', '\\']) {
        findings.fail(
            &location.at("ndes.username"),
            "it is empty, or holds a colon or a backslash",
            "set a name without a domain",
        );
    }
    let secret = needed(
        run,
        (&location.at("ndes.password"), &settings.password),
        (&location.at("ndes.password_file"), &settings.password_file),
        findings,
    )?;
    let path = settings.client_cert_path.as_deref();
    let clients = clients(run, path, location, "ndes.client_cert_path", findings);
    Some(LoadedInterface {
        header: None,
        secret: Some(secret),
        clients,
    })
}

fn needed(
    run: &Run<'_>,
    inline: (&Location, &Option<Secret>),
    file: (&Location, &Option<PathBuf>),
    findings: &mut Findings,
) -> Option<Secret> {
    if inline.1.is_none() && file.1.is_none() {
        findings.fail(
            inline.0,
            "it is not set, so that nobody could call",
            "set it, or name a file that holds it",
        );
        return None;
    }
    let inline = (inline.0, inline.1.as_ref());
    let secret = secrets::resolve(run.files, inline, (file.0, file.1.as_deref()), findings)?;
    if secret.expose().chars().count() < 12 {
        findings.warn(
            inline.0,
            "it is shorter than 12 characters",
            "use a longer, random one",
        );
    }
    Some(secret)
}

fn needs_one_time(profile: &Profile, location: &Location, findings: &mut Findings) {
    findings.demand(
        profile.one_time.enabled,
        location,
        "it makes challenges for one device, which the profile does not take",
        "set one_time.enabled = true as well",
    );
}

/// Only one profile's NDES page can be at the path that has no path id.
pub(super) fn one_page_at_root(profiles: &[Profile], findings: &mut Findings) {
    let at_root = profiles
        .iter()
        .filter(|profile| profile.ndes.enabled && profile.ndes.at_root);
    for profile in at_root.skip(1) {
        findings.fail(
            &Location::one_of("profile", &profile.path_id).at("ndes.at_root"),
            "another profile's NDES page is served there already",
            "set it in one profile; the others have theirs at /ndes/<path_id>/certsrv/mscep_admin/",
        );
    }
}

fn shown(name: &str) -> String {
    name.chars()
        .take(LONGEST_NAME)
        .flat_map(char::escape_debug)
        .collect()
}

fn check(profile: &Profile, password: &Secret, location: &Location, findings: &mut Findings) {
    if profile.intune_cloud.is_on() && intune_cloud::looks_like_cloud_challenge(password.expose()) {
        findings.fail(
            location,
            "the challenge password looks like a challenge of Intune's service",
            "use a shorter one",
        );
    }
    if password.expose().chars().count() < 12 {
        findings.warn(
            location,
            "the challenge password is shorter than 12 characters",
            "use a longer, random one",
        );
    }
    advice::challenge(password, location, findings);
    if profile.intune.enabled && challenge::looks_like_challenge(password.expose()) {
        findings.fail(
            location,
            "the challenge password looks like an Intune challenge",
            "use a shorter one without dots",
        );
    }
}

/// The certificates of the proxy that first requests of a profile come through, where they must.
pub(super) fn signers(
    run: &Run<'_>,
    profile: &Profile,
    location: &Location,
    findings: &mut Findings,
) -> Option<Vec<Certificate>> {
    let path = profile.signers_path.as_deref()?;
    let location = location.at("signers_path");
    let signers = pair::certificates(run.files, path, &location, findings)?;
    if profile.require_signer_key_match {
        findings.fail(
            &location,
            "require_signer_key_match is on: a proxy signs with its own key, so that every request would be refused",
            "set require_signer_key_match = false",
        );
    }
    for signer in &signers {
        pair::warn_of_end(signer, &location.in_file(path), run.now, findings);
    }
    Some(signers)
}
