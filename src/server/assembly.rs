//! From what the checks let through to what the actors work with.

use crate::auth::limit::WrongCredentials;
use crate::checks::{Loaded, LoadedInterface, LoadedProfile, attribute_oid};
use crate::config::{
    Alphabet, Config, Crypto, DeviceState, Expired, Outage, Span, UnknownCertificates,
};
use crate::hooks::challenge_webhook::ChallengeWebhook;
use crate::hooks::compliance::ComplianceWebhook;
use crate::hooks::former_crl::FormerCrl;
use crate::http::{Callers, Credentials, Interfaces, JamfHook, NdesPage};
use crate::intune::ById;
use actors::{
    ChainSettings, ComplianceHook, FormerRevocations, Intune, OneTimeRules, OutsideRules,
    PendingLimits, ProfileSpec, RenewalRules, RequestLimits,
};
use challenge::{SignedChallenges, Validator};
use chrono::{DateTime, Utc};
use intune_cloud::{CloudChallenges, Compliance, Mode, Rules};
use scep::CryptoMode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that a profile asks cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("profile `{profile}`: {what} cannot be set up: {reason}")]
pub struct AssemblyError {
    profile: String,
    what: &'static str,
    reason: String,
}

/// One specification for each profile, as of `now`.
///
/// # Errors
/// [`AssemblyError`].
pub(super) fn specs(
    loaded: &Loaded,
    config: &Config,
    tenants: &ById,
    now: DateTime<Utc>,
) -> Result<Vec<ProfileSpec>, AssemblyError> {
    loaded
        .profiles
        .iter()
        .map(|profile| spec(profile, config, tenants, now))
        .collect()
}

fn spec(
    profile: &LoadedProfile,
    config: &Config,
    tenants: &ById,
    now: DateTime<Utc>,
) -> Result<ProfileSpec, AssemblyError> {
    let settings = &profile.settings;
    Ok(ProfileSpec {
        path_id: settings.path_id.clone(),
        formerly: settings.formerly.clone(),
        issuer: Arc::clone(&profile.issuer),
        policy: Arc::clone(&profile.policy),
        ras: profile.ras_at(now),
        ca: profile.ca.clone(),
        mode: match settings.crypto {
            Crypto::Modern => CryptoMode::Modern,
            Crypto::Compatible => CryptoMode::Compatible,
        },
        chain: ChainSettings {
            root_in_ca_cert: settings.ca_chain_root,
            chain_in_reply: settings.reply_chain,
        },
        challenge: Some(profile.static_challenges.clone()).filter(|all| !all.is_empty()),
        intune: intune(profile)?,
        one_time: settings.one_time.enabled.then(|| OneTimeRules {
            lifetime: settings.one_time.lifetime.duration(),
            length: settings.one_time.length,
            alphabet: match settings.one_time.alphabet {
                Alphabet::Hex => challenge::Alphabet::Hex,
                Alphabet::Base32 => challenge::Alphabet::Base32,
                Alphabet::Alphanumeric => challenge::Alphabet::Alphanumeric,
            },
            max_open: settings.one_time.max_open,
            per_client_per_minute: settings.one_time.per_client_per_minute,
            certificate_profile: profile.policy.id.clone(),
        }),
        validators: cloud(profile, tenants)
            .into_iter()
            .chain(challenge_webhook(profile)?)
            .collect(),
        outside: OutsideRules {
            // A request that is given up by the front is answered 503; PENDING is kinder.
            answer_within: settings
                .answer_within
                .duration()
                .min(config.server.request_timeout.duration()),
            call: settings.outside.call_timeout.duration(),
            first_pause: settings.outside.first_pause.duration(),
            longest_pause: settings.outside.longest_pause.duration(),
            tries: settings.outside.tries,
            budget: settings.outside.budget.duration(),
            failures: settings.outside.failures,
            rest: settings.outside.rest.duration(),
            at_a_time: settings.outside.calls,
        },
        mtls: profile.mtls.clone(),
        mtls_required: settings.mtls.enabled && settings.mtls.required,
        approval: settings
            .approval
            .then(|| settings.approval_timeout.duration()),
        renewal: RenewalRules {
            enabled: settings.renewal.enabled,
            challenge_required: settings.renewal.require_challenge,
            subject_may_change: settings.renewal.allow_subject_change,
            sans_may_change: settings.renewal.allow_san_change,
            without_gates: settings.renewal.without_gates,
            expired_with_challenge: settings.renewal.expired == Expired::WithChallenge,
        },
        pending: PendingLimits {
            per_profile: settings.limits.max_pending,
            per_source: settings.limits.max_pending_per_source,
        },
        max_csr_bytes: settings.limits.max_csr_bytes,
        former: former(profile)?,
        signer_key_must_match: settings.require_signer_key_match,
        signers: profile.signers.clone().map(Into::into),
        open_get_cert: settings.get_cert_open,
        in_flight: settings.max_in_flight.max(1),
        unverified_per_minute: config.audit.unverified_per_minute,
        refusals_per_source_per_minute: config.audit.refusals_per_source_per_minute,
        guesses_per_minute: settings.limits.bad_challenges_per_source_per_minute,
        request_limits: RequestLimits {
            per_source_per_minute: settings.limits.per_source_per_minute,
            per_profile_per_second: settings.limits.per_profile_per_second,
        },
    })
}

/// Where MDMs get challenges that are made for one device.
pub(super) fn interfaces(loaded: &Loaded, config: &Config) -> Interfaces {
    let mut interfaces = Interfaces {
        jamf: BTreeMap::new(),
        ndes: BTreeMap::new(),
        ndes_at_root: None,
        wrong: WrongCredentials::new(
            config.admin.bad_token_limit,
            config.admin.bad_token_window.duration(),
        ),
    };
    for profile in &loaded.profiles {
        let (path_id, settings) = (&profile.settings.path_id, &profile.settings);
        if let Some(LoadedInterface {
            header,
            secret,
            clients,
        }) = &profile.jamf
        {
            let credentials = secret.as_ref().map(|secret| match header {
                Some(header) => Credentials::header(header.clone(), secret.expose()),
                None => Credentials::basic(&settings.jamf.username, secret.expose()),
            });
            let hook = JamfHook {
                callers: Callers::new(credentials, clients.clone()),
                lifetime: settings.jamf.lifetime.duration(),
                binding: settings.jamf.binding,
                per_minute: settings.jamf.per_minute,
            };
            interfaces.jamf.insert(path_id.clone(), hook);
        }
        if let Some(LoadedInterface {
            secret, clients, ..
        }) = &profile.ndes
        {
            let credentials = secret.as_ref().map(|secret| {
                Credentials::basic(&settings.ndes.username, secret.expose()).with_domain()
            });
            let page = NdesPage {
                callers: Callers::new(credentials, clients.clone()),
                encoding: settings.ndes.encoding,
            };
            if settings.ndes.at_root {
                interfaces.ndes_at_root = Some(path_id.clone());
            }
            interfaces.ndes.insert(path_id.clone(), page);
        }
    }
    interfaces
}

fn intune(profile: &LoadedProfile) -> Result<Option<Intune>, AssemblyError> {
    let Some(anchors) = &profile.anchors else {
        return Ok(None);
    };
    let settings = &profile.settings.intune;
    Ok(Some(Intune {
        signed: SignedChallenges {
            settings: settings.into(),
            anchors: Arc::clone(anchors),
        },
        retransmission: settings
            .retransmission_window
            .unless_zero()
            .map(Span::duration),
        compliance: compliance(profile)?,
    }))
}

/// Challenges that Intune's service validates, where the profile names a tenant.
fn cloud(profile: &LoadedProfile, tenants: &ById) -> Option<Arc<dyn Validator>> {
    let settings = &profile.settings.intune_cloud;
    let named = settings.tenants.iter();
    let tenants: Vec<_> = named.filter_map(|id| tenants.get(id)).cloned().collect();
    if tenants.is_empty() {
        return None;
    }
    let rules = Rules {
        profile: profile.settings.path_id.clone(),
        wait_for_notification: settings.wait_for_notification,
        takes_all: profile.static_challenges.is_empty() && profile.challenge_webhook.is_none(),
        per_device_limit_24h: settings.per_device_rate_limit_24h,
        tenant_attribute: settings.tenant_attribute.as_deref().and_then(attribute_oid),
        compliance: Compliance {
            mode: match settings.compliance {
                DeviceState::Off => Mode::Off,
                DeviceState::Observe => Mode::Observe,
                DeviceState::Enforce => Mode::Enforce,
            },
            grace: settings.compliance_grace.chrono(),
            bootstrap: settings.bootstrap_lifetime.unless_zero().map(Span::chrono),
            outage: intune_cloud::Outage {
                remembered: settings.compliance_remembered.duration(),
                lets_in: settings.compliance_outage == Outage::Allow,
            },
        },
        sid: settings.sid.into(),
    };
    Some(Arc::new(CloudChallenges::new(tenants, rules)))
}

fn challenge_webhook(profile: &LoadedProfile) -> Result<Option<Arc<dyn Validator>>, AssemblyError> {
    let Some(settings) = &profile.challenge_webhook else {
        return Ok(None);
    };
    let path_id = &profile.settings.path_id;
    let fixed = profile.static_challenges.clone();
    ChallengeWebhook::new(settings.clone(), path_id, fixed)
        .map(|webhook| Some(Arc::new(webhook) as Arc<dyn Validator>))
        .map_err(|error| AssemblyError {
            profile: profile.settings.label().to_owned(),
            what: "the challenge webhook",
            reason: error.to_string(),
        })
}

fn compliance(profile: &LoadedProfile) -> Result<Option<Arc<dyn ComplianceHook>>, AssemblyError> {
    let Some(loaded) = &profile.compliance else {
        return Ok(None);
    };
    let webhook = ComplianceWebhook::new(
        &loaded.url,
        &loaded.settings,
        loaded.hmac_secret.as_ref(),
        loaded.ca_bundle.as_deref(),
    );
    webhook
        .map(|webhook| Some(Arc::new(webhook) as Arc<dyn ComplianceHook>))
        .map_err(|error| AssemblyError {
            profile: profile.settings.label().to_owned(),
            what: "the compliance webhook",
            reason: error.to_string(),
        })
}

fn former(profile: &LoadedProfile) -> Result<Option<Arc<dyn FormerRevocations>>, AssemblyError> {
    let settings = &profile.settings.renewal;
    let (UnknownCertificates::Accept, Some(place)) =
        (settings.unknown_certificates, &settings.unknown_crl)
    else {
        return Ok(None);
    };
    let ca = profile.issuer.authority().certificate().clone();
    FormerCrl::new(place.as_str(), ca)
        .map(|crl| Some(Arc::new(crl) as Arc<dyn FormerRevocations>))
        .map_err(|reason| AssemblyError {
            profile: profile.settings.label().to_owned(),
            what: "the former server's CRL",
            reason,
        })
}
