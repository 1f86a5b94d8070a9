//! A wall clock that is set, forwards or backwards, ends, deletes and spends nothing.

use crate::device::{Device, ask, issued, words};
use crate::house::{CHALLENGE, Running, World};
use crate::intune::{challenge, enroll};
use actors::{Clock, ProfileSpec};
use chrono::TimeDelta;
use pki::{Certificate, Crl, Serial};
use scep::client::{Content, Reply};
use std::time::Duration;

async fn get_crl(world: &World, running: &Running) -> Crl {
    let issuer = world.issuer_name();
    let content = Content::GetCrl {
        issuer: &issuer,
        serial: &Serial::random().unwrap(),
    };
    let asker = Device::new(world, "asker");
    match ask(world, running, "corp", &asker.request(world, content)).await {
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
    actors::revoke(&running.house.services, order)
        .await
        .unwrap();
}

/// Enrolls with Intune challenges, until the store has something that it could sweep; the first
/// device and its challenge.
async fn enrolled_by_intune(world: &World, running: &Running) -> (Device, String) {
    let device = Device::new(world, "laptop-0");
    let used = challenge(world, "laptop-0");
    issued(ask(world, running, "corp", &enroll(world, &device, &used)).await);
    for n in 1..18 {
        let name = format!("laptop-{n}");
        let other = Device::with_key(world, &name, device.key.clone());
        let theirs = challenge(world, &name);
        issued(ask(world, running, "corp", &enroll(world, &other, &theirs)).await);
    }
    (device, used)
}

async fn is_replay(world: &World, running: &Running, device: &Device, used: &str) {
    let reply = ask(world, running, "corp", &enroll(world, device, used)).await;
    assert!(words(&reply).ends_with("replay"), "{}", words(&reply));
}

#[actix::test]
async fn a_crl_that_is_asked_for_under_a_clock_ahead_forgets_no_challenge() {
    let world = World::new();
    let spec = world.intune_spec("corp");
    let running = world.open(vec![spec.clone()]).await;
    let (device, used) = enrolled_by_intune(&world, &running).await;
    world.clock.jump(TimeDelta::hours(3));
    get_crl(&world, &running).await;
    world.clock.jump(-TimeDelta::hours(3));
    is_replay(&world, &running, &device, &used).await;
    running.close();
    is_replay(&world, &world.open(vec![spec]).await, &device, &used).await;
}

#[actix::test]
async fn a_server_that_is_started_under_a_clock_ahead_forgets_no_challenge() {
    let world = World::new();
    let spec = world.intune_spec("corp");
    let running = world.open(vec![spec.clone()]).await;
    let (device, used) = enrolled_by_intune(&world, &running).await;
    running.close();

    world.clock.jump(TimeDelta::hours(3));
    let running = world.open(vec![spec.clone()]).await;
    get_crl(&world, &running).await;
    let other = Device::new(&world, "laptop-99");
    let theirs = challenge(&world, "laptop-99");
    issued(ask(&world, &running, "corp", &enroll(&world, &other, &theirs)).await);
    running.sweep("corp").await;
    world.clock.jump(-TimeDelta::hours(3));
    is_replay(&world, &running, &device, &used).await;
    running.close();
    is_replay(&world, &world.open(vec![spec]).await, &device, &used).await;
}

#[actix::test]
async fn a_request_waits_on_under_a_clock_ahead() {
    let world = World::new();
    let spec = ProfileSpec {
        approval: Some(Duration::from_secs(3600)),
        ..world.spec("corp")
    };
    let running = world.open(vec![spec.clone()]).await;
    let device = Device::new(&world, "laptop-1");
    let request = device.pkcs_req(&world, CHALLENGE);
    ask(&world, &running, "corp", &request).await;
    world.clock.jump(TimeDelta::hours(2));
    running.sweep("corp").await;
    let reply = ask(&world, &running, "corp", &request).await;
    assert!(matches!(reply, Reply::Pending), "{}", words(&reply));
    world.clock.jump(-TimeDelta::hours(2));
    running.sweep("corp").await;
    assert_eq!(running.status("corp").await.pending, 1);
    running.close();

    world.clock.jump(TimeDelta::hours(2));
    let running = world.open(vec![spec]).await;
    running.sweep("corp").await;
    assert_eq!(running.status("corp").await.pending, 1, "started under it");
    world.clock.jump(-TimeDelta::hours(2));
    world.clock.advance(TimeDelta::seconds(3601));
    running.sweep("corp").await;
    assert_eq!(running.status("corp").await.pending, 0, "its time is over");
}

#[actix::test]
async fn a_crl_of_the_future_is_not_shown_once_the_clock_is_right_again() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let ahead = TimeDelta::hours(3);
    world.clock.jump(ahead);
    let early = get_crl(&world, &running).await;
    assert!(early.this_update() > world.clock.now() - ahead);
    world.clock.jump(-ahead);
    let right = get_crl(&world, &running).await;
    assert!(right.this_update() <= world.clock.now());
    assert!(right.number() > early.number());
}

#[actix::test]
async fn a_revoked_certificate_stays_on_the_crl_whatever_a_clock_ahead_made() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let device = Device::new(&world, "laptop-1");
    let certificate = device.enroll(&world, &running, "corp").await;
    let ahead = TimeDelta::days(400);
    world.clock.jump(ahead);
    revoke(&running, &certificate).await;
    for _ in 0..2 {
        get_crl(&world, &running).await;
        world.clock.jump(TimeDelta::days(30));
    }
    world.clock.jump(-ahead - TimeDelta::days(60));
    world.clock.advance(TimeDelta::seconds(2));
    let crl = get_crl(&world, &running).await;
    let entry = crl
        .entries()
        .iter()
        .find(|entry| entry.serial.same_number(certificate.serial()))
        .expect("it is listed");
    assert!(entry.revoked_at <= crl.this_update());
}
