use crate::device::{Device, ask, issued, words};
use crate::intune::{challenge, enroll};
use crate::test_env::{CHALLENGE, Running, TestEnv};
use actors::Clock;
use challenge::Label;
use chrono::TimeDelta;
use issuer::{CertificatePolicy, LocalSigner};
use pki::{Certificate, KeyKind, PrivateKey};
use scep::client::{Content, RequestBuilder};

/// A request for `csr_device`'s key and names, signed with `old`.
fn renewal(
    env: &TestEnv,
    old: &Certificate,
    old_key: &PrivateKey,
    csr_device: &Device,
    challenge: Option<&str>,
    renewal_req: bool,
) -> scep::client::Request {
    let csr = csr_device.csr(challenge, "");
    let content = if renewal_req {
        Content::RenewalReq(&csr)
    } else {
        Content::PkcsReq(&csr)
    };
    let recipients = [&env.ra.certificate];
    RequestBuilder::new(content, (old, old_key), &recipients)
        .build()
        .unwrap()
}

#[actix::test]
async fn certificates_are_renewed_by_17_and_by_19_without_a_challenge() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let old = device.enroll(&env, &running, "corp").await;
    for renewal_req in [true, false] {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let rekeyed = Device::with_key(&env, "laptop-1", key);
        let request = renewal(&env, &old, &device.key, &rekeyed, None, renewal_req);
        let new = issued(ask(&env, &running, "corp", &request).await);
        assert_ne!(new.serial(), old.serial());
        let record = running
            .store
            .certificate(
                &store::CaId::of_issuer(&new).unwrap(),
                new.serial().as_bytes(),
            )
            .unwrap()
            .unwrap();
        assert_eq!(record.renews.as_deref(), Some(old.serial().as_bytes()));
        assert_eq!(running.audit()[0].event.action, "scep_renewalreq");
    }
}

#[actix::test]
async fn a_renewal_is_refused_for_others_names_and_for_unfit_certificates() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp"), env.spec("iot")]).await;
    let device = Device::new(&env, "laptop-1");
    let old = device.enroll(&env, &running, "corp").await;
    let someone_else = Device::with_key(&env, "laptop-2", device.key.clone());
    let reason = || running.audit()[0].event.details.reason.clone().unwrap();

    for renewal_req in [true, false] {
        let request = renewal(&env, &old, &device.key, &someone_else, None, renewal_req);
        let reply = ask(&env, &running, "corp", &request).await;
        assert!(
            words(&reply).starts_with("FAILURE badRequest"),
            "{}",
            words(&reply)
        );
        assert_eq!(reason(), "renewal_names");
    }
    let request = renewal(&env, &old, &device.key, &device, None, true);
    let reply = ask(&env, &running, "iot", &request).await;
    assert!(
        words(&reply).starts_with("FAILURE badRequest"),
        "{}",
        words(&reply)
    );
    assert_eq!(reason(), "renewal_foreign_profile");

    let request = renewal(
        &env,
        &device.signer,
        &device.key,
        &device,
        Some(CHALLENGE),
        true,
    );
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(
        words(&reply).starts_with("FAILURE badRequest"),
        "{}",
        words(&reply)
    );
    assert_eq!(reason(), "renewal_foreign");

    let order = actors::Revocation {
        ca: store::CaId::of_issuer(&old).unwrap(),
        serial: old.serial().clone(),
        reason: pki::RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    actors::revoke(&running.runtime.services, order)
        .await
        .unwrap();
    // A revoked certificate signs nothing here any more, whatever the challenge.
    for (challenge, renewal_req) in [
        (None, true),
        (Some(CHALLENGE), true),
        (None, false),
        (Some(CHALLENGE), false),
    ] {
        let request = renewal(&env, &old, &device.key, &device, challenge, renewal_req);
        ask(&env, &running, "corp", &request).await;
        assert_eq!(reason(), "renewal_revoked");
    }
    let request = renewal(&env, &old, &device.key, &device, Some("wrong"), false);
    ask(&env, &running, "corp", &request).await;
    assert_eq!(reason(), "challenge_wrong");
    assert_eq!(running.certificates(), 1);
    running.close();

    let mut spec = env.spec("corp");
    spec.renewal.enabled = false;
    let running = env.open(vec![spec]).await;
    let request = renewal(&env, &old, &device.key, &device, Some(CHALLENGE), false);
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    assert_eq!(running.certificates(), 1);
}

#[actix::test]
async fn a_renewal_req_for_another_name_is_refused_unless_that_may_change() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    let old = issued(ask(&env, &running, "corp", &request).await);
    let other = Device::with_key(&env, "laptop-2", device.key.clone());
    let minted = challenge(&env, "laptop-2");
    for challenge in [CHALLENGE, &minted] {
        let request = renewal(&env, &old, &device.key, &other, Some(challenge), true);
        let reply = ask(&env, &running, "corp", &request).await;
        assert_eq!(
            words(&reply),
            "FAILURE badRequest a renewal must keep subject and alternative names"
        );
    }
    let event = running.audit().remove(0).event;
    assert_eq!(event.details.reason.as_deref(), Some("renewal_names"));
    assert_eq!(event.action, "scep_renewalreq_intune");
    assert_eq!(
        event.details.device.as_deref(),
        Some("device-guid-laptop-2")
    );
    // Refused before gates 7 and 8 took anything, and counted once.
    assert_eq!(running.counter("corp", Label::Malformed).await, (1, 1));
    issued(ask(&env, &running, "corp", &enroll(&env, &other, &minted)).await);
    running.close();

    let mut spec = env.intune_spec("corp");
    spec.renewal.subject_may_change = true;
    let mut policy = (*spec.policy).clone();
    policy.renewal_subject_may_change = true;
    spec.policy = std::sync::Arc::new(policy);
    let running = env.open(vec![spec]).await;
    let minted = challenge(&env, "laptop-2");
    let request = renewal(&env, &old, &device.key, &other, Some(&minted), true);
    issued(ask(&env, &running, "corp", &request).await);
}

/// The record of a certificate.
fn record(running: &Running, certificate: &Certificate) -> store::CertificateRecord {
    let serial = certificate.serial().as_bytes();
    let record = running
        .store
        .certificate(&store::CaId::of_issuer(certificate).unwrap(), serial)
        .unwrap();
    record.unwrap()
}

#[actix::test]
async fn a_holder_with_a_good_challenge_starts_anew_under_another_name() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let old = device.enroll(&env, &running, "corp").await;
    let other = Device::with_key(&env, "laptop-2", device.key.clone());
    let minted = challenge(&env, "laptop-2");
    for challenge in [CHALLENGE, &minted] {
        let request = renewal(&env, &old, &device.key, &other, Some(challenge), false);
        let new = issued(ask(&env, &running, "corp", &request).await);
        assert_eq!(new.subject(), &other.name);
        assert_eq!(record(&running, &new).renews, None, "a new start");
        let message = running.audit().remove(0).event.details.message;
        assert_eq!(message.as_deref(), Some("certificate issued"));
    }
    for challenge in [None, Some("wrong")] {
        let request = renewal(&env, &old, &device.key, &other, challenge, false);
        let reply = ask(&env, &running, "corp", &request).await;
        assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    }
    assert_eq!(running.certificates(), 3);
}

#[actix::test]
async fn what_the_gates_let_in_is_renewed_through_the_gates_only() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = enroll(&env, &device, &challenge(&env, "laptop-1"));
    let old = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(record(&running, &old).through_gates, Some(true));
    for (challenge, renewal_req) in [(None, true), (None, false), (Some(CHALLENGE), true)] {
        let request = renewal(&env, &old, &device.key, &device, challenge, renewal_req);
        let reply = ask(&env, &running, "corp", &request).await;
        assert_eq!(
            words(&reply),
            "FAILURE badRequest a renewal of this certificate needs a challenge of the device management"
        );
        let reason = running.audit().remove(0).event.details.reason;
        assert_eq!(reason.as_deref(), Some("renewal_gates"));
    }
    let minted = challenge(&env, "laptop-1");
    let request = renewal(&env, &old, &device.key, &device, Some(&minted), true);
    let next = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(record(&running, &next).through_gates, Some(true));
    assert!(record(&running, &next).renews.is_some());
    // What the static challenge let in is renewed as it came.
    let printer = Device::new(&env, "printer-1");
    let theirs = printer.enroll(&env, &running, "corp").await;
    assert_eq!(record(&running, &theirs).through_gates, Some(false));
    let request = renewal(&env, &theirs, &printer.key, &printer, None, true);
    let renewed = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(record(&running, &renewed).through_gates, Some(false));
    // The static challenge lets anybody in, so this device too; then it is no renewal.
    let request = renewal(&env, &old, &device.key, &device, Some(CHALLENGE), false);
    let anew = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(record(&running, &anew).renews, None);
    running.close();

    // The same where the profile has no gates any more.
    let running = env.open(vec![env.spec("corp")]).await;
    let request = renewal(&env, &next, &device.key, &device, None, false);
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    running.close();

    for only_gates in [false, true] {
        let mut spec = env.intune_spec("corp");
        spec.renewal.without_gates = true;
        if only_gates {
            spec.challenge = None;
        }
        let running = env.open(vec![spec]).await;
        let request = renewal(&env, &next, &device.key, &device, None, true);
        let new = issued(ask(&env, &running, "corp", &request).await);
        let kept = record(&running, &new).through_gates;
        assert_eq!(
            kept,
            Some(true),
            "remembered for when the setting is off again"
        );
        running.close();
    }
}

#[actix::test]
async fn records_that_do_not_say_who_let_a_device_in_are_followed_back() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = enroll(&env, &device, &challenge(&env, "laptop-1"));
    let first = issued(ask(&env, &running, "corp", &request).await);
    // As an earlier version wrote a renewal: without a device, and without a word of the gates.
    let certify = |before: &Certificate| {
        let csr = device.csr(None, "");
        let policy = CertificatePolicy::new("device");
        let request = issuer::CertificateRequest {
            csr: &csr,
            vouched_sid: None,
            previous: Some(before),
        };
        let now = env.clock.now();
        let approved = policy.approve(request, now).unwrap();
        env.issuer.sign_approved(&approved, now).unwrap()
    };
    let put = |certificate: &Certificate, renews: &Certificate| {
        let record = store::CertificateRecord {
            serial: certificate.serial().as_bytes().to_vec(),
            der: certificate.der().to_vec(),
            device: None,
            renews: Some(renews.serial().as_bytes().to_vec()),
            through_gates: None,
            ..record(&running, &first)
        };
        let change = store::Change::new().with(record);
        running
            .store
            .commit(&[change], running.runtime.services.time.now())
            .unwrap()[0]
            .clone()
            .unwrap();
    };
    let second = certify(&first);
    put(&second, &first);
    let third = certify(&second);
    put(&third, &second);
    let request = renewal(&env, &third, &device.key, &device, None, true);
    ask(&env, &running, "corp", &request).await;
    let reason = running.audit().remove(0).event.details.reason;
    assert_eq!(reason.as_deref(), Some("renewal_gates"));
}

#[actix::test]
async fn the_gates_come_before_the_rules_of_renewal() {
    let env = TestEnv::new();
    let running = env.open(vec![env.intune_spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let theirs = challenge(&env, "laptop-2");
    let signer = &device.signer;
    let request = renewal(&env, signer, &device.key, &device, Some(&theirs), true);
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(
        words(&reply).ends_with("claim_mismatch"),
        "{}",
        words(&reply)
    );
    let ours = challenge(&env, "laptop-1");
    let request = renewal(&env, signer, &device.key, &device, Some(&ours), true);
    ask(&env, &running, "corp", &request).await;
    let details = running.audit().remove(0).event.details;
    assert_eq!(details.reason.as_deref(), Some("renewal_foreign"));
    assert!(!details.extra.contains_key("unverified"));
    let counters = running.status("corp").await.counters;
    assert_eq!(counters.count(Label::ClaimMismatch), 1);
    assert_eq!(counters.count(Label::Malformed), 1);
}

#[actix::test]
async fn an_expired_certificate_does_not_renew_but_its_device_may_start_anew() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let old = device.enroll(&env, &running, "corp").await;
    env.clock.advance(TimeDelta::days(366));
    let request = renewal(&env, &old, &device.key, &device, None, true);
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    assert_eq!(
        running.audit()[0].event.details.reason.as_deref(),
        Some("renewal_expired")
    );
    // With the challenge it may start anew, like any device.
    for renewal_req in [true, false] {
        let with = Some(CHALLENGE);
        let anew = renewal(&env, &old, &device.key, &device, with, renewal_req);
        let new = issued(ask(&env, &running, "corp", &anew).await);
        assert_eq!(record(&running, &new).renews, None);
    }
    running.close();

    let mut spec = env.spec("corp");
    spec.renewal.expired_with_challenge = false;
    let running = env.open(vec![spec]).await;
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let rekeyed = Device::with_key(&env, "laptop-1", key);
    let with = Some(CHALLENGE);
    let refused = renewal(&env, &old, &device.key, &rekeyed, with, true);
    let reply = ask(&env, &running, "corp", &refused).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    let reason = running.audit().remove(0).event.details.reason;
    assert_eq!(reason.as_deref(), Some("renewal_expired"));
    let anew = renewal(&env, &old, &device.key, &rekeyed, with, false);
    issued(ask(&env, &running, "corp", &anew).await);
}

#[actix::test]
async fn a_profile_may_demand_the_challenge_for_renewals_too() {
    let env = TestEnv::new();
    let mut spec = env.spec("corp");
    spec.renewal.challenge_required = true;
    let running = env.open(vec![spec]).await;
    let device = Device::new(&env, "laptop-1");
    let old = device.enroll(&env, &running, "corp").await;
    let without = renewal(&env, &old, &device.key, &device, None, true);
    let reply = ask(&env, &running, "corp", &without).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    let with = renewal(&env, &old, &device.key, &device, Some(CHALLENGE), true);
    issued(ask(&env, &running, "corp", &with).await);
}

async fn revoke(running: &Running, certificate: &Certificate, reason: pki::RevocationReason) {
    let order = actors::Revocation {
        ca: store::CaId::of_issuer(certificate).unwrap(),
        serial: certificate.serial().clone(),
        reason,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    actors::revoke(&running.runtime.services, order)
        .await
        .unwrap();
}

#[actix::test]
async fn a_compromised_key_gets_nothing_in_any_profile_of_its_ca() {
    let env = TestEnv::new();
    let specs = || vec![env.intune_spec("corp"), env.spec("iot")];
    let running = env.open(specs()).await;
    let device = Device::new(&env, "laptop-1");
    let old = device.enroll(&env, &running, "corp").await;
    let other = Device::new(&env, "laptop-2");
    let theirs = other.enroll(&env, &running, "corp").await;
    // Another reason says nothing about the key.
    revoke(&running, &theirs, pki::RevocationReason::Superseded).await;
    other.enroll(&env, &running, "corp").await;
    revoke(&running, &old, pki::RevocationReason::KeyCompromise).await;
    let certificates = running.certificates();
    let refused = async |running: &Running, path_id: &str, challenge: &str| {
        let request = device.pkcs_req(&env, challenge);
        let reply = ask(&env, running, path_id, &request).await;
        assert_eq!(
            words(&reply),
            "FAILURE badRequest this key was reported as compromised; make a new one"
        );
        let reason = running.audit().remove(0).event.details.reason;
        assert_eq!(reason.as_deref(), Some("key_compromised"));
    };
    refused(&running, "corp", CHALLENGE).await;
    refused(&running, "corp", &challenge(&env, "laptop-1")).await;
    refused(&running, "iot", CHALLENGE).await;
    running.close();
    // Nor after a restart, and not for another key that this one vouches for.
    let running = env.open(specs()).await;
    refused(&running, "corp", CHALLENGE).await;
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let rekeyed = Device::with_key(&env, "laptop-1", key);
    let signer = &device.signer;
    let with = Some(CHALLENGE);
    let request = renewal(&env, signer, &device.key, &rekeyed, with, false);
    let reply = ask(&env, &running, "corp", &request).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    assert_eq!(running.certificates(), certificates);
    rekeyed.enroll(&env, &running, "corp").await;
}

/// What a former server says: of a certificate with this serial that it is revoked, while it has a list.
struct FormerServer {
    revoked: pki::Serial,
    fresh: std::sync::atomic::AtomicBool,
}

impl actors::FormerRevocations for FormerServer {
    fn look(
        &self,
        certificate: &Certificate,
        _: chrono::DateTime<chrono::Utc>,
    ) -> Result<actors::Former, String> {
        if !self.fresh.load(std::sync::atomic::Ordering::SeqCst) {
            return Err("it ended yesterday".to_owned());
        }
        Ok(actors::Former {
            revoked: *certificate.serial() == self.revoked,
            list: "the old CRL number 7".to_owned(),
        })
    }
}

#[actix::test]
async fn what_another_server_issued_renews_where_its_revocations_are_known() {
    let env = TestEnv::new();
    let issue = |device: &Device| {
        let csr = device.csr(None, "");
        let request = issuer::CertificateRequest {
            csr: &csr,
            vouched_sid: None,
            previous: None,
        };
        let now = env.clock.now();
        let approved = CertificatePolicy::new("device")
            .approve(request, now)
            .unwrap();
        env.issuer.sign_approved(&approved, now).unwrap()
    };
    let (good, bad) = (Device::new(&env, "laptop-1"), Device::new(&env, "laptop-2"));
    let (held, revoked) = (issue(&good), issue(&bad));
    let former = std::sync::Arc::new(FormerServer {
        revoked: revoked.serial().clone(),
        fresh: false.into(),
    });
    let details = |running: &Running| running.audit().remove(0).event.details;
    let ask_for = async |running: &Running, certificate: &Certificate, device: &Device| {
        let request = renewal(&env, certificate, &device.key, device, None, true);
        words(&ask(&env, running, "corp", &request).await)
    };

    let running = env.open(vec![env.spec("corp")]).await;
    assert!(ask_for(&running, &held, &good).await.starts_with("FAILURE"));
    assert_eq!(details(&running).reason.as_deref(), Some("renewal_unknown"));
    running.close();

    let mut spec = env.spec("corp");
    spec.former = Some(former.clone());
    let running = env.open(vec![spec]).await;
    assert!(ask_for(&running, &held, &good).await.starts_with("FAILURE"));
    let message = details(&running).message.unwrap();
    assert!(message.ends_with("it ended yesterday"), "{message}");
    former
        .fresh
        .store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(
        ask_for(&running, &revoked, &bad)
            .await
            .starts_with("FAILURE")
    );
    assert_eq!(details(&running).reason.as_deref(), Some("renewal_revoked"));
    assert!(ask_for(&running, &held, &good).await.starts_with("SUCCESS"));
    let note = details(&running).note.unwrap();
    assert!(
        note.contains(
            "is not in the store; accepted by renewal.unknown_certificates and the old CRL number 7"
        ),
        "{note}"
    );
    running.close();

    // Where there are gates they hold: nobody knows how the device was let in.
    let mut spec = env.intune_spec("corp");
    spec.former = Some(former);
    let running = env.open(vec![spec]).await;
    let fresh = Device::new(&env, "laptop-3");
    let held = issue(&fresh);
    assert!(
        ask_for(&running, &held, &fresh)
            .await
            .starts_with("FAILURE")
    );
    assert_eq!(details(&running).reason.as_deref(), Some("renewal_gates"));
}
