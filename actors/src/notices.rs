//! The outbox: what somebody outside must be told is written with what it tells, and sent until it has arrived.

use crate::audit;
use crate::context::Context;
use crate::outside::Called;
use crate::remote_revocation;
use crate::shared::Shared;
use challenge::{Again, Notice, NoticeOf, Validator};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use pki::Csr;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use store::{Change, EnrollmentRecord, Op, StoredNotice};

/// Notices that are read in one go.
const AT_ONCE: usize = 64;

/// Notices that are looked through for the profile's own, where others' are before them.
const FARTHEST: usize = 1 << 16;

/// How often notices are read before the next turn.
const ROUNDS: usize = 64;

/// Notices that are on their way at the same time.
const TOGETHER: usize = 8;

/// For how long a notice is tried, by time that really passed; then it is given up, and the log says so.
const LONGEST: TimeDelta = TimeDelta::days(7);

/// What a notice says, as it is kept.
#[derive(Serialize, Deserialize)]
struct Body {
    transaction_id: String,
    csr: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Vec<u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Who of several vouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// The device, for the audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
}

/// Adds the notice of an enrollment's end to the change that ends it, where its validator is to be told, or somebody is told
/// of every one; and those of the transactions that end with it.
pub(crate) fn push(
    change: &mut Change,
    shared: &Shared,
    record: &EnrollmentRecord,
    end: &NoticeOf,
    now: DateTime<Utc>,
) {
    if let Some(csr) = &record.csr {
        push_one(
            change,
            shared,
            record,
            (record.transaction_id.as_str(), csr.as_slice()),
            end,
            now,
        );
    }
    push_joined(change, shared, record, end, now);
}

/// Adds the notices of the transactions that end with this one.
pub(crate) fn push_joined(
    change: &mut Change,
    shared: &Shared,
    record: &EnrollmentRecord,
    end: &NoticeOf,
    now: DateTime<Utc>,
) {
    for joined in Context::of_record(record).joined {
        if let Some(csr) = &joined.csr {
            let request = (joined.transaction_id.as_str(), csr.as_slice());
            push_one(change, shared, record, request, end, now);
        }
    }
}

fn push_one(
    change: &mut Change,
    shared: &Shared,
    record: &EnrollmentRecord,
    (transaction_id, csr): (&str, &[u8]),
    end: &NoticeOf,
    now: DateTime<Utc>,
) {
    let challenge = Csr::from_der(csr).ok();
    let challenge = challenge.as_ref().and_then(Csr::challenge_password);
    let vouched = shared.validator(challenge).filter(|one| one.is_remote());
    let vouched = vouched.map(Validator::id);
    let others = shared.spec.validators.iter();
    let told = others
        .filter(|one| one.hears_of_all() || vouched == Some(one.id()))
        .map(|one| one.id().to_owned())
        .collect();
    put(
        change,
        shared,
        record,
        (transaction_id, csr),
        told,
        end,
        now,
    );
}

/// Adds the notice of an enrollment that ended in one step, where somebody is told of every one.
pub(crate) fn push_to_all(
    change: &mut Change,
    shared: &Shared,
    record: &EnrollmentRecord,
    csr: &[u8],
    end: &NoticeOf,
    now: DateTime<Utc>,
) {
    let others = shared.spec.validators.iter();
    let told = others
        .filter(|one| one.hears_of_all())
        .map(|one| one.id().to_owned())
        .collect();
    let request = (record.transaction_id.as_str(), csr);
    put(change, shared, record, request, told, end, now);
}

fn put(
    change: &mut Change,
    shared: &Shared,
    record: &EnrollmentRecord,
    (transaction_id, csr): (&str, &[u8]),
    told: Vec<String>,
    end: &NoticeOf,
    now: DateTime<Utc>,
) {
    if told.is_empty() {
        return;
    }
    let (certificate, reason, message) = match end {
        NoticeOf::Issued(der) => (Some(der.clone()), None, None),
        NoticeOf::Refused { reason, message } => {
            (None, Some(reason.clone()), Some(message.clone()))
        }
    };
    let body = Body {
        transaction_id: transaction_id.to_owned(),
        csr: csr.to_vec(),
        certificate,
        reason,
        message,
        by: record.grounds.claim_issuer.clone(),
        device: record.grounds.device.clone(),
    };
    // A body of plain texts and octets can always be written.
    let Ok(body) = serde_json::to_vec(&body) else {
        return;
    };
    for notifier in told {
        change.push(store::Notice {
            profile: shared.spec.path_id.clone(),
            enrollment: Some(record.key),
            notifier,
            body: body.clone(),
            created: now,
            due: shared.passed(),
            attempts: 0,
        });
    }
}

/// Adds the notice of a failure, where the validator had let the device in: of its own refusal it needs none.
pub(crate) fn push_refused(
    change: &mut Change,
    shared: &Shared,
    record: &EnrollmentRecord,
    reason: &str,
    message: &str,
    now: DateTime<Utc>,
) {
    if record.times.validated.is_some() {
        let end = NoticeOf::Refused {
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        push(change, shared, record, &end, now);
    }
}

/// Sends the profile's notices that are due. One that is on its way is not sent a second time: who comes meanwhile waits, or
/// where `turn_away` says so does nothing.
pub(crate) async fn send(shared: &Arc<Shared>, turn_away: bool) {
    let _sending = match shared.outbox.try_lock() {
        Ok(sending) => sending,
        Err(_) if turn_away => return,
        Err(_) => shared.outbox.lock().await,
    };
    let mut most = AT_ONCE;
    for _ in 0..ROUNDS {
        let (store, time) = (
            Arc::clone(&shared.services.store),
            shared.services.time.now(),
        );
        let due = tokio::task::spawn_blocking(move || store.due_notices(time, most)).await;
        let due = match due {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => {
                tracing::warn!(profile = shared.spec.path_id, %error, "the outbox cannot be read");
                return;
            }
            Err(_) => return,
        };
        let may_be_more = due.len() == most;
        let ours = due
            .into_iter()
            .filter(|notice| shared.spec.is_called(&notice.notice.profile));
        let ours: Vec<StoredNotice> = ours.take(AT_ONCE).collect();
        if ours.is_empty() && may_be_more && most < FARTHEST {
            most *= 4;
            continue;
        }
        let done = ours.is_empty() || !may_be_more;
        stream::iter(ours)
            .for_each_concurrent(TOGETHER, |notice| send_one(shared, notice))
            .await;
        if done {
            return;
        }
    }
}

async fn send_one(shared: &Arc<Shared>, StoredNotice { id, notice }: StoredNotice) {
    if notice.notifier == remote_revocation::NOTIFIER {
        return remote_revocation::send(shared, StoredNotice { id, notice }).await;
    }
    let validator = shared.spec.validator_named(&notice.notifier);
    let (Some(validator), Some((told, device))) = (validator, read(&notice.body)) else {
        give_up(
            shared,
            id,
            &notice.notifier,
            "nobody here sends such a notice any more",
        )
        .await;
        return;
    };
    let (clock, rules) = (&*shared.services.clock, &shared.spec.outside);
    let remote = shared.remote(validator.id());
    let called = remote
        .call(clock, rules, validator.notify(&told), |_: &Again| true)
        .await;
    let (why, after) = match called {
        Called::Answered(Ok(words)) => {
            let done = Change::new().with(Op::NoticeDone { id });
            let event = (!words.is_empty()).then(|| {
                audit::notified(
                    shared,
                    &told,
                    device,
                    &notice.notifier,
                    &words,
                    shared.now(),
                )
            });
            let done = match event {
                Some(event) => done.with(event),
                None => done,
            };
            keep(shared, done).await;
            return;
        }
        Called::Answered(Err(again)) => (again.why, again.after),
        Called::TimedOut => ("there was no answer in time".to_owned(), None),
        Called::Closed(wait) => ("nobody is called now".to_owned(), Some(wait)),
    };
    // Never by the wall clock, which may be wrong for a while.
    let passed = shared.passed();
    if passed.signed_duration_since(notice.created) > LONGEST {
        give_up(shared, id, &notice.notifier, &why).await;
        return;
    }
    let pause =
        after.unwrap_or_else(|| rules.pause(notice.attempts.saturating_add(1), clock.chance()));
    let pause =
        TimeDelta::from_std(pause.max(Duration::from_secs(1))).unwrap_or(TimeDelta::minutes(1));
    tracing::debug!(
        profile = shared.spec.path_id,
        notifier = notice.notifier,
        why,
        "a notice is sent again later"
    );
    let due = passed + pause;
    keep(shared, Change::new().with(Op::DelayNotice { id, due })).await;
}

async fn give_up(shared: &Arc<Shared>, id: u64, notifier: &str, why: &str) {
    tracing::error!(
        profile = shared.spec.path_id,
        notifier,
        why,
        "a notice is given up"
    );
    keep(shared, Change::new().with(Op::NoticeDone { id })).await;
}

async fn keep(shared: &Arc<Shared>, change: Change) {
    if let Err(error) = crate::durable::commit(shared, change, None).await {
        tracing::warn!(profile = shared.spec.path_id, %error, "the outbox could not be written; the notice is sent again");
    }
}

/// The notice, and the device that it is about.
fn read(body: &[u8]) -> Option<(Notice, Option<String>)> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let end = match body.certificate {
        Some(certificate) => NoticeOf::Issued(certificate),
        None => NoticeOf::Refused {
            reason: body.reason?,
            message: body.message?,
        },
    };
    let notice = Notice {
        transaction_id: body.transaction_id,
        csr: body.csr,
        by: body.by,
        end,
    };
    Some((notice, body.device))
}
