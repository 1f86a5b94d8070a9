//! What enrollments leave in the store, with members as long as real ones are.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use store::{
    AuditDetails, AuditEvent, CaId, CertificateRecord, ChallengeRecord, Change, EnrollmentRecord,
    Grounds, Op, Outcome, Reservation, Stage, Times,
};

pub(super) const PROFILES: [&str; 3] = ["corp", "iot", "lab"];
const LABELS: [&str; 11] = [
    "success",
    "signature_invalid",
    "expired",
    "not_yet_valid",
    "wrong_audience",
    "replay",
    "rate_limited",
    "claim_mismatch",
    "compliance_failed",
    "malformed",
    "unknown_version",
];

/// All that one Intune enrollment leaves behind.
pub(super) fn enrollment(n: u64) -> Result<Change, Box<dyn Error>> {
    let certificate = certificate(n)?;
    let enrollment = EnrollmentRecord {
        profile: certificate.profile.clone(),
        key: random()?,
        poll_key: random()?,
        version: 0,
        stage: Stage::Issued {
            ca: certificate.ca,
            serial: certificate.serial.clone(),
        },
        needs_approval: false,
        transaction_id: certificate.transaction_id.clone(),
        message_type: 19,
        common_name: certificate.common_name.clone(),
        sans: certificate.sans.clone(),
        source_ip: Some(address(n)),
        csr: None,
        grounds: Grounds {
            validator: "intune".to_owned(),
            device: certificate.device.clone(),
            claim_issuer: Some("connector".to_owned()),
            ..Grounds::default()
        },
        context: None,
        due: None,
        attempts: 0,
        lease: None,
        times: Times {
            validated: Some(at(n)),
            issued: Some(at(n)),
            ..Times::starting(at(n))
        },
    };
    let mut event = event(n)?;
    event.details.outcome = Some(Outcome::Success);
    event.details.serial = Some(hex::encode(&certificate.serial));
    let profile = certificate.profile.clone();
    Ok(Change::new()
        .with(certificate)
        .with(enrollment)
        .with(event)
        .with(Reservation::Once {
            scope: profile.clone(),
            key: random()?,
            until: at(n + 3660),
        })
        .with(Reservation::Quota {
            scope: profile.clone(),
            key: random()?,
            at: at(n),
            limit: 5,
            window: chrono::Duration::days(1),
        })
        .with(Op::Count {
            profile,
            name: LABELS[(n % 11) as usize].to_owned(),
            by: 1,
        }))
}

/// The CA that signed them all: the one whose certificate (PEM) `STORE_CA` names, or none that exists.
pub(super) fn ca() -> CaId {
    static CA: OnceLock<CaId> = OnceLock::new();
    *CA.get_or_init(|| {
        let pem = std::env::var_os("STORE_CA").and_then(|path| std::fs::read(path).ok());
        let ca = pem.and_then(|pem| pki::Certificate::from_pem(&pem).ok());
        ca.map_or(CaId::from_bytes([7; 16]), |ca| CaId::of_ca(&ca))
    })
}

pub(super) fn certificate(n: u64) -> Result<CertificateRecord, Box<dyn Error>> {
    let serial = random::<20>()?;
    Ok(CertificateRecord {
        issuer_id: "corp-issuing-ca".into(),
        ca: ca(),
        serial: serial.to_vec(),
        profile: PROFILES[(n % 3) as usize].into(),
        der: crate::der::certificate(n, &serial)?,
        common_name: format!("Device-{n:09}"),
        sans: format!("dns:device-{n:09}.corp.example, upn:user{n}@corp.example"),
        not_before: at(n) - chrono::Duration::minutes(5),
        not_after: at(n) + chrono::Duration::days(365),
        issued_at: at(n),
        transaction_id: hex::encode_upper(random::<20>()?),
        device: Some(device(n)),
        renews: None,
        through_gates: None,
        revoked: None,
    })
}

/// A challenge for one device, open for a year; of ten all but one are withdrawn in the same step.
pub(super) fn one_time(n: u64) -> Result<Change, Box<dyn Error>> {
    let digest = random::<16>()?;
    let mut change = Change::new();
    change.push(Op::PutChallenge {
        record: Box::new(ChallengeRecord {
            digest,
            number: 0,
            profile: PROFILES[(n % 3) as usize].into(),
            by: "provisioning".into(),
            interface: "api".into(),
            bound: format!("{{\"device\":\"{}\"}}", device(n)).into_bytes(),
            uses: 1,
            used: 0,
            created: at(0),
            expires: at(31_536_000),
            until: at(31_536_000),
            last_used: None,
            withdrawn: None,
        }),
        most: u32::MAX,
    });
    if !n.is_multiple_of(10) {
        change.push(Op::WithdrawChallenge { digest, at: at(1) });
    }
    Ok(change)
}

pub(super) fn event(n: u64) -> Result<AuditEvent, Box<dyn Error>> {
    let failed = n.is_multiple_of(7);
    let common_name = format!("Device-{n:09}");
    let upn = format!("user{n}@corp.example");
    let dns = format!("device-{n:09}.corp.example");
    let iat = at(n).timestamp();
    Ok(AuditEvent {
        timestamp: at(n),
        actor: device(n),
        actor_type: "Device".into(),
        action: if n.is_multiple_of(4) {
            "scep_renewalreq_intune"
        } else {
            "scep_pkcsreq_intune"
        }
        .into(),
        resource_type: "certificate".into(),
        resource_id: String::new(),
        details: AuditDetails {
            outcome: Some(if failed {
                Outcome::Failure
            } else {
                Outcome::Success
            }),
            reason: failed.then(|| LABELS[(n % 11) as usize].to_owned()),
            message: failed.then(|| "this challenge was used before".to_owned()),
            profile: Some(PROFILES[(n % 3) as usize].into()),
            issuer_id: Some("corp-issuing-ca".into()),
            serial: if failed {
                None
            } else {
                Some(hex::encode(random::<20>()?))
            },
            common_name: Some(common_name.clone()),
            sans: Some(format!("dns:{dns}, upn:{upn}")),
            transaction_id: Some(hex::encode_upper(random::<20>()?)),
            source_ip: Some(address(n)),
            user_agent: Some("Mozilla/4.0 (compatible; Win32; NDES client)".into()),
            device: Some(device(n)),
            claim_issuer: Some("https://connector.corp.example/0f7b2c1e".into()),
            claim: Some(json!({
                "iss": "https://connector.corp.example/0f7b2c1e", "sub": device(n),
                "aud": "https://scep.corp.example/scep/corp", "iat": iat, "exp": iat + 3600,
                "nonce": hex::encode(random::<16>()?), "device_name": common_name,
                "san_dns": [dns], "san_upn": [upn],
            })),
            csr: Some(json!({
                "subject": format!("CN={common_name}, O=Corp"), "common_names": [common_name],
                "dns": [dns], "upn": [upn], "key_type": "RSA 2048",
            })),
            request_id: Some(hex::encode(random::<8>()?)),
            note: None,
            extra: std::collections::BTreeMap::new(),
        },
    })
}

pub(super) fn device(n: u64) -> String {
    let high = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{n:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high >> 4 & 0xfff,
        high & 0xfff
    )
}

fn address(n: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, (n >> 16) as u8, (n >> 8) as u8, n as u8))
}

pub(super) fn at(seconds: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds.cast_signed(), 123_456_000).unwrap_or_default()
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Box<dyn Error>> {
    let mut octets = [0; N];
    SystemRandom::new()
        .fill(&mut octets)
        .map_err(|_| "no random numbers")?;
    Ok(octets)
}
