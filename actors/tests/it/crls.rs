//! What stands in a CRL, for how long, and who waits for it.

use crate::device::{Device, ask, words};
use crate::house::{Running, World};
use actors::{ApplyProfiles, ProfileSpec};
use chrono::TimeDelta;
use issuer::{Issuer, LocalCa, LocalCaParts, PreviousCa};
use pki::{Certificate, Crl, KeyKind, Name, Serial};
use scep::client::{Content, Reply, Request, RequestBuilder};
use std::sync::Arc;
use store::CaId;

async fn enroll(world: &World, running: &Running, name: &str) -> Certificate {
    let device = Device::new(world, name);
    device.enroll(world, running, "corp").await
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
    actors::revoke(&running.house.services, order)
        .await
        .unwrap();
}

fn question(world: &World, issuer: &Name) -> Request {
    let content = Content::GetCrl {
        issuer,
        serial: &Serial::random().unwrap(),
    };
    Device::new(world, "asker").request(world, content)
}

async fn get_crl(world: &World, running: &Running, issuer: &Name) -> Crl {
    match ask(world, running, "corp", &question(world, issuer)).await {
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
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let ours = world.issuer_name();
    let certificate = enroll(&world, &running, "laptop-1").await;
    let first = get_crl(&world, &running, &ours).await;
    revoke(&running, &certificate).await;

    world.issuer.crl_door.close();
    let slow = question(&world, &ours);
    let profile = running.house.directory.find("corp").unwrap();
    let making = tokio::spawn(profile.actor.send(actors::PkiOperation {
        message: slow.message().to_vec().into(),
        origin: actors::Origin {
            source: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            user_agent: None,
            request_id: "2".to_owned(),
        },
    }));
    world.issuer.crl_door.reached().await;
    let meanwhile = get_crl(&world, &running, &ours).await;
    assert_eq!(meanwhile.der(), first.der());
    // Enrolling goes on too.
    enroll(&world, &running, "laptop-2").await;

    world.issuer.crl_door.open();
    let actors::Outcome::CertRep(octets) = making.await.unwrap().unwrap().outcome else {
        panic!("no CertRep")
    };
    let Ok(Reply::Crl(second)) = slow.open_reply(&octets, &[&world.ra.certificate]) else {
        panic!("no CRL")
    };
    assert!(lists(&second, &certificate));
    assert_eq!(
        get_crl(&world, &running, &ours).await.der(),
        second.der(),
        "and nobody makes another"
    );
}

#[actix::test]
async fn an_entry_goes_once_it_has_stood_in_a_crl_after_its_end() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let ours = world.issuer_name();
    let certificate = enroll(&world, &running, "laptop-1").await;
    revoke(&running, &certificate).await;
    world.clock.advance(TimeDelta::seconds(2));
    assert!(lists(&get_crl(&world, &running, &ours).await, &certificate));
    world.clock.advance(TimeDelta::days(400));
    let after_its_end = get_crl(&world, &running, &ours).await;
    assert!(lists(&after_its_end, &certificate));
    world.clock.advance(TimeDelta::days(30));
    let next = get_crl(&world, &running, &ours).await;
    assert!(next.number() > after_its_end.number() && next.entries().is_empty());
}

#[actix::test]
async fn a_crl_lists_what_its_own_ca_has_signed() {
    use actors::Clock;
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let old = enroll(&world, &running, "laptop-1").await;
    revoke(&running, &old).await;
    let old_name = world.issuer_name();
    assert!(lists(&get_crl(&world, &running, &old_name).await, &old));

    let name = Name::parse("CN=New CA, O=scepd").unwrap();
    let kind = KeyKind::Ec(pki::Curve::P256);
    let (certificate, key) = issuer::create_root(&name, kind, world.clock.now(), 10).unwrap();
    let mut parts = LocalCaParts::new(certificate, key);
    parts.previous = vec![PreviousCa {
        certificate: world.issuer.authority().certificate().clone(),
        key: None,
    }];
    let ca = LocalCa::from_parts("local", parts).unwrap();
    let spec = ProfileSpec {
        issuer: Arc::new(ca),
        ras: vec![world.ra.clone().into()],
        ..world.spec("corp")
    };
    running
        .house
        .supervisor
        .send(ApplyProfiles(vec![spec]))
        .await
        .unwrap()
        .unwrap();
    let new = enroll(&world, &running, "laptop-2").await;
    revoke(&running, &new).await;
    let crl = get_crl(&world, &running, &name).await;
    assert!(lists(&crl, &new) && !lists(&crl, &old));

    let reply = ask(&world, &running, "corp", &question(&world, &old_name)).await;
    let reply = words(&reply);
    assert!(reply.starts_with("FAILURE badCertId"), "{reply}");
}

/// The world's CA under another name of the configuration, serving a profile of this path.
fn renamed(world: &World, issuer_id: &str, path_id: &str) -> ProfileSpec {
    ProfileSpec {
        issuer: Arc::new(world.issuer.named(issuer_id)),
        ..world.spec(path_id)
    }
}

async fn apply(running: &Running, specs: Vec<ProfileSpec>) {
    let supervisor = &running.house.supervisor;
    let applied = supervisor.send(ApplyProfiles(specs)).await;
    applied.unwrap().unwrap();
}

#[actix::test]
async fn an_issuer_that_is_renamed_keeps_its_revocations_and_its_crl_numbers() {
    let world = World::new();
    let running = world.open(vec![world.spec("corp")]).await;
    let ours = world.issuer_name();
    let device = Device::new(&world, "laptop-1");
    let revoked = device.enroll(&world, &running, "corp").await;
    revoke(&running, &revoked).await;
    let before = get_crl(&world, &running, &ours).await;

    apply(&running, vec![renamed(&world, "another", "corp")]).await;
    enroll(&world, &running, "laptop-2").await;
    // Something to be told, so that a CRL is made anew.
    let second = enroll(&world, &running, "laptop-3").await;
    revoke(&running, &second).await;
    let after = get_crl(&world, &running, &ours).await;
    assert!(lists(&after, &revoked) && lists(&after, &second));
    assert_eq!(after.number(), before.number().map(|number| number + 1));
    // The owner of the revoked certificate is known as such.
    let csr = device.csr(None, "");
    let recipients = [&world.ra.certificate];
    let signer = (&revoked, &device.key);
    let builder = RequestBuilder::new(Content::RenewalReq(&csr), signer, &recipients);
    let request = builder.build().unwrap();
    let reply = words(&ask(&world, &running, "corp", &request).await);
    assert!(reply.starts_with("FAILURE"), "{reply}");
    let reason = running.audit()[0].event.details.reason.clone();
    assert_eq!(reason.as_deref(), Some("renewal_revoked"));
}

#[actix::test]
async fn two_issuers_with_one_ca_are_one() {
    let world = World::new();
    let specs = vec![world.spec("corp"), renamed(&world, "another", "lab")];
    let running = world.open(specs).await;
    let ours = world.issuer_name();
    let here = enroll(&world, &running, "laptop-1").await;
    let there = Device::new(&world, "laptop-2");
    let there = there.enroll(&world, &running, "lab").await;
    revoke(&running, &here).await;
    revoke(&running, &there).await;
    let crl = get_crl(&world, &running, &ours).await;
    assert!(lists(&crl, &here) && lists(&crl, &there));
    let same = match ask(&world, &running, "lab", &question(&world, &ours)).await {
        Reply::Crl(crl) => crl,
        other => panic!("no CRL: {}", words(&other)),
    };
    assert_eq!(same.der(), crl.der(), "one CRL for both");
}
