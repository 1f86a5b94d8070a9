//! What strangers write is kept in excerpts, and costs little before they have shown who they are.

use crate::device::{Device, ask, issued, words};
use crate::test_env::{CHALLENGE, TestEnv};
use pki::{Csr, Extension, Name, SubjectAltNames, der};
use scep::client::Content;

/// A CSR whose common name has this many characters.
fn named(device: &Device, length: usize, challenge: &str) -> Csr {
    let name = Name::parse(&format!("CN={}", "x".repeat(length))).unwrap();
    let sans = SubjectAltNames::default();
    Csr::build(&name, &sans, Some(challenge), &[], &device.key).unwrap()
}

/// A CSR that asks for this many extensions that nobody knows.
fn asking(device: &Device, extensions: usize, challenge: &str) -> Csr {
    let list: Vec<Extension> = (0..extensions)
        .map(|n| Extension {
            oid: format!("1.2.3.{n}"),
            critical: false,
            value: der::null(),
        })
        .collect();
    let sans = SubjectAltNames::default();
    Csr::build(&device.name, &sans, Some(challenge), &list, &device.key).unwrap()
}

#[actix::test]
async fn a_refusal_keeps_an_excerpt_of_what_was_asked_for() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let sans = (0..1000).map(|n| format!("dns:host-{n}.example.com"));
    let sans = sans.collect::<Vec<_>>().join(",");
    // Shaped like an Intune challenge: then the names are noted a second time.
    for challenge in ["wrong", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA"] {
        for csr in [
            named(&device, 15_000, challenge),
            named(&device, 240_000, challenge),
            device.csr(Some(challenge), &sans),
        ] {
            let request = device.request(&env, Content::PkcsReq(&csr));
            assert!(words(&ask(&env, &running, "corp", &request).await).starts_with("FAILURE"));
        }
    }
    let events = running.audit();
    assert_eq!(events.len(), 6);
    for event in events {
        let kept = serde_json::to_string(&event).unwrap();
        assert!(kept.len() < 8000, "{} octets: {kept}", kept.len());
        assert!(kept.contains("octets more)"), "{kept}");
    }
}

#[actix::test]
async fn a_heap_of_extensions_is_refused_whatever_the_challenge() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    for challenge in [CHALLENGE, "wrong"] {
        let csr = asking(&device, 1000, challenge);
        let request = device.request(&env, Content::PkcsReq(&csr));
        let reply = words(&ask(&env, &running, "corp", &request).await);
        assert!(reply.contains("1000 extensions"), "{reply}");
    }
    let reasons: Vec<_> = running
        .audit()
        .into_iter()
        .map(|event| event.event.details.reason.unwrap())
        .collect();
    assert_eq!(reasons, ["policy_extension", "policy_extension"]);
    assert_eq!(running.certificates(), 0);
}

#[actix::test]
async fn policy_does_not_speak_before_the_challenge() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.request(&env, Content::PkcsReq(&named(&device, 65, "wrong")));
    let reply = words(&ask(&env, &running, "corp", &request).await);
    assert_eq!(reply, "FAILURE badRequest the challenge was refused");
    let request = device.request(&env, Content::PkcsReq(&named(&device, 65, CHALLENGE)));
    let reply = words(&ask(&env, &running, "corp", &request).await);
    assert!(reply.contains("64 characters"), "{reply}");
}

#[actix::test]
async fn notes_on_ignored_extensions_stay_short() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let csr = asking(&device, 60, CHALLENGE);
    let request = device.request(&env, Content::PkcsReq(&csr));
    issued(ask(&env, &running, "corp", &request).await);
    let events = running.audit();
    let note = events[0].event.details.note.as_deref().unwrap();
    assert!(
        note.ends_with("50 more extensions of the request were ignored"),
        "{note}"
    );
}
