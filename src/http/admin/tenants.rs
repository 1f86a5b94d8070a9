//! Intune's tenants: how each fares, and batches of revocations that are held.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actors::Status;
use api::endpoints::{ListTenants, RefuseRevocations, ReleaseRevocations};
use api::profiles::days_to_expiry;
use api::{
    HeldRevocation, RevocationsDecided, TenantHour, TenantRevocations, TenantStatus, TenantSweep,
    TenantTrouble, TenantsReply,
};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use intune_cloud::{CloudChallenges, Report};
use store::Stage;
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, blocking};
use crate::auth::Admin;
use crate::auth::tokens::By;
use crate::intune::{DecideError, Decision, Revoker};
use crate::telemetry::gauges::TenantSeen;

/// Certificates of a held batch that are shown at most.
const SHOWN: usize = 100;
/// Enrollments of a profile that are looked at for those that wait for their notification.
const LOOKED_AT: usize = 10_000;
/// How long a profile may take to say how it stands.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn list(context: &AdminContext, _: &Admin) -> Result<Response, Problem> {
    let config = context.config();
    let now = context.runtime().services.clock.now();
    let resting = resting(context).await;
    let waiting = waiting(context).await?;
    let mut data = Vec::new();
    for tenant in context.tenants.all() {
        let naming = config.profiles.iter().filter(|profile| {
            let tenants = &profile.intune_cloud.tenants;
            tenants.iter().any(|id| id == tenant.id())
        });
        let profiles: Vec<String> = naming.map(|profile| profile.path_id.clone()).collect();
        let revoker = context.revokers.find(tenant.id());
        let (revocations, sweep) = match revoker.filter(|revoker| revoker.is_active()) {
            Some(revoker) => of_revoker(&revoker).await?,
            None => (None, None),
        };
        data.push(TenantStatus {
            resting_profiles: profiles
                .iter()
                .filter(|path_id| resting.contains(*path_id))
                .cloned()
                .collect(),
            profiles,
            notifications_waiting: waiting.get(tenant.id()).copied().unwrap_or_default(),
            revocations,
            sweep,
            ..shown(tenant.report(), now)
        });
    }
    reply::ok::<ListTenants>(&TenantsReply {
        data,
        generated_at: now,
    })
}

/// What metrics say of each tenant. What the store does not tell just now is left out.
pub(super) async fn seen(context: &AdminContext) -> Vec<TenantSeen> {
    let mut all = Vec::new();
    for tenant in context.tenants.all() {
        let report = tenant.report();
        let held = match context.revokers.find(tenant.id()) {
            Some(revoker) => revoker.state().await.map_or(0, |state| {
                let is_held = state.held.is_some();
                if is_held { state.items.len() } else { 0 }
            }),
            None => 0,
        };
        let was_asked = report.last_success.is_some() || report.trouble.is_some();
        all.push(TenantSeen {
            is_up: was_asked.then_some(report.trouble.is_none()),
            credential_ends: report.secret_expires.and_then(time),
            held,
            id: report.id,
        });
    }
    all
}

/// Path ids of the profiles that do not ask Intune just now. One that does not answer in time is not among them.
async fn resting(context: &AdminContext) -> BTreeSet<String> {
    let profiles = context.runtime().directory.all();
    let asked = profiles.iter().map(|(path_id, entry)| async move {
        let asked = entry.current().actor.send(Status);
        let status = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
        let rests = status
            .resting
            .iter()
            .any(|name| name == CloudChallenges::ID);
        rests.then(|| path_id.clone())
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// How many certificates wait until a tenant knows of them, by the tenant's id.
async fn waiting(context: &AdminContext) -> Result<BTreeMap<String, usize>, Problem> {
    let config = context.config();
    let asks = config
        .profiles
        .iter()
        .filter(|one| one.intune_cloud.is_on());
    let paths: Vec<String> = asks
        .flat_map(|profile| std::iter::once(&profile.path_id).chain(&profile.formerly))
        .cloned()
        .collect();
    let store = context.runtime().services.store.clone();
    blocking(move || {
        let mut waiting = BTreeMap::new();
        for path_id in paths {
            for record in store.open(&path_id, LOOKED_AT)? {
                if let (Stage::Notifying { .. }, Some(by)) =
                    (record.stage, record.grounds.claim_issuer)
                {
                    *waiting.entry(by).or_default() += 1;
                }
            }
        }
        Ok(waiting)
    })
    .await
}

/// What the tenant itself knows; what others know is left out.
fn shown(report: Report, now: DateTime<Utc>) -> TenantStatus {
    let expires = report.secret_expires.and_then(time);
    TenantStatus {
        id: report.id,
        tenant: report.tenant,
        client_id: report.client_id,
        credential: report.credential.to_owned(),
        profiles: Vec::new(),
        resting_profiles: Vec::new(),
        last_success: report.last_success.and_then(time),
        trouble: report.trouble.and_then(|trouble| {
            Some(TenantTrouble {
                since: time(trouble.since)?,
                message: trouble.words,
                lasting: trouble.is_lasting,
            })
        }),
        token_issued: report.token_issued.and_then(time),
        token_expires: report.token_ends.and_then(time),
        roles: report.roles,
        credential_expires: expires,
        credential_days_to_expiry: expires.map(|expires| days_to_expiry(expires, now)),
        clock_difference: report.clock_difference,
        notifications_waiting: 0,
        codes: report
            .codes
            .into_iter()
            .filter_map(|hour| {
                Some(TenantHour {
                    begins: time(hour.begins)?,
                    codes: hour.codes,
                })
            })
            .collect(),
        revocations: None,
        sweep: None,
    }
}

async fn of_revoker(
    revoker: &Revoker,
) -> Result<(Option<TenantRevocations>, Option<TenantSweep>), Problem> {
    let state = revoker.state().await.map_err(Problem::fault)?;
    let held = revoker.held(&state, SHOWN).await.map_err(Problem::fault)?;
    let swept = &state.swept;
    let sweep = swept.at.map(|at| TenantSweep {
        at,
        managed_devices: swept.managed,
        registered_devices: swept.registered,
        certificates: swept.looked_at,
        gone: swept.gone,
        disabled: swept.disabled,
        released: swept.released,
        on_hold: state.on_hold.len(),
    });
    let revocations = TenantRevocations {
        last_asked: state.asked,
        waiting: state.items.len(),
        held_since: state.held,
        held: held
            .into_iter()
            .map(|one| HeldRevocation {
                serial: one.serial,
                common_name: one.common_name,
                device: one.device,
            })
            .collect(),
    };
    Ok((Some(revocations), sweep))
}

fn time(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

pub(super) async fn release(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let decided = decide(context, admin, asked, Decision::Release).await?;
    reply::ok::<ReleaseRevocations>(&decided)
}

pub(super) async fn refuse(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let decided = decide(context, admin, asked, Decision::Refuse).await?;
    reply::ok::<RefuseRevocations>(&decided)
}

async fn decide(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
    decision: Decision,
) -> Result<RevocationsDecided, Problem> {
    let id = asked.parameter(0)?;
    let revoker = context
        .revokers
        .find(id)
        .ok_or_else(|| Problem::not_found(format!("there is no tenant {id:?} with revocations")))?;
    let by = By {
        name: admin.caller().name.clone(),
        kind: admin.caller().kind.as_str(),
        request_id: Some(asked.origin.request_id.clone()),
    };
    match revoker.decide(decision, &by).await {
        Ok(decided) => Ok(RevocationsDecided {
            tenant: revoker.id().to_owned(),
            decided,
        }),
        Err(error @ DecideError::NothingHeld) => Err(Problem::conflict(error.to_string())),
        Err(DecideError::Failed(error)) => Err(Problem::fault(error)),
    }
}
