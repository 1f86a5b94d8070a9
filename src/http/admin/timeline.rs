//! Everything known of one device or transaction, stage by stage.

use api::endpoints::ShowTimeline;
use api::{AuditEvent, CertificateStatus, Outcome, Stage, Timeline, TimelineEntry, TimelineQuery};
use warp::reply::Response;

use super::context::AdminContext;
use super::reply::{self, Problem};
use super::request::{Asked, blocking};
use super::{audit, serials};
use crate::auth::Admin;
use crate::certificates::shown;

/// Events and certificates that one timeline shows at most.
const MOST: u32 = 500;

pub(super) async fn show(
    context: &AdminContext,
    _: &Admin,
    asked: &Asked,
) -> Result<Response, Problem> {
    let query = asked.query::<ShowTimeline>()?;
    let now = context.runtime().services.clock.now();
    let asked_for = [
        &query.device,
        &query.transaction_id,
        &query.serial,
        &query.common_name,
    ];
    if asked_for.iter().all(|name| name.is_none()) {
        // Whose story? Everybody's is the audit.
        return reply::ok::<ShowTimeline>(&Timeline {
            entries: Vec::new(),
            certificates: Vec::new(),
            truncated: false,
            generated_at: now,
        });
    }
    let services = context.runtime().services.clone();
    let (events, certificates, truncated) = blocking(move || {
        let certificates = serials::search(&*services.store, certificates_of(&query), now)?;
        let mut query = query;
        if let Some(serial) = &mut query.serial {
            // The events of the certificate that was found, or of the likeliest number.
            let found = certificates.data.first();
            let found = found.map(|record| hex::encode(&record.serial));
            let number = found.or_else(|| serials::readings(serial).into_iter().next());
            *serial = number.unwrap_or_else(|| serial.clone());
        }
        let events = services.store.audit(&events_of(&query))?;
        let truncated = events.total > u64::from(MOST) || certificates.total > u64::from(MOST);
        let events: Vec<AuditEvent> = events.data.into_iter().map(audit::shown).collect();
        let certificates: Vec<api::Certificate> = certificates
            .data
            .iter()
            .map(|record| shown(record, now))
            .collect();
        Ok((events, certificates, truncated))
    })
    .await?;
    let mut entries: Vec<TimelineEntry> = events.into_iter().map(entry_of_event).collect();
    entries.extend(
        certificates
            .iter()
            .filter_map(|certificate| ending(certificate, now)),
    );
    entries.sort_by_key(|entry| {
        (
            entry.timestamp,
            entry.event.as_ref().map_or(u64::MAX, |event| event.id),
        )
    });
    reply::ok::<ShowTimeline>(&Timeline {
        entries,
        certificates,
        truncated,
        generated_at: now,
    })
}

fn events_of(query: &TimelineQuery) -> store::AuditQuery {
    store::AuditQuery {
        device: query.device.clone(),
        transaction_id: query.transaction_id.clone(),
        serial: query.serial.clone(),
        common_name: query.common_name.clone(),
        profile: query.profile.clone(),
        page: 1,
        per_page: MOST,
        ..store::AuditQuery::default()
    }
}

fn certificates_of(query: &TimelineQuery) -> store::CertificateQuery {
    store::CertificateQuery {
        device: query.device.clone(),
        serial: query.serial.clone(),
        common_name: query.common_name.clone(),
        profile: query.profile.clone(),
        transaction_id: query.transaction_id.clone(),
        page: 1,
        per_page: MOST,
        ..store::CertificateQuery::default()
    }
}

fn entry_of_event(event: AuditEvent) -> TimelineEntry {
    let details = &event.details;
    TimelineEntry {
        timestamp: event.timestamp,
        stage: stage(&event),
        outcome: details.outcome,
        message: details
            .message
            .clone()
            .unwrap_or_else(|| event.action.replace('_', " ")),
        profile: details.profile.clone().unwrap_or_default(),
        serial: details.serial.clone(),
        transaction_id: details.transaction_id.clone(),
        event: Some(event),
    }
}

fn stage(event: &AuditEvent) -> Stage {
    let renewal = event.action.starts_with("scep_renewalreq");
    let enrollment = renewal || event.action.starts_with("scep_pkcsreq");
    match (event.action.as_str(), event.details.outcome) {
        ("scep_outside_attempt", _) => Stage::Asked,
        ("scep_request_approve", _) => Stage::Approved,
        ("scep_request_deny", _) => Stage::Denied,
        ("cert_revoke", _) => Stage::Revoked,
        _ if !enrollment => Stage::Other,
        (_, Some(Outcome::Pending)) => Stage::Pending,
        (_, Some(Outcome::Success)) if renewal => Stage::Renewed,
        (_, Some(Outcome::Success)) => Stage::Issued,
        (_, Some(Outcome::Failure)) => match event.details.reason.as_deref() {
            Some("approval_timeout") => Stage::Lapsed,
            Some("denied") => Stage::Denied,
            _ => Stage::Refused,
        },
        (_, None) => Stage::Other,
    }
}

/// The end of a certificate that was not revoked before it.
fn ending(
    certificate: &api::Certificate,
    now: chrono::DateTime<chrono::Utc>,
) -> Option<TimelineEntry> {
    let message = match certificate.status {
        CertificateStatus::Revoked => return None,
        CertificateStatus::Valid if certificate.not_after >= now => "the certificate expires",
        CertificateStatus::Valid | CertificateStatus::Expired => "the certificate expired",
    };
    Some(TimelineEntry {
        timestamp: certificate.not_after,
        stage: Stage::Expires,
        outcome: None,
        message: message.to_owned(),
        profile: certificate.profile.clone(),
        serial: Some(certificate.serial.clone()),
        transaction_id: certificate.transaction_id.clone(),
        event: None,
    })
}

#[cfg(test)]
mod tests {
    use api::AuditDetails;
    use chrono::{TimeZone, Utc};

    use super::*;

    fn event(action: &str, outcome: Option<Outcome>, reason: &str) -> AuditEvent {
        AuditEvent {
            id: 1,
            timestamp: Utc.timestamp_opt(0, 0).single().unwrap_or_default(),
            actor: "x".to_owned(),
            actor_type: "Device".to_owned(),
            action: action.to_owned(),
            resource_type: "certificate".to_owned(),
            resource_id: String::new(),
            details: AuditDetails {
                outcome,
                reason: Some(reason.to_owned()),
                ..AuditDetails::default()
            },
        }
    }

    #[test]
    fn every_kind_of_event_has_its_stage() {
        use Outcome::{Failure, Pending, Success};
        for (action, outcome, reason, expected) in [
            ("scep_pkcsreq", Some(Success), "", Stage::Issued),
            ("scep_pkcsreq_intune", Some(Success), "", Stage::Issued),
            ("scep_renewalreq", Some(Success), "", Stage::Renewed),
            ("scep_renewalreq_intune", Some(Success), "", Stage::Renewed),
            ("scep_pkcsreq", Some(Pending), "", Stage::Pending),
            (
                "scep_pkcsreq_intune",
                Some(Failure),
                "claim_mismatch",
                Stage::Refused,
            ),
            ("scep_pkcsreq", Some(Failure), "denied", Stage::Denied),
            (
                "scep_pkcsreq",
                Some(Failure),
                "approval_timeout",
                Stage::Lapsed,
            ),
            ("scep_outside_attempt", Some(Pending), "", Stage::Asked),
            ("scep_request_approve", Some(Success), "", Stage::Approved),
            ("scep_request_deny", Some(Success), "", Stage::Denied),
            (
                "cert_revoke",
                Some(Success),
                "keyCompromise",
                Stage::Revoked,
            ),
            ("token_create", Some(Success), "", Stage::Other),
            ("scep_pkcsreq", None, "", Stage::Other),
        ] {
            assert_eq!(
                stage(&event(action, outcome, reason)),
                expected,
                "{action} {outcome:?} {reason}"
            );
        }
    }
}
