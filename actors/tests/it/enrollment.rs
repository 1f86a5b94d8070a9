use crate::device::{Device, ask, issued, words};
use crate::test_env::{CHALLENGE, TestEnv};
use actors::{Clock, Outcome};
use chrono::TimeDelta;
use pki::Serial;
use scep::client::{Content, Reply};
use std::collections::HashSet;
use std::rc::Rc;
use store::{CaId, Outcome as Audited};

#[actix::test]
async fn a_device_enrolls_and_its_certificate_is_durable_and_audited() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let csr = device.csr(Some(CHALLENGE), "dns:laptop-1.example.com");
    let request = device.request(&env, Content::PkcsReq(&csr));
    let certificate = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(certificate.subject().common_name(), Some("laptop-1"));
    assert_eq!(certificate.sans().dns, ["laptop-1.example.com"]);

    let record = running
        .store
        .certificate(
            &CaId::of_issuer(&certificate).unwrap(),
            certificate.serial().as_bytes(),
        )
        .unwrap()
        .unwrap();
    assert_eq!(record.der, certificate.der());
    assert_eq!(record.profile, "corp");
    let events = running.audit();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.action, "scep_pkcsreq");
    assert_eq!(events[0].event.resource_type, "certificate");
    assert_eq!(
        Some(&events[0].event.resource_id),
        events[0].event.details.serial.as_ref()
    );
    assert_eq!(events[0].event.details.outcome, Some(Audited::Success));
    assert_eq!(
        events[0].event.details.serial,
        Some(certificate.serial().to_hex())
    );
}

#[actix::test]
async fn the_same_request_again_gets_the_same_certificate_also_after_a_restart() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    let first = issued(ask(&env, &running, "corp", &request).await);
    let second = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(first, second);
    running.close();
    let running = env.open(vec![env.spec("corp")]).await;
    let third = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(first, third);
    assert_eq!(running.certificates(), 1);
}

#[actix::test]
async fn simultaneous_copies_get_one_certificate() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    for round in 1..=200 {
        let request = device.pkcs_req(&env, CHALLENGE);
        let copies = (0..64).map(|_| running.send("corp", request.message().to_vec()));
        let outcomes = futures_util::future::join_all(copies).await;
        let mut serials = HashSet::new();
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let Outcome::CertRep(octets) = outcome else {
                panic!("no CertRep: {outcome:?}")
            };
            assert_eq!(
                scep::client::peek_status(&octets),
                Some(scep::PkiStatus::Success)
            );
            // Opening a reply costs RSA: all of the first round's, some of the others'.
            if round == 1 || n % 32 == 0 {
                let reply = request.open_reply(&octets, &[&env.ra.certificate]).unwrap();
                serials.insert(issued(reply).serial().to_hex());
            }
        }
        assert_eq!(serials.len(), 1, "one certificate in round {round}");
        assert_eq!(running.certificates(), round);
    }
}

#[actix::test]
async fn a_wrong_challenge_is_refused_and_nothing_is_issued() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    for challenge in ["wrong", "", "correct horse "] {
        let reply = ask(&env, &running, "corp", &device.pkcs_req(&env, challenge)).await;
        assert_eq!(
            words(&reply),
            "FAILURE badRequest the challenge was refused"
        );
    }
    let without = device.csr(None, "");
    let request = device.request(&env, Content::PkcsReq(&without));
    let reply = ask(&env, &running, "corp", &request).await;
    assert_eq!(
        words(&reply),
        "FAILURE badRequest the challenge was refused"
    );
    assert_eq!(running.certificates(), 0);
    let reasons: Vec<_> = running
        .audit()
        .into_iter()
        .map(|event| event.event.details.reason.unwrap())
        .collect();
    assert_eq!(reasons, ["challenge_wrong"; 4]);
}

#[actix::test]
async fn who_guesses_is_turned_away() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.guesses_per_minute = 3;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    for _ in 0..3 {
        ask(&env, &running, "corp", &device.pkcs_req(&env, "guess")).await;
    }
    let right = device.pkcs_req(&env, CHALLENGE);
    assert_eq!(
        running.send("corp", right.message().to_vec()).await,
        Outcome::TooManyFailures
    );
}

#[actix::test]
async fn policy_refusals_name_their_reason_and_consume_nothing() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let ca = pki::Extension::basic_constraints(true, None);
    let csr = pki::Csr::build(
        &device.name,
        &pki::SubjectAltNames::default(),
        Some(CHALLENGE),
        &[ca],
        &device.key,
    )
    .unwrap();
    let reply = ask(
        &env,
        &running,
        "corp",
        &device.request(&env, Content::PkcsReq(&csr)),
    )
    .await;
    assert!(
        words(&reply).starts_with("FAILURE badRequest"),
        "{}",
        words(&reply)
    );
    assert_eq!(running.certificates(), 0);
    assert_eq!(
        running.audit()[0].event.details.reason.as_deref(),
        Some("policy_ca")
    );
    let refused = running.audit().remove(0).event;
    assert_eq!(refused.resource_type, "scep_request", "there is no serial");
    assert_eq!(Some(refused.resource_id), refused.details.transaction_id);
    device.enroll(&env, &running, "corp").await;
}

#[actix::test]
async fn a_broken_issuer_consumes_nothing() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    env.issuer
        .broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let outcome = running.send("corp", request.message().to_vec()).await;
    assert!(matches!(outcome, Outcome::Busy { .. }), "{outcome:?}");
    assert_eq!(
        running.audit()[0].event.details.reason.as_deref(),
        Some("issuer_failed")
    );
    env.issuer
        .broken
        .store(false, std::sync::atomic::Ordering::SeqCst);
    issued(ask(&env, &running, "corp", &request).await);
}

#[actix::test]
async fn garbage_is_unreadable_and_written_once() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    for _ in 0..50 {
        let outcome = running.send("corp", b"garbage".to_vec()).await;
        assert!(matches!(outcome, Outcome::Unreadable(_)), "{outcome:?}");
    }
    assert_eq!(running.audit().len(), 1);
}

#[actix::test]
async fn certificates_and_crls_can_be_asked_for() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp"), env.spec("iot")]).await;
    let device = Device::new(&env, "laptop-1");
    let certificate = device.enroll(&env, &running, "corp").await;
    let (issuer, serial) = (certificate.issuer().clone(), certificate.serial().clone());
    let get_cert = Content::GetCert {
        issuer: &issuer,
        serial: &serial,
    };

    let stranger = device.request(&env, get_cert);
    let reply = ask(&env, &running, "corp", &stranger).await;
    assert!(
        words(&reply).starts_with("FAILURE badCertId"),
        "{}",
        words(&reply)
    );

    let holder = Device {
        name: device.name.clone(),
        key: device.key.clone(),
        signer: certificate.clone(),
    };
    let reply = ask(&env, &running, "corp", &holder.request(&env, get_cert)).await;
    assert_eq!(issued(reply), certificate);
    let reply = ask(&env, &running, "iot", &holder.request(&env, get_cert)).await;
    assert!(
        words(&reply).starts_with("FAILURE badCertId"),
        "{}",
        words(&reply)
    );
    let unknown = Serial::random().unwrap();
    let get_other = Content::GetCert {
        issuer: &issuer,
        serial: &unknown,
    };
    let reply = ask(&env, &running, "corp", &holder.request(&env, get_other)).await;
    assert!(
        words(&reply).starts_with("FAILURE badCertId"),
        "{}",
        words(&reply)
    );

    let get_crl = Content::GetCrl {
        issuer: &issuer,
        serial: &serial,
    };
    let Reply::Crl(first) = ask(&env, &running, "corp", &device.request(&env, get_crl)).await
    else {
        panic!("no CRL")
    };
    assert!(first.entries().is_empty());
    let order = actors::Revocation {
        ca: env.ca(),
        serial: serial.clone(),
        reason: pki::RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    actors::revoke(&running.runtime.services, order)
        .await
        .unwrap();
    let Reply::Crl(second) = ask(&env, &running, "corp", &device.request(&env, get_crl)).await
    else {
        panic!("no CRL")
    };
    assert!(
        second
            .entries()
            .iter()
            .any(|entry| entry.serial.same_number(&serial))
    );
    assert!(second.number() > first.number());
}

#[actix::test]
async fn a_refusal_is_signed_as_of_when_its_message_came() {
    let env = TestEnv::new();
    let running = Rc::new(env.open(vec![env.spec("corp")]).await);
    let device = Device::new(&env, "laptop-1");
    let request = device.request(&env, Content::PkcsReq(&device.csr(Some("wrong"), "")));
    let came = env.clock.now();
    env.hindrance.transactions.close();
    let asked = actix::spawn({
        let (running, message) = (Rc::clone(&running), request.message().to_vec());
        async move { running.send("corp", message).await }
    });
    env.hindrance.transactions.reached().await;
    env.clock.advance(TimeDelta::minutes(1));
    env.hindrance.transactions.open();
    let Outcome::CertRep(reply) = asked.await.unwrap() else {
        panic!("no CertRep")
    };
    let signed = pki::cms::Signed::parse(&reply).unwrap();
    let time = signed.attribute(pki::oid::SIGNING_TIME).unwrap();
    let time = pki::der::Tlv::parse(time, "test").unwrap();
    assert_eq!(pki::der::parse_time(&time).unwrap(), came);
}
