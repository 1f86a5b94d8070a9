//! SCEP profiles, their Intune state, and the reload of trust anchors.

use api::endpoints::{ListScepIntuneStats, ListScepProfiles, ReloadScepIntuneTrust};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actors::{Current, Entry, Intune, ProfileStatus, Status};
use api::profiles::days_to_expiry;
use api::{
    Endpoint, Envelope, IntuneRow, IntuneSection, IssuerSection, Profile, ReloadTrustReply,
    ReloadTrustRequest, TrustAnchor,
};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use issuer::RemoteCa;
use pki::Certificate;
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::Asked;
use crate::auth::Admin;
use crate::config;
use crate::http::is_path_id;
use crate::running::{Caller, TrustError};

/// How long a profile may take to say how it stands.
const PATIENCE: Duration = Duration::from_secs(5);
/// A profile that is being brought back is asked again after this time,
const AGAIN: Duration = Duration::from_millis(100);
/// so many times.
const TRIES: usize = 10;
/// How much of a name that cannot be a profile's is sent back, in characters.
const SHOWN: usize = 64;

pub(super) async fn list(context: &AdminContext, _: &Admin) -> Result<Response, Problem> {
    let now = context.runtime().services.clock.now();
    let seen = all(context, now).await?;
    let profiles = seen
        .into_iter()
        .map(|seen| card(seen, now))
        .collect::<Result<Vec<_>, _>>()?;
    enveloped::<ListScepProfiles, _>(profiles, now)
}

pub(super) async fn intune_stats(context: &AdminContext, _: &Admin) -> Result<Response, Problem> {
    let now = context.runtime().services.clock.now();
    let rows: Vec<IntuneRow> = all(context, now)
        .await?
        .into_iter()
        .map(|seen| row(seen, now))
        .collect();
    enveloped::<ListScepIntuneStats, _>(rows, now)
}

fn enveloped<E: Endpoint<Reply = Envelope<T>>, T>(
    profiles: Vec<T>,
    now: DateTime<Utc>,
) -> Result<Response, Problem> {
    reply::ok::<E>(&Envelope {
        profile_count: profiles.len(),
        profiles,
        generated_at: now,
    })
}

/// One profile with its Intune state, if that is on.
struct Seen {
    current: Arc<Current>,
    /// Enrollments that wait for an issuer that is somewhere else.
    waiting: usize,
    mtls_bundle: String,
    intune: Option<IntuneSection>,
    /// Ids of the tenants whose service is asked.
    tenants: Vec<String>,
}

/// All profiles at once: their actors answer side by side.
async fn all(context: &AdminContext, now: DateTime<Utc>) -> Result<Vec<Seen>, Problem> {
    let config = context.config();
    let settings: HashMap<&str, &config::Profile> = config
        .profiles
        .iter()
        .map(|profile| (profile.path_id.as_str(), profile))
        .collect();
    let profiles = context.runtime().directory.all();
    let asked = profiles
        .iter()
        .map(|(path_id, entry)| see(entry, settings.get(path_id.as_str()).copied(), now));
    join_all(asked).await.into_iter().collect()
}

async fn see(
    entry: &Entry,
    settings: Option<&config::Profile>,
    now: DateTime<Utc>,
) -> Result<Seen, Problem> {
    let path = |path: Option<&std::path::PathBuf>| {
        path.map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let current = entry.current();
    let is_asked = current.spec.intune.is_some() || current.spec.issuer.remote().is_some();
    let status = match is_asked {
        true => Some(status(entry).await?),
        false => None,
    };
    let waiting = status
        .as_ref()
        .map_or(0, |status| status.waiting_for_issuer);
    let intune = match (&current.spec.intune, &status) {
        (Some(intune), Some(status)) => {
            let files = settings.map(|settings| settings.intune.anchor_files());
            let files = files.into_iter().flatten();
            let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
            let anchor_path = files.join(", ");
            Some(section(intune, status, anchor_path, now))
        }
        _ => None,
    };
    let bundle = settings.and_then(|settings| settings.mtls.client_ca_trust_bundle_path.as_ref());
    let mtls_bundle = if current.spec.mtls.is_some() {
        path(bundle)
    } else {
        String::new()
    };
    Ok(Seen {
        current,
        waiting,
        mtls_bundle,
        intune,
        tenants: settings.map_or_else(Vec::new, |settings| settings.intune_cloud.tenants.clone()),
    })
}

/// Asks a profile's actor, or the one that is brought back after it.
async fn status(entry: &Entry) -> Result<ProfileStatus, Problem> {
    for _ in 0..TRIES {
        let current = entry.current();
        match tokio::time::timeout(PATIENCE, current.actor.send(Status)).await {
            Ok(Ok(status)) => return Ok(status),
            Ok(Err(_)) => tokio::time::sleep(AGAIN).await,
            Err(_) => break,
        }
    }
    let path_id = entry.current().spec.path_id.clone();
    Err(Problem::busy(
        format!("profile `{path_id}` does not answer just now"),
        Duration::from_secs(1),
    ))
}

fn section(
    intune: &Intune,
    status: &ProfileStatus,
    anchor_path: String,
    now: DateTime<Utc>,
) -> IntuneSection {
    let settings = &intune.signed.settings;
    let nanoseconds = |span: chrono::Duration| span.num_nanoseconds().unwrap_or(i64::MAX);
    IntuneSection {
        trust_anchor_path: anchor_path,
        trust_anchors: intune
            .signed
            .anchors
            .anchors()
            .iter()
            .map(|anchor| shown(anchor, now))
            .collect(),
        audience: settings.audience.clone().unwrap_or_default(),
        challenge_validity_ns: settings.challenge_validity.map_or(0, nanoseconds),
        clock_skew_tolerance_ns: nanoseconds(settings.clock_skew),
        rate_limit_disabled: settings.per_device_limit_24h == 0,
        replay_cache_size: u64::try_from(status.replay_entries).unwrap_or(u64::MAX),
        counters: status
            .counters
            .iter()
            .map(|(label, count)| (label.as_str().to_owned(), count))
            .collect(),
    }
}

fn shown(anchor: &Certificate, now: DateTime<Utc>) -> TrustAnchor {
    TrustAnchor {
        subject: common_name(anchor),
        not_before: anchor.not_before(),
        not_after: anchor.not_after(),
        days_to_expiry: days_to_expiry(anchor.not_after(), now),
        expired: anchor.not_after() < now,
    }
}

fn common_name(certificate: &Certificate) -> String {
    certificate
        .subject()
        .common_name()
        .unwrap_or_default()
        .to_owned()
}

fn card(seen: Seen, now: DateTime<Utc>) -> Result<Profile, Problem> {
    let spec = &seen.current.spec;
    // Of two, the one that ends first is the one to look at.
    let ra = spec
        .ras
        .first()
        .and_then(|ra| ra.certificates().min_by_key(|one| one.not_after()))
        .ok_or_else(|| Problem::fault("a profile has no RA certificate"))?;
    Ok(Profile {
        path_id: spec.path_id.clone(),
        issuer_id: spec.issuer.id().to_owned(),
        issuer: spec
            .issuer
            .remote()
            .map(|remote| issuer_section(remote, seen.waiting)),
        challenge_password_set: spec.challenge.is_some(),
        ra_cert_subject: common_name(ra),
        ra_cert_not_before: ra.not_before(),
        ra_cert_not_after: ra.not_after(),
        ra_cert_days_to_expiry: days_to_expiry(ra.not_after(), now),
        ra_cert_expired: ra.not_after() < now,
        mtls_enabled: spec.mtls.is_some(),
        mtls_trust_bundle_path: seen.mtls_bundle,
        generated_at: now,
        intune: seen.intune,
        intune_tenants: seen.tenants,
    })
}

fn issuer_section(remote: &dyn RemoteCa, waiting: usize) -> IssuerSection {
    let health = remote.health();
    IssuerSection {
        kind: remote.kind().to_owned(),
        reached: health.reached,
        silent_for_seconds: health.silent_for.as_secs(),
        trouble: health.trouble,
        waiting: u64::try_from(waiting).unwrap_or(u64::MAX),
        revokes: remote.revokes(),
    }
}

fn row(seen: Seen, now: DateTime<Utc>) -> IntuneRow {
    let path_id = seen.current.spec.path_id.clone();
    let issuer_id = seen.current.spec.issuer.id().to_owned();
    match seen.intune {
        Some(section) => IntuneRow::on(path_id, issuer_id, section, now),
        None => IntuneRow::off(path_id, issuer_id, now),
    }
}

pub(super) async fn reload_trust(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    // Some callers write the root profile as its path id alone.
    let ReloadTrustRequest { path_id } = match asked.body.trim_ascii() {
        br#""""# => ReloadTrustRequest::default(),
        _ => asked.body_or_default::<ReloadScepIntuneTrust>()?,
    };
    if !path_id.is_empty() && !is_path_id(&path_id) {
        // No profile has such a name. Neither log nor audit want it whole.
        let begin: String = path_id.chars().take(SHOWN).collect();
        let more = if begin.len() < path_id.len() {
            "..."
        } else {
            ""
        };
        return Err(Problem::not_found(format!(
            "there is no SCEP profile `{begin}{more}`"
        )));
    }
    let caller = Caller {
        name: admin.caller().name.clone(),
        kind: admin.caller().kind.as_str().to_owned(),
        request_id: asked.origin.request_id.clone(),
    };
    match context.trust.reload(&path_id, &caller).await {
        Ok(reloaded_at) => reply::ok::<ReloadScepIntuneTrust>(&ReloadTrustReply {
            reloaded: true,
            path_id,
            reloaded_at,
        }),
        Err(error) => Err(match error {
            TrustError::UnknownProfile(_) => Problem::not_found(error.to_string()),
            TrustError::IntuneOff(_) => Problem::conflict(error.to_string()),
            TrustError::BadFile(_) => Problem::fault_told(error.to_string()),
            TrustError::Stopped => Problem::busy(error.to_string(), Duration::from_secs(5)),
        }),
    }
}
