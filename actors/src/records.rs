//! What an enrollment leaves in the store.

use crate::context::Context;
use crate::enrollment::{Candidate, Marks};
use crate::messages::Origin;
use crate::shared::Shared;
use challenge::SignedChallenges;
use chrono::{DateTime, TimeDelta, Utc};
use issuer::Issuer;
use pki::Certificate;
use store::{
    CaId, CertificateRecord, Change, EnrollmentRecord, Grounds, Reservation, Stage, Times,
};

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
) -> EnrollmentRecord {
    let stage = Stage::Issued {
        ca: ca_of(&*shared.spec.issuer, certificate),
        serial: certificate.serial().as_bytes().to_vec(),
    };
    let times = Times {
        validated: Some(now),
        issued: Some(now),
        ..Times::starting(now)
    };
    EnrollmentRecord {
        times,
        ..enrollment(shared, origin, candidate, stage, now)
    }
}

pub(crate) fn pending(
    shared: &Shared,
    origin: &Origin,
    candidate: &Candidate,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    let limit = shared
        .spec
        .approval
        .and_then(|limit| TimeDelta::from_std(limit).ok());
    let until = limit.and_then(|limit| now.checked_add_signed(limit));
    let claim = candidate.claim();
    let record = enrollment(
        shared,
        origin,
        candidate,
        Stage::AwaitingApproval { until },
        now,
    );
    EnrollmentRecord {
        needs_approval: true,
        due: until,
        csr: Some(candidate.csr.der().to_vec()),
        context: Context::of_candidate(origin, candidate).octets(),
        grounds: Grounds {
            claim: claim.and_then(|claim| serde_json::to_value(claim).ok()),
            ..record.grounds
        },
        times: Times {
            validated: Some(now),
            ..Times::starting(now)
        },
        ..record
    }
}

fn enrollment(
    shared: &Shared,
    origin: &Origin,
    candidate: &Candidate,
    stage: Stage,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    EnrollmentRecord {
        profile: shared.spec.path_id.clone(),
        key: candidate.key,
        poll_key: candidate.poll_key,
        version: candidate
            .known
            .as_ref()
            .map_or(0, |known| known.version_under(&shared.spec.path_id)),
        stage,
        needs_approval: false,
        transaction_id: candidate.reply.transaction_id.clone().unwrap_or_default(),
        message_type: message_type(candidate),
        common_name: common_name(candidate),
        sans: candidate.csr.sans().to_string(),
        source_ip: Some(origin.source),
        csr: None,
        grounds: grounds(candidate),
        context: None,
        due: None,
        attempts: 0,
        lease: None,
        times: Times::starting(now),
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
pub(crate) fn push_joined(change: &mut Change, context: &Context, decided: &EnrollmentRecord) {
    for joined in &context.joined {
        change.push(EnrollmentRecord {
            version: joined.version,
            key: joined.key,
            poll_key: joined.poll,
            transaction_id: joined.transaction_id.clone(),
            message_type: joined.message_type,
            ..decided.clone()
        });
    }
}

/// Who vouched, without what the challenge says in full.
fn grounds(candidate: &Candidate) -> Grounds {
    let evidence = candidate.evidence.as_ref().ok();
    Grounds {
        validator: evidence.map_or_else(String::new, |evidence| evidence.validator.clone()),
        device: device(candidate),
        claim: None,
        claim_issuer: candidate.claim().map(|claim| claim.iss.clone()),
        vouched_sid: evidence.and_then(|evidence| evidence.proven.grounds.sid.clone()),
        renews: candidate
            .renews
            .as_ref()
            .map(|serial| serial.as_bytes().to_vec()),
    }
}

/// A decided enrollment: what only mattered while it was open is left out. `context` is what it keeps of its own.
pub(crate) fn decided(
    record: EnrollmentRecord,
    stage: Stage,
    context: Option<Vec<u8>>,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    let issued = matches!(stage, Stage::Issued { .. }).then_some(now);
    EnrollmentRecord {
        stage,
        csr: None,
        context,
        due: None,
        lease: None,
        grounds: Grounds {
            claim: None,
            ..record.grounds
        },
        times: Times {
            updated: now,
            issued,
            ..record.times
        },
        ..record
    }
}

/// The CA that signed a certificate of this issuer.
pub(crate) fn ca_of(issuer: &dyn Issuer, certificate: &Certificate) -> CaId {
    CaId::of_issuer(certificate).unwrap_or_else(|| CaId::of_ca(issuer.authority().certificate()))
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
        ca: ca_of(&*shared.spec.issuer, certificate),
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
