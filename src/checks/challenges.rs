//! Who may enroll: the static challenges of a profile, and the proxy that devices come through.

use std::collections::BTreeSet;

use challenge::{StaticChallenges, THE_STATIC_CHALLENGE};
use pki::Certificate;

use super::problem::{Findings, Spot};
use super::{Run, advice, pair, secrets};
use crate::config::{Profile, Secret};

/// The longest name of a static challenge, in characters.
const LONGEST_NAME: usize = 64;

/// The static challenges of a profile, and whether it has any way to authenticate a device.
pub(super) fn of_profile(
    run: &Run<'_>,
    profile: &Profile,
    spot: &Spot,
    findings: &mut Findings,
) -> StaticChallenges {
    let inline = spot.at("challenge_password");
    let given = profile.challenge_password.is_some()
        || profile.challenge_password_file.is_some()
        || !profile.challenge_passwords.is_empty();
    if !given && !profile.intune.enabled && !profile.intune_cloud.is_on() {
        findings.fail(
            &inline,
            "the profile has no way to authenticate a device",
            "set challenge_password or challenge_password_file, enable Intune, or name a tenant in intune_cloud.tenants",
        );
    }
    let mut known: Vec<Secret> = Vec::new();
    let mut all = StaticChallenges::default();
    let the_one = secrets::resolve(
        run.files,
        (&inline, profile.challenge_password.as_ref()),
        (
            &spot.at("challenge_password_file"),
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
        let spot = spot.at("challenge_passwords");
        let called = shown(&one.name);
        let characters = one.name.chars().count();
        if !(1..=LONGEST_NAME).contains(&characters) || one.name.chars().any(char::is_control) {
            findings.fail(
                &spot,
                format!("the name `{called}` does not have 1 to {LONGEST_NAME} characters that can be printed"),
                "give it a name that tells it from the others in the audit",
            );
        } else if !names.insert(&one.name) {
            findings.fail(
                &spot,
                format!("two static challenges of the profile are called `{called}`"),
                "give each its own: the audit says which was used",
            );
        }
        if one.value.is_none() && one.value_file.is_none() {
            findings.fail(
                &spot,
                format!("`{called}` has neither value nor value_file"),
                "set one of the two, or remove the entry",
            );
        }
        let value = secrets::resolve(
            run.files,
            (&spot, one.value.as_ref()),
            (&spot, one.value_file.as_deref()),
            findings,
        );
        let Some(password) = value else { continue };
        check(profile, &password, &spot, findings);
        if known.contains(&password) {
            findings.fail(
                &spot,
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
                &spot,
                format!("`{called}` has expired, so devices that come with it are refused"),
                "remove the entry when no device has it any more",
            );
        }
        all = all.with(&one.name, password.expose(), expires);
        known.push(password);
    }
    all
}

fn shown(name: &str) -> String {
    name.chars()
        .take(LONGEST_NAME)
        .flat_map(char::escape_debug)
        .collect()
}

fn check(profile: &Profile, password: &Secret, spot: &Spot, findings: &mut Findings) {
    if profile.intune_cloud.is_on() && intune_cloud::looks_like_cloud_challenge(password.expose()) {
        findings.fail(
            spot,
            "the challenge password looks like a challenge of Intune's service",
            "use a shorter one",
        );
    }
    if password.expose().chars().count() < 12 {
        findings.warn(
            spot,
            "the challenge password is shorter than 12 characters",
            "use a longer, random one",
        );
    }
    advice::challenge(password, spot, findings);
    if profile.intune.enabled && challenge::looks_like_challenge(password.expose()) {
        findings.fail(
            spot,
            "the challenge password looks like an Intune challenge",
            "use a shorter one without dots",
        );
    }
}

/// The certificates of the proxy that first requests of a profile come through, where they must.
pub(super) fn signers(
    run: &Run<'_>,
    profile: &Profile,
    spot: &Spot,
    findings: &mut Findings,
) -> Option<Vec<Certificate>> {
    let path = profile.signers_path.as_deref()?;
    let spot = spot.at("signers_path");
    let signers = pair::certificates(run.files, path, &spot, findings)?;
    if profile.require_signer_key_match {
        findings.fail(
            &spot,
            "require_signer_key_match is on: a proxy signs with its own key, so that every request would be refused",
            "set require_signer_key_match = false",
        );
    }
    for signer in &signers {
        pair::warn_of_end(signer, &spot.in_file(path), run.now, findings);
    }
    Some(signers)
}
