//! What stays of an enrollment that needs somebody outside: its time, its tries, who works on it, what it took, its row.

use crate::device::{Device, ask, issued, words};
use crate::outside::{ASK, Scene, poll};
use crate::scripted::Act;
use crate::test_env::Running;
use actors::{DecideError, OperatorDecision, OutsideRules};
use challenge::{Check, Grounds, Proven, Request, Reservation, Validator};
use chrono::{DateTime, TimeDelta, Utc};
use scep::client::{Content, Reply};
use std::sync::Arc;
use std::time::Duration;
use store::{AuditEvent, Change, Stage};

/// What [`crate::scripted::Oracle`] takes for a challenge.
fn key_of(challenge: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&pki::sha256(challenge.as_bytes())[..16]);
    key
}

/// Has somebody else take a challenge, of whom the profile's memory knows nothing.
async fn take_elsewhere(running: &Running, challenge: &str) {
    let services = &running.runtime.services;
    let change = Change::new().with(store::Reservation::Once {
        scope: "corp".to_owned(),
        key: key_of(challenge),
        until: services.clock.now() + TimeDelta::days(1),
    });
    services.journal.commit(change, None).await.unwrap();
}

fn has_failed(event: &store::StoredEvent) -> bool {
    event.event.details.reason.as_deref() == Some("outside_failed")
}

fn attempts(running: &Running) -> Vec<AuditEvent> {
    let events = running.audit().into_iter().rev();
    let events = events.map(|event| event.event);
    events
        .filter(|event| event.action == "scep_outside_attempt")
        .collect()
}

#[actix::test]
async fn the_time_of_a_stage_goes_on_across_a_restart() {
    let scene = Scene::new();
    let issuer = scene.issuer(std::iter::repeat_n(Act::Breaks, 2000));
    let mut spec = scene.hasty(Some(&issuer), None);
    spec.outside.budget = Duration::from_secs(3000);
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, crate::test_env::CHALLENGE);
    let first = scene.reply(&running, &request).await;
    assert!(matches!(first, Reply::Pending));
    scene.clock.pass_until(2000, async || false).await;
    running.close();

    let running = scene.open(&spec).await;
    running.sweep("corp").await;
    scene.clock.pass_until(30, async || false).await;
    let asked = poll(&scene.env, &device, &request);
    let still = ask(&scene.env, &running, "corp", &asked).await;
    assert!(matches!(still, Reply::Pending), "{}", words(&still));
    // What is left of it, and no more.
    let ended = scene
        .clock
        .pass_until(1500, async || running.audit().iter().any(has_failed))
        .await;
    assert!(ended);
    let asked = poll(&scene.env, &device, &request);
    let failed = words(&ask(&scene.env, &running, "corp", &asked).await);
    assert!(failed.starts_with("FAILURE badRequest"), "{failed}");
    running.close();
}

#[actix::test]
async fn calls_and_what_they_came_to_stand_in_the_audit_and_ever_fewer_of_a_long_row() {
    let scene = Scene::new();
    let acts = [Act::Breaks, Act::Later(3), Act::Answers(1)];
    let issuer = scene.issuer(acts);
    let running = scene.open(&scene.spec(Some(&issuer), None)).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, crate::test_env::CHALLENGE);
    issued(scene.reply(&running, &request).await);
    let said = attempts(&running);
    let messages: Vec<&str> = said
        .iter()
        .filter_map(|event| event.details.message.as_deref())
        .collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].contains("call 1 of this stage"), "{messages:?}");
    assert!(
        messages[1].contains("the issuer is still at work; call 2"),
        "{messages:?}"
    );
    for event in &said {
        assert_eq!(
            event.details.transaction_id.as_deref(),
            Some(request.transaction_id())
        );
        assert!(event.details.extra.contains_key("remote"));
    }
    running.close();

    let issuer = scene.issuer(std::iter::repeat_n(Act::Later(5), 40));
    let mut spec = scene.spec(Some(&issuer), None);
    spec.outside.budget = spec.outside.answer_within;
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-2");
    let request = device.pkcs_req(&scene.env, crate::test_env::CHALLENGE);
    issued(scene.reply(&running, &request).await);
    // The two of before, and calls 1, 2, 4, ... 32.
    assert_eq!(attempts(&running).len(), 2 + 6);
    assert_eq!(issuer.script.calls(), 41);
}

#[actix::test]
async fn after_its_tries_an_enrollment_fails() {
    let scene = Scene::new();
    let issuer = scene.issuer(std::iter::repeat_n(Act::Breaks, 100));
    let mut spec = scene.spec(Some(&issuer), None);
    spec.outside = OutsideRules {
        tries: 3,
        answer_within: spec.outside.answer_within,
        ..OutsideRules::default()
    };
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, crate::test_env::CHALLENGE);
    let failed = words(&scene.reply(&running, &request).await);
    assert!(failed.starts_with("FAILURE badRequest"), "{failed}");
    assert_eq!(issuer.script.calls(), 3);
}

#[actix::test]
async fn what_somebody_else_took_is_a_replay_and_its_certificate_is_revoked() {
    let scene = Scene::new();
    let issuer = scene.issuer([]);
    let oracle = scene.oracle([]);
    let running = scene.open(&scene.spec(Some(&issuer), Some(&oracle))).await;
    take_elsewhere(&running, ASK).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    let refused = words(&scene.reply(&running, &request).await);
    assert!(refused.contains("replay"), "{refused}");
    assert_eq!((running.certificates(), issuer.revoked()), (0, 1));
    let event = running.audit().remove(0).event;
    assert_eq!(event.details.reason.as_deref(), Some("replay"));
}

/// Vouches for everybody, once for each challenge, and asks nobody.
struct Voucher;

impl Validator for Voucher {
    fn id(&self) -> &str {
        "voucher"
    }

    fn recognises(&self, challenge: Option<&str>) -> bool {
        challenge.is_some_and(|text| text.starts_with("once:"))
    }

    fn check(&self, request: &Request<'_>, now: DateTime<Utc>) -> Check {
        Check::Proven(Box::new(Proven {
            grounds: Grounds::default(),
            reservations: vec![Reservation::Once {
                key: key_of(request.challenge.unwrap_or_default()),
                until: now + TimeDelta::hours(1),
            }],
        }))
    }
}

#[actix::test]
async fn the_same_holds_where_nobody_outside_is_needed_and_no_counter_of_signed_challenges_moves() {
    let scene = Scene::new();
    let mut spec = scene.env.spec("corp");
    spec.validators = vec![Arc::new(Voucher)];
    let running = scene.open(&spec).await;
    take_elsewhere(&running, "once:1").await;
    let device = Device::new(&scene.env, "laptop-1");
    for (challenge, is_new) in [("once:1", false), ("once:2", true), ("once:2", false)] {
        let request = device.pkcs_req(&scene.env, challenge);
        let reply = scene.reply(&running, &request).await;
        match is_new {
            true => drop(issued(reply)),
            false => {
                let refused = words(&reply);
                let told = "FAILURE badRequest the challenge was refused";
                assert!(refused.starts_with(told), "{refused}");
            }
        }
    }
    let (_, counted) = running.counter("corp", challenge::Label::Replay).await;
    assert_eq!(counted, 0);
}

async fn approve(running: &Running) -> Result<Stage, DecideError> {
    let waiting = running.store.pending(Some("corp")).unwrap().remove(0);
    let decision = OperatorDecision {
        key: waiting.key,
        approve: true,
        by: "admin".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    let profile = running.runtime.directory.find("corp").unwrap();
    profile.actor.clone().send(decision).await.unwrap()
}

#[actix::test]
async fn of_one_key_one_request_waits_whoever_vouched_and_all_its_transactions_end_together() {
    let scene = Scene::new();
    let oracle = scene.oracle([]);
    let mut spec = scene.spec(None, Some(&oracle));
    spec.approval = Some(Duration::from_secs(3600));
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-1");
    let asking = |challenge: &str, id: &str| {
        let csr = device.csr(Some(challenge), "dns:one.example");
        device.builder(&scene.env, Content::PkcsReq(&csr), |builder| {
            builder.transaction_id(id)
        })
    };
    let (first, second) = (asking("ask:1", "first"), asking("ask:2", "second"));
    for request in [&first, &second] {
        let reply = scene.reply(&running, request).await;
        assert!(matches!(reply, Reply::Pending), "{}", words(&reply));
    }
    assert_eq!(running.store.pending(Some("corp")).unwrap().len(), 1);
    assert_eq!(running.status("corp").await.pending, 1);
    running.close();

    // What they took is taken, also after a restart.
    let running = scene.open(&spec).await;
    let thief = Device::new(&scene.env, "laptop-2");
    let stolen = thief.pkcs_req(&scene.env, "ask:2");
    let refused = words(&scene.reply(&running, &stolen).await);
    assert!(refused.contains("replay"), "{refused}");
    assert_eq!(running.store.pending(Some("corp")).unwrap().len(), 1);

    // Something else with the same key takes its place.
    let csr = device.csr(Some("ask:3"), "dns:two.example");
    let third = device.builder(&scene.env, Content::PkcsReq(&csr), |builder| {
        builder.transaction_id("third")
    });
    let reply = scene.reply(&running, &third).await;
    assert!(matches!(reply, Reply::Pending), "{}", words(&reply));
    assert_eq!(running.store.pending(Some("corp")).unwrap().len(), 1);
    for request in [&first, &second] {
        let polled = poll(&scene.env, &device, request);
        let ended = words(&ask(&scene.env, &running, "corp", &polled).await);
        assert!(ended.starts_with("FAILURE"), "{ended}");
    }

    assert!(matches!(approve(&running).await, Ok(Stage::Issued { .. })));
    let polled = poll(&scene.env, &device, &third);
    issued(ask(&scene.env, &running, "corp", &polled).await);
    assert_eq!(running.certificates(), 1);
    let told = scene
        .clock
        .pass_until(120, async || {
            running.sweep("corp").await;
            oracle.told().len() == 4
        })
        .await;
    assert!(told, "who vouched is told: {:?}", oracle.told());
    let mut ends = oracle.told();
    ends.sort_unstable();
    assert_eq!(ends, ["issued", "refused", "refused", "refused"]);
}

#[actix::test]
async fn what_another_node_holds_is_left_to_it_until_its_time_is_over() {
    let scene = Scene::new();
    let issuer = scene.issuer(std::iter::repeat_n(Act::Hangs, 100));
    let spec = scene.hasty(Some(&issuer), None);
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, crate::test_env::CHALLENGE);
    let first = scene.reply(&running, &request).await;
    assert!(matches!(first, Reply::Pending));
    running.close();

    let issuer = scene.issuer([]);
    let specs = vec![scene.hasty(Some(&issuer), None)];
    let running = scene.env.open_as("b", specs, scene.clock()).await;
    running.sweep("corp").await;
    scene.clock.pass_until(20, async || false).await;
    running.sweep("corp").await;
    scene.clock.pass_until(5, async || false).await;
    assert_eq!(issuer.script.calls(), 0, "node a may be at work");
    let taken_over = scene
        .clock
        .pass_until(200, async || {
            running.sweep("corp").await;
            running.certificates() == 1
        })
        .await;
    assert!(taken_over);
    let polled = poll(&scene.env, &device, &request);
    issued(ask(&scene.env, &running, "corp", &polled).await);
    running.close();
}
