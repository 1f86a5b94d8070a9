use crate::device::{Device, ask, issued, words};
use crate::test_env::{CHALLENGE, Running, TestEnv};
use actors::{DecideError, OperatorDecision, ProfileSpec};
use chrono::TimeDelta;
use scep::client::{Content, Reply, Request};
use std::rc::Rc;
use std::time::Duration;
use store::Stage;

fn spec(env: &TestEnv) -> ProfileSpec {
    ProfileSpec {
        approval: Some(Duration::from_secs(3600)),
        ..env.spec("corp")
    }
}

fn poll(env: &TestEnv, device: &Device, request: &Request) -> Request {
    let ca = env.issuer_name();
    let content = Content::CertPoll {
        issuer: &ca,
        subject: &device.name,
        key: device.key.public_key(),
    };
    device.builder(env, content, |builder| {
        builder.transaction_id(request.transaction_id())
    })
}

async fn decide(running: &Running, approve: bool) -> Result<Stage, DecideError> {
    let pending = running.store.pending(Some("corp")).unwrap();
    decide_on(running, pending[0].key, approve).await
}

async fn decide_on(running: &Running, key: [u8; 16], approve: bool) -> Result<Stage, DecideError> {
    let decision = OperatorDecision {
        key,
        approve,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: Some("seen the device".to_owned()),
        request_id: "2".to_owned(),
    };
    running
        .runtime
        .directory
        .find("corp")
        .unwrap()
        .actor
        .send(decision)
        .await
        .unwrap()
}

#[actix::test]
async fn an_approved_request_is_issued_to_polls_and_repeats_also_across_a_restart() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    assert!(matches!(
        ask(&env, &running, "corp", &request).await,
        Reply::Pending
    ));
    assert!(matches!(
        ask(&env, &running, "corp", &request).await,
        Reply::Pending
    ));
    let polled = ask(&env, &running, "corp", &poll(&env, &device, &request)).await;
    assert!(matches!(polled, Reply::Pending));
    running.close();

    let running = env.open(vec![spec(&env)]).await;
    assert_eq!(running.status("corp").await.pending, 1);
    let polled = ask(&env, &running, "corp", &poll(&env, &device, &request)).await;
    assert!(matches!(polled, Reply::Pending));
    assert!(matches!(
        decide(&running, true).await.unwrap(),
        Stage::Issued { .. }
    ));
    let repeated = issued(ask(&env, &running, "corp", &request).await);
    let polled = issued(ask(&env, &running, "corp", &poll(&env, &device, &request)).await);
    assert_eq!(repeated, polled);
    assert_eq!(running.certificates(), 1);
    assert_eq!(running.status("corp").await.pending, 0);
    let actions: Vec<String> = running
        .audit()
        .into_iter()
        .map(|event| event.event.action)
        .collect();
    assert_eq!(
        actions,
        ["scep_pkcsreq", "scep_request_approve", "scep_pkcsreq"]
    );
}

#[actix::test]
async fn a_denied_request_stays_denied() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    ask(&env, &running, "corp", &request).await;
    decide(&running, false).await.unwrap();
    for request in [&request, &poll(&env, &device, &request)] {
        let reply = ask(&env, &running, "corp", request).await;
        assert_eq!(
            words(&reply),
            "FAILURE badRequest an operator refused this request"
        );
    }
    assert_eq!(running.certificates(), 0);
}

#[actix::test]
async fn a_request_that_nobody_decides_on_ends() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    ask(&env, &running, "corp", &request).await;
    env.clock.advance(TimeDelta::seconds(3601));
    assert_eq!(
        decide(&running, true).await,
        Err(DecideError::NotPending("expired"))
    );
    let reply = ask(&env, &running, "corp", &request).await;
    assert_eq!(
        words(&reply),
        "FAILURE badRequest nobody approved this request in time"
    );
}

#[actix::test]
async fn polls_are_matched_by_transaction_and_signer_key() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    ask(&env, &running, "corp", &request).await;
    let other = Device::new(&env, "laptop-1");
    let reply = ask(&env, &running, "corp", &poll(&env, &other, &request)).await;
    assert!(
        words(&reply).starts_with("FAILURE badCertId"),
        "{}",
        words(&reply)
    );
}

#[actix::test]
async fn a_failed_approval_leaves_the_request_waiting() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    ask(&env, &running, "corp", &request).await;
    env.issuer
        .broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(
        decide(&running, true).await,
        Err(DecideError::Failed(_))
    ));
    assert!(matches!(
        ask(&env, &running, "corp", &request).await,
        Reply::Pending
    ));
    env.issuer
        .broken
        .store(false, std::sync::atomic::Ordering::SeqCst);
    decide(&running, true).await.unwrap();
    issued(ask(&env, &running, "corp", &request).await);
}

#[actix::test]
async fn a_key_that_was_compromised_while_it_waited_is_not_approved() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env), env.spec("iot")]).await;
    let device = Device::new(&env, "laptop-1");
    let issued = device.enroll(&env, &running, "iot").await;
    ask(&env, &running, "corp", &device.pkcs_req(&env, CHALLENGE)).await;
    let order = actors::Revocation {
        ca: env.ca(),
        serial: issued.serial().clone(),
        reason: pki::RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    actors::revoke(&running.runtime.services, order)
        .await
        .unwrap();
    assert!(matches!(
        decide(&running, true).await,
        Err(DecideError::Policy(_))
    ));
    assert_eq!(running.certificates(), 1);
}

#[actix::test]
async fn the_sweep_ends_what_nobody_decided_on_and_nothing_else() {
    let env = TestEnv::new();
    let running = Rc::new(env.open(vec![spec(&env)]).await);
    let (first, second) = (Device::new(&env, "laptop-1"), Device::new(&env, "laptop-2"));
    let late = first.pkcs_req(&env, CHALLENGE);
    ask(&env, &running, "corp", &late).await;
    env.clock.advance(TimeDelta::seconds(1));
    let request = second.pkcs_req(&env, CHALLENGE);
    ask(&env, &running, "corp", &request).await;
    let key = running.store.pending(Some("corp")).unwrap()[1].key;
    env.clock.advance(TimeDelta::seconds(3599));
    running.sweep("corp").await;
    assert_eq!(running.status("corp").await.pending, 2, "both are in time");

    // The second is approved in time, but the issuer takes longer than that.
    env.issuer.door.close();
    let approval = actix::spawn({
        let running = Rc::clone(&running);
        async move { decide_on(&running, key, true).await }
    });
    env.issuer.door.reached().await;
    env.clock.advance(TimeDelta::seconds(2));
    // A sweep begins with both, and is held up at the first.
    env.hindrance.transactions.close();
    let sweep = actix::spawn({
        let running = Rc::clone(&running);
        async move { running.sweep("corp").await }
    });
    env.hindrance.transactions.reached().await;
    // Another one has nothing to do meanwhile.
    running.sweep("corp").await;
    env.issuer.door.open();
    assert!(matches!(approval.await.unwrap(), Ok(Stage::Issued { .. })));
    env.hindrance.transactions.open();
    sweep.await.unwrap();

    issued(ask(&env, &running, "corp", &request).await);
    let reply = ask(&env, &running, "corp", &late).await;
    let over = "FAILURE badRequest nobody approved this request in time";
    assert_eq!(words(&reply), over);
    let ended = running
        .audit()
        .into_iter()
        .filter(|event| event.event.details.reason.as_deref() == Some("approval_timeout"));
    assert_eq!(ended.count(), 1);
    assert_eq!(running.status("corp").await.pending, 0);
}

/// The same CSR and signer in another message, with this transactionID.
fn again(env: &TestEnv, device: &Device, csr: &pki::Csr, id: &str) -> Request {
    device.builder(env, Content::PkcsReq(csr), |builder| {
        builder.transaction_id(id)
    })
}

const DENIED: &str = "FAILURE badRequest an operator refused this request";
const IN_TIME: &str = "FAILURE badRequest nobody approved this request in time";

async fn told(env: &TestEnv, running: &Running, request: &Request) -> String {
    words(&ask(env, running, "corp", request).await)
}

#[actix::test]
async fn a_denial_binds_one_request_and_the_next_one_may_wait_again() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let csr = device.csr(Some(CHALLENGE), "");
    let first = again(&env, &device, &csr, "of-the-key");
    assert_eq!(told(&env, &running, &first).await, "PENDING");
    decide(&running, false).await.unwrap();
    assert_eq!(told(&env, &running, &first).await, DENIED);
    // Under another transactionID, and under the same: CSR and signer are those of before.
    let other = again(&env, &device, &csr, "another");
    assert_eq!(told(&env, &running, &other).await, "PENDING");
    decide(&running, false).await.unwrap();
    assert_eq!(
        told(&env, &running, &poll(&env, &device, &first)).await,
        DENIED
    );
    let next = again(&env, &device, &csr, "of-the-key");
    assert_eq!(told(&env, &running, &next).await, "PENDING");
    assert_eq!(running.status("corp").await.pending, 1);
    env.clock.advance(TimeDelta::seconds(3601));
    running.sweep("corp").await;
    assert_eq!(told(&env, &running, &next).await, IN_TIME);
    assert_eq!(
        told(&env, &running, &next).await,
        IN_TIME,
        "the very same message"
    );
    let last = again(&env, &device, &csr, "of-the-key");
    assert_eq!(told(&env, &running, &last).await, "PENDING");
    decide(&running, true).await.unwrap();
    issued(ask(&env, &running, "corp", &last).await);
    issued(ask(&env, &running, "corp", &poll(&env, &device, &last)).await);
    running.close();

    // Who was not told before is told first, whatever the message; then the next one begins anew.
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-2");
    let csr = device.csr(Some(CHALLENGE), "");
    let [first, polled, next] = [(); 3].map(|()| again(&env, &device, &csr, "of-the-key"));
    told(&env, &running, &first).await;
    decide(&running, false).await.unwrap();
    assert_eq!(told(&env, &running, &polled).await, DENIED);
    assert_eq!(told(&env, &running, &polled).await, DENIED);
    assert_eq!(told(&env, &running, &first).await, DENIED);
    assert_eq!(told(&env, &running, &next).await, "PENDING");
}

#[actix::test]
async fn a_key_that_asks_again_waits_in_one_row() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let csr = device.csr(Some(CHALLENGE), "dns:one.example");
    let [first, second] = ["first", "second"].map(|id| again(&env, &device, &csr, id));
    for request in [&first, &second, &second, &poll(&env, &device, &second)] {
        assert_eq!(told(&env, &running, request).await, "PENDING");
    }
    assert_eq!(running.store.pending(Some("corp")).unwrap().len(), 1);
    running.close();

    let running = env.open(vec![spec(&env)]).await;
    for request in [&second, &poll(&env, &device, &second)] {
        assert_eq!(told(&env, &running, request).await, "PENDING");
    }
    assert_eq!(running.store.pending(Some("corp")).unwrap().len(), 1);
    decide(&running, true).await.unwrap();
    let mut certificates = Vec::new();
    for request in [
        &first,
        &second,
        &poll(&env, &device, &first),
        &poll(&env, &device, &second),
    ] {
        certificates.push(issued(ask(&env, &running, "corp", request).await));
    }
    certificates.dedup();
    assert_eq!(certificates.len(), 1);
    assert_eq!(running.certificates(), 1);
    assert_eq!(running.status("corp").await.pending, 0);
}

#[actix::test]
async fn a_key_that_asks_for_something_else_takes_its_own_place() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let csr = device.csr(Some(CHALLENGE), "dns:one.example");
    let [first, joined] = ["first", "joined"].map(|id| again(&env, &device, &csr, id));
    for request in [&first, &joined] {
        assert_eq!(told(&env, &running, request).await, "PENDING");
    }
    let csr = device.csr(Some(CHALLENGE), "dns:two.example");
    let second = again(&env, &device, &csr, "second");
    assert_eq!(told(&env, &running, &second).await, "PENDING");
    let waiting = running.store.pending(Some("corp")).unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].sans, "dns:two.example");
    assert_eq!(running.status("corp").await.pending, 1);
    let replaced = "FAILURE badRequest another request of the same key took the place of this one";
    for request in [&first, &joined, &poll(&env, &device, &joined)] {
        assert_eq!(told(&env, &running, request).await, replaced);
    }
    let reasons = running
        .audit()
        .into_iter()
        .filter_map(|event| event.event.details.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), ["replaced"]);
    decide(&running, true).await.unwrap();
    issued(ask(&env, &running, "corp", &second).await);
    assert_eq!(told(&env, &running, &first).await, replaced);
}

#[actix::test]
async fn as_many_wait_as_may_and_the_next_is_told_to_come_again() {
    let env = TestEnv::new();
    let mut spec = spec(&env);
    spec.pending = actors::PendingLimits {
        per_profile: 3,
        per_source: 2,
    };
    let running = env.open(vec![spec.clone()]).await;
    let devices: Vec<_> = (0..3)
        .map(|n| Device::new(&env, &format!("laptop-{n}")))
        .collect();
    let busy = async |running: &Running, device: &Device| {
        let request = device.pkcs_req(&env, CHALLENGE);
        let outcome = running.send("corp", request.message().to_vec()).await;
        matches!(outcome, actors::Outcome::Full { .. })
    };
    assert!(!busy(&running, &devices[0]).await);
    assert!(!busy(&running, &devices[1]).await);
    assert!(busy(&running, &devices[2]).await, "from this source");
    running.close();
    // The bound holds over a restart, and who waits already is in nobody's way.
    let running = env.open(vec![spec]).await;
    assert!(busy(&running, &devices[2]).await);
    assert!(!busy(&running, &devices[1]).await, "it joins itself");
    assert_eq!(running.status("corp").await.pending, 2);
    decide(&running, false).await.unwrap();
    assert!(!busy(&running, &devices[2]).await);
    assert_eq!(running.status("corp").await.pending, 2);
}

#[actix::test]
async fn a_csr_beyond_its_bound_is_refused_before_anything_of_it_is_kept() {
    let env = TestEnv::new();
    let running = env
        .open(vec![ProfileSpec {
            max_csr_bytes: 2048,
            ..spec(&env)
        }])
        .await;
    let device = Device::new(&env, "laptop-1");
    let names: Vec<String> = (0..100)
        .map(|n| format!("dns:name-{n}.of-some-length.example"))
        .collect();
    let csr = device.csr(Some(CHALLENGE), &names.join(", "));
    let request = again(&env, &device, &csr, "of-the-key");
    assert_eq!(
        told(&env, &running, &request).await,
        "FAILURE badRequest the CSR is larger than 2048 octets"
    );
    let reason = running.audit().remove(0).event.details.reason;
    assert_eq!(reason.as_deref(), Some("csr_too_large"));
    assert_eq!(running.status("corp").await.pending, 0);
}
