//! Certificates that were renewed, revoked some time after: where a profile wants that.
//!
//! How far a profile's certificates were looked at is a setting in the store, written in the same change as the revocations.
//! A profile that begins to want this begins at that moment; what was renewed before stays as it is.

use crate::revocation::{By, RevokeError, commit, event};
use crate::shared::Services;
use chrono::{DateTime, TimeDelta, Utc};
use pki::RevocationReason;
use std::collections::{BTreeMap, BTreeSet};
use store::{CaId, CertificateQuery, CertificateRecord, Change, Op, Store};

/// The settings that say how far a profile's certificates were looked at.
const PREFIX: &str = "superseded until/";

/// Renewals that are looked at in one step.
const AT_ONCE: u32 = 500;

/// A profile that wants it.
#[derive(Debug, Clone)]
pub struct Superseding {
    /// The SCEP profile.
    pub profile: String,
    /// How long after its renewal a certificate is revoked.
    pub after: TimeDelta,
}

/// Why it was broken off. What was done until then is durable.
#[derive(Debug, thiserror::Error)]
pub enum SupersedeError {
    /// The store cannot be read.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The revocations were not made.
    #[error("{0}")]
    Revoke(#[from] RevokeError),
    /// The server ends.
    #[error("{0}")]
    BrokenOff(#[from] tokio::task::JoinError),
}

/// What one step found.
struct Step {
    /// Certificates that were renewed and are still good.
    superseded: Vec<CertificateRecord>,
    /// Up to when it looked.
    until: DateTime<Utc>,
    /// Whether there is more to look at.
    more: bool,
}

/// Revokes what was renewed long enough ago. Says how many certificates that were.
///
/// # Errors
/// [`SupersedeError`].
pub async fn supersede(
    services: &Services,
    wanted: &[Superseding],
) -> Result<usize, SupersedeError> {
    forget_others(services, wanted).await?;
    let mut count = 0;
    for one in wanted {
        // By the time that has surely passed: a clock that is ahead revokes nothing.
        let Some(until) = services.time.now().passed().checked_sub_signed(one.after) else {
            continue;
        };
        loop {
            let (store, profile, now) = (
                services.store.clone(),
                one.profile.clone(),
                services.clock.now(),
            );
            let after = one.after;
            let looking = move || look(&*store, &profile, after, until, now);
            let mut step = tokio::task::spawn_blocking(looking).await??;
            // A CA that is somewhere else has to be asked itself: that is the operator's.
            let is_here = |record: &CertificateRecord| services.remotes.of(&record.ca).is_none();
            step.superseded.retain(is_here);
            let (done, more) = (step.superseded.len(), step.more);
            carry_out(services, &one.profile, step, now).await?;
            count += done;
            if !more {
                break;
            }
        }
    }
    Ok(count)
}

/// A profile that does not want it any more begins anew should it want it again.
async fn forget_others(services: &Services, wanted: &[Superseding]) -> Result<(), SupersedeError> {
    let store = services.store.clone();
    let kept = tokio::task::spawn_blocking(move || store.settings(PREFIX)).await??;
    let mut change = Change::new();
    for (name, _) in kept {
        if !wanted.iter().any(|one| key(&one.profile) == name) {
            change.push(Op::DeleteSetting { key: name });
        }
    }
    if !change.0.is_empty() {
        commit(services, change).await?;
    }
    Ok(())
}

fn look(
    store: &dyn Store,
    profile: &str,
    after: TimeDelta,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Step, SupersedeError> {
    let kept = store.setting(&key(profile))?;
    let from = kept.and_then(|octets| Some(i64::from_be_bytes(octets.try_into().ok()?)));
    let from = from.and_then(DateTime::from_timestamp_micros);
    let Some(from) = from else {
        // It begins now.
        return Ok(Step {
            superseded: Vec::new(),
            until: until + after,
            more: false,
        });
    };
    let mut query = CertificateQuery {
        profile: Some(profile.to_owned()),
        since: Some(from),
        until: Some(until.max(from)),
        per_page: AT_ONCE,
        page: 1,
        ..CertificateQuery::default()
    };
    let first = store.certificates(&query, now)?;
    // The newest come first: the oldest are on the last page.
    let pages = first.total.div_ceil(u64::from(AT_ONCE)).max(1);
    query.page = u32::try_from(pages).unwrap_or(u32::MAX);
    let page = match query.page {
        1 => first,
        _ => store.certificates(&query, now)?,
    };
    let more = pages > 1;
    let newest = page.data.first().map(|record| record.issued_at);
    let mut superseded = Vec::new();
    let mut known = BTreeSet::new();
    for renewal in &page.data {
        let Some(serial) = renewal
            .renews
            .as_ref()
            .filter(|_| renewal.revoked.is_none())
        else {
            continue;
        };
        for record in store.certificates_with_serial(serial)? {
            let good = record.revoked.is_none() && now < record.not_after;
            let its_own = record.profile == renewal.profile && record.serial != renewal.serial;
            if good && its_own && known.insert((record.ca, record.serial.clone())) {
                superseded.push(record);
            }
        }
    }
    let until = match newest.filter(|_| more) {
        // The next step begins with what was issued at the same moment.
        Some(newest) if newest > from => newest,
        Some(_) => from + TimeDelta::microseconds(1),
        None => until.max(from),
    };
    Ok(Step {
        superseded,
        until,
        more,
    })
}

async fn carry_out(
    services: &Services,
    profile: &str,
    step: Step,
    now: DateTime<Utc>,
) -> Result<(), SupersedeError> {
    let reason = RevocationReason::Superseded;
    let words = (reason.name(), "certificate revoked: it was renewed");
    let mut change = Change::new();
    for record in &step.superseded {
        change.push(Op::Revoke {
            ca: record.ca,
            serial: record.serial.clone(),
            at: now,
            reason: reason.number(),
        });
        change.push(event("cert_revoke", words, record, By::system(), now));
    }
    change.push(Op::PutSetting {
        key: key(profile),
        value: step.until.timestamp_micros().to_be_bytes().to_vec(),
    });
    commit(services, change).await?;
    let mut serials: BTreeMap<CaId, Vec<&[u8]>> = BTreeMap::new();
    for record in &step.superseded {
        let of_ca = serials.entry(record.ca).or_default();
        of_ca.push(&record.serial);
    }
    for (ca, serials) in serials {
        services.crls.changed(&ca, &serials);
    }
    Ok(())
}

fn key(profile: &str) -> String {
    format!("{PREFIX}{profile}")
}
