//! What stands in a CRL, for how long, and who waits for it.

use crate::device::{Device, ask, words};
use crate::house::{Running, World};
use actors::{ApplyProfiles, ProfileSpec};
use chrono::TimeDelta;
use issuer::{Issuer, LocalCa, LocalCaParts, PreviousCa};
use pki::{Certificate, Crl, KeyKind, Name, Serial};
use scep::RaIdentity;
use scep::client::{Content, Reply, Request};
use std::sync::Arc;

async fn enroll(world: &World, running: &Running, name: &str) -> Certificate {
    let device = Device::new(world, name);
    device.enroll(world, running, "corp").await
}

async fn revoke(running: &Running, certificate: &Certificate) {
    let order = actors::Revocation {
        issuer_id: "local".to_owned(),
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
        ras: vec![RaIdentity {
            certificate: world.ra.certificate.clone(),
            key: world.ra.key.clone(),
        }],
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
