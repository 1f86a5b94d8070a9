//! Audit events.

use api::endpoints::ListAuditEvents;
use api::{AuditDetails, AuditEvent, List, Outcome};
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, blocking, page};
use crate::auth::Admin;

pub(super) async fn list(
    context: &AdminContext,
    _: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let query = asked.query::<ListAuditEvents>()?;
    let (page, per_page) = page(query.page, query.per_page)?;
    let query = store::AuditQuery {
        actions: query.action.into_iter().collect(),
        profile: query.profile,
        outcome: query.outcome.map(|outcome| match outcome {
            Outcome::Success => store::Outcome::Success,
            Outcome::Failure => store::Outcome::Failure,
            Outcome::Pending => store::Outcome::Pending,
        }),
        since: query.since,
        until: query.until,
        q: query.q,
        page,
        per_page,
        ..store::AuditQuery::default()
    };
    let store = context.runtime().services.store.clone();
    let found = blocking(move || Ok(store.audit(&query)?)).await?;
    reply::ok::<ListAuditEvents>(&List {
        data: found.data.into_iter().map(shown).collect(),
        total: found.total,
        page,
        per_page,
    })
}

/// An event as the API shows it.
pub(super) fn shown(stored: store::StoredEvent) -> AuditEvent {
    let store::AuditEvent {
        timestamp,
        actor,
        actor_type,
        action,
        resource_type,
        resource_id,
        details,
    } = stored.event;
    AuditEvent {
        id: stored.id,
        timestamp,
        actor,
        actor_type,
        action,
        resource_type,
        resource_id,
        details: AuditDetails {
            outcome: details.outcome.map(|outcome| match outcome {
                store::Outcome::Success => Outcome::Success,
                store::Outcome::Failure => Outcome::Failure,
                store::Outcome::Pending => Outcome::Pending,
            }),
            reason: details.reason,
            message: details.message,
            profile: details.profile,
            issuer_id: details.issuer_id,
            serial: details.serial,
            common_name: details.common_name,
            sans: details.sans,
            transaction_id: details.transaction_id,
            source_ip: details.source_ip.map(|address| address.to_string()),
            user_agent: details.user_agent,
            device: details.device,
            claim_issuer: details.claim_issuer,
            claim: details
                .claim
                .and_then(|claim| serde_json::from_value(claim).ok()),
            csr: details.csr.and_then(|csr| serde_json::from_value(csr).ok()),
            note: details.note,
            request_id: details.request_id,
            extra: details.extra,
        },
    }
}
