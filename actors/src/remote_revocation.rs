//! Revoking where the CA's key is somewhere else: asked there first, then noted here. What cannot be asked now waits in the
//! outbox and is tried until it is done.

use crate::journal::JournalError;
use crate::outside::Called;
use crate::revocation::{self, Revocation, RevokeError};
use crate::shared::{Services, Shared};
use chrono::{DateTime, TimeDelta, Utc};
use issuer::{IssueError, Issuer};
use pki::{Certificate, RevocationReason, Serial};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use store::{CaId, CertificateRecord, Change, Notice, Op, StoredNotice};

/// What the outbox calls them.
pub(crate) const NOTIFIER: &str = "revocation";

/// How long an operator waits for the issuer.
const PATIENCE: Duration = Duration::from_secs(15);

/// When to look again whether somebody has revoked a certificate by hand.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// The longest pause between two tries.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// Why an order waits whose issuer is away.
const SILENT: &str = "the issuer does not answer: the certificate is revoked as soon as it does";

/// Why an order waits that is carried out by hand.
const BY_HAND: &str = "certificates of this issuer are revoked by hand: `scepd issuer revocations` prints the commands, and its CRL tells when it was done";

/// An order that waits, as it is kept.
#[derive(Serialize, Deserialize)]
struct Body {
    ca: [u8; 16],
    serial: Vec<u8>,
    reason: u8,
    by: String,
    by_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    request_id: String,
}

impl From<&Revocation> for Body {
    fn from(revocation: &Revocation) -> Self {
        Self {
            ca: *revocation.ca.as_bytes(),
            serial: revocation.serial.as_bytes().to_vec(),
            reason: revocation.reason as u8,
            by: revocation.by.clone(),
            by_type: revocation.by_type.clone(),
            note: revocation.note.clone(),
            request_id: revocation.request_id.clone(),
        }
    }
}

impl From<Body> for Revocation {
    fn from(body: Body) -> Self {
        Self {
            ca: CaId::from_bytes(body.ca),
            serial: Serial::new(body.serial),
            reason: RevocationReason::from_number(body.reason)
                .unwrap_or(RevocationReason::Unspecified),
            by: body.by,
            by_type: body.by_type,
            note: body.note,
            request_id: body.request_id,
        }
    }
}

/// Has a certificate revoked by its issuer elsewhere, before it is noted here.
///
/// # Errors
/// [`RevokeError::Refused`]: the issuer will not. [`RevokeError::Waits`]: it could not be asked, and will be.
pub(crate) async fn first(
    services: &Services,
    issuer: &dyn Issuer,
    record: &CertificateRecord,
    revocation: &Revocation,
) -> Result<(), RevokeError> {
    let remote = issuer.remote();
    let by_hand = remote.is_some_and(|remote| remote.revokes_by_hand());
    if !by_hand && !remote.is_some_and(|remote| remote.revokes()) {
        let words = "certificates of this issuer cannot be revoked from here: do so at the issuer";
        return Err(RevokeError::Refused(words.to_owned()));
    }
    if revocation.reason == RevocationReason::CertificateHold {
        let words = "this issuer revokes for good and knows no hold; choose another reason";
        return Err(RevokeError::Refused(words.to_owned()));
    }
    if by_hand {
        wait(services, record, revocation, BY_HAND).await?;
        return Err(RevokeError::Waits(BY_HAND.to_owned()));
    }
    let certificate = Certificate::from_der(&record.der)
        .map_err(|error| RevokeError::Refused(error.to_string()))?;
    let clock = &services.clock;
    let limit = clock.wait_until(clock.instant() + PATIENCE);
    let asked = tokio::select! {
        biased;
        asked = issuer.revoke(&certificate, revocation.reason) => asked,
        () = limit => Err(IssueError::Again {
            why: "there was no answer in time".to_owned(),
            after: None,
            unheard: true,
        }),
    };
    match asked {
        Ok(()) => Ok(()),
        Err(IssueError::Refused(words)) => Err(RevokeError::Refused(words)),
        Err(IssueError::Again { why, .. }) => {
            wait(services, record, revocation, SILENT).await?;
            Err(RevokeError::Waits(why))
        }
    }
}

/// Puts an order into the outbox.
async fn wait(
    services: &Services,
    record: &CertificateRecord,
    revocation: &Revocation,
    why: &str,
) -> Result<(), RevokeError> {
    let words = (revocation.reason.name(), why);
    let by = revocation.clone().into();
    let mut event = revocation::event("cert_revoke", words, record, by, services.clock.now());
    event.details.outcome = Some(store::Outcome::Pending);
    let mut change = Change::new().with(event);
    change.push(order(services, record, revocation)?);
    services
        .journal
        .commit(change, None)
        .await
        .map(drop)
        .map_err(RevokeError::Failed)
}

/// An order for the outbox.
///
/// # Errors
/// [`RevokeError::Refused`]: it cannot be written.
pub(crate) fn order(
    services: &Services,
    record: &CertificateRecord,
    revocation: &Revocation,
) -> Result<Notice, RevokeError> {
    let broken = |error: serde_json::Error| {
        RevokeError::Refused(format!("the order cannot be written: {error}"))
    };
    Ok(Notice {
        profile: record.profile.clone(),
        enrollment: None,
        notifier: NOTIFIER.to_owned(),
        body: serde_json::to_vec(&Body::from(revocation)).map_err(broken)?,
        created: services.clock.now(),
        due: services.time.now().passed(),
        attempts: 0,
    })
}

/// Tries an order of the outbox. It stays there until it is done, or nobody is left to ask.
pub(crate) async fn send(shared: &Arc<Shared>, StoredNotice { id, notice }: StoredNotice) {
    let services = &shared.services;
    let Ok(body) = serde_json::from_slice::<Body>(&notice.body) else {
        return done(services, id).await;
    };
    let revocation = Revocation::from(body);
    let (store, ca, serial) = (
        Arc::clone(&services.store),
        revocation.ca,
        revocation.serial.clone(),
    );
    let read = move || store.certificate(&ca, serial.as_bytes());
    let record = tokio::task::spawn_blocking(read).await;
    let record = match record {
        Ok(Ok(Some(record))) if record.revoked.is_none() => record,
        // It is gone, or was revoked meanwhile.
        Ok(Ok(_)) => return done(services, id).await,
        Ok(Err(_)) | Err(_) => return,
    };
    let issuer = services.remotes.of(&revocation.ca);
    let certificate = Certificate::from_der(&record.der);
    let (Some(issuer), Ok(certificate)) = (issuer, certificate) else {
        return later(shared, id, notice.attempts, None).await;
    };
    let (clock, rules) = (&*services.clock, &shared.spec.outside);
    if let Some(remote) = issuer.remote().filter(|remote| remote.revokes_by_hand()) {
        // Beside the calls by which certificates are asked for: nothing fails here, it only was not done yet.
        let limit = clock.wait_until(clock.instant() + PATIENCE);
        let is_done = tokio::select! {
            biased;
            is_done = remote.is_revoked(&certificate) => is_done.unwrap_or(false),
            () = limit => false,
        };
        return match is_done {
            true => carried_out(shared, id, notice.attempts, &record, revocation).await,
            false => later(shared, id, notice.attempts, Some(LOOK_AGAIN)).await,
        };
    }
    let remote = shared.remote(issuer.id());
    let asked = issuer.revoke(&certificate, revocation.reason);
    let again = |error: &IssueError| matches!(error, IssueError::Again { .. });
    match remote.call(clock, rules, asked, again).await {
        Called::Answered(Ok(())) => {}
        Called::Answered(Err(IssueError::Refused(words))) => {
            tracing::error!(
                profile = shared.spec.path_id,
                serial = revocation.serial.to_hex(),
                words,
                "an issuer elsewhere refuses to revoke a certificate; do so there"
            );
            return done(services, id).await;
        }
        Called::Answered(Err(IssueError::Again { after, .. })) => {
            return later(shared, id, notice.attempts, after).await;
        }
        Called::TimedOut => return later(shared, id, notice.attempts, None).await,
        Called::Closed(wait) => return later(shared, id, notice.attempts, Some(wait)).await,
    }
    carried_out(shared, id, notice.attempts, &record, revocation).await;
}

/// Notes that the issuer has revoked a certificate.
async fn carried_out(
    shared: &Arc<Shared>,
    id: u64,
    attempts: u32,
    record: &CertificateRecord,
    revocation: Revocation,
) {
    let change = Change::new().with(Op::NoticeDone { id });
    match revocation::note(&shared.services, record, revocation, change).await {
        Ok(_) => {}
        // Another order was first.
        Err(RevokeError::Already | RevokeError::Unknown) => done(&shared.services, id).await,
        Err(_) => later(shared, id, attempts, None).await,
    }
}

/// The orders that wait for their issuers, the oldest first: each certificate once, with the time of its first order.
///
/// # Errors
/// The store's.
pub fn waiting_revocations(
    store: &dyn store::Store,
) -> store::Result<Vec<(DateTime<Utc>, Revocation)>> {
    let mut waiting: Vec<(DateTime<Utc>, Revocation)> = Vec::new();
    for StoredNotice { notice, .. } in store.notices_of(NOTIFIER)? {
        let Ok(body) = serde_json::from_slice::<Body>(&notice.body) else {
            continue;
        };
        let order = Revocation::from(body);
        let is_known = |(_, one): &(DateTime<Utc>, Revocation)| {
            one.ca == order.ca && one.serial == order.serial
        };
        if !waiting.iter().any(is_known) {
            waiting.push((notice.created, order));
        }
    }
    Ok(waiting)
}

async fn done(services: &Services, id: u64) {
    keep(services, Op::NoticeDone { id }).await;
}

async fn later(shared: &Arc<Shared>, id: u64, attempts: u32, after: Option<Duration>) {
    let rules = &shared.spec.outside;
    let pause = after
        .unwrap_or_else(|| rules.pause(attempts.saturating_add(1), shared.services.clock.chance()));
    let pause = TimeDelta::from_std(pause.max(Duration::from_secs(1)));
    let pause = pause.unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
    let due: DateTime<Utc> = shared.passed() + pause;
    keep(&shared.services, Op::DelayNotice { id, due }).await;
}

async fn keep(services: &Services, op: Op) {
    let kept = services.journal.commit(Change::new().with(op), None).await;
    match kept {
        // Without a journal this process ends, and the next one finds it in the outbox.
        Ok(_) | Err(JournalError::Stopped) => {}
        Err(error) => {
            tracing::warn!(%error, "the outbox could not be written; the revocation is tried again");
        }
    }
}
