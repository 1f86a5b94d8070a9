//! Certificates that leave only once whoever vouched knows of them.

use crate::device::{Device, issued, words};
use crate::outside::{ASK, Scene, one_certificate, poll};
use crate::scripted::{Act, Oracle, Script};
use crate::test_env::Running;
use actors::OutsideRules;
use challenge::NoticeOf;
use scep::client::{Reply, Request};
use std::sync::Arc;
use std::time::Duration;

fn oracle(scene: &Scene, notifying: impl IntoIterator<Item = Act>) -> Arc<Oracle> {
    Oracle::told_first(scene.clock(), Script::of(notifying))
}

/// Polls until the request has an end.
async fn end(scene: &Scene, running: &Running, device: &Device, request: &Request) -> Reply {
    for _ in 0..400 {
        let poll = poll(&scene.env, device, request);
        match scene.reply(running, &poll).await {
            Reply::Pending => {}
            reply => return reply,
        }
        scene.clock.pass_until(10, async || false).await;
    }
    panic!("the request has no end");
}

fn messages(running: &Running, action: &str) -> Vec<String> {
    let events = running.audit().into_iter();
    events
        .filter(|event| event.event.action == action)
        .filter_map(|event| event.event.details.message)
        .collect()
}

fn revoked(running: &Running) -> u64 {
    let query = store::CertificateQuery {
        status: Some(store::CertificateStatus::Revoked),
        ..store::CertificateQuery::default()
    };
    let now = running.runtime.services.clock.now();
    running.store.certificates(&query, now).unwrap().total
}

#[actix::test]
async fn a_certificate_waits_until_whoever_vouched_knows_of_it() {
    let scene = Scene::new();
    let oracle = oracle(&scene, std::iter::repeat_n(Act::Breaks, 8));
    let running = scene.open(&scene.hasty(None, Some(&oracle))).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    assert_eq!((running.certificates(), oracle.told().len()), (1, 0));
    // The same message again waits too, and has nothing signed.
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    let certificate = issued(end(&scene, &running, &device, &request).await);
    one_certificate(&running, &certificate).await;
    assert_eq!(oracle.told(), ["issued"]);
    let notices = oracle.notices.lock().unwrap().clone();
    assert_eq!(notices[0].end, NoticeOf::Issued(certificate.der().to_vec()));
    assert_eq!(notices[0].transaction_id, request.transaction_id());
    assert_eq!(messages(&running, "scep_notification"), ["it was told"]);
}

#[actix::test]
async fn a_certificate_of_which_nobody_could_be_told_is_revoked_and_never_leaves() {
    let scene = Scene::new();
    let oracle = oracle(&scene, std::iter::repeat_n(Act::Breaks, 60));
    let mut spec = scene.hasty(None, Some(&oracle));
    spec.outside = OutsideRules {
        budget: Duration::from_secs(120),
        ..OutsideRules::default()
    };
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    let refused = words(&end(&scene, &running, &device, &request).await);
    assert!(refused.starts_with("FAILURE badRequest"), "{refused}");
    assert_eq!(running.certificates(), 1);
    // What is written together is seen one after the other.
    let is_revoked = scene
        .clock
        .pass_until(1000, async || revoked(&running) == 1)
        .await;
    assert!(is_revoked);
    let words = messages(&running, "cert_revoke");
    assert!(
        words.len() == 1 && words[0].contains("before it was delivered"),
        "{words:?}"
    );
    // The failure is told of by the outbox.
    let told = scene
        .clock
        .pass_until(5000, async || {
            running.sweep("corp").await;
            !oracle.told().is_empty()
        })
        .await;
    assert!(told);
    assert_eq!(oracle.told(), ["refused"]);
}

#[actix::test]
async fn after_a_restart_the_same_certificate_is_told_of_and_delivered() {
    let scene = Scene::new();
    let hanging = oracle(&scene, std::iter::repeat_n(Act::Breaks, 100));
    let running = scene.open(&scene.hasty(None, Some(&hanging))).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    let made = scene
        .clock
        .pass_until(1000, async || {
            running.sweep("corp").await;
            running.certificates() == 1
        })
        .await;
    assert!(made);
    running.close();
    let again = oracle(&scene, []);
    let running = scene.open(&scene.hasty(None, Some(&again))).await;
    let certificate = issued(end(&scene, &running, &device, &request).await);
    one_certificate(&running, &certificate).await;
    assert_eq!(again.told(), ["issued"]);
    assert_eq!(again.script.calls(), 0, "it is not validated again");
}

#[actix::test]
async fn of_its_own_refusal_nobody_is_told() {
    let scene = Scene::new();
    let oracle = scene.oracle([Act::Refuses]);
    let running = scene.open(&scene.spec(None, Some(&oracle))).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    let refused = words(&scene.reply(&running, &request).await);
    assert!(refused.starts_with("FAILURE"), "{refused}");
    let time = running.runtime.services.time.now();
    assert!(running.store.due_notices(time, 10).unwrap().is_empty());
}
