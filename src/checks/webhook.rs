//! `[profile.challenge_webhook]`: who is asked about challenges and told of certificates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use challenge::StaticChallenges;
use outbound::Url;
use zeroize::Zeroizing;

use super::problem::{Findings, Location};
use super::{Run, pair, secrets};
use crate::config::{AskedUrl, Profile};
use crate::hooks::challenge_webhook::{ChallengeWebhook, WebhookSettings};

/// What a webhook is called with; `None` where there is none, or something is wrong with it.
pub(super) fn of_profile(
    run: &Run<'_>,
    profile: &Profile,
    location: &Location,
    findings: &mut Findings,
) -> Option<WebhookSettings> {
    let settings = &profile.challenge_webhook;
    if settings.url.is_none() && settings.notify_url.is_none() {
        if !settings.allowed_hosts.is_empty() || settings.secret.is_some() {
            findings.warn(
                &location.at("challenge_webhook.url"),
                "it is not set, and neither is notify_url, so the webhook is never called",
                "set one of them or remove the other settings",
            );
        }
        return None;
    }
    super::range(
        settings.timeout,
        "1s",
        "1m",
        &location.at("challenge_webhook.timeout"),
        findings,
    );
    let hosts = &settings.allowed_hosts;
    let ask_spot = location.at("challenge_webhook.url");
    let ask = address(settings.url.as_ref(), hosts, &ask_spot, location, findings);
    let tell_spot = location.at("challenge_webhook.notify_url");
    let tell = address(
        settings.notify_url.as_ref(),
        hosts,
        &tell_spot,
        location,
        findings,
    );
    if settings.id.is_empty() || !settings.id.bytes().all(|octet| octet.is_ascii_graphic()) {
        findings.fail(
            &location.at("challenge_webhook.id"),
            "it is empty, or holds blanks or signs beyond ASCII",
            "set the id that the receiver knows the webhook by",
        );
    }
    let secret_spot = location.at("challenge_webhook.secret");
    let file_spot = location.at("challenge_webhook.secret_file");
    let secret = secrets::resolve(
        run.files,
        (&secret_spot, settings.secret.as_ref()),
        (&file_spot, settings.secret_file.as_deref()),
        findings,
    );
    let secret = match secret {
        None => {
            findings.fail(
                &secret_spot,
                "it is not set, so that the receiver could not tell who asks",
                "set the secret that the receiver has, in base64",
            );
            None
        }
        Some(secret) => match STANDARD.decode(secret.expose().trim()) {
            Ok(octets) if octets.len() >= 16 => Some(Zeroizing::new(octets)),
            _ => {
                findings.fail(
                    &secret_spot,
                    "it is not base64 of 16 octets or more",
                    "write it as the receiver shows it",
                );
                None
            }
        },
    };
    let bundle_spot = location.at("challenge_webhook.ca_bundle_path");
    let roots = settings.ca_bundle_path.as_deref().and_then(|path| {
        let certificates = pair::certificates(run.files, path, &bundle_spot, findings)?;
        Some(certificates.iter().map(|one| one.der().to_vec()).collect())
    });
    if findings.failed() {
        return None;
    }
    let settings = WebhookSettings {
        ask,
        tell,
        secret,
        id: settings.id.clone(),
        timeout: settings.timeout.duration(),
        roots,
    };
    let fixed = StaticChallenges::default();
    if let Err(error) = ChallengeWebhook::new(settings.clone(), &profile.path_id, fixed) {
        findings.fail(
            &bundle_spot,
            format!("the webhook cannot be called: {error}"),
            "correct the webhook's settings",
        );
        return None;
    }
    Some(settings)
}

fn address(
    url: Option<&AskedUrl>,
    hosts: &[String],
    location: &Location,
    profile: &Location,
    findings: &mut Findings,
) -> Option<Url> {
    let url = url?;
    match outbound::endpoint(url.as_str()) {
        Ok(address) => {
            let host = address.host_str().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            if !hosts.iter().any(|one| one.eq_ignore_ascii_case(host)) {
                findings.fail(
                    &profile.at("challenge_webhook.allowed_hosts"),
                    format!("the host {host} is not among them"),
                    "add it",
                );
            }
            Some(address)
        }
        Err(error) => {
            findings.fail(location, error.to_string(), "write https://host/path");
            None
        }
    }
}
