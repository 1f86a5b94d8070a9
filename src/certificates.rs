//! Issued certificates, as the admin API and the command line show them and change many at once.

use std::collections::BTreeMap;

use actors::{Act, BulkError, By, Directory, Selection, Services, change_many, elsewhere, select};
use api::profiles::days_to_expiry;
use api::{
    BulkAction, BulkReply, BulkRequest, CertificateSelection, CertificateStatus, ProfileCount,
    RevocationReason,
};
use chrono::{DateTime, Utc};
use pki::Serial;
use store::{CaId, CertificateRecord};

/// Certificates that a preview shows.
const SHOWN: usize = 10;

/// Why many certificates were not changed, or not counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotChanged {
    /// There are too many serial numbers.
    #[error("there are {found} serials; at most {most} are taken at once")]
    TooManySerials {
        /// How many there are.
        found: usize,
        /// How many are taken.
        most: usize,
    },
    /// That is no serial number.
    #[error("{0:?} is no serial number: write it in hex")]
    NoSerial(String),
    /// As it says.
    #[error(transparent)]
    Bulk(#[from] BulkError),
}

/// Changes many certificates, or counts those that would be changed where the request does not say how many are expected.
/// At most `most_serials` serial numbers are taken.
///
/// # Errors
/// [`NotChanged`]; then nothing has changed.
pub(crate) async fn change(
    services: &Services,
    directory: &Directory,
    request: BulkRequest,
    most_serials: usize,
    by: By,
) -> Result<BulkReply, NotChanged> {
    let act = match request.action {
        BulkAction::Revoke => Act::Revoke(reason_meant(request.reason.unwrap_or_default())),
        BulkAction::Release => Act::Release,
    };
    let selection = selection(directory, request.selection, most_serials)?;
    let Some(expected) = request.expected else {
        return preview(services, selection, act).await;
    };
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    let done = change_many(services, selection, act, Some(expected), by).await?;
    Ok(BulkReply {
        done: true,
        count: done.count as u64,
        ordered: done.ordered as u64,
        profiles: Vec::new(),
        newest: Vec::new(),
        at: Some(done.at),
    })
}

async fn preview(
    services: &Services,
    selection: Selection,
    act: Act,
) -> Result<BulkReply, NotChanged> {
    let (store, now) = (services.store.clone(), services.clock.now());
    let looking = move || select(&*store, &selection, act, now);
    let found = tokio::task::spawn_blocking(looking)
        .await
        .map_err(BulkError::from)??;
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
    let newest = found.iter().take(SHOWN);
    Ok(BulkReply {
        done: false,
        count: found.len() as u64,
        ordered: elsewhere(services, &found) as u64,
        profiles,
        newest: newest.map(|record| shown(record, now)).collect(),
        at: None,
    })
}

fn selection(
    directory: &Directory,
    asked: CertificateSelection,
    most_serials: usize,
) -> Result<Selection, NotChanged> {
    let found = asked.serials.len();
    if found > most_serials {
        return Err(NotChanged::TooManySerials {
            found,
            most: most_serials,
        });
    }
    let mut serials = Vec::with_capacity(found);
    for text in asked.serials {
        let readings = Serial::readings(&text);
        if readings.is_empty() {
            return Err(NotChanged::NoSerial(text));
        }
        serials.extend(readings);
    }
    let issuer_id = asked.issuer_id;
    Ok(Selection {
        ca: issuer_id.as_deref().and_then(|id| ca_named(directory, id)),
        issuer_id,
        profile: asked.profile,
        device: asked.device,
        q: asked.q,
        issued_since: asked.issued_since,
        issued_before: asked.issued_before,
        serials,
        revoked_at: asked.revoked_at,
    })
}

/// The CA of the issuer that the configuration calls so, as far as a profile uses it.
pub(crate) fn ca_named(directory: &Directory, issuer_id: &str) -> Option<CaId> {
    let profiles = directory.all();
    let mut profiles = profiles.values().map(|entry| entry.current());
    let named = profiles.find(|current| current.spec.issuer.id() == issuer_id)?;
    Some(CaId::of_ca(named.spec.issuer.authority().certificate()))
}

/// A certificate as lists show it.
pub(crate) fn shown(record: &CertificateRecord, now: DateTime<Utc>) -> api::Certificate {
    let status = if record.revoked.is_some() {
        CertificateStatus::Revoked
    } else if record.not_after < now {
        CertificateStatus::Expired
    } else {
        CertificateStatus::Valid
    };
    api::Certificate {
        issuer_id: record.issuer_id.clone(),
        serial: hex::encode(&record.serial),
        profile: record.profile.clone(),
        common_name: record.common_name.clone(),
        sans: record.sans.clone(),
        not_before: record.not_before,
        not_after: record.not_after,
        days_to_expiry: days_to_expiry(record.not_after, now),
        issued_at: record.issued_at,
        status,
        transaction_id: Some(record.transaction_id.clone()).filter(|id| !id.is_empty()),
        device: record.device.clone(),
        revoked_at: record.revoked.map(|revocation| revocation.at),
        revocation_reason: record
            .revoked
            .map(|revocation| reason_shown(revocation.reason)),
    }
}

pub(crate) fn reason_meant(reason: RevocationReason) -> pki::RevocationReason {
    match reason {
        RevocationReason::Unspecified => pki::RevocationReason::Unspecified,
        RevocationReason::KeyCompromise => pki::RevocationReason::KeyCompromise,
        RevocationReason::CaCompromise => pki::RevocationReason::CaCompromise,
        RevocationReason::AffiliationChanged => pki::RevocationReason::AffiliationChanged,
        RevocationReason::Superseded => pki::RevocationReason::Superseded,
        RevocationReason::CessationOfOperation => pki::RevocationReason::CessationOfOperation,
        RevocationReason::PrivilegeWithdrawn => pki::RevocationReason::PrivilegeWithdrawn,
        RevocationReason::CertificateHold => pki::RevocationReason::CertificateHold,
    }
}

fn reason_shown(number: u8) -> RevocationReason {
    match pki::RevocationReason::from_number(number) {
        Some(pki::RevocationReason::KeyCompromise) => RevocationReason::KeyCompromise,
        Some(pki::RevocationReason::CaCompromise) => RevocationReason::CaCompromise,
        Some(pki::RevocationReason::AffiliationChanged) => RevocationReason::AffiliationChanged,
        Some(pki::RevocationReason::Superseded) => RevocationReason::Superseded,
        Some(pki::RevocationReason::CessationOfOperation) => RevocationReason::CessationOfOperation,
        Some(pki::RevocationReason::PrivilegeWithdrawn) => RevocationReason::PrivilegeWithdrawn,
        Some(pki::RevocationReason::CertificateHold) => RevocationReason::CertificateHold,
        _ => RevocationReason::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_survive_the_way_through_the_store() {
        for reason in [
            RevocationReason::Unspecified,
            RevocationReason::KeyCompromise,
            RevocationReason::CaCompromise,
            RevocationReason::AffiliationChanged,
            RevocationReason::Superseded,
            RevocationReason::CessationOfOperation,
            RevocationReason::PrivilegeWithdrawn,
            RevocationReason::CertificateHold,
        ] {
            assert_eq!(reason_shown(reason_meant(reason).number()), reason);
        }
        assert_eq!(reason_shown(99), RevocationReason::Unspecified);
    }
}
