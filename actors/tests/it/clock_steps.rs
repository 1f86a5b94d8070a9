//! A wall clock that is set, forwards or backwards, ends, deletes and spends nothing.

use crate::device::{Device, ask, issued, words};
use crate::intune::{challenge, enroll};
use crate::test_env::{CHALLENGE, Running, TestEnv};
use actors::{Clock, ProfileSpec};
use chrono::TimeDelta;
use pki::{Certificate, Crl, Serial};
use scep::client::{Content, Reply};
use std::time::Duration;

async fn get_crl(env: &TestEnv, running: &Running) -> Crl {
    let issuer = env.issuer_name();
    let content = Content::GetCrl {
        issuer: &issuer,
        serial: &Serial::random().unwrap(),
    };
    let asker = Device::new(env, "asker");
    match ask(env, running, "corp", &asker.request(env, content)).await {
        Reply::Crl(crl) => crl,
        other => panic!("no CRL: {}", words(&other)),
    }
}

async fn revoke(running: &Running, certificate: &Certificate) {
    let order = actors::Revocation {
        ca: store::CaId::of_issuer(certificate).unwrap(),
        serial: certificate.serial().clone(),
        reason: pki::RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    actors::revoke(&running.runtime.services, order)
        .await
        .unwrap();
}

/// Enrolls with Intune challenges, until the store has something that it could sweep; the first
/// device and its challenge.
async fn enrolled_by_intune(env: &TestEnv, running: &Running) -> (Device, String) {
    let device = Device::new(env, "laptop-0");
    let used = challenge(env, "laptop-0");
    issued(ask(env, running, "corp", &enroll(env, &device, &used)).await);
    for n in 1..18 {
        let name = format!("laptop-{n}");
        let other = Device::with_key(env, &name, device.key.clone());
        let theirs = challenge(env, &name);
        issued(ask(env, running, "corp", &enroll(env, &other, &theirs)).await);
    }
    (device, used)
}

async fn is_replay(env: &TestEnv, running: &Running, device: &Device, used: &str) {
    let reply = ask(env, running, "corp", &enroll(env, device, used)).await;
    assert!(words(&reply).ends_with("replay"), "{}", words(&reply));
}

#[actix::test]
async fn a_crl_that_is_asked_for_under_a_clock_ahead_forgets_no_challenge() {
    let env = TestEnv::new();
    let spec = env.intune_spec("corp");
    let running = env.open(vec![spec.clone()]).await;
    let (device, used) = enrolled_by_intune(&env, &running).await;
    env.clock.jump(TimeDelta::hours(3));
    get_crl(&env, &running).await;
    env.clock.jump(-TimeDelta::hours(3));
    is_replay(&env, &running, &device, &used).await;
    running.close();
    is_replay(&env, &env.open(vec![spec]).await, &device, &used).await;
}

#[actix::test]
async fn a_server_that_is_started_under_a_clock_ahead_forgets_no_challenge() {
    let env = TestEnv::new();
    let spec = env.intune_spec("corp");
    let running = env.open(vec![spec.clone()]).await;
    let (device, used) = enrolled_by_intune(&env, &running).await;
    running.close();

    env.clock.jump(TimeDelta::hours(3));
    let running = env.open(vec![spec.clone()]).await;
    get_crl(&env, &running).await;
    let other = Device::new(&env, "laptop-99");
    let theirs = challenge(&env, "laptop-99");
    issued(ask(&env, &running, "corp", &enroll(&env, &other, &theirs)).await);
    running.sweep("corp").await;
    env.clock.jump(-TimeDelta::hours(3));
    is_replay(&env, &running, &device, &used).await;
    running.close();
    is_replay(&env, &env.open(vec![spec]).await, &device, &used).await;
}

#[actix::test]
async fn a_request_waits_on_under_a_clock_ahead() {
    let env = TestEnv::new();
    let spec = ProfileSpec {
        approval: Some(Duration::from_secs(3600)),
        ..env.spec("corp")
    };
    let running = env.open(vec![spec.clone()]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    ask(&env, &running, "corp", &request).await;
    env.clock.jump(TimeDelta::hours(2));
    running.sweep("corp").await;
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(matches!(reply, Reply::Pending), "{}", words(&reply));
    env.clock.jump(-TimeDelta::hours(2));
    running.sweep("corp").await;
    assert_eq!(running.status("corp").await.pending, 1);
    running.close();

    env.clock.jump(TimeDelta::hours(2));
    let running = env.open(vec![spec]).await;
    running.sweep("corp").await;
    assert_eq!(running.status("corp").await.pending, 1, "started under it");
    env.clock.jump(-TimeDelta::hours(2));
    env.clock.advance(TimeDelta::seconds(3601));
    running.sweep("corp").await;
    assert_eq!(running.status("corp").await.pending, 0, "its time is over");
}

#[actix::test]
async fn a_crl_of_the_future_is_not_shown_once_the_clock_is_right_again() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let ahead = TimeDelta::hours(3);
    env.clock.jump(ahead);
    let early = get_crl(&env, &running).await;
    assert!(early.this_update() > env.clock.now() - ahead);
    env.clock.jump(-ahead);
    let right = get_crl(&env, &running).await;
    assert!(right.this_update() <= env.clock.now());
    assert!(right.number() > early.number());
}

#[actix::test]
async fn a_revoked_certificate_stays_on_the_crl_whatever_a_clock_ahead_made() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let certificate = device.enroll(&env, &running, "corp").await;
    let ahead = TimeDelta::days(400);
    env.clock.jump(ahead);
    revoke(&running, &certificate).await;
    for _ in 0..2 {
        get_crl(&env, &running).await;
        env.clock.jump(TimeDelta::days(30));
    }
    env.clock.jump(-ahead - TimeDelta::days(60));
    env.clock.advance(TimeDelta::seconds(2));
    let crl = get_crl(&env, &running).await;
    let entry = crl
        .entries()
        .iter()
        .find(|entry| entry.serial.same_number(certificate.serial()))
        .expect("it is listed");
    assert!(entry.revoked_at <= crl.this_update());
}
