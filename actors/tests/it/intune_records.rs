//! What enrollments with an Intune challenge leave behind: one counter each, and an event that
//! says who asked for what.

use crate::device::{Device, ask, issued, words};
use crate::intune::{challenge, claims, enroll, signed};
use crate::test_env::{Running, TestEnv};
use actors::{
    ComplianceHook, ComplianceQuestion, OperatorDecision, Outcome, ProfileSpec, Verdict,
    VerdictFuture,
};
use challenge::{Algorithm, Label, mint::Connector};
use chrono::TimeDelta;
use pki::{Csr, Extension, SubjectAltNames};
use scep::client::Content;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use store::AuditEvent;

fn newest(running: &Running) -> AuditEvent {
    running.audit().remove(0).event
}

fn waiting(env: &TestEnv) -> ProfileSpec {
    ProfileSpec {
        approval: Some(Duration::from_secs(3600)),
        ..env.intune_spec("corp")
    }
}

async fn decide(running: &Running, approve: bool) {
    let key = running.store.pending(Some("corp")).unwrap()[0].key;
    let actor = running
        .runtime
        .directory
        .find("corp")
        .unwrap()
        .actor
        .clone();
    let decision = OperatorDecision {
        key,
        approve,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "2".to_owned(),
    };
    actor.send(decision).await.unwrap().unwrap();
}

#[actix::test]
async fn an_approved_request_is_recorded_as_the_intune_enrollment_that_it_is() {
    let env = TestEnv::new();
    let running = env.open(vec![waiting(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    // Not every connector writes `sub`.
    let mut nameless = claims("laptop-1");
    nameless.remove("sub");
    let challenge = signed(&env, nameless, &env.connector.key);
    let request = enroll(&env, &device, &challenge);
    assert_eq!(
        words(&ask(&env, &running, "corp", &request).await),
        "PENDING"
    );
    assert_eq!(running.counter("corp", Label::Success).await, (0, 0));
    running.close();

    let running = env.open(vec![waiting(&env)]).await;
    decide(&running, true).await;
    issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(running.counter("corp", Label::Success).await, (1, 1));
    let events = running.audit();
    let (enrolled, decided) = (&events[0].event, &events[1].event);
    assert_eq!(
        [&enrolled.resource_type, &decided.resource_type],
        ["certificate", "scep_request"]
    );
    assert_eq!(enrolled.action, "scep_pkcsreq_intune");
    let details = &enrolled.details;
    assert_eq!(details.claim.as_ref().unwrap()["device_name"], "laptop-1");
    assert_eq!(
        details.claim_issuer.as_deref(),
        Some("https://connector.example.com/installation/one")
    );
    assert_eq!(details.csr, Some(json!({"device_name": ["laptop-1"]})));
    assert_eq!(details.user_agent.as_deref(), Some("test"));
    assert_eq!(details.request_id.as_deref(), Some("0"));
    assert_eq!(decided.action, "scep_request_approve");
    let message = decided.details.message.as_deref().unwrap();
    assert!(message.contains("approved"), "{message}");
}

#[actix::test]
async fn a_denied_request_and_one_that_lapsed_count_once_each() {
    let env = TestEnv::new();
    let running = env.open(vec![waiting(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let request = enroll(&env, &device, &challenge(&env, "laptop-1"));
    ask(&env, &running, "corp", &request).await;
    decide(&running, false).await;
    assert_eq!(running.counter("corp", Label::Malformed).await, (1, 1));
    let events = running.audit();
    let [refused, decided] = [0, 1].map(|n| &events[n].event);
    assert_eq!(refused.action, "scep_pkcsreq_intune");
    assert_eq!(refused.details.reason.as_deref(), Some("denied"));
    for event in [refused, decided] {
        assert_eq!(event.resource_type, "scep_request");
        assert_eq!(
            Some(&event.resource_id),
            event.details.transaction_id.as_ref()
        );
    }
    assert!(refused.details.claim.is_some());
    assert_eq!(decided.action, "scep_request_deny");
    assert!(decided.details.message.is_some());
    let again = ask(&env, &running, "corp", &request).await;
    assert!(words(&again).starts_with("FAILURE"), "{}", words(&again));
    assert_eq!(running.counter("corp", Label::Malformed).await, (1, 1));
}

#[actix::test]
async fn a_policy_refusal_counts_as_malformed_and_uses_nothing_up() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let challenge = challenge(&env, "laptop-1");
    let ca = Extension::basic_constraints(true, None);
    let names = SubjectAltNames::default();
    let csr = Csr::build(&device.name, &names, Some(&challenge), &[ca], &device.key).unwrap();
    let request = device.request(&env, Content::PkcsReq(&csr));
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(words(&reply).starts_with("FAILURE badRequest"));
    let event = newest(&running);
    assert_eq!(event.details.reason.as_deref(), Some("policy_ca"));
    assert_eq!(
        event.details.device.as_deref(),
        Some("device-guid-laptop-1")
    );
    assert_eq!(running.counter("corp", Label::Malformed).await, (1, 1));
    issued(ask(&env, &running, "corp", &enroll(&env, &device, &challenge)).await);
    running.close();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    assert_eq!(running.counter("corp", Label::Malformed).await, (1, 2));
}

#[actix::test]
async fn what_an_untrusted_key_signed_is_shown_as_unverified() {
    use actors::Clock;
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let now = env.clock.now();
    let stranger = Connector::throwaway(Algorithm::Es256, "Connector", now, 30).unwrap();
    let foreign = signed(&env, claims("laptop-1"), &stranger.key);
    ask(&env, &running, "corp", &enroll(&env, &device, &foreign)).await;
    let event = newest(&running);
    let details = &event.details;
    assert_eq!(details.reason.as_deref(), Some("signature_invalid"));
    assert_eq!(details.device.as_deref(), Some("device-guid-laptop-1"));
    assert_eq!(details.claim.as_ref().unwrap()["device_name"], "laptop-1");
    assert!(details.extra["unverified"].contains("no trusted connector"));
    assert_eq!(event.actor, "laptop-1", "not who it says it is");

    // The connector's own signature, but its certificate has expired.
    let ours = challenge(&env, "laptop-1");
    env.clock.advance(TimeDelta::days(31));
    ask(&env, &running, "corp", &enroll(&env, &device, &ours)).await;
    let event = newest(&running);
    assert_eq!(event.details.reason.as_deref(), Some("expired"));
    assert_eq!(event.actor, "device-guid-laptop-1");
    assert!(event.details.extra.is_empty(), "{:?}", event.details.extra);
}

#[actix::test]
async fn claims_of_the_wrong_type_leave_the_rest_to_be_told() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let mut odd = claims("laptop-1");
    odd.insert("version".to_owned(), json!(2));
    let odd = signed(&env, odd, &env.connector.key);
    ask(&env, &running, "corp", &enroll(&env, &device, &odd)).await;
    let event = newest(&running);
    assert_eq!(event.details.reason.as_deref(), Some("unknown_version"));
    assert_eq!(event.actor, "device-guid-laptop-1");
    assert_eq!(
        event.details.claim_issuer.as_deref(),
        Some("https://connector.example.com/installation/one")
    );
}

#[actix::test]
async fn names_of_any_other_kind_are_in_the_event() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    // A subjectAltName that is one registeredID.
    let names = Extension {
        oid: "2.5.29.17".to_owned(),
        critical: false,
        value: vec![0x30, 0x04, 0x88, 0x02, 0x2a, 0x03],
    };
    let challenge = challenge(&env, "laptop-1");
    let none = SubjectAltNames::default();
    let csr = Csr::build(&device.name, &none, Some(&challenge), &[names], &device.key).unwrap();
    let request = device.request(&env, Content::PkcsReq(&csr));
    ask(&env, &running, "corp", &request).await;
    let details = newest(&running).details;
    assert_eq!(details.reason.as_deref(), Some("claim_mismatch"));
    assert_eq!(details.extra["mismatch"], "san_other");
    let csr = details.csr.unwrap();
    assert_eq!(csr["san_other"].as_array().unwrap().len(), 1, "{csr}");
}

#[actix::test]
async fn where_there_is_no_secret_nobody_guesses() {
    let env = TestEnv::new();
    let mut spec = env.intune_spec("corp");
    spec.challenge = None;
    spec.guesses_per_minute = 3;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    for _ in 0..6 {
        let unfilled = device.pkcs_req(&env, "{{SCEPChallenge}}");
        let reply = ask(&env, &running, "corp", &unfilled).await;
        assert_eq!(
            words(&reply),
            "FAILURE badRequest the challenge was refused"
        );
    }
    let right = enroll(&env, &device, &challenge(&env, "laptop-1"));
    issued(ask(&env, &running, "corp", &right).await);
}

struct Silent;

impl ComplianceHook for Silent {
    fn ask(&self, _: ComplianceQuestion) -> VerdictFuture {
        Box::pin(async {
            Verdict::LetIn {
                why: "no answer; let in".to_owned(),
            }
        })
    }
}

#[actix::test]
async fn a_device_let_in_without_an_answer_is_noted() {
    for approval in [None, Some(Duration::from_secs(60))] {
        let env = TestEnv::new();
        let mut spec = env.intune_spec("corp");
        spec.approval = approval;
        spec.intune.as_mut().unwrap().compliance = Some(Arc::new(Silent));
        let running = env.open(vec![spec]).await;
        let device = Device::new(&env, "laptop-1");
        let request = enroll(&env, &device, &challenge(&env, "laptop-1"));
        ask(&env, &running, "corp", &request).await;
        let details = newest(&running).details;
        assert_ne!(details.outcome, Some(store::Outcome::Failure));
        assert_eq!(details.note.as_deref(), Some("no answer; let in"));
    }
}

#[actix::test]
async fn a_certificate_that_is_sent_again_is_audited() {
    let env = TestEnv::new();
    let mut spec = env.intune_spec("corp");
    spec.intune.as_mut().unwrap().retransmission = Some(Duration::from_secs(300));
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let request = enroll(&env, &device, &challenge(&env, "laptop-1"));
    let both = futures_util::future::join(
        running.send("corp", request.message().to_vec()),
        running.send("corp", request.message().to_vec()),
    );
    let both = both.await;
    assert!(matches!(both, (Outcome::CertRep(_), Outcome::CertRep(_))));
    let certificate = issued(ask(&env, &running, "corp", &request).await);
    let serial = certificate.serial().to_hex();
    let events = running.audit();
    assert_eq!(events.len(), 3);
    for again in &events[..2] {
        assert_eq!(again.event.action, "scep_pkcsreq_intune");
        assert_eq!(again.event.resource_id, serial);
        assert_eq!(again.event.details.note.as_deref(), Some("sent again"));
        assert_eq!(
            again.event.details.outcome,
            Some(store::Outcome::Success),
            "{again:?}"
        );
    }
    assert_eq!(running.certificates(), 1);
    assert_eq!(running.counter("corp", Label::Success).await, (1, 1));
}
