//! What an enrollment leaves in the store.

use crate::context::Context;
use crate::enrollment::{Candidate, Marks};
use crate::messages::Origin;
use crate::shared::Shared;
use challenge::SignedChallenges;
use chrono::{DateTime, TimeDelta, Utc};
use pki::Certificate;
use store::{CertificateRecord, Change, Reservation, TransactionRecord, TransactionState};

/// messageType PKCSReq (RFC 8894 section 3.2.1.2).
const PKCS_REQ: u8 = 19;

/// messageType RenewalReq.
pub(crate) const RENEWAL_REQ: u8 = 17;

/// For how long an enrollment counts for its device (gate 8).
pub(crate) const RATE_WINDOW: TimeDelta = SignedChallenges::RATE_WINDOW;

pub(crate) fn issued(
    shared: &Shared,
    origin: &Origin,
    candidate: &Candidate,
    certificate: &Certificate,
    now: DateTime<Utc>,
) -> TransactionRecord {
    let state = TransactionState::Issued {
        issuer_id: shared.spec.issuer.id().to_owned(),
        serial: certificate.serial().as_bytes().to_vec(),
    };
    TransactionRecord {
        state,
        csr: None,
        ..transaction(shared, origin, candidate, now)
    }
}

pub(crate) fn pending(
    shared: &Shared,
    origin: &Origin,
    candidate: &Candidate,
    now: DateTime<Utc>,
) -> TransactionRecord {
    let limit = shared
        .spec
        .approval
        .and_then(|limit| TimeDelta::from_std(limit).ok());
    let deadline = limit.and_then(|limit| now.checked_add_signed(limit));
    let record = transaction(shared, origin, candidate, now);
    // A pending request always has its end, so that "went through approval" can be seen later.
    TransactionRecord {
        deadline: Some(deadline.unwrap_or(DateTime::<Utc>::MAX_UTC)),
        context: Context::of_candidate(origin, candidate).octets(),
        ..record
    }
}

fn transaction(
    shared: &Shared,
    origin: &Origin,
    candidate: &Candidate,
    now: DateTime<Utc>,
) -> TransactionRecord {
    TransactionRecord {
        profile: shared.spec.path_id.clone(),
        key: candidate.key,
        poll_key: candidate.poll_key,
        state: TransactionState::Pending,
        transaction_id: candidate.reply.transaction_id.clone().unwrap_or_default(),
        message_type: message_type(candidate),
        created_at: now,
        updated_at: now,
        deadline: None,
        common_name: common_name(candidate),
        sans: candidate.csr.sans().to_string(),
        device: device(candidate),
        source_ip: Some(origin.source),
        csr: Some(candidate.csr.der().to_vec()),
        context: None,
    }
}

/// The messageType's number.
pub(crate) fn message_type(candidate: &Candidate) -> u8 {
    if candidate.is_renewal_message() {
        RENEWAL_REQ
    } else {
        PKCS_REQ
    }
}

/// The transactions that waited together with one that was decided on: they end as it did.
pub(crate) fn push_joined(change: &mut Change, context: &Context, decided: &TransactionRecord) {
    for joined in &context.joined {
        change.push(TransactionRecord {
            key: joined.key,
            poll_key: joined.poll,
            transaction_id: joined.transaction_id.clone(),
            message_type: joined.message_type,
            ..decided.clone()
        });
    }
}

pub(crate) fn certificate(
    shared: &Shared,
    candidate: &Candidate,
    certificate: &Certificate,
    now: DateTime<Utc>,
) -> CertificateRecord {
    CertificateRecord {
        device: device(candidate),
        renews: candidate
            .renews
            .as_ref()
            .map(|serial| serial.as_bytes().to_vec()),
        through_gates: candidate
            .evidence
            .as_ref()
            .ok()
            .map(|evidence| evidence.through_gates),
        ..certificate_of_transaction(
            shared,
            certificate,
            candidate
                .reply
                .transaction_id
                .as_deref()
                .unwrap_or_default(),
            now,
        )
    }
}

pub(crate) fn certificate_of_transaction(
    shared: &Shared,
    certificate: &Certificate,
    transaction_id: &str,
    now: DateTime<Utc>,
) -> CertificateRecord {
    CertificateRecord {
        issuer_id: shared.spec.issuer.id().to_owned(),
        serial: certificate.serial().as_bytes().to_vec(),
        profile: shared.spec.path_id.clone(),
        der: certificate.der().to_vec(),
        common_name: certificate
            .subject()
            .common_name()
            .unwrap_or_default()
            .to_owned(),
        sans: certificate.sans().to_string(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        issued_at: now,
        transaction_id: transaction_id.to_owned(),
        device: None,
        renews: None,
        through_gates: None,
        revoked: None,
    }
}

/// What an enrollment took becomes durable with it.
pub(crate) fn push_marks(change: &mut Change, profile: &str, marks: &Marks) {
    for (key, until) in &marks.once {
        change.push(Reservation::Once {
            scope: profile.to_owned(),
            key: key.0,
            until: *until,
        });
    }
    for device in &marks.quota {
        change.push(Reservation::Quota {
            scope: profile.to_owned(),
            key: device.0,
            at: marks.at,
            limit: marks.limit,
            window: RATE_WINDOW,
        });
    }
}

pub(crate) fn common_name(candidate: &Candidate) -> String {
    candidate
        .csr
        .subject()
        .common_name()
        .unwrap_or_default()
        .to_owned()
}

pub(crate) fn device(candidate: &Candidate) -> Option<String> {
    candidate.device().map(str::to_owned)
}
