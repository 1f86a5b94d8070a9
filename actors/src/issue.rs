//! The one way to issue: what a certificate leaves in the store, whoever asked for it.

use crate::audit;
use crate::context::Context;
use crate::records::{ca_of, certificate_of_transaction, decided, push_joined};
use crate::shared::Shared;
use chrono::{DateTime, Utc};
use pki::{Certificate, RevocationReason};
use store::{
    AuditDetails, AuditEvent, CertificateRecord, Change, EnrollmentRecord, Outcome, Stage, Times,
};

/// What a certificate leaves in the store: itself, the decided enrollment, and the event. There is no other way to issue.
pub(crate) fn change(
    shared: &Shared,
    record: &EnrollmentRecord,
    context: &Context,
    issued: &Issued<'_>,
    now: DateTime<Utc>,
) -> (Change, EnrollmentRecord) {
    let certificate = issued.certificate;
    let serial = certificate.serial();
    let stage = Stage::Issued {
        ca: ca_of(&*shared.spec.issuer, certificate),
        serial: serial.as_bytes().to_vec(),
    };
    let told_first = issued.is_told_first;
    let mut event = audit::of_issued(shared, record, context, issued.message, now);
    audit::about_certificate(&mut event, serial.to_hex());
    event.details.note = (!issued.notes.is_empty()).then(|| issued.notes.join("; "));
    let stored = CertificateRecord {
        device: record.grounds.device.clone(),
        renews: record.grounds.renews.clone(),
        through_gates: Some(issued.through_gates),
        ..certificate_of_transaction(shared, certificate, &record.transaction_id, now)
    };
    let kept = match told_first {
        false => decided(record.clone(), stage, None, now),
        true => made_but_kept(record.clone(), stage, context, now),
    };
    let mut change = Change::new().with(stored).with(kept.clone());
    if !told_first {
        push_joined(&mut change, context, &kept);
    }
    (change.with(event), kept)
}

/// An enrollment whose certificate is made and does not leave yet.
fn made_but_kept(
    record: EnrollmentRecord,
    stage: Stage,
    context: &Context,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    let stage = match stage {
        Stage::Issued { ca, serial } => Stage::Notifying { ca, serial },
        stage => stage,
    };
    EnrollmentRecord {
        stage,
        context: context.octets(),
        attempts: 0,
        times: Times {
            updated: now,
            issued: Some(now),
            ..record.times
        },
        ..record
    }
}

/// A new certificate, and what the event says of it.
pub(crate) struct Issued<'a> {
    pub(crate) certificate: &'a Certificate,
    pub(crate) message: &'static str,
    pub(crate) notes: &'a [String],
    /// Whether the gates let the device in, now or when it first came.
    pub(crate) through_gates: bool,
    /// Whether somebody outside must know of it before it leaves.
    pub(crate) is_told_first: bool,
}

/// A certificate was revoked before it left.
pub(crate) fn revoked_unseen(
    shared: &Shared,
    record: &CertificateRecord,
    why: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let serial = hex::encode(&record.serial);
    AuditEvent {
        timestamp: now,
        actor: "scepd".to_owned(),
        actor_type: "System".to_owned(),
        action: "cert_revoke".to_owned(),
        resource_type: "certificate".to_owned(),
        resource_id: serial.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            reason: Some(RevocationReason::CessationOfOperation.name().to_owned()),
            message: Some(format!(
                "certificate revoked before it was delivered: {why}"
            )),
            profile: Some(shared.spec.path_id.clone()),
            issuer_id: Some(record.issuer_id.clone()),
            serial: Some(serial),
            common_name: Some(record.common_name.clone()),
            sans: (!record.sans.is_empty()).then(|| record.sans.clone()),
            transaction_id: Some(record.transaction_id.clone()),
            device: record.device.clone(),
            ..AuditDetails::default()
        },
    }
}
