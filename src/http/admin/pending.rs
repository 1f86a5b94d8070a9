//! Requests that wait for an operator.

use api::endpoints::ListScepRequests;
use std::time::Duration;

use actors::{DecideError, OperatorDecision};
use api::{Decision, DecisionReply, Endpoint, List, PendingRequest, RequestState};
use pki::Csr;
use store::EnrollmentRecord;
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, blocking, note, page};
use crate::auth::Admin;

/// The SCEP messageType of RenewalReq.
const RENEWAL_REQ: u8 = 17;

pub(super) async fn list(
    context: &AdminContext,
    _: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let query = asked.query::<ListScepRequests>()?;
    let (page, per_page) = page(query.page, query.per_page)?;
    let waiting = waiting(context, query.profile).await?;
    let first = u64::from(page - 1).saturating_mul(u64::from(per_page));
    let data = waiting
        .iter()
        .skip(usize::try_from(first).unwrap_or(usize::MAX))
        .take(usize::try_from(per_page).unwrap_or(usize::MAX))
        .map(|record| shown(context, record))
        .collect();
    let total = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
    reply::ok::<ListScepRequests>(&List {
        data,
        total,
        page,
        per_page,
    })
}

/// The requests that wait, of one profile under any of its names, or of all; oldest first.
async fn waiting(
    context: &AdminContext,
    profile: Option<String>,
) -> Result<Vec<EnrollmentRecord>, Problem> {
    let store = context.runtime().services.store.clone();
    let Some(path_id) = profile else {
        return blocking(move || Ok(store.pending(None)?)).await;
    };
    let current = context.runtime().directory.find(&path_id);
    let formerly = current.map(|current| current.spec.formerly.clone());
    let names = std::iter::once(path_id).chain(formerly.unwrap_or_default());
    let names: Vec<String> = names.collect();
    blocking(move || {
        let mut all = Vec::new();
        for name in &names {
            all.extend(store.pending(Some(name))?);
        }
        all.sort_by_key(|record| record.times.created);
        Ok(all)
    })
    .await
}

fn shown(context: &AdminContext, record: &EnrollmentRecord) -> PendingRequest {
    let profile = context
        .runtime()
        .directory
        .find_by_any_name(&record.profile);
    let csr = record
        .csr
        .as_deref()
        .and_then(|der| Csr::from_der(der).ok());
    PendingRequest {
        id: format!("{}.{}", record.profile, hex::encode(record.key)),
        profile: profile.as_ref().map_or_else(
            || record.profile.clone(),
            |profile| profile.spec.path_id.clone(),
        ),
        issuer_id: profile
            .map(|profile| profile.spec.issuer.id().to_owned())
            .unwrap_or_default(),
        transaction_id: record.transaction_id.clone(),
        subject: csr
            .as_ref()
            .map(|csr| csr.subject().to_string())
            .unwrap_or_default(),
        common_name: record.common_name.clone(),
        sans: record.sans.clone(),
        public_key: csr
            .as_ref()
            .map(|csr| csr.public_key().kind().to_string())
            .unwrap_or_default(),
        renewal: record.message_type == RENEWAL_REQ,
        device: record.grounds.device.clone(),
        source_ip: record.source_ip.map(|address| address.to_string()),
        requested_at: record.times.created,
        expires_at: record.approval_ends(),
    }
}

pub(super) async fn decide<E: Endpoint<Body = Decision, Reply = DecisionReply>>(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
    approve: bool,
) -> Result<Response, Problem> {
    let id = asked.parameter(0)?;
    let unknown = || Problem::not_found(format!("no request {id:?} waits"));
    let (path_id, key) = key_of(id).ok_or_else(unknown)?;
    let Decision { note: why } = asked.body_or_default::<E>()?;
    let why = note(why)?;
    let Some(profile) = context.runtime().directory.find_by_any_name(path_id) else {
        // Listed all the same: with the profile configured again it can be decided.
        let (store, of) = (context.runtime().services.store.clone(), path_id.to_owned());
        let known = blocking(move || Ok(store.enrollment(&of, &key)?)).await?;
        return Err(match known {
            Some(record) if record.stage.awaits_approval() => {
                Problem::conflict("the request waits, but its profile is not configured")
            }
            _ => unknown(),
        });
    };
    let decision = OperatorDecision {
        key,
        approve,
        by: admin.caller().name.clone(),
        by_type: admin.caller().kind.as_str().to_owned(),
        note: why,
        request_id: asked.origin.request_id.clone(),
    };
    let settings = context.config().server.request_timeout.duration();
    let busy = |words: String| Problem::busy(words, Duration::from_secs(1));
    match tokio::time::timeout(settings, profile.actor.send(decision)).await {
        Ok(Ok(Ok(_))) => reply::ok::<E>(&DecisionReply {
            id: id.to_owned(),
            state: if approve {
                RequestState::Approved
            } else {
                RequestState::Denied
            },
            decided_by: admin.caller().name.clone(),
            decided_at: context.runtime().services.clock.now(),
        }),
        Ok(Ok(Err(error))) => Err(match error {
            DecideError::Unknown => unknown(),
            DecideError::NotPending(_) | DecideError::Busy | DecideError::Policy(_) => {
                Problem::conflict(error.to_string())
            }
            DecideError::Failed(_) => busy(error.to_string()),
        }),
        Ok(Err(_)) | Err(_) => Err(busy("the profile does not answer just now".to_owned())),
    }
}

/// `<path id>.<32 hex digits>`.
fn key_of(id: &str) -> Option<(&str, [u8; 16])> {
    let (path_id, digits) = id.rsplit_once('.')?;
    let mut key = [0; 16];
    hex::decode_to_slice(digits, &mut key).ok()?;
    Some((path_id, key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_name_profile_and_key() {
        let digits = "00112233445566778899aabbccddeeff";
        let (path_id, key) = key_of(&format!("corp.{digits}"))
            .map(|(id, key)| (id.to_owned(), key))
            .unwrap();
        assert_eq!((path_id.as_str(), key[1]), ("corp", 0x11));
        assert_eq!(key_of(&format!(".{digits}")).unwrap().0, "");
        for wrong in [
            "",
            "corp",
            "corp.",
            "corp.0011",
            digits,
            &format!("corp.{digits}00"),
            &format!("corp.{}g", &digits[1..]),
        ] {
            assert!(key_of(wrong).is_none(), "{wrong}");
        }
    }
}
