use crate::device::{Device, ask, issued, words};
use crate::test_env::{Running, TestEnv};
use actors::{
    ComplianceHook, ComplianceQuestion, OperatorDecision, Outcome, Verdict, VerdictFuture,
};
use challenge::Label;
use chrono::TimeDelta;
use scep::client::{Content, Request};
use serde_json::{Map, Value, json};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the connector says of a device.
pub fn claims(device: &str) -> Map<String, Value> {
    let Value::Object(claims) = json!({
        "iss": "https://connector.example.com/installation/one",
        "sub": format!("device-guid-{device}"),
        "aud": "https://scep.example.com/scep/corp",
        "device_name": device,
    }) else {
        unreachable!()
    };
    claims
}

pub fn challenge(env: &TestEnv, device: &str) -> String {
    signed(env, claims(device), &env.connector.key)
}

/// Any claims, signed with any key.
pub fn signed(env: &TestEnv, claims: Map<String, Value>, key: &pki::PrivateKey) -> String {
    use actors::Clock;
    let lifetime = TimeDelta::minutes(30);
    challenge::mint::mint(claims, key, lifetime, env.clock.now()).unwrap()
}

pub fn enroll(env: &TestEnv, device: &Device, challenge: &str) -> Request {
    device.request(env, Content::PkcsReq(&device.csr(Some(challenge), "")))
}

/// Sends copies of one challenge at once, each in a message of its own; how many got a
/// certificate. All others must be replays.
async fn passed(env: &TestEnv, running: &Running, copies: &[Request]) -> usize {
    let replies = copies
        .iter()
        .map(|request| ask(env, running, "corp", request));
    let replies = futures_util::future::join_all(replies).await;
    let replay = "FAILURE badMessageCheck the Intune challenge was refused: replay";
    let (replays, others): (Vec<_>, Vec<_>) =
        replies.iter().map(words).partition(|words| words == replay);
    assert!(
        others.iter().all(|words| words.starts_with("SUCCESS")),
        "{others:?}"
    );
    assert_eq!(replays.len() + others.len(), copies.len());
    others.len()
}

#[actix::test]
async fn a_challenge_enrolls_once_and_its_copies_are_replays() {
    const COPIES: usize = 64;
    const ROUNDS: u64 = 200;
    let env = TestEnv::new();
    let spec = || {
        let mut spec = env.intune_spec("corp");
        spec.intune
            .as_mut()
            .unwrap()
            .signed
            .settings
            .per_device_limit_24h = 0;
        spec
    };
    let mut running = env.open(vec![spec()]).await;
    let device = Device::new(&env, "laptop-1");
    for round in 1..=ROUNDS {
        let challenge = challenge(&env, "laptop-1");
        let copies: Vec<Request> = (0..COPIES)
            .map(|_| enroll(&env, &device, &challenge))
            .collect();
        // Now and then the server restarts between one half of the copies and the other.
        let (before, after) = copies.split_at(COPIES / if round % 10 == 0 { 2 } else { 1 });
        assert_eq!(passed(&env, &running, before).await, 1, "round {round}");
        if !after.is_empty() {
            running.close();
            running = env.open(vec![spec()]).await;
            assert_eq!(passed(&env, &running, after).await, 0, "round {round}");
        }
        assert_eq!(running.certificates(), round);
        let counters = running.status("corp").await.counters;
        assert_eq!(counters.count(Label::Success), round);
        assert_eq!(counters.count(Label::Replay), round * (COPIES as u64 - 1));
    }
}

#[actix::test]
async fn replay_rate_and_counters_survive_a_restart() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let used = challenge(&env, "laptop-1");
    issued(ask(&env, &running, "corp", &enroll(&env, &device, &used)).await);
    for _ in 0..2 {
        let next = challenge(&env, "laptop-1");
        issued(ask(&env, &running, "corp", &enroll(&env, &device, &next)).await);
    }
    running.close();

    let running = env.open(vec![env.intune_spec("corp")]).await;
    assert_eq!(running.counter("corp", Label::Success).await, (3, 3));
    let reply = ask(&env, &running, "corp", &enroll(&env, &device, &used)).await;
    assert!(words(&reply).ends_with("replay"), "{}", words(&reply));
    let fourth = challenge(&env, "laptop-1");
    let reply = ask(&env, &running, "corp", &enroll(&env, &device, &fourth)).await;
    assert_eq!(
        words(&reply),
        "FAILURE badRequest the Intune challenge was refused: rate_limited"
    );
    env.clock.advance(TimeDelta::hours(24));
    let later = challenge(&env, "laptop-1");
    issued(ask(&env, &running, "corp", &enroll(&env, &device, &later)).await);
    running.close();

    let running = env.open(vec![env.intune_spec("corp")]).await;
    let counters = running.status("corp").await.counters;
    assert_eq!(counters.count(Label::Success), 4);
    assert_eq!(counters.count(Label::Replay), 1);
    assert_eq!(counters.count(Label::RateLimited), 1);
}

#[actix::test]
async fn a_wall_clock_that_jumps_and_is_put_right_frees_nothing() {
    let env = TestEnv::new();
    let mut spec = env.intune_spec("corp");
    spec.intune
        .as_mut()
        .unwrap()
        .signed
        .settings
        .per_device_limit_24h = 2;
    let running = env.open(vec![spec.clone()]).await;
    let device = Device::new(&env, "laptop-1");
    let used = challenge(&env, "laptop-1");
    issued(ask(&env, &running, "corp", &enroll(&env, &device, &used)).await);
    let second = challenge(&env, "laptop-1");
    issued(ask(&env, &running, "corp", &enroll(&env, &device, &second)).await);

    let others = async |from: u32, to: u32| {
        for n in from..to {
            let name = format!("other-{n}");
            let other = Device::with_key(&env, &name, device.key.clone());
            let theirs = challenge(&env, &name);
            issued(ask(&env, &running, "corp", &enroll(&env, &other, &theirs)).await);
        }
    };
    // More than the store keeps together, so that there is something to sweep.
    others(0, 20).await;
    // More than a day ahead: other devices enroll, and memory and disk are swept.
    let ahead = TimeDelta::hours(49);
    env.clock.jump(ahead);
    others(20, 22).await;
    env.clock.jump(-ahead);

    let refused = async |running: &Running| {
        let again = enroll(&env, &device, &used);
        let reply = ask(&env, running, "corp", &again).await;
        assert!(words(&reply).ends_with("replay"), "{}", words(&reply));
        let third = challenge(&env, "laptop-1");
        let reply = ask(&env, running, "corp", &enroll(&env, &device, &third)).await;
        assert!(words(&reply).ends_with("rate_limited"), "{}", words(&reply));
    };
    refused(&running).await;
    running.close();
    refused(&env.open(vec![spec]).await).await;
}

#[actix::test]
async fn what_a_failed_issuance_took_is_given_back() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let challenge = challenge(&env, "laptop-1");
    env.issuer.broken.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        let request = enroll(&env, &device, &challenge);
        let outcome = running.send("corp", request.message().to_vec()).await;
        assert!(
            matches!(outcome, actors::Outcome::Busy { .. }),
            "{outcome:?}"
        );
    }
    env.issuer.broken.store(false, Ordering::SeqCst);
    issued(ask(&env, &running, "corp", &enroll(&env, &device, &challenge)).await);
    assert_eq!(running.counter("corp", Label::Success).await, (1, 1));
}

#[actix::test]
async fn a_refusal_says_what_the_claim_and_the_csr_said() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-2");
    let challenge = challenge(&env, "laptop-1");
    let reply = ask(&env, &running, "corp", &enroll(&env, &device, &challenge)).await;
    let expected = "FAILURE badRequest the Intune challenge was refused: claim_mismatch";
    assert_eq!(words(&reply), expected);
    let event = running.audit().remove(0).event;
    assert_eq!(event.action, "scep_pkcsreq_intune");
    assert_eq!(event.details.reason.as_deref(), Some("claim_mismatch"));
    assert_eq!(
        event.details.device.as_deref(),
        Some("device-guid-laptop-1")
    );
    assert_eq!(event.details.claim.unwrap()["device_name"], "laptop-1");
    assert_eq!(
        event.details.csr.unwrap()["device_name"],
        json!(["laptop-2"])
    );
    assert_eq!(running.counter("corp", Label::ClaimMismatch).await, (1, 1));
}

#[actix::test]
async fn an_intune_only_profile_refuses_what_is_no_challenge() {
    let env = TestEnv::new();
    let mut spec = env.intune_spec("corp");
    spec.challenge = None;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let reply = ask(&env, &running, "corp", &device.pkcs_req(&env, "anything")).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    assert_eq!(
        running.status("corp").await.counters,
        challenge::Counters::default()
    );
}

struct Webhook(AtomicBool);

impl ComplianceHook for Webhook {
    fn ask(&self, question: ComplianceQuestion) -> VerdictFuture {
        assert_eq!(question.claim.device_name.as_deref(), Some("laptop-1"));
        let compliant = self.0.load(Ordering::SeqCst);
        Box::pin(async move {
            match compliant {
                true => Verdict::Compliant,
                false => Verdict::NotCompliant {
                    reason: "disk not encrypted".to_owned(),
                },
            }
        })
    }
}

#[actix::test]
async fn a_device_that_is_not_compliant_is_refused_and_may_try_again() {
    let env = TestEnv::new();
    let hook = Arc::new(Webhook(AtomicBool::new(false)));
    let mut spec = env.intune_spec("corp");
    spec.intune.as_mut().unwrap().compliance = Some(Arc::clone(&hook) as Arc<dyn ComplianceHook>);
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let challenge = challenge(&env, "laptop-1");
    let reply = ask(&env, &running, "corp", &enroll(&env, &device, &challenge)).await;
    assert!(
        words(&reply).ends_with("compliance_failed"),
        "{}",
        words(&reply)
    );
    assert_eq!(
        running.counter("corp", Label::ComplianceFailed).await,
        (1, 1)
    );
    let message = running.audit()[0].event.details.message.clone().unwrap();
    assert!(message.contains("disk not encrypted"), "{message}");
    hook.0.store(true, Ordering::SeqCst);
    issued(ask(&env, &running, "corp", &enroll(&env, &device, &challenge)).await);
}

#[actix::test]
async fn a_retransmission_window_answers_the_very_same_message_again() {
    let env = TestEnv::new();
    let mut spec = env.intune_spec("corp");
    spec.intune.as_mut().unwrap().retransmission = Some(std::time::Duration::from_secs(300));
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let challenge = challenge(&env, "laptop-1");
    let request = enroll(&env, &device, &challenge);
    let first = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(issued(ask(&env, &running, "corp", &request).await), first);
    let other = enroll(&env, &device, &challenge);
    let reply = ask(&env, &running, "corp", &other).await;
    assert!(words(&reply).ends_with("replay"), "{}", words(&reply));
    env.clock.advance(TimeDelta::seconds(301));
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(words(&reply).ends_with("replay"), "{}", words(&reply));
}

#[actix::test]
async fn who_asks_again_while_an_operator_decides_gets_the_decision() {
    let env = TestEnv::new();
    let mut spec = env.intune_spec("corp");
    spec.approval = Some(std::time::Duration::from_secs(3600));
    let running = Rc::new(env.open(vec![spec]).await);
    let device = Device::new(&env, "laptop-1");
    let request = enroll(&env, &device, &challenge(&env, "laptop-1"));
    assert_eq!(
        words(&ask(&env, &running, "corp", &request).await),
        "PENDING"
    );
    let key = running.store.pending(Some("corp")).unwrap()[0].key;
    let decide = || {
        let actor = running
            .runtime
            .directory
            .find("corp")
            .unwrap()
            .actor
            .clone();
        actix::spawn(actor.send(OperatorDecision {
            key,
            approve: true,
            by: "ops".to_owned(),
            by_type: "APIKey".to_owned(),
            note: None,
            request_id: "2".to_owned(),
        }))
    };
    let repeat = || {
        let (running, message) = (Rc::clone(&running), request.message().to_vec());
        actix::spawn(async move { running.send("corp", message).await })
    };
    for works in [false, true] {
        env.issuer.door.close();
        let decision = decide();
        env.issuer.door.reached().await;
        let again = repeat();
        // One thread is left for the pool: what comes after it is answered after it met the actor.
        running.send("corp", b"no message".to_vec()).await;
        env.issuer.broken.store(!works, Ordering::SeqCst);
        env.issuer.door.open();
        assert_eq!(decision.await.unwrap().unwrap().is_ok(), works);
        let reply = again.await.unwrap();
        let Outcome::CertRep(octets) = reply else {
            panic!("no CertRep: {reply:?}");
        };
        let reply = request.open_reply(&octets, &[&env.ra.certificate]).unwrap();
        let expected = if works {
            "SUCCESS CN=laptop-1,O=scepd"
        } else {
            "PENDING"
        };
        assert_eq!(words(&reply).replace(", ", ","), expected);
    }
    assert_eq!(running.certificates(), 1);
    assert_eq!(running.counter("corp", Label::Replay).await.0, 0);
}

#[actix::test]
async fn profiles_that_take_the_same_challenges_share_what_was_used() {
    let env = TestEnv::new();
    let device = Device::new(&env, "laptop-1");
    let (first, second) = (challenge(&env, "laptop-1"), challenge(&env, "laptop-1"));
    let replay = "FAILURE badMessageCheck the Intune challenge was refused: replay";
    let asked = async |running: &Running, path_id: &str, text: &str| {
        let request = enroll(&env, &device, text);
        words(&ask(&env, running, path_id, &request).await)
    };
    let running = env.open(vec![env.intune_spec("corp")]).await;
    assert!(asked(&running, "corp", &first).await.starts_with("SUCCESS"));
    running.close();

    // Also what was used before the other profile was there.
    let both = vec![env.intune_spec("corp"), env.intune_spec("iot")];
    let running = env.open(both.clone()).await;
    assert_eq!(asked(&running, "iot", &first).await, replay);
    assert!(asked(&running, "iot", &second).await.starts_with("SUCCESS"));
    assert_eq!(asked(&running, "corp", &second).await, replay);
    assert_eq!(running.counter("corp", Label::Replay).await.0, 1);
    running.close();
    let running = env.open(both).await;
    assert_eq!(asked(&running, "corp", &second).await, replay);
    running.close();

    // An audience of its own for each tells them apart.
    let mut apart = vec![env.intune_spec("corp"), env.intune_spec("iot")];
    for (spec, audience) in apart
        .iter_mut()
        .zip(["https://scep.example.com/scep/corp", "other"])
    {
        let settings = &mut spec.intune.as_mut().unwrap().signed.settings;
        settings.audience = Some(audience.to_owned());
    }
    let running = env.open(apart).await;
    let third = challenge(&env, "laptop-1");
    assert!(
        asked(&running, "iot", &third)
            .await
            .contains("wrong_audience")
    );
    assert!(asked(&running, "corp", &third).await.starts_with("SUCCESS"));
    running.close();
}

#[actix::test]
async fn nobody_gets_the_name_of_another_profiles_ra() {
    let env = TestEnv::new();
    let mut other = env.spec("iot");
    let ra = env.ra_of("iot");
    let name = ra.certificate.subject().clone();
    other.ras = vec![ra.into()];
    let running = env.open(vec![env.spec("corp"), other]).await;
    let mut device = Device::new(&env, "laptop-1");
    device.name = name;
    let request = device.pkcs_req(&env, crate::test_env::CHALLENGE);
    let refused = words(&ask(&env, &running, "corp", &request).await);
    assert!(
        refused.contains("that of an RA of this server"),
        "{refused}"
    );
    running.close();
}
