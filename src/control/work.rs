//! Orders carried out on a store.

use std::io;
use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::{
    AuditCheck, AuditFault, Change, ClockReading, Store, StoredEvent, TokenRecord, TokenRole,
    VerifyReport,
};

use super::{Answer, Checked, Order, WaitingRevocation, import};
use crate::auth::TokenError;
use crate::auth::tokens::{self, By, Wanted};

/// Takes the lines of an export; an error ends it.
pub type Sink<'a> = &'a mut dyn FnMut(&str) -> io::Result<()>;

/// Works a change of tokens out: the answer, and what must be durable before it is given. `None` for orders that
/// change nothing.
///
/// # Errors
/// [`TokenError`].
pub fn change(
    order: &Order,
    known: &[TokenRecord],
    by: &By,
    now: DateTime<Utc>,
) -> Result<Option<(Answer, Change)>, TokenError> {
    match order {
        Order::CreateToken {
            name,
            role,
            profile,
            days,
        } => {
            let role = match role {
                api::Role::Admin => TokenRole::Admin,
                api::Role::Viewer => TokenRole::Viewer,
                api::Role::Challenge => TokenRole::Challenge,
            };
            let minted = tokens::mint(
                &Wanted {
                    name: name.clone(),
                    role,
                    profile: profile.clone(),
                    days: *days,
                },
                known,
                by,
                now,
            )?;
            let created = api::TokenCreated {
                secret: minted.secret.expose().to_owned(),
                token: tokens::shown(&minted.record),
            };
            Ok(Some((Answer::Created(created), minted.change)))
        }
        Order::RevokeToken { token } => {
            let (record, change) = tokens::revoke(token, known, by, now)?;
            Ok(Some((Answer::Revoked(tokens::shown(&record)), change)))
        }
        Order::ListTokens
        | Order::VerifyAudit
        | Order::ExportAudit { .. }
        | Order::WaitingRevocations { .. }
        | Order::VerifyStore
        | Order::ImportCertificates(_)
        | Order::CreateChallenge(_)
        | Order::ListChallenges { .. }
        | Order::WithdrawChallenge { .. }
        | Order::ChangeCertificates(_)
        | Order::DecideRevocations { .. } => Ok(None),
    }
}

/// Carries out an order that changes nothing. Blocks on the store. `None` for the others.
///
/// # Errors
/// The store's, or the sink's.
pub fn read(store: &dyn Store, order: &Order, sink: Sink<'_>) -> Result<Option<Answer>, ReadError> {
    Ok(Some(match order {
        Order::ListTokens => {
            Answer::Tokens(store.tokens().iter().rev().map(tokens::shown).collect())
        }
        Order::VerifyAudit => {
            let check = store.audit_verify()?;
            Answer::Checked(checked(check.is_good(), audit_words(&check), &check)?)
        }
        Order::VerifyStore => {
            let report = store.verify()?;
            Answer::Checked(checked(report.is_good(), store_words(&report), &report)?)
        }
        Order::ExportAudit {
            from_id,
            since,
            until,
        } => {
            let events = export(store, *from_id, (*since, *until), sink)?;
            Answer::Exported { events }
        }
        Order::WaitingRevocations { issuer } => {
            let events = waiting_revocations(store, issuer, sink)?;
            Answer::Exported { events }
        }
        Order::CreateToken { .. }
        | Order::RevokeToken { .. }
        | Order::ImportCertificates(_)
        | Order::CreateChallenge(_)
        | Order::ListChallenges { .. }
        | Order::WithdrawChallenge { .. }
        | Order::ChangeCertificates(_)
        | Order::DecideRevocations { .. } => return Ok(None),
    }))
}

/// Why an order that reads was broken off.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error("the store cannot be read: {0}")]
    Store(#[from] store::Error),
    /// What was read could not be passed on.
    #[error("the events cannot be passed on: {0}")]
    Sink(#[from] io::Error),
    /// What was read could not be written as JSON.
    #[error("what was read cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Carries out an order on a store that nobody else has open.
///
/// # Errors
/// Why it was not done, in words.
pub fn alone(
    store: &dyn Store,
    order: &Order,
    by: &By,
    clocks: ClockReading,
    sink: Sink<'_>,
) -> Result<Answer, String> {
    if let Some(answer) = read(store, order, sink).map_err(|error| error.to_string())? {
        return Ok(answer);
    }
    let (answer, change) = if let Order::ImportCertificates(import) = order {
        let prepared = import::prepare(store, import, by, clocks.wall)?;
        (Answer::Imported(prepared.counts), prepared.change)
    } else {
        let worked_out =
            change(order, &store.tokens(), by, clocks.wall).map_err(|error| error.to_string())?;
        worked_out.ok_or("this order is not known")?
    };
    if change.0.is_empty() {
        return Ok(answer);
    }
    let kept = store
        .commit(&[change], store.time(clocks))
        .map_err(|error| error.to_string())?;
    kept.into_iter()
        .try_for_each(|one| one.map(drop))
        .map_err(|conflict| conflict.to_string())?;
    Ok(answer)
}

fn waiting_revocations(store: &dyn Store, issuer: &str, sink: Sink<'_>) -> Result<u64, ReadError> {
    let mut given = 0;
    for (since, order) in actors::waiting_revocations(store)? {
        let record = store.certificate(&order.ca, order.serial.as_bytes())?;
        // One that is gone, or was revoked meanwhile, waits for nobody.
        let Some(record) = record.filter(|record| record.revoked.is_none()) else {
            continue;
        };
        if record.issuer_id != issuer {
            continue;
        }
        sink(&serde_json::to_string(&WaitingRevocation {
            serial: order.serial.to_hex(),
            reason: order.reason as u8,
            since,
            by: order.by,
            common_name: record.common_name,
        })?)?;
        given += 1;
    }
    Ok(given)
}

fn export(
    store: &dyn Store,
    from_id: u64,
    (since, until): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    sink: Sink<'_>,
) -> Result<u64, ReadError> {
    let mut events = 0_u64;
    let mut failed = None;
    let mut pass_on = |event: &StoredEvent| -> Result<(), ReadError> {
        sink(&serde_json::to_string(event)?)?;
        events += 1;
        Ok(())
    };
    store.audit_each(from_id, &mut |event| {
        let at = event.event.timestamp;
        if since.is_some_and(|since| at < since) || until.is_some_and(|until| at >= until) {
            return ControlFlow::Continue(());
        }
        match pass_on(&event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(events), Err)
}

fn checked<T: Serialize>(good: bool, words: Vec<String>, report: &T) -> Result<Checked, ReadError> {
    Ok(Checked {
        good,
        words,
        report: serde_json::to_value(report)?,
    })
}

fn audit_words(check: &AuditCheck) -> Vec<String> {
    let mut words: Vec<String> = check.faults.iter().map(ToString::to_string).collect();
    words.extend(check.anchor.as_ref().and_then(|anchor| {
        let (id, at) = (anchor.id, anchor.pruned_at);
        match anchor.named_by {
            Some(by) => Some(format!(
                "events up to {id} were let go on {at}, as audit.retention says; event {by} records it"
            )),
            // The fault says it.
            None if check.faults.contains(&AuditFault::Unrecorded { id }) => None,
            None => Some(format!(
                "events up to {id} were let go on {at} by an earlier version of scepd, which recorded no event of it"
            )),
        }
    }));
    words.push(match check.first_id {
        Some(first) => format!(
            "{} audit events checked, {first} to {}; the chain's head is {}",
            check.checked,
            check.last_id,
            hex::encode(check.head)
        ),
        None => "there are no audit events".to_owned(),
    });
    words
}

fn store_words(report: &VerifyReport) -> Vec<String> {
    let mut words: Vec<String> = report
        .faults
        .iter()
        .map(|fault| format!("{}: {}", fault.record, fault.problem))
        .collect();
    let sizes = &report.sizes;
    words.push(format!(
        "{} records read, schema {}: {} certificates, {} requests ({} open), {} tokens, {} replay marks, {} rate marks, {} bytes on disk",
        report.records,
        report.schema_version,
        sizes.certificates,
        sizes.transactions,
        sizes.pending,
        sizes.tokens,
        report.replay_marks,
        report.rate_marks,
        sizes.disk_bytes,
    ));
    words.extend(audit_words(&report.audit));
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn words(named_by: Option<u64>, faults: Vec<AuditFault>) -> Vec<String> {
        audit_words(&AuditCheck {
            checked: 2,
            first_id: Some(5),
            last_id: 6,
            head: [0xab; 32],
            anchor: Some(store::AuditAnchor {
                id: 4,
                digest: [0; 32],
                pruned_at: DateTime::UNIX_EPOCH,
                named_by,
            }),
            faults,
        })
    }

    #[test]
    fn what_was_let_go_is_said_by_whom_it_is_known_from() {
        let recorded = words(Some(6), Vec::new());
        assert_eq!(
            recorded[0],
            "events up to 4 were let go on 1970-01-01 00:00:00 UTC, as audit.retention says; event 6 records it"
        );
        assert!(recorded[1].starts_with("2 audit events checked, 5 to 6;"));
        let earlier = words(None, Vec::new());
        assert_eq!(
            earlier[0],
            "events up to 4 were let go on 1970-01-01 00:00:00 UTC by an earlier version of scepd, which recorded no event of it"
        );
    }

    #[test]
    fn what_is_gone_without_an_event_was_not_let_go() {
        let words = words(None, vec![AuditFault::Unrecorded { id: 4 }]);
        assert_eq!(words.len(), 2, "{words:?}");
        assert_eq!(
            words[0],
            "the events up to 4 are gone, and no event says that they were let go"
        );
    }
}
