//! Records for tests: random ones of any shape, and plain ones by number.

use std::net::{IpAddr, Ipv4Addr};

use chrono::{DateTime, Duration, Utc};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    AuditDetails, AuditEvent, CaId, CertificateRecord, ChallengeRecord, EnrollmentRecord, Grounds,
    Lease, Notice, Outcome, Refusal, Revocation, Stage, Times, TokenRecord, TokenRole,
};

pub(super) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default()
}

pub(super) fn time() -> impl Strategy<Value = DateTime<Utc>> {
    (-60_000_000_000_000_000_i64..200_000_000_000_000_000)
        .prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap_or_default())
}

pub(super) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1.0e300..1.0e300).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![Just("iss".to_owned()), Just("san_dns".to_owned()), ".{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

prop_compose! {
    pub(super) fn certificate()(
        issuer_id in ".{0,8}", ca: [u8; 16], serial in octets(), profile in ".{0,8}",
        der in prop::collection::vec(any::<u8>(), 1..60),
        names in (".{0,20}", ".{0,40}", ".{0,40}"), times in (time(), time(), time()),
        device in option::of(".{0,36}"), renews in option::of(octets()),
        revoked in option::of((time(), any::<u8>())), through_gates in option::of(any::<bool>()),
    ) -> CertificateRecord {
        CertificateRecord {
            issuer_id, ca: CaId::from_bytes(ca), serial, profile, der,
            common_name: names.0, sans: names.1, transaction_id: names.2,
            not_before: times.0, not_after: times.1, issued_at: times.2,
            device, renews, through_gates,
            revoked: revoked.map(|(at, reason)| Revocation { at, reason }),
        }
    }
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::ApprovalExpired),
        (".{0,9}", option::of(".{0,9}")).prop_map(|(by, note)| Refusal::Denied { by, note }),
        (".{0,9}", ".{0,9}").prop_map(|(reason, message)| Refusal::Policy { reason, message }),
        (".{0,9}", ".{0,9}").prop_map(|(label, message)| Refusal::Gate { label, message }),
        ".{0,9}".prop_map(|message| Refusal::Failed { message }),
    ]
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        option::of(".{0,9}").prop_map(|handle| Stage::Validating { handle }),
        option::of(time()).prop_map(|until| Stage::AwaitingApproval { until }),
        (".{0,9}", option::of(".{0,9}"))
            .prop_map(|(issuer_id, handle)| Stage::Issuing { issuer_id, handle }),
        (any::<[u8; 16]>(), octets()).prop_map(|(ca, serial)| Stage::Issued {
            ca: CaId::from_bytes(ca),
            serial
        }),
        (any::<[u8; 16]>(), octets()).prop_map(|(ca, serial)| Stage::Notifying {
            ca: CaId::from_bytes(ca),
            serial
        }),
        refusal().prop_map(Stage::Refused),
    ]
}

prop_compose! {
    fn grounds()(
        validator in ".{0,9}", texts in prop::collection::vec(option::of(".{0,36}"), 3),
        claim in option::of(json()), renews in option::of(octets()),
    ) -> Grounds {
        let text = |n: usize| texts.get(n).cloned().flatten();
        Grounds {
            validator, device: text(0), claim, claim_issuer: text(1), vouched_sid: text(2), renews,
        }
    }
}

prop_compose! {
    fn times()(
        created in time(), updated in time(), others in prop::collection::vec(option::of(time()), 4),
    ) -> Times {
        let other = |n: usize| others.get(n).copied().flatten();
        Times {
            created, updated, validated: other(0), issued: other(1), notified: other(2),
            delivered: other(3),
        }
    }
}

prop_compose! {
    pub(super) fn enrollment()(
        profile in ".{0,8}", keys: ([u8; 16], [u8; 16]), stage in stage(), message_type: u8,
        version: u64, needs_approval: bool, times in times(), grounds in grounds(),
        names in (".{0,20}", ".{0,40}", ".{0,40}"), source_ip: Option<IpAddr>,
        csr in option::of(octets()), context in option::of(octets()),
        due in option::of(time()), attempts: u32, lease in option::of((".{0,9}", time())),
    ) -> EnrollmentRecord {
        EnrollmentRecord {
            profile, key: keys.0, poll_key: keys.1, version, stage, needs_approval, message_type,
            common_name: names.0, sans: names.1, transaction_id: names.2,
            source_ip, csr, grounds, context, due, attempts,
            lease: lease.map(|(node, until)| Lease { node, until }), times,
        }
    }
}

prop_compose! {
    pub(super) fn notice()(
        names in (".{0,8}", ".{0,8}"), enrollment: Option<[u8; 16]>, body in octets(),
        times in (time(), time()), attempts: u32,
    ) -> Notice {
        Notice {
            profile: names.0, notifier: names.1, enrollment, body,
            created: times.0, due: times.1, attempts,
        }
    }
}

prop_compose! {
    pub(super) fn challenge()(
        digest: [u8; 16], number: u64, names in (".{0,8}", ".{0,8}", ".{0,8}"), bound in octets(),
        uses: (u32, u32), times in (time(), time(), time()),
        ends in (option::of(time()), option::of(time())),
    ) -> ChallengeRecord {
        ChallengeRecord {
            digest, number, profile: names.0, by: names.1, interface: names.2, bound,
            uses: uses.0, used: uses.1, created: times.0, expires: times.1, until: times.2,
            last_used: ends.0, withdrawn: ends.1,
        }
    }
}

prop_compose! {
    pub(super) fn token()(
        names in (".{1,8}", ".{0,8}", ".{0,8}"), role in 0..3_u8, profile in option::of(".{0,8}"), hash: [u8; 32], created_at in time(),
        times in (option::of(time()), option::of(time()), option::of(time())),
    ) -> TokenRecord {
        TokenRecord {
            id: names.0, name: names.1, created_by: names.2, hash, created_at,
            role: [TokenRole::Admin, TokenRole::Viewer, TokenRole::Challenge][usize::from(role)],
            profile: profile.filter(|_| role == 2),
            expires_at: times.0, last_used_at: times.1, revoked_at: times.2,
        }
    }
}

prop_compose! {
    fn details()(
        outcome in option::of(prop_oneof![
            Just(Outcome::Success), Just(Outcome::Failure), Just(Outcome::Pending)
        ]),
        words in prop::collection::vec(option::of(".{0,24}"), 13),
        source_ip: Option<IpAddr>, json in (option::of(json()), option::of(json())),
        extra in prop::collection::btree_map(".{0,6}", ".{0,6}", 0..3),
    ) -> AuditDetails {
        let word = |n: usize| words.get(n).cloned().flatten();
        AuditDetails {
            outcome, reason: word(0), message: word(1), profile: word(2), issuer_id: word(3),
            serial: word(4), common_name: word(5), sans: word(6), transaction_id: word(7),
            source_ip, user_agent: word(8), device: word(9), claim_issuer: word(10),
            claim: json.0, csr: json.1, request_id: word(11), note: word(12), extra,
        }
    }
}

prop_compose! {
    pub(super) fn event()(
        timestamp in time(), words in prop::collection::vec(".{0,12}", 5), details in details(),
    ) -> AuditEvent {
        let word = |n: usize| words.get(n).cloned().unwrap_or_default();
        AuditEvent {
            timestamp, actor: word(0), actor_type: word(1), action: word(2),
            resource_type: word(3), resource_id: word(4), details,
        }
    }
}

/// The CA of plain certificates.
pub(super) fn plain_ca() -> CaId {
    CaId::from_bytes([0xca; 16])
}

/// Certificate `n`, issued `n` seconds after [`start`].
pub(super) fn plain_certificate(n: u64) -> CertificateRecord {
    let at = start() + Duration::seconds(n.cast_signed());
    CertificateRecord {
        issuer_id: "ca".into(),
        ca: plain_ca(),
        serial: n.to_be_bytes().to_vec(),
        profile: if n.is_multiple_of(2) {
            "corp".into()
        } else {
            "iot".into()
        },
        der: vec![0x30, (n & 0xff) as u8],
        common_name: format!("Device-{n}"),
        sans: format!("dns:d{n}.example"),
        not_before: at,
        not_after: at + Duration::days(365),
        issued_at: at,
        transaction_id: format!("TX{n}"),
        device: Some(format!("guid-{n}")),
        renews: None,
        through_gates: None,
        revoked: None,
    }
}

/// Enrollment `n`, new, waiting for an operator.
pub(super) fn plain_enrollment(n: u64) -> EnrollmentRecord {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    let at = start() + Duration::seconds(n.cast_signed());
    let until = Some(at + Duration::days(7));
    EnrollmentRecord {
        profile: "corp".into(),
        key,
        poll_key: key,
        version: 0,
        stage: Stage::AwaitingApproval { until },
        needs_approval: true,
        transaction_id: format!("TX{n}"),
        message_type: 19,
        common_name: format!("Device-{n}"),
        sans: String::new(),
        source_ip: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))),
        csr: Some(vec![0x30; 400]),
        grounds: Grounds {
            validator: "static".into(),
            ..Grounds::default()
        },
        context: None,
        due: until,
        attempts: 0,
        lease: None,
        times: Times::starting(at),
    }
}

/// Event `n`: even ones succeed, odd ones fail.
pub(super) fn plain_event(n: u64) -> AuditEvent {
    let good = n.is_multiple_of(2);
    AuditEvent {
        timestamp: start() + Duration::seconds(n.cast_signed()),
        actor: format!("guid-{n}"),
        actor_type: "Device".into(),
        action: if n.is_multiple_of(3) {
            "scep_renewalreq".into()
        } else {
            "scep_pkcsreq".into()
        },
        resource_type: "certificate".into(),
        resource_id: String::new(),
        details: AuditDetails {
            outcome: Some(if good {
                Outcome::Success
            } else {
                Outcome::Failure
            }),
            reason: (!good).then(|| "replay".to_owned()),
            message: Some(if good { "said yes" } else { "said no" }.to_owned()),
            profile: Some(if n.is_multiple_of(5) {
                "iot".into()
            } else {
                "corp".into()
            }),
            serial: good.then(|| format!("{n:016x}")),
            common_name: Some(format!("Device-{n}")),
            transaction_id: Some(format!("TX{n}")),
            device: Some(format!("guid-{n}")),
            claim: Some(json!({"sub": format!("guid-{n}"), "san_dns": []})),
            ..AuditDetails::default()
        },
    }
}
