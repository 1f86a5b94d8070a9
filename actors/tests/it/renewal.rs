use crate::device::{Device, ask, issued, words};
use crate::house::{CHALLENGE, World};
use crate::intune::{challenge, enroll};
use challenge::Label;
use chrono::TimeDelta;
use pki::{Certificate, KeyKind, PrivateKey};
use scep::client::{Content, RequestBuilder};

/// A request for `csr_device`'s key and names, signed with `old`.
fn renewal(
    world: &World,
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
    let recipients = [&world.ra.certificate];
    RequestBuilder::new(content, (old, old_key), &recipients)
        .build()
        .unwrap()
}

#[actix::test]
async fn certificates_are_renewed_by_17_and_by_19_without_a_challenge() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let device = Device::new(&world, "laptop-1");
    let old = device.enroll(&world, &running, "corp").await;
    for renewal_req in [true, false] {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let rekeyed = Device::with_key(&world, "laptop-1", key);
        let request = renewal(&world, &old, &device.key, &rekeyed, None, renewal_req);
        let new = issued(ask(&world, &running, "corp", &request).await);
        assert_ne!(new.serial(), old.serial());
        let record = running
            .store
            .certificate("local", new.serial().as_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(record.renews.as_deref(), Some(old.serial().as_bytes()));
        assert_eq!(running.audit()[0].event.action, "scep_renewalreq");
    }
}

#[actix::test]
async fn a_renewal_is_refused_for_others_names_and_for_unfit_certificates() {
    let world = World::new();
    let running = world
        .open(vec![world.spec("corp"), world.spec("iot")])
        .await;
    let device = Device::new(&world, "laptop-1");
    let old = device.enroll(&world, &running, "corp").await;
    let someone_else = Device::with_key(&world, "laptop-2", device.key.clone());
    let reason = || running.audit()[0].event.details.reason.clone().unwrap();

    for renewal_req in [true, false] {
        let request = renewal(&world, &old, &device.key, &someone_else, None, renewal_req);
        let reply = ask(&world, &running, "corp", &request).await;
        assert!(
            words(&reply).starts_with("FAILURE badRequest"),
            "{}",
            words(&reply)
        );
        assert_eq!(reason(), "renewal_names");
    }
    let request = renewal(&world, &old, &device.key, &device, None, true);
    let reply = ask(&world, &running, "iot", &request).await;
    assert!(
        words(&reply).starts_with("FAILURE badRequest"),
        "{}",
        words(&reply)
    );
    assert_eq!(reason(), "renewal_foreign_profile");

    let request = renewal(
        &world,
        &device.signer,
        &device.key,
        &device,
        Some(CHALLENGE),
        true,
    );
    let reply = ask(&world, &running, "corp", &request).await;
    assert!(
        words(&reply).starts_with("FAILURE badRequest"),
        "{}",
        words(&reply)
    );
    assert_eq!(reason(), "renewal_foreign");

    let order = actors::Revocation {
        issuer_id: "local".to_owned(),
        serial: old.serial().clone(),
        reason: pki::RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "1".to_owned(),
    };
    actors::revoke(&running.house.services, order)
        .await
        .unwrap();
    // A revoked certificate signs nothing here any more, whatever the challenge.
    for (challenge, renewal_req) in [
        (None, true),
        (Some(CHALLENGE), true),
        (None, false),
        (Some(CHALLENGE), false),
    ] {
        let request = renewal(&world, &old, &device.key, &device, challenge, renewal_req);
        ask(&world, &running, "corp", &request).await;
        assert_eq!(reason(), "renewal_revoked");
    }
    let request = renewal(&world, &old, &device.key, &device, Some("wrong"), false);
    ask(&world, &running, "corp", &request).await;
    assert_eq!(reason(), "challenge_wrong");
    assert_eq!(running.certificates(), 1);
    running.close();

    let mut spec = world.spec("corp");
    spec.renewal.enabled = false;
    let running = world.open(vec![spec]).await;
    let request = renewal(&world, &old, &device.key, &device, Some(CHALLENGE), false);
    let reply = ask(&world, &running, "corp", &request).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    assert_eq!(running.certificates(), 1);
}

#[actix::test]
async fn a_holder_does_not_enroll_under_another_name_unless_that_may_change() {
    let world = World::new();
    let running = world.open(vec![world.intune_spec("corp")]).await;
    let device = Device::new(&world, "laptop-1");
    let request = device.pkcs_req(&world, CHALLENGE);
    let old = issued(ask(&world, &running, "corp", &request).await);
    let other = Device::with_key(&world, "laptop-2", device.key.clone());
    let static_one = renewal(&world, &old, &device.key, &other, Some(CHALLENGE), false);
    let minted = challenge(&world, "laptop-2");
    let intune = |renewal_req| {
        renewal(
            &world,
            &old,
            &device.key,
            &other,
            Some(&minted),
            renewal_req,
        )
    };
    for request in [static_one, intune(false), intune(true)] {
        let reply = ask(&world, &running, "corp", &request).await;
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
    // Refused before gates 7 and 8 took anything, and counted once each.
    assert_eq!(running.counter("corp", Label::Malformed).await, (2, 2));
    issued(ask(&world, &running, "corp", &enroll(&world, &other, &minted)).await);
    running.close();

    let mut spec = world.intune_spec("corp");
    spec.renewal.subject_may_change = true;
    let mut policy = (*spec.policy).clone();
    policy.renewal_subject_may_change = true;
    spec.policy = std::sync::Arc::new(policy);
    let running = world.open(vec![spec]).await;
    let minted = challenge(&world, "laptop-2");
    let request = renewal(&world, &old, &device.key, &other, Some(&minted), false);
    issued(ask(&world, &running, "corp", &request).await);
}

#[actix::test]
async fn the_gates_come_before_the_rules_of_renewal() {
    let world = World::new();
    let running = world.open(vec![world.intune_spec("corp")]).await;
    let device = Device::new(&world, "laptop-1");
    let theirs = challenge(&world, "laptop-2");
    let signer = &device.signer;
    let request = renewal(&world, signer, &device.key, &device, Some(&theirs), true);
    let reply = ask(&world, &running, "corp", &request).await;
    assert!(
        words(&reply).ends_with("claim_mismatch"),
        "{}",
        words(&reply)
    );
    let ours = challenge(&world, "laptop-1");
    let request = renewal(&world, signer, &device.key, &device, Some(&ours), true);
    ask(&world, &running, "corp", &request).await;
    let details = running.audit().remove(0).event.details;
    assert_eq!(details.reason.as_deref(), Some("renewal_foreign"));
    assert!(!details.extra.contains_key("unverified"));
    let counters = running.status("corp").await.counters;
    assert_eq!(counters.count(Label::ClaimMismatch), 1);
    assert_eq!(counters.count(Label::Malformed), 1);
}

#[actix::test]
async fn an_expired_certificate_does_not_renew() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let device = Device::new(&world, "laptop-1");
    let old = device.enroll(&world, &running, "corp").await;
    world.clock.advance(TimeDelta::days(366));
    let request = renewal(&world, &old, &device.key, &device, None, true);
    let reply = ask(&world, &running, "corp", &request).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    assert_eq!(
        running.audit()[0].event.details.reason.as_deref(),
        Some("renewal_expired")
    );
    // With the challenge it may start anew, like any device.
    let anew = renewal(&world, &old, &device.key, &device, Some(CHALLENGE), false);
    issued(ask(&world, &running, "corp", &anew).await);
}

#[actix::test]
async fn a_profile_may_demand_the_challenge_for_renewals_too() {
    let world = World::new();
    let mut spec = world.spec("corp");
    spec.renewal.challenge_required = true;
    let running = world.open(vec![spec]).await;
    let device = Device::new(&world, "laptop-1");
    let old = device.enroll(&world, &running, "corp").await;
    let without = renewal(&world, &old, &device.key, &device, None, true);
    let reply = ask(&world, &running, "corp", &without).await;
    assert!(words(&reply).starts_with("FAILURE"), "{}", words(&reply));
    let with = renewal(&world, &old, &device.key, &device, Some(CHALLENGE), true);
    issued(ask(&world, &running, "corp", &with).await);
}
