//! A source that is locked out for wrong challenges, and what proves itself all the same; refusals beyond a source's
//! share of the audit.

use crate::device::{Device, ask, issued, words};
use crate::test_env::{CHALLENGE, Running, TestEnv};
use actors::Outcome;
use pki::{KeyKind, Name, PrivateKey, Serial};
use scep::client::{Content, Reply, Request, RequestBuilder};
use std::time::Duration;

/// Locks the source of all messages out, which three wrong challenges do.
async fn lock_out(env: &TestEnv, running: &Running) {
    for n in 0..3 {
        let device = Device::new(env, "guesser");
        let guess = device.pkcs_req(env, &format!("guess {n}"));
        assert!(matches!(
            ask(env, running, "corp", &guess).await,
            Reply::Failure { .. }
        ));
    }
}

async fn is_turned_away(running: &Running, request: &Request) -> bool {
    let outcome = running.send("corp", request.message().to_vec()).await;
    outcome == Outcome::TooManyFailures
}

#[actix::test]
async fn what_proves_itself_passes_a_lock_out() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.guesses_per_minute = 3;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let first = device.pkcs_req(&env, CHALLENGE);
    let held = issued(ask(&env, &running, "corp", &first).await);
    lock_out(&env, &running).await;

    let newcomer = Device::new(&env, "laptop-2");
    assert!(is_turned_away(&running, &newcomer.pkcs_req(&env, CHALLENGE)).await);
    // A transaction that is known.
    let again = issued(ask(&env, &running, "corp", &first).await);
    assert_eq!(again, held);
    // A certificate of this profile that is in force.
    let signed_by = |content, signer, key| {
        let recipients = [&env.ra.certificate];
        RequestBuilder::new(content, (signer, key), &recipients)
            .build()
            .unwrap()
    };
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let rekeyed = Device::with_key(&env, "laptop-1", key);
    let csr = rekeyed.csr(None, "");
    let renewal = signed_by(Content::RenewalReq(&csr), &held, &device.key);
    issued(ask(&env, &running, "corp", &renewal).await);
    // It opens no door for guesses.
    let csr = rekeyed.csr(Some("guess"), "dns:other.example");
    let guess = signed_by(Content::PkcsReq(&csr), &held, &device.key);
    assert!(is_turned_away(&running, &guess).await);
    // Nor does its certificate in the hands of somebody who lacks the key.
    let csr = rekeyed.csr(None, "");
    let forged = signed_by(Content::RenewalReq(&csr), &held, &newcomer.key);
    assert!(
        !matches!(
            running.send("corp", forged.message().to_vec()).await,
            Outcome::CertRep(octets)
                if matches!(forged.open_reply(&octets, &[&env.ra.certificate]), Ok(Reply::Certificate { .. }))
        ),
        "no certificate for a forged signature"
    );
    // The CRL is for everybody; another question is not.
    let ca = env.issuer_name();
    let (issuer, serial) = (&ca, held.serial());
    let crl = newcomer.request(&env, Content::GetCrl { issuer, serial });
    assert!(matches!(
        ask(&env, &running, "corp", &crl).await,
        Reply::Crl(_)
    ));
    let get_cert = newcomer.request(&env, Content::GetCert { issuer, serial });
    assert!(is_turned_away(&running, &get_cert).await);
    let nobody = Name::parse("CN=Nobody").unwrap();
    let serial = &Serial::new(vec![1]);
    let issuer = &nobody;
    let guess = newcomer.request(&env, Content::GetCrl { issuer, serial });
    assert!(is_turned_away(&running, &guess).await);
}

#[actix::test]
async fn what_is_opened_behind_a_lock_out_is_bounded() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.guesses_per_minute = 3;
    let running = env.open(vec![spec]).await;
    lock_out(&env, &running).await;
    let device = Device::new(&env, "laptop-1");
    let ca = env.issuer_name();
    let (issuer, serial) = (&ca, device.signer.serial());
    let crl = device.request(&env, Content::GetCrl { issuer, serial });
    let mut answered = 0;
    for _ in 0..200 {
        answered += usize::from(!is_turned_away(&running, &crl).await);
    }
    assert!((1..=130).contains(&answered), "{answered}");
}

#[actix::test]
async fn refusals_beyond_a_sources_share_are_told_in_one_event() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.refusals_per_source_per_minute = 2;
    let mut policy = (*spec.policy).clone();
    policy.sans.max_names = 1;
    spec.policy = std::sync::Arc::new(policy);
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let csr = device.csr(Some(CHALLENGE), "dns:a.example, dns:b.example");
    for _ in 0..5 {
        let request = device.request(&env, Content::PkcsReq(&csr));
        let reply = ask(&env, &running, "corp", &request).await;
        assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    }
    assert_eq!(running.audit().len(), 2);
    running.sweep("corp").await;
    running.sweep("corp").await;
    let events = running.audit();
    assert_eq!(events.len(), 3);
    let event = &events[0].event;
    assert_eq!(event.action, "scep_refusals_left_out");
    let message = event.details.message.as_deref().unwrap();
    assert!(
        message.starts_with("3 more refusals were counted and not written one by one: policy_"),
        "{message}"
    );
    assert!(message.ends_with("; from 127.0.0.1"), "{message}");
    // There is room again a minute later.
    env.clock
        .advance(chrono::TimeDelta::from_std(Duration::from_secs(60)).unwrap());
    let request = device.request(&env, Content::PkcsReq(&csr));
    ask(&env, &running, "corp", &request).await;
    assert_eq!(running.audit().len(), 4);
}
