//! What an enrollment leaves in the store.

use crate::context::Context;
use crate::enrollment::{Ended, EnrollmentRequest, Reserved};
use crate::messages::Origin;
use crate::shared::Shared;
use challenge::SignedChallenges;
use chrono::{DateTime, TimeDelta, Utc};
use issuer::Issuer;
use pki::Certificate;
use store::{
    CaId, CertificateRecord, Change, EnrollmentRecord, Grounds, Op, Refusal, Reservation, Stage,
    Times,
};

/// messageType PKCSReq (RFC 8894 section 3.2.1.2).
const PKCS_REQ: u8 = 19;

/// messageType RenewalReq.
pub(crate) const RENEWAL_REQ: u8 = 17;

/// For how long an enrollment counts for its device (gate 8).
pub(crate) const RATE_WINDOW: TimeDelta = SignedChallenges::RATE_WINDOW;

/// A new enrollment in its first stage, whose work reaches outside.
pub(crate) fn open(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    stage: Stage,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    let record = enrollment(shared, origin, asked, stage, now);
    let claim = asked.claim();
    let is_vouched = matches!(record.stage, Stage::Issuing { .. });
    EnrollmentRecord {
        csr: Some(asked.csr.der().to_vec()),
        grounds: Grounds {
            claim: claim.and_then(|claim| serde_json::to_value(claim).ok()),
            ..record.grounds
        },
        times: Times {
            validated: is_vouched.then_some(now),
            ..record.times
        },
        ..record
    }
}

/// An enrollment that is issued in one step, before it is.
pub(crate) fn at_once(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    let stage = Stage::Issuing {
        issuer_id: shared.spec.issuer.id().to_owned(),
        handle: None,
    };
    let record = enrollment(shared, origin, asked, stage, now);
    let claim = asked.claim();
    EnrollmentRecord {
        grounds: Grounds {
            claim: claim.and_then(|claim| serde_json::to_value(claim).ok()),
            ..record.grounds
        },
        times: Times {
            validated: Some(now),
            ..record.times
        },
        ..record
    }
}

/// Notes who vouched for an open enrollment, and for what.
pub(crate) fn vouched(
    record: &mut EnrollmentRecord,
    grounds: challenge::Grounds,
    now: DateTime<Utc>,
) {
    let claim = grounds.claim.as_ref();
    record.grounds.claim_issuer = claim.map(|claim| claim.iss.clone()).or(grounds.by);
    record.grounds.claim = claim.and_then(|claim| serde_json::to_value(claim).ok());
    record.grounds.device = grounds.device;
    record.grounds.vouched_sid = grounds.sid;
    record.times.validated = Some(now);
}

/// Has an open enrollment wait for an operator.
pub(crate) fn awaiting(shared: &Shared, record: &mut EnrollmentRecord, now: DateTime<Utc>) {
    let until = approval_end(shared, now);
    record.stage = Stage::AwaitingApproval { until };
    record.needs_approval = true;
    record.due = until;
    record.lease = None;
}

fn approval_end(shared: &Shared, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let limit = shared
        .spec
        .approval
        .and_then(|limit| TimeDelta::from_std(limit).ok());
    limit.and_then(|limit| now.checked_add_signed(limit))
}

/// An enrollment that is refused for good.
pub(crate) fn refused(
    record: EnrollmentRecord,
    refusal: &crate::refusal::Refusal,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    let message = refusal.message.clone();
    let reason = refusal.reason.to_owned();
    let stage = Stage::Refused(if reason == "outside_failed" {
        Refusal::Failed { message }
    } else if reason.starts_with("policy_") {
        Refusal::Policy { reason, message }
    } else {
        Refusal::Gate {
            label: reason,
            message,
        }
    });
    let kept = Ended {
        message: Context::of_record(&record).message,
        told: Some((refusal.fail_info.code(), refusal.text.clone())),
        ..Ended::default()
    };
    decided(record, stage, kept.octets(), now)
}

/// What the event says of a certificate that nobody had to approve.
pub(crate) fn issued_words(record: &EnrollmentRecord) -> &'static str {
    match (record.needs_approval, is_renewal(record)) {
        (true, _) => "certificate issued after approval",
        (false, true) => "certificate renewed",
        (false, false) => "certificate issued",
    }
}

/// Whether it renews a certificate, or came as a RenewalReq.
pub(crate) fn is_renewal(record: &EnrollmentRecord) -> bool {
    record.message_type == RENEWAL_REQ || record.grounds.renews.is_some()
}

pub(crate) fn pending(
    shared: &Shared,
    origin: &Origin,
    asked: &EnrollmentRequest,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    let until = approval_end(shared, now);
    let claim = asked.claim();
    let record = enrollment(
        shared,
        origin,
        asked,
        Stage::AwaitingApproval { until },
        now,
    );
    EnrollmentRecord {
        needs_approval: true,
        due: until,
        csr: Some(asked.csr.der().to_vec()),
        context: Context::of_candidate(origin, asked).octets(),
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
    asked: &EnrollmentRequest,
    stage: Stage,
    now: DateTime<Utc>,
) -> EnrollmentRecord {
    EnrollmentRecord {
        profile: shared.spec.path_id.clone(),
        key: asked.key,
        poll_key: asked.poll_key,
        version: asked
            .known
            .as_ref()
            .map_or(0, |known| known.version_under(&shared.spec.path_id)),
        stage,
        needs_approval: false,
        transaction_id: asked.reply.transaction_id.clone().unwrap_or_default(),
        message_type: message_type(asked),
        common_name: common_name(asked),
        sans: asked.csr.sans().to_string(),
        source_ip: Some(origin.source),
        csr: None,
        grounds: grounds(asked),
        context: None,
        due: None,
        attempts: 0,
        lease: None,
        times: Times::starting(now),
    }
}

/// The messageType's number.
pub(crate) fn message_type(asked: &EnrollmentRequest) -> u8 {
    if asked.is_renewal_message() {
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
fn grounds(asked: &EnrollmentRequest) -> Grounds {
    let evidence = asked.evidence.as_ref().ok();
    Grounds {
        validator: evidence.map_or_else(String::new, |evidence| evidence.validator.clone()),
        device: device(asked),
        claim: None,
        claim_issuer: asked.claim().map(|claim| claim.iss.clone()),
        vouched_sid: evidence.and_then(|evidence| evidence.proven.grounds.sid.clone()),
        renews: asked
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

/// What an enrollment took becomes durable with it. A challenge that other profiles take as well is used there too, and
/// must not have been used there before.
pub(crate) fn push_marks(change: &mut Change, shared: &Shared, reserved: &Reserved) {
    let profile = &shared.spec.path_id;
    let peers = shared.services.peers.known();
    for (key, until) in &reserved.once {
        for scope in std::iter::once(profile).chain(peers.sharing(profile)) {
            change.push(Reservation::Once {
                scope: scope.clone(),
                key: key.0,
                until: *until,
            });
        }
    }
    if let Some(digest) = &reserved.used {
        change.push(Op::UseChallenge {
            digest: **digest,
            at: reserved.at,
        });
    }
    for device in &reserved.quota {
        change.push(Reservation::Quota {
            scope: profile.clone(),
            key: device.0,
            at: reserved.at,
            limit: reserved.limit,
            window: RATE_WINDOW,
        });
    }
}

pub(crate) fn common_name(asked: &EnrollmentRequest) -> String {
    asked
        .csr
        .subject()
        .common_name()
        .unwrap_or_default()
        .to_owned()
}

pub(crate) fn device(asked: &EnrollmentRequest) -> Option<String> {
    asked.device().map(str::to_owned)
}
