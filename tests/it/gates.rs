//! The nine gates over HTTP: each refusal with its label, failInfo, counter and audit event, and
//! what it takes to pass all nine.

use actors::Clock;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use challenge::mint::{Connector, mint, sign_as_given};
use challenge::{Algorithm, Counters, Label};
use chrono::Duration;
use pki::{Csr, Name, SubjectAltNames};
use scep::FailInfo;
use scep::client::{Content, Reply};
use serde_json::{Map, Value, json};
use store::{Outcome, StoredEvent};

use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};
use crate::webhook::Webhook;

const AUDIENCE: &str = "https://scep.example.com/scep/corp";
pub(crate) const SANS: &str =
    "dns:box-4.example.org,email:box-4@example.org,upn:kim@corp.example.org";
const DEVICES: &str = "scep_pkcsreq_intune";

/// A profile with all nine gates on; each device may enroll twice a day.
pub(crate) struct Gates {
    pub(crate) server: Running,
    pub(crate) connector: Connector,
    pub(crate) webhook: Webhook,
    pub(crate) device: Device,
}

impl Gates {
    pub(crate) async fn open(extra: &str) -> Gates {
        let env = TestEnv::new().with(
            "[[certificate_profile]]\nid = 'device'\n\
             [certificate_profile.san]\ntypes = ['dns', 'email', 'upn', 'uri', 'ip']",
        );
        let now = env.clock.now();
        let connector = Connector::throwaway(Algorithm::Es256, "Connector", now, 40).unwrap();
        let anchors = env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
        let webhook = Webhook::start(env.dir()).await;
        let settings = format!(
            "{extra}\n[intune]\nenabled = true\nconnector_cert_path = '{}'\naudience = '{AUDIENCE}'\n\
             per_device_rate_limit_24h = 2\n{}",
            anchors.display(),
            webhook.settings(env.dir())
        );
        let server = env.profile("corp", &settings).start().await;
        let device = Device::at(server.http("corp"), server.client(), device_key()).await;
        Gates {
            server,
            connector,
            webhook,
            device,
        }
    }

    /// Claims that fit [`SANS`], for a device of the case's own, with `over` laid over them; null removes.
    fn claims(&self, sub: &str, over: Value) -> Map<String, Value> {
        let now = self.server.env.clock.now().timestamp();
        let claims = json!({
            "iss": "https://connector.example.com/one",
            "sub": sub,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 1800,
            "nonce": hex::encode(pki::random::<16>().unwrap()),
            "device_name": "box-4",
            "san_dns": ["box-4.example.org"],
            "san_rfc822": ["box-4@example.org"],
            "san_upn": ["kim@corp.example.org"],
        });
        let (Value::Object(mut claims), Value::Object(over)) = (claims, over) else {
            panic!("claims are objects");
        };
        for (name, value) in over {
            match value {
                Value::Null => claims.remove(&name),
                value => claims.insert(name, value),
            };
        }
        claims
    }

    /// Claims signed as they are; nothing is added.
    pub(crate) fn signed(&self, sub: &str, over: Value) -> String {
        let payload = Value::Object(self.claims(sub, over)).to_string();
        let header = br#"{"alg":"ES256","typ":"JWT"}"#;
        sign_as_given(header, payload.as_bytes(), &self.connector.key).unwrap()
    }

    pub(crate) async fn ask(&self, challenge: &str) -> Reply {
        self.ask_for(challenge, SANS).await
    }

    async fn ask_for(&self, challenge: &str, sans: &str) -> Reply {
        let csr = self.csr(challenge, sans);
        self.device
            .post(&self.device.request(Content::PkcsReq(&csr)))
            .await
    }

    pub(crate) fn csr(&self, challenge: &str, sans: &str) -> Csr {
        let subject = Name::parse("O=Example, CN=box-4").unwrap();
        let sans = SubjectAltNames::parse(sans).unwrap();
        Csr::build(&subject, &sans, Some(challenge), &[], &self.device.key).unwrap()
    }

    pub(crate) async fn counters(&self) -> Counters {
        self.server.status("corp").await.counters
    }

    /// Asks, and checks all that a gate's refusal must leave behind. The audit event.
    async fn refusal(&self, challenge: &str, sans: &str, label: Label) -> StoredEvent {
        let before = self.counters().await;
        let written = self.server.events(DEVICES).len();
        let (fail_info, text) = refused(self.ask_for(challenge, sans).await);
        let expected = match label {
            Label::Malformed
            | Label::UnknownVersion
            | Label::ClaimMismatch
            | Label::RateLimited
            | Label::ComplianceFailed => FailInfo::BadRequest,
            _ => FailInfo::BadMessageCheck,
        };
        assert_eq!(fail_info, expected, "{label:?}: {text}");
        assert!(text.contains(label.as_str()), "{text}");
        let after = self.counters().await;
        for ((counted, was), (_, is)) in before.iter().zip(after.iter()) {
            let up = u64::from(counted == label);
            assert_eq!(is, was + up, "{label:?} and the counter of {counted:?}");
        }
        let mut events = self.server.events(DEVICES);
        assert_eq!(events.len(), written + 1, "one event for {label:?}");
        let event = events.remove(0);
        let details = &event.event.details;
        assert_eq!(details.outcome, Some(Outcome::Failure));
        assert_eq!(details.reason.as_deref(), Some(label.as_str()));
        assert!(
            details
                .message
                .as_ref()
                .is_some_and(|words| words.len() > 10)
        );
        assert_eq!(details.serial, None);
        let csr = details.csr.as_ref().expect("what the CSR said");
        assert_eq!(csr["device_name"], json!(["box-4"]));
        event
    }

    /// The same, where the challenge was good enough to be read: its claim is in the event.
    pub(crate) async fn refusal_with_claim(
        &self,
        challenge: &str,
        label: Label,
        sub: &str,
    ) -> StoredEvent {
        let event = self.refusal(challenge, SANS, label).await;
        let details = &event.event.details;
        assert_eq!(details.device.as_deref(), Some(sub), "{label:?}");
        assert_eq!(event.event.actor, sub);
        let claim = details.claim.as_ref().expect("what the challenge said");
        assert_eq!(claim["sub"], sub);
        assert_eq!(
            details.claim_issuer.as_deref(),
            Some("https://connector.example.com/one")
        );
        event
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_all_nine_gates_with_every_kind_of_name() {
    let gates = Gates::open("").await;
    let upper = json!({
        "san_dns": [" BOX-4.example.org", "box-4.example.org"],
        "san_upn": ["Kim@Corp.Example.org"],
        "unknown": {"deep": [1, null]},
    });
    let certificate = issued(gates.ask(&gates.signed("guid-1", upper)).await);
    let names = SubjectAltNames::parse(SANS).unwrap();
    assert_eq!(certificate.sans(), &names);
    assert_eq!(certificate.subject().common_name(), Some("box-4"));
    assert_eq!(gates.webhook.asked(), 1);

    let counters = gates.counters().await;
    assert_eq!(counters.count(Label::Success), 1);
    assert_eq!(counters.iter().map(|(_, count)| count).sum::<u64>(), 1);
    let events = gates.server.events(DEVICES);
    let [event] = events.as_slice() else {
        panic!("{} events", events.len());
    };
    let details = &event.event.details;
    assert_eq!(details.outcome, Some(Outcome::Success));
    assert_eq!(
        details.serial.as_deref(),
        Some(certificate.serial().to_hex().as_str())
    );
    assert_eq!(details.device.as_deref(), Some("guid-1"));
    let (claim, csr) = (
        details.claim.as_ref().unwrap(),
        details.csr.as_ref().unwrap(),
    );
    assert_eq!(claim["san_upn"], json!(["Kim@Corp.Example.org"]));
    assert_eq!(csr["san_upn"], json!(["kim@corp.example.org"]));
    assert_eq!(csr["san_rfc822"], json!(["box-4@example.org"]));
    assert_eq!(csr["san_dns"], json!(["box-4.example.org"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_shaped_like_a_challenge_is_for_the_static_one() {
    let gates = Gates::open("").await;
    // Two dots but short; long but with other dots.
    let long = "a".repeat(300);
    for other in ["a.b.c".to_owned(), long.clone(), format!("{long}.{long}")] {
        let (fail_info, _) = refused(gates.ask(&other).await);
        assert_eq!(fail_info, FailInfo::BadRequest);
    }
    let events = gates.server.events("scep_pkcsreq");
    assert_eq!(events.len(), 3);
    for event in &events {
        let details = &event.event.details;
        assert_eq!(details.reason.as_deref(), Some("challenge_wrong"));
        assert_eq!((&details.claim, &details.csr), (&None, &None));
    }
    issued(gates.ask(CHALLENGE).await);
    let sum: u64 = gates.counters().await.iter().map(|(_, count)| count).sum();
    assert_eq!(sum, 0, "gate 1 has no counter");
    assert_eq!(gates.webhook.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn signature_gate() {
    let gates = Gates::open("").await;
    let now = gates.server.env.clock.now();
    let stranger = Connector::throwaway(Algorithm::Es256, "Connector", now, 40).unwrap();
    let claims = gates.claims("guid-2", json!({}));
    let foreign = mint(claims.clone(), &stranger.key, Duration::minutes(30), now).unwrap();
    let payload = URL_SAFE_NO_PAD.encode(Value::Object(claims.clone()).to_string());

    // The anchor's public key as an HMAC secret.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let spki = gates.connector.certificate.public_key().spki_der();
    let mac = josekit::jws::HS256.signer_from_bytes(spki).unwrap();
    let mac =
        josekit::jws::JwsSigner::sign(&mac, format!("{header}.{payload}").as_bytes()).unwrap();
    let confused = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(mac));

    let unsigned = format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
    let good = gates.signed("guid-2", json!({}));
    let other = gates.signed("guid-2", json!({"device_name": "admin"}));
    let (head, signature) = (
        good.rsplit_once('.').unwrap().0,
        other.rsplit_once('.').unwrap().1,
    );
    let transplanted = format!("{head}.{signature}");
    let text = Value::Object(claims).to_string();
    let key = &gates.connector.key;
    let critical = sign_as_given(
        br#"{"alg":"ES256","crit":["x"],"x":1}"#,
        text.as_bytes(),
        key,
    )
    .unwrap();
    for challenge in [foreign, confused, unsigned, transplanted, critical] {
        let event = gates
            .refusal(&challenge, SANS, Label::SignatureInvalid)
            .await;
        // Nobody vouches for it: it is told, and told apart.
        assert_eq!(event.event.actor, "box-4");
        let details = event.event.details;
        assert_eq!(details.claim.unwrap()["sub"], "guid-2");
        assert_eq!(details.device.as_deref(), Some("guid-2"));
        assert!(details.extra.contains_key("unverified"));
    }

    let garbage = format!("{}.%%.{}", "a".repeat(150), "b".repeat(150));
    gates.refusal(&garbage, SANS, Label::Malformed).await;
    let header = sign_as_given(b"alg: ES256", text.as_bytes(), key).unwrap();
    gates.refusal(&header, SANS, Label::Malformed).await;

    gates.server.env.clock.advance(Duration::days(41));
    let late = gates.signed("guid-2", json!({}));
    let event = gates.refusal(&late, SANS, Label::Expired).await;
    assert!(event.event.details.message.unwrap().contains("Connector"));
    assert_eq!(gates.webhook.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_time_and_audience_gates() {
    let gates = Gates::open("").await;
    let now = gates.server.env.clock.now().timestamp();
    for version in [json!("v2"), json!("V1"), json!(1), json!(["v1"])] {
        let challenge = gates.signed("guid-3", json!({ "version": version }));
        gates
            .refusal_with_claim(&challenge, Label::UnknownVersion, "guid-3")
            .await;
    }
    issued(
        gates
            .ask(&gates.signed("guid-3", json!({"version": "v1"})))
            .await,
    );

    for (over, label) in [
        (json!({"iat": now + 61}), Label::NotYetValid),
        (json!({"iat": now - 600, "exp": now - 60}), Label::Expired),
        (json!({"iat": now - 3601}), Label::Expired),
        (
            json!({"aud": "https://elsewhere.example.com"}),
            Label::WrongAudience,
        ),
        (json!({"aud": null}), Label::WrongAudience),
    ] {
        let challenge = gates.signed("guid-4", over);
        gates.refusal_with_claim(&challenge, label, "guid-4").await;
    }
    for over in [
        json!({"exp": null}),
        json!({"iat": "1"}),
        json!({"exp": 1.5}),
        json!({"SUB": "guid-5"}),
    ] {
        let challenge = gates.signed("guid-4", over);
        gates.refusal(&challenge, SANS, Label::Malformed).await;
    }
    // The last second on either side.
    issued(
        gates
            .ask(&gates.signed("guid-4", json!({"iat": now + 60})))
            .await,
    );
    let ending = json!({"iat": now - 600, "exp": now - 59});
    issued(gates.ask(&gates.signed("guid-4", ending)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn binding_gate_names_the_dimension() {
    let gates = Gates::open("").await;
    for (over, dimension) in [
        (json!({"device_name": "admin"}), "device_name"),
        (json!({"device_name": null}), "device_name"),
        (json!({"san_dns": ["box-4.example.org", "two"]}), "san_dns"),
        (json!({"san_dns": null}), "san_dns"),
        (json!({"san_rfc822": []}), "san_rfc822"),
        (json!({"san_upn": ["root@corp.example.org"]}), "san_upn"),
        (json!({"san_upn": null}), "san_upn"),
    ] {
        let challenge = gates.signed("guid-6", over.clone());
        let event = gates
            .refusal_with_claim(&challenge, Label::ClaimMismatch, "guid-6")
            .await;
        let found = event.event.details.extra.get("mismatch");
        assert_eq!(found.map(String::as_str), Some(dimension), "{over}");
    }
    for extra in ["ip:192.0.2.1", "uri:https://example.org/x"] {
        let challenge = gates.signed("guid-6", json!({}));
        let sans = format!("{SANS},{extra}");
        gates.refusal(&challenge, &sans, Label::ClaimMismatch).await;
    }
    assert_eq!(gates.webhook.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_rate_and_compliance_gates() {
    let gates = Gates::open("").await;
    let challenge = gates.signed("guid-7", json!({}));
    gates
        .webhook
        .say(200, r#"{"compliant":false,"reason":"jailbroken"}"#);
    let event = gates
        .refusal_with_claim(&challenge, Label::ComplianceFailed, "guid-7")
        .await;
    assert!(event.event.details.message.unwrap().contains("jailbroken"));
    gates.webhook.say(500, "");
    gates
        .refusal_with_claim(&challenge, Label::ComplianceFailed, "guid-7")
        .await;
    assert_eq!(gates.webhook.asked(), 2);

    // Neither used the challenge up, nor one of the device's two enrollments.
    gates.webhook.say(200, r#"{"compliant":true}"#);
    issued(gates.ask(&challenge).await);
    gates
        .refusal_with_claim(&challenge, Label::Replay, "guid-7")
        .await;
    issued(gates.ask(&gates.signed("guid-7", json!({}))).await);
    let third = gates.signed("guid-7", json!({}));
    gates
        .refusal_with_claim(&third, Label::RateLimited, "guid-7")
        .await;
    issued(gates.ask(&gates.signed("guid-8", json!({}))).await);

    // A refusal by the window is no use of the challenge; a day later it would have passed.
    gates.server.env.clock.advance(Duration::hours(24));
    let fourth = gates.signed("guid-7", json!({}));
    issued(gates.ask(&fourth).await);
}
