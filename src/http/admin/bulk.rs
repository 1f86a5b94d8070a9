//! Many certificates revoked or released at once, after a preview that counts them.

use std::collections::BTreeMap;

use actors::{Act, BulkError, Selection, change_many, select};
use api::endpoints::ChangeCertificates;
use api::{BulkAction, BulkReply, CertificateSelection, MAX_SERIALS, ProfileCount};
use pki::Serial;
use warp::reply::Response;

use super::certificates::{by, ca_named, not_changed, reason_meant, shown};
use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, note};
use crate::auth::Admin;

/// Certificates that a preview shows.
const SHOWN: usize = 10;

pub(super) async fn change(
    context: &AdminContext,
    admin: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let request = asked.body::<ChangeCertificates>()?;
    let why = note(request.note)?;
    let act = match request.action {
        BulkAction::Revoke => Act::Revoke(reason_meant(request.reason.unwrap_or_default())),
        BulkAction::Release => Act::Release,
    };
    let selection = selection(context, request.selection)?;
    let services = &context.runtime().services;
    let Some(expected) = request.expected else {
        return preview(context, selection, act).await;
    };
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    let done = change_many(
        services,
        selection,
        act,
        Some(expected),
        by(admin, why, asked),
    );
    let done = done.await.map_err(problem)?;
    reply::ok::<ChangeCertificates>(&BulkReply {
        done: true,
        count: done.count as u64,
        profiles: Vec::new(),
        newest: Vec::new(),
        at: Some(done.at),
    })
}

async fn preview(
    context: &AdminContext,
    selection: Selection,
    act: Act,
) -> Result<Response, Problem> {
    let services = context.runtime().services.clone();
    let now = services.clock.now();
    let found = tokio::task::spawn_blocking(move || select(&*services.store, &selection, act, now));
    let found = found.await.map_err(Problem::fault)?.map_err(problem)?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for record in &found {
        *counts.entry(&record.profile).or_default() += 1;
    }
    let mut profiles: Vec<ProfileCount> = counts
        .into_iter()
        .map(|(profile, count)| ProfileCount {
            profile: profile.to_owned(),
            count,
        })
        .collect();
    profiles.sort_by_key(|one| std::cmp::Reverse(one.count));
    reply::ok::<ChangeCertificates>(&BulkReply {
        done: false,
        count: found.len() as u64,
        profiles,
        newest: found
            .iter()
            .take(SHOWN)
            .map(|record| shown(record, now))
            .collect(),
        at: None,
    })
}

fn selection(context: &AdminContext, asked: CertificateSelection) -> Result<Selection, Problem> {
    if asked.serials.len() > MAX_SERIALS {
        return Err(Problem::bad_request(format!(
            "there are {} serials; at most {MAX_SERIALS} are taken at once",
            asked.serials.len()
        )));
    }
    let mut serials = Vec::with_capacity(asked.serials.len());
    for text in &asked.serials {
        let readings = Serial::readings(text);
        if readings.is_empty() {
            return Err(Problem::bad_request(format!(
                "{text:?} is no serial number: write it in hex"
            )));
        }
        serials.extend(readings);
    }
    Ok(Selection {
        ca: asked
            .issuer_id
            .as_deref()
            .and_then(|id| ca_named(context, id)),
        issuer_id: asked.issuer_id,
        profile: asked.profile,
        device: asked.device,
        q: asked.q,
        issued_since: asked.issued_since,
        issued_before: asked.issued_before,
        serials,
        revoked_at: asked.revoked_at,
    })
}

fn problem(error: BulkError) -> Problem {
    match error {
        BulkError::Everything
        | BulkError::TooMany(_)
        | BulkError::Unexpected { .. }
        | BulkError::Elsewhere(_) => Problem::conflict(error.to_string()),
        BulkError::Failed(error) => not_changed(error),
        BulkError::Store(error) => Problem::fault(error),
        BulkError::BrokenOff(error) => Problem::fault(error),
    }
}
