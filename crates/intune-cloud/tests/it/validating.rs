//! The validator: which challenges are its own, which tenant is asked, what its answers are.

use crate::server::{Answer, Server, Still, VALIDATE, secret, tenant};
use challenge::{Check, Proven, Request, Reservation, Validator};
use chrono::{TimeZone, Utc};
use intune_cloud::{CloudChallenges, Compliance, Mode, Outage, Rules, SidRule, Tenant};
use pki::{CertificateBuilder, Csr, Digest, KeyKind, Name, PrivateKey, Serial, SubjectAltNames};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Serial 0a1b2c, to the end of January 2027.
pub(crate) fn certificate(subject: &Name, issuer: &Name, key: &PrivateKey) -> pki::Certificate {
    let builder = CertificateBuilder {
        subject: subject.clone(),
        issuer: issuer.clone(),
        serial: Serial::new([0x0a, 0x1b, 0x2c]),
        not_before: Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap(),
        not_after: Utc.with_ymd_and_hms(2027, 1, 31, 12, 0, 0).unwrap(),
        public_key: key.public_key().clone(),
        extensions: Vec::new(),
    };
    builder
        .sign(key, &key.scheme(Digest::Sha256).unwrap())
        .unwrap()
}

pub(crate) fn csr(subject: &str, sans: &str) -> Csr {
    let key = PrivateKey::generate(KeyKind::Ec(pki::Curve::P256)).unwrap();
    let name = Name::parse(subject).unwrap();
    let sans = SubjectAltNames::parse(sans).unwrap();
    Csr::build(&name, &sans, Some("opaque"), &[], &key).unwrap()
}

/// Without an answer of Graph a device waits.
pub(crate) const WAITS: Outage = Outage {
    remembered: Duration::ZERO,
    lets_in: false,
};

pub(crate) fn rules() -> Rules {
    Rules {
        profile: "corp".to_owned(),
        wait_for_notification: true,
        takes_all: false,
        per_device_limit_24h: 3,
        tenant_attribute: None,
        compliance: Compliance {
            mode: Mode::Off,
            grace: chrono::TimeDelta::hours(24),
            bootstrap: None,
            outage: WAITS,
        },
        sid: SidRule::Keep,
    }
}

pub(crate) fn question(csr: &Csr, source: &str) -> challenge::Question {
    let validator = CloudChallenges::new(Vec::new(), rules());
    let names = challenge::CsrFacts::from_csr(csr);
    let request = Request {
        challenge: Some("MIA opaque"),
        names: &names,
        transaction_id: "T1",
        csr: csr.der(),
        source: Some(source.parse().unwrap()),
    };
    match validator.check(&request, Utc.timestamp_opt(0, 0).unwrap()) {
        Check::Ask(question) => question,
        other => panic!("{other:?}"),
    }
}

async fn two() -> (Server, Server, Vec<Arc<Tenant>>) {
    let (one, other) = (Server::new().await, Server::new().await);
    let tenants = vec![
        tenant(&one, "contoso", secret(), Still::new()),
        tenant(&other, "fabrikam", secret(), Still::new()),
    ];
    (one, other, tenants)
}

fn code(name: &str) -> Answer {
    Answer::json(
        200,
        &json!({"code": name, "errorDescription": "a\u{202e}b"}),
    )
}

async fn proven(validator: &CloudChallenges, question: &challenge::Question) -> Proven {
    match validator.ask(question).await {
        Ok(Check::Proven(proven)) => *proven,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_device_is_known_by_what_intune_put_into_the_request() {
    let server = Server::new().await;
    let tenants = vec![tenant(&server, "contoso", secret(), Still::new())];
    let validator = CloudChallenges::new(tenants, rules());
    let guid = "5B0E5A50-6C1B-4E4C-9C35-2F6E1B0E7D11";
    for (csr, device) in [
        (
            csr("CN=laptop", &format!("uri:IntuneDeviceID://{guid}")),
            true,
        ),
        (csr(&format!("CN={guid}"), ""), true),
        (csr("CN=laptop", "uri:https://example.org"), false),
    ] {
        let proven = proven(&validator, &question(&csr, "192.0.2.1")).await;
        let known = proven.grounds.device.as_deref();
        assert_eq!(known, device.then(|| guid.to_ascii_lowercase()).as_deref());
        assert_eq!(proven.grounds.by.as_deref(), Some("contoso"));
        assert!(proven.grounds.note.unwrap().contains("client-request-id"));
        assert!(matches!(
            proven.reservations[..],
            [Reservation::Quota { limit: 3, .. }]
        ));
    }
}

#[tokio::test]
async fn what_intune_refuses_is_refused_with_its_code_and_what_to_do() {
    let server = Server::new().await;
    let tenants = vec![tenant(&server, "contoso", secret(), Still::new())];
    let validator = CloudChallenges::new(tenants, rules());
    let question = question(&csr("CN=laptop", ""), "192.0.2.1");
    for (name, fail_info, told, words) in [
        ("ChallengeExpired", 2, "Intune: ChallengeExpired", "sync"),
        ("KeyLengthMismatch", 0, "Intune: KeyLengthMismatch", "2048"),
        ("Whatever", 2, "Intune: Unknown", "newest"),
        ("success", 2, "Intune: Unknown", "unknown code"),
    ] {
        server.always(VALIDATE, code(name));
        let Ok(Check::Refused(refused)) = validator.ask(&question).await else {
            panic!("{name}");
        };
        assert_eq!(
            (refused.fail_info, refused.told.as_str()),
            (fail_info, told)
        );
        assert!(refused.message.contains(words), "{}", refused.message);
        assert!(!refused.message.contains('\u{202e}'));
        assert_eq!(refused.reason, "intune_refused");
    }
    server.always(VALIDATE, Answer::json(200, &json!({})));
    let Ok(Check::Refused(refused)) = validator.ask(&question).await else {
        panic!("no code");
    };
    assert!(refused.message.contains("no code"), "{}", refused.message);
}

#[tokio::test]
async fn the_tenant_that_a_source_belonged_to_is_asked_first() {
    let (one, other, tenants) = two().await;
    let validator = CloudChallenges::new(tenants, rules());
    one.always(VALIDATE, code("BadTenantIdInChallenge"));
    let csr = csr("CN=laptop", "");
    for _ in 0..3 {
        let proven = proven(&validator, &question(&csr, "192.0.2.1")).await;
        assert_eq!(proven.grounds.by.as_deref(), Some("fabrikam"));
    }
    assert_eq!(
        (one.asked(VALIDATE).len(), other.asked(VALIDATE).len()),
        (1, 3)
    );
    proven(&validator, &question(&csr, "192.0.2.2")).await;
    assert_eq!(one.asked(VALIDATE).len(), 2);
    // None of them: the one that says more is heard.
    other.always(VALIDATE, code("ChallengeExpired"));
    let Ok(Check::Refused(refused)) = validator.ask(&question(&csr, "192.0.2.1")).await else {
        panic!("refused by both");
    };
    assert!(refused.message.contains("ChallengeExpired"));
    // One that cannot be asked may be the one.
    one.always(VALIDATE, Answer::text(503, ""));
    assert!(validator.ask(&question(&csr, "192.0.2.1")).await.is_err());
}

#[tokio::test]
async fn a_request_may_name_its_tenant() {
    let (one, other, tenants) = two().await;
    let rules = Rules {
        tenant_attribute: Some("2.5.4.10".to_owned()),
        ..rules()
    };
    let validator = CloudChallenges::new(tenants, rules);
    for organisation in ["Fabrikam", "fabrikam.onmicrosoft.com"] {
        let csr = csr(&format!("CN=laptop, O={organisation}"), "");
        let proven = proven(&validator, &question(&csr, "192.0.2.1")).await;
        assert_eq!(proven.grounds.by.as_deref(), Some("fabrikam"));
    }
    assert_eq!(
        (one.asked(VALIDATE).len(), other.asked(VALIDATE).len()),
        (0, 2)
    );
}

#[test]
fn what_no_other_takes_is_for_intune_where_there_is_no_other() {
    let alone = CloudChallenges::new(
        Vec::new(),
        Rules {
            takes_all: true,
            ..rules()
        },
    );
    let beside = CloudChallenges::new(Vec::new(), rules());
    for (challenge, by_alone, by_beside) in [
        (Some("opaque"), true, false),
        (Some("  "), false, false),
        (None, false, false),
    ] {
        assert_eq!(alone.recognises(challenge), by_alone);
        assert_eq!(beside.recognises(challenge), by_beside);
    }
}
