//! The one way to issue: what a certificate leaves in the store, whoever asked for it.

use crate::audit;
use crate::context::Context;
use crate::records::{ca_of, certificate_of_transaction, decided, push_joined};
use crate::shared::Shared;
use chrono::{DateTime, Utc};
use pki::Certificate;
use store::{CertificateRecord, Change, EnrollmentRecord, Stage};

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
    let mut event = audit::of_issued(shared, record, context, issued.message, now);
    audit::about_certificate(&mut event, serial.to_hex());
    event.details.note = (!issued.notes.is_empty()).then(|| issued.notes.join("; "));
    let stored = CertificateRecord {
        device: record.grounds.device.clone(),
        renews: record.grounds.renews.clone(),
        through_gates: Some(issued.through_gates),
        ..certificate_of_transaction(shared, certificate, &record.transaction_id, now)
    };
    let ended = decided(record.clone(), stage, None, now);
    let mut change = Change::new().with(stored).with(ended.clone());
    push_joined(&mut change, context, &ended);
    (change.with(event), ended)
}

/// A new certificate, and what the event says of it.
pub(crate) struct Issued<'a> {
    pub(crate) certificate: &'a Certificate,
    pub(crate) message: &'static str,
    pub(crate) notes: &'a [String],
    /// Whether the gates let the device in, now or when it first came.
    pub(crate) through_gates: bool,
}
