//! Profiles whose issuers take the names from the device's own CSR: EJBCA and ADCS.

use std::time::{Duration, Instant};

use actors::{Revocation, RevokeError};
use pki::{Certificate, RevocationReason};
use scep::client::{Content, Reply};
use store::CaId;

use crate::device::{Device, issued, refused, until_decided};
use crate::maker::Twist;
use crate::test_env::{CHALLENGE, Running, TestEnv};
use crate::web::Manner;
use crate::{fake_adcs, fake_ejbca};

/// How long something may take that is under way: a limit, not a pace.
const STUCK: Duration = Duration::from_secs(60);

fn env(issuer: &str) -> TestEnv {
    let mut env = TestEnv::new().profile("corp", "issuer_id = 'corp'\nanswer_within = '5s'");
    env.edit(|config| {
        let issuers = config["issuer"].as_array_mut().unwrap();
        issuers.push(issuer.parse::<toml::Table>().unwrap().into());
    });
    env
}

fn revocation(server: &Running, certificate: &Certificate) -> Revocation {
    let issuer = &server.profile("corp").spec.issuer;
    Revocation {
        ca: CaId::of_ca(issuer.authority().certificate()),
        serial: certificate.serial().clone(),
        reason: RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "r-1".to_owned(),
    }
}

fn ejbca(url: &str) -> TestEnv {
    env(&format!(
        "id = 'corp'\ntype = 'ejbca'\nurl = '{url}'\naccept_shorter_validity = true\n[ejbca]\nca = 'Corp'\n\
         certificate_profile = 'device'\nend_entity_profile = 'scepd'\nra_certificate_profile = 'ra'\n\
         ra_end_entity_profile = 'ra'\nauth = 'token'\ntoken = 'canary-token-0'"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_ejbca_that_was_lost_leaves_one_certificate() {
    let fake = fake_ejbca::fake().await;
    fake.state().tokens = Some(vec!["canary-token-0".to_owned()]);
    let server = ejbca(&fake.url()).start().await;
    let device = Device::of(&server, "corp").await;
    let before = fake.state().maker.made.len();
    fake.state()
        .acts
        .push_back(fake_ejbca::Act::Sends(Manner::Lost));
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    let certificate = issued(until_decided(&device, &request).await);
    assert_eq!(fake.state().maker.made.len(), before + 1);
    let said = format!("{:?}", server.events("scep_pkcsreq").first().unwrap());
    assert!(!said.contains("nobody has heard of"), "{said}");

    let services = &server.server.runtime().services;
    actors::revoke(services, revocation(&server, &certificate))
        .await
        .unwrap();
    assert_eq!(fake.state().maker.revoked.len(), 1);

    let other = Device::of(&server, "corp").await;
    fake.state()
        .acts
        .push_back(fake_ejbca::Act::Makes(Twist::AddsAnEku));
    let csr = other.csr(Some(CHALLENGE));
    refused(other.post(&other.request(Content::PkcsReq(&csr))).await);
    let said = format!("{:?}", server.events("scep_pkcsreq").first().unwrap());
    assert!(
        said.contains("issuer_mismatch") && said.contains("extKeyUsage"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
}

fn adcs(server: &crate::web::Server<fake_adcs::Fake>) -> TestEnv {
    let env = TestEnv::new();
    let chain = env.file("corp-ca.pem", server.state().maker.ca.to_pem().as_bytes());
    let password = env.file("adcs-password", fake_adcs::PASSWORD.as_bytes());
    let mut env = env.profile("corp", "issuer_id = 'corp'\nanswer_within = '5s'");
    let url = server.url();
    let issuer = format!(
        "id = 'corp'\ntype = 'adcs'\nurl = '{url}/Corp_CES_UsernamePassword/service.svc/CES'\nchain_path = '{}'\n\
         accept_shorter_validity = true\n[adcs]\ntemplate = 'ScepDevice'\nra_template = 'ScepRa'\n\
         ca = 'ca01\\Corp'\ncrl_url = '{url}/corp.crl'\nusername = '{}'\npassword_file = '{}'",
        chain.display(),
        fake_adcs::USER,
        password.display()
    );
    env.edit(|config| {
        let issuers = config["issuer"].as_array_mut().unwrap();
        issuers.push(issuer.parse::<toml::Table>().unwrap().into());
    });
    env
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_certificate_manager_issues_later_is_delivered() {
    let fake = fake_adcs::fake().await;
    let server = adcs(&fake).start().await;
    let device = Device::of(&server, "corp").await;
    let number = fake.state().requests_so_far() + 1;
    fake.state().acts.push_back(fake_adcs::Act::Waits);
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    assert!(matches!(device.post(&request).await, Reply::Pending));
    fake.state().decides(number, true);
    // It is looked for every two minutes.
    server.env.clock.advance(chrono::Duration::minutes(3));
    issued(until_decided(&device, &request).await);
    assert_eq!(fake.state().requests_so_far(), number);
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_by_hand_wait_as_commands_until_the_crl_lists_them() {
    let fake = fake_adcs::fake().await;
    let server = adcs(&fake).start().await;
    let first = Device::of(&server, "corp").await.enroll().await;
    let second = Device::of(&server, "corp").await.enroll().await;
    let reason = RevocationReason::KeyCompromise;
    // Somebody was quick.
    let listed = (first.serial().clone(), reason);
    fake.state().maker.revoked.push(listed);
    let services = &server.server.runtime().services;
    for certificate in [&first, &second] {
        let waits = actors::revoke(services, revocation(&server, certificate)).await;
        assert!(
            matches!(&waits, Err(RevokeError::Waits(words)) if words.contains("scepd issuer revocations")),
            "{waits:?}"
        );
    }
    let ca = CaId::of_ca(&fake.state().maker.ca);
    let store = &services.store;
    let is_revoked = |certificate: &Certificate| {
        let record = store.certificate(&ca, certificate.serial().as_bytes());
        record.unwrap().unwrap().revoked.is_some()
    };
    let started = Instant::now();
    while !is_revoked(&first) && started.elapsed() < STUCK {
        let actor = &server.profile("corp").actor;
        actor.send(actors::Sweep).await.unwrap();
    }
    assert!(is_revoked(&first) && !is_revoked(&second));
    let mut lines = Vec::new();
    let order = scepd::control::Order::WaitingRevocations {
        issuer: "corp".to_owned(),
    };
    let given = scepd::control::work::read(store.as_ref(), &order, &mut |line| {
        lines.push(line.to_owned());
        Ok(())
    });
    assert!(matches!(
        given.unwrap(),
        Some(scepd::control::Answer::Exported { events: 1 })
    ));
    let waiting: scepd::control::WaitingRevocation = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(waiting.serial, second.serial().to_hex());
    assert_eq!((waiting.reason, waiting.by.as_str()), (1, "ops"));
}
