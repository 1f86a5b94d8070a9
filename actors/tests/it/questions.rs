//! CertPoll, GetCert and GetCRL: who is answered, and that nobody learns anything from a refusal.

use crate::device::{Device, ask, issued, words};
use crate::test_env::{CHALLENGE, Running, TestEnv};
use actors::{Outcome, ProfileSpec};
use pki::{Name, Serial};
use scep::MessageType;
use scep::client::{Content, Reply, Request};
use std::sync::atomic::Ordering;
use std::time::Duration;

const TYPES: [MessageType; 3] = [
    MessageType::CertPoll,
    MessageType::GetCert,
    MessageType::GetCrl,
];

fn reviewed(env: &TestEnv) -> ProfileSpec {
    ProfileSpec {
        approval: Some(Duration::from_secs(3600)),
        ..env.spec("corp")
    }
}

/// The same content in a message of another type.
fn sent_as(
    env: &TestEnv,
    device: &Device,
    message_type: &MessageType,
    content: Content<'_>,
) -> Request {
    device.builder(env, content, |builder| {
        builder
            .message_type(message_type.clone())
            .transaction_id("poll-1")
    })
}

fn poll<'a>(device: &'a Device, issuer: &'a Name) -> Content<'a> {
    Content::CertPoll {
        issuer,
        subject: &device.name,
        key: device.key.public_key(),
    }
}

async fn refusal(env: &TestEnv, running: &Running, request: &Request) -> (String, usize) {
    let Outcome::CertRep(octets) = running.send("corp", request.message().to_vec()).await else {
        panic!("no CertRep")
    };
    let reply = request.open_reply(&octets, &[&env.ra.certificate]).unwrap();
    (words(&reply), octets.len())
}

#[actix::test]
async fn a_refused_question_tells_nothing_by_its_words_nor_by_its_moment() {
    let env = TestEnv::new();
    let running = env.open(vec![reviewed(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let (ours, nobody) = (env.issuer_name(), Name::parse("").unwrap());
    let stranger = Name::parse("CN=Another CA").unwrap();
    let unknown = Serial::random().unwrap();
    let too_long = Serial::new(vec![0x55; 30]);
    let csr = device.csr(Some(CHALLENGE), "");
    let numbered = |issuer, serial| Content::GetCert { issuer, serial };

    let mut all = Vec::new();
    for message_type in &TYPES {
        let mut contents = vec![
            ("a request", Content::PkcsReq(&csr)),
            ("nobody's number", numbered(&nobody, &too_long)),
            ("another's number", numbered(&stranger, &unknown)),
            ("nobody's name", poll(&device, &nobody)),
            ("another's name", poll(&device, &stranger)),
            ("ours, and there is none", poll(&device, &ours)),
            ("ours, and too long", numbered(&ours, &too_long)),
        ];
        if *message_type != MessageType::GetCrl {
            contents.push(("ours, and unknown", numbered(&ours, &unknown)));
        }
        for (name, content) in contents {
            let waits = env.clock.waits();
            let request = sent_as(&env, &device, message_type, content);
            let got = refusal(&env, &running, &request).await;
            assert!(got.0.starts_with("FAILURE badCertId"), "{}", got.0);
            assert_eq!(env.clock.waits(), waits + 1, "{message_type} {name}");
            all.push((got, name));
        }
    }
    let (expected, _) = all[0].clone();
    for (got, name) in all {
        assert_eq!(got, expected, "{name}");
    }

    // The operator reads what it was.
    let messages: Vec<String> = running
        .audit()
        .into_iter()
        .filter_map(|event| event.event.details.message)
        .collect();
    for word in [
        "cannot be read",
        "none of this profile's",
        "no such request",
    ] {
        assert!(
            messages.iter().any(|message| message.contains(word)),
            "{word}: {messages:?}"
        );
    }
}

#[actix::test]
async fn a_poll_is_answered_under_any_name_of_the_profile_and_under_no_other() {
    let env = TestEnv::new();
    let running = env.open(vec![reviewed(&env)]).await;
    let device = Device::new(&env, "laptop-1");
    let csr = device.csr(Some(CHALLENGE), "");
    let request = device.builder(&env, Content::PkcsReq(&csr), |builder| {
        builder.transaction_id("poll-1")
    });
    assert!(matches!(
        ask(&env, &running, "corp", &request).await,
        Reply::Pending
    ));
    let waits = env.clock.waits();
    for name in [
        env.issuer_name(),
        env.ra.certificate.subject().clone(),
        Name::parse("CN=test  ca, O=scepd").unwrap(),
    ] {
        let request = sent_as(&env, &device, &TYPES[0], poll(&device, &name));
        let reply = ask(&env, &running, "corp", &request).await;
        assert!(matches!(reply, Reply::Pending), "{name}: {}", words(&reply));
    }
    assert_eq!(env.clock.waits(), waits, "an answer has nothing to hide");
    for name in ["", "CN=Test CA", "CN=Another CA, O=scepd"] {
        let name = Name::parse(name).unwrap();
        let request = sent_as(&env, &device, &TYPES[0], poll(&device, &name));
        let reply = words(&ask(&env, &running, "corp", &request).await);
        assert!(reply.starts_with("FAILURE badCertId"), "{name}: {reply}");
    }
}

#[actix::test]
async fn a_search_through_an_envelope_is_turned_away_and_a_vain_question_is_not() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.guesses_per_minute = 3;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let (ours, unknown) = (env.issuer_name(), Serial::random().unwrap());
    let content = Content::GetCert {
        issuer: &ours,
        serial: &unknown,
    };
    for _ in 0..5 {
        let reply = words(&ask(&env, &running, "corp", &device.request(&env, content)).await);
        assert!(reply.starts_with("FAILURE badCertId"), "{reply}");
    }
    let nobody = Name::parse("").unwrap();
    let csr = device.csr(Some(CHALLENGE), "");
    for content in [
        Content::PkcsReq(&csr),
        poll(&device, &ours),
        Content::GetCert {
            issuer: &nobody,
            serial: &unknown,
        },
    ] {
        let request = sent_as(&env, &device, &MessageType::GetCrl, content);
        ask(&env, &running, "corp", &request).await;
    }
    let right = device.pkcs_req(&env, CHALLENGE);
    assert_eq!(
        running.send("corp", right.message().to_vec()).await,
        Outcome::TooManyFailures
    );
}

#[actix::test]
async fn a_holder_may_ask_where_nothing_is_renewed() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.renewal.enabled = false;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    let certificate = issued(ask(&env, &running, "corp", &request).await);
    let holder = Device {
        name: device.name.clone(),
        key: device.key.clone(),
        signer: certificate.clone(),
    };
    let content = Content::GetCert {
        issuer: certificate.issuer(),
        serial: certificate.serial(),
    };
    let reply = ask(&env, &running, "corp", &holder.request(&env, content)).await;
    assert_eq!(issued(reply), certificate);
    let view = running.runtime.directory.find("corp").unwrap().view.clone();
    let caps = String::from_utf8(view.ca_caps.to_vec()).unwrap();
    assert!(!caps.contains("Renewal"), "{caps}");
}

#[actix::test]
async fn a_ca_that_may_not_sign_crls_has_none() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    env.issuer.without_crls.store(true, Ordering::SeqCst);
    let (issuer, serial) = (env.issuer_name(), Serial::random().unwrap());
    let content = Content::GetCrl {
        issuer: &issuer,
        serial: &serial,
    };
    let reply = ask(&env, &running, "corp", &device.request(&env, content)).await;
    let reply = words(&reply);
    assert!(reply.starts_with("FAILURE badCertId"), "{reply}");
}
