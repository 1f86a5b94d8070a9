//! What stands in a CRL, for how long, and who waits for it.

use crate::device::{Device, ask, words};
use crate::test_env::{Running, TestEnv};
use actors::{ApplyProfiles, ProfileSpec};
use chrono::TimeDelta;
use issuer::{Issuer, LocalCa, LocalCaParts, PreviousCa};
use pki::{Certificate, Crl, KeyKind, Name, Serial};
use scep::client::{Content, Reply, Request, RequestBuilder};
use std::sync::Arc;
use store::CaId;

async fn enroll(env: &TestEnv, running: &Running, name: &str) -> Certificate {
    let device = Device::new(env, name);
    device.enroll(env, running, "corp").await
}

async fn revoke(running: &Running, certificate: &Certificate) {
    let order = actors::Revocation {
        ca: CaId::of_issuer(certificate).unwrap(),
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

fn question(env: &TestEnv, issuer: &Name) -> Request {
    let content = Content::GetCrl {
        issuer,
        serial: &Serial::random().unwrap(),
    };
    Device::new(env, "asker").request(env, content)
}

async fn get_crl(env: &TestEnv, running: &Running, issuer: &Name) -> Crl {
    match ask(env, running, "corp", &question(env, issuer)).await {
        Reply::Crl(crl) => crl,
        other => panic!("no CRL: {}", words(&other)),
    }
}

fn lists(crl: &Crl, certificate: &Certificate) -> bool {
    let serial = certificate.serial();
    crl.entries()
        .iter()
        .any(|entry| entry.serial.same_number(serial))
}

#[actix::test]
async fn who_asks_while_a_crl_is_made_gets_the_one_of_before() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let ours = env.issuer_name();
    let certificate = enroll(&env, &running, "laptop-1").await;
    let first = get_crl(&env, &running, &ours).await;
    revoke(&running, &certificate).await;

    env.issuer.crl_door.close();
    let slow = question(&env, &ours);
    let profile = running.runtime.directory.find("corp").unwrap();
    let making = tokio::spawn(profile.actor.send(actors::PkiOperation {
        message: slow.message().to_vec().into(),
        origin: actors::Origin {
            source: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            user_agent: None,
            request_id: "2".to_owned(),
        },
    }));
    env.issuer.crl_door.reached().await;
    let meanwhile = get_crl(&env, &running, &ours).await;
    assert_eq!(meanwhile.der(), first.der());
    // Enrolling goes on too.
    enroll(&env, &running, "laptop-2").await;

    env.issuer.crl_door.open();
    let actors::Outcome::CertRep(octets) = making.await.unwrap().unwrap().outcome else {
        panic!("no CertRep")
    };
    let Ok(Reply::Crl(second)) = slow.open_reply(&octets, &[&env.ra.certificate]) else {
        panic!("no CRL")
    };
    assert!(lists(&second, &certificate));
    assert_eq!(
        get_crl(&env, &running, &ours).await.der(),
        second.der(),
        "and nobody makes another"
    );
}

#[actix::test]
async fn an_entry_goes_once_it_has_stood_in_a_crl_after_its_end() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let ours = env.issuer_name();
    let certificate = enroll(&env, &running, "laptop-1").await;
    revoke(&running, &certificate).await;
    env.clock.advance(TimeDelta::seconds(2));
    assert!(lists(&get_crl(&env, &running, &ours).await, &certificate));
    env.clock.advance(TimeDelta::days(400));
    let after_its_end = get_crl(&env, &running, &ours).await;
    assert!(lists(&after_its_end, &certificate));
    env.clock.advance(TimeDelta::days(30));
    let next = get_crl(&env, &running, &ours).await;
    assert!(next.number() > after_its_end.number() && next.entries().is_empty());
}

#[actix::test]
async fn a_crl_lists_what_its_own_ca_has_signed() {
    use actors::Clock;
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let old = enroll(&env, &running, "laptop-1").await;
    revoke(&running, &old).await;
    let old_name = env.issuer_name();
    assert!(lists(&get_crl(&env, &running, &old_name).await, &old));

    let name = Name::parse("CN=New CA, O=scepd").unwrap();
    let kind = KeyKind::Ec(pki::Curve::P256);
    let (certificate, key) = issuer::create_root(&name, kind, env.clock.now(), 10).unwrap();
    let mut parts = LocalCaParts::new(certificate, key);
    parts.previous = vec![PreviousCa {
        certificate: env.issuer.authority().certificate().clone(),
        key: None,
    }];
    let ca = LocalCa::from_parts("local", parts).unwrap();
    let spec = ProfileSpec {
        issuer: Arc::new(ca),
        ras: vec![env.ra.clone().into()],
        ..env.spec("corp")
    };
    running
        .runtime
        .supervisor
        .send(ApplyProfiles(vec![spec]))
        .await
        .unwrap()
        .unwrap();
    let new = enroll(&env, &running, "laptop-2").await;
    revoke(&running, &new).await;
    let crl = get_crl(&env, &running, &name).await;
    assert!(lists(&crl, &new) && !lists(&crl, &old));

    let reply = ask(&env, &running, "corp", &question(&env, &old_name)).await;
    let reply = words(&reply);
    assert!(reply.starts_with("FAILURE badCertId"), "{reply}");
}

/// The environment's CA under another name of the configuration, serving a profile of this path.
fn renamed(env: &TestEnv, issuer_id: &str, path_id: &str) -> ProfileSpec {
    ProfileSpec {
        issuer: Arc::new(env.issuer.named(issuer_id)),
        ..env.spec(path_id)
    }
}

async fn apply(running: &Running, specs: Vec<ProfileSpec>) {
    let supervisor = &running.runtime.supervisor;
    let applied = supervisor.send(ApplyProfiles(specs)).await;
    applied.unwrap().unwrap();
}

#[actix::test]
async fn an_issuer_that_is_renamed_keeps_its_revocations_and_its_crl_numbers() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let ours = env.issuer_name();
    let device = Device::new(&env, "laptop-1");
    let revoked = device.enroll(&env, &running, "corp").await;
    revoke(&running, &revoked).await;
    let before = get_crl(&env, &running, &ours).await;

    apply(&running, vec![renamed(&env, "another", "corp")]).await;
    enroll(&env, &running, "laptop-2").await;
    // Something to be told, so that a CRL is made anew.
    let second = enroll(&env, &running, "laptop-3").await;
    revoke(&running, &second).await;
    let after = get_crl(&env, &running, &ours).await;
    assert!(lists(&after, &revoked) && lists(&after, &second));
    assert_eq!(after.number(), before.number().map(|number| number + 1));
    // The owner of the revoked certificate is known as such.
    let csr = device.csr(None, "");
    let recipients = [&env.ra.certificate];
    let signer = (&revoked, &device.key);
    let builder = RequestBuilder::new(Content::RenewalReq(&csr), signer, &recipients);
    let request = builder.build().unwrap();
    let reply = words(&ask(&env, &running, "corp", &request).await);
    assert!(reply.starts_with("FAILURE"), "{reply}");
    let reason = running.audit()[0].event.details.reason.clone();
    assert_eq!(reason.as_deref(), Some("renewal_revoked"));
}

#[actix::test]
async fn two_issuers_with_one_ca_are_one() {
    let env = TestEnv::new();
    let specs = vec![env.spec("corp"), renamed(&env, "another", "lab")];
    let running = env.open(specs).await;
    let ours = env.issuer_name();
    let here = enroll(&env, &running, "laptop-1").await;
    let there = Device::new(&env, "laptop-2");
    let there = there.enroll(&env, &running, "lab").await;
    revoke(&running, &here).await;
    revoke(&running, &there).await;
    let crl = get_crl(&env, &running, &ours).await;
    assert!(lists(&crl, &here) && lists(&crl, &there));
    let same = match ask(&env, &running, "lab", &question(&env, &ours)).await {
        Reply::Crl(crl) => crl,
        other => panic!("no CRL: {}", words(&other)),
    };
    assert_eq!(same.der(), crl.der(), "one CRL for both");
}
