//! A profile whose issuer is a Vault: whole, away, back, and one that makes something else.

use std::time::{Duration, Instant};

use actors::{Clock as _, Revocation, RevokeError};
use pki::{Certificate, Crl, RevocationReason};
use scep::client::{Content, Reply};
use serde_json::json;
use store::CaId;

use crate::device::{Device, issued, refused};
use crate::fake_vault::{Act, FakeVault};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// How long something may take that is under way: a limit, not a pace.
const STUCK: Duration = Duration::from_secs(60);

async fn fake() -> FakeVault {
    let fake = FakeVault::start().await;
    fake.state().role["organization"] = json!(["Example"]);
    fake
}

fn env(fake: &FakeVault) -> TestEnv {
    let mut env = TestEnv::new().profile("corp", "issuer_id = 'bao'\nanswer_within = '2s'");
    let issuer = format!(
        "id = 'bao'\ntype = 'vault'\nurl = '{}'\n[vault]\nrole = 'scepd'\nra_role = 'ra'\ntoken = 'canary-token-7f31'",
        fake.url()
    );
    env.edit(|config| {
        let issuers = config["issuer"].as_array_mut().unwrap();
        issuers.push(issuer.parse::<toml::Table>().unwrap().into());
    });
    env
}

async fn device(server: &Running) -> Device {
    Device::at(server.http("corp"), server.client(), device_key()).await
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

async fn crl(device: &Device, certificate: &Certificate) -> Crl {
    let content = Content::GetCrl {
        issuer: certificate.issuer(),
        serial: certificate.serial(),
    };
    match device.post(&device.request(content)).await {
        Reply::Crl(crl) => crl,
        _ => panic!("no CRL"),
    }
}

/// Asks the same until it is no longer pending.
async fn until_decided(device: &Device, content: impl Fn() -> Content<'static>) -> Reply {
    let started = Instant::now();
    while started.elapsed() < STUCK {
        match device.post(&device.request(content())).await {
            Reply::Pending => tokio::task::yield_now().await,
            reply => return reply,
        }
    }
    panic!("it stays pending")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrolls_renews_is_revoked_and_finds_itself_on_the_crl() {
    let fake = fake().await;
    let server = env(&fake).start().await;
    let mut device = device(&server).await;
    let ca = fake.state().ca.clone();
    assert_eq!(
        *device.ca.issuing(),
        ca,
        "GetCACert shows the issuer's chain"
    );
    let first = device.enroll().await;
    first.verify_signature_by(ca.public_key()).unwrap();
    device.signer = first.clone();
    let csr = device.csr(None);
    let renewed = issued(
        device
            .post(&device.request(Content::RenewalReq(&csr)))
            .await,
    );
    renewed.verify_signature_by(ca.public_key()).unwrap();
    assert!(crl(&device, &first).await.entries().is_empty());

    let services = &server.server.runtime().services;
    actors::revoke(services, revocation(&server, &first))
        .await
        .unwrap();
    assert_eq!(fake.state().revoked.len(), 1);
    device.signer = renewed.clone();
    let entries = crl(&device, &renewed).await.entries().to_vec();
    assert!(entries.len() == 1 && entries[0].serial.same_number(first.serial()));
    let again = actors::revoke(services, revocation(&server, &first)).await;
    assert!(matches!(again, Err(RevokeError::Already)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_sealed_devices_wait_and_a_revocation_does() {
    let fake = fake().await;
    let server = env(&fake).start().await;
    let device = device(&server).await;
    let certificate = device.enroll().await;
    fake.state().sealed = true;
    let services = &server.server.runtime().services;
    let waits = actors::revoke(services, revocation(&server, &certificate)).await;
    assert!(matches!(waits, Err(RevokeError::Waits(_))), "{waits:?}");
    let csr: &'static pki::Csr = Box::leak(Box::new(device.csr(Some(CHALLENGE))));
    let request = device.request(Content::PkcsReq(csr));
    assert!(matches!(device.post(&request).await, Reply::Pending));
    let mut alarmed = scepd::server::Alarmed::new();
    server.server.look_at_issuers(&mut alarmed).await;
    assert!(alarmed.is_empty(), "not yet");

    fake.state().sealed = false;
    let reply = until_decided(&device, || Content::PkcsReq(csr)).await;
    issued(reply);
    // The outbox is looked through as it is every few seconds.
    let started = Instant::now();
    while fake.state().revoked.is_empty() && started.elapsed() < STUCK {
        server
            .profile("corp")
            .actor
            .send(actors::Sweep)
            .await
            .unwrap();
    }
    assert_eq!(fake.state().revoked.len(), 1);
    let issued = fake.state().issued.len();
    assert_eq!(issued, 2, "each got one certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_approved_is_revoked_and_not_delivered() {
    let fake = fake().await;
    let server = env(&fake).start().await;
    for (number, (act, field)) in [
        (Act::Clips(30), "notAfter"),
        (Act::AddsAnEku, "extKeyUsage"),
        (Act::DropsNames, "subjectAltName (DNS)"),
        (Act::SwapsTheKey, "subjectPublicKeyInfo"),
    ]
    .into_iter()
    .enumerate()
    {
        let device = Device::of(&server, "corp").await;
        fake.state().acts.push_back(act);
        let csr = device.csr(Some(CHALLENGE));
        let (_, text) = refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
        assert!(!text.contains(field), "the device is not told what: {text}");
        let events = server.events("scep_pkcsreq");
        let said = format!("{:?}", events.first().unwrap());
        assert!(
            said.contains("issuer_mismatch") && said.contains(field),
            "{said}"
        );
        assert_eq!(fake.state().revoked.len(), number + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_certificate_is_delivered_where_that_is_agreed_to() {
    let fake = fake().await;
    let mut env = env(&fake);
    env.edit(|config| {
        let bao = config["issuer"][1].as_table_mut().unwrap();
        bao.insert("accept_shorter_validity".to_owned(), true.into());
    });
    let server = env.start().await;
    fake.state().acts.push_back(Act::Clips(30));
    let certificate = device(&server).await.enroll().await;
    let left = certificate.not_after() - server.env.clock.now();
    assert!(left < chrono::Duration::days(340), "{left}");
    let said = format!("{:?}", server.events("scep_pkcsreq").first().unwrap());
    assert!(
        said.contains("accepted although shorter: notAfter"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_while_it_is_away_works_from_the_chain_of_before() {
    let fake = fake().await;
    fake.state().sealed = true;
    let first = env(&fake);
    let error = first.try_start().await.err().unwrap().to_string();
    assert!(
        error.contains("issuer bao: url: ") && error.contains("it is sealed"),
        "{error}"
    );
    assert!(!error.contains("canary"), "{error}");
    fake.state().sealed = false;
    let server = first.start().await;
    let env = server.stop().await;
    fake.state().sealed = true;
    let server = env.start().await;
    let device = device(&server).await;
    assert_eq!(*device.ca.issuing(), fake.state().ca);
    fake.state().sealed = false;
    // Another CA over there is shown to devices once it was looked at.
    fake.rolls_over();
    server
        .server
        .look_at_issuers(&mut scepd::server::Alarmed::new())
        .await;
    let url = format!("{}?operation=GetCACert", server.http("corp"));
    let shown = server.client().get(url).send().await.unwrap();
    let (shown, _) = pki::cms::parse_degenerate(&shown.bytes().await.unwrap()).unwrap();
    assert!(shown.contains(&fake.state().ca));
    device.enroll().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_the_issuer_cannot_serve_does_not_start() {
    let fake = fake().await;
    let mut env = env(&fake);
    env.edit(|config| {
        let device = config["certificate_profile"][0].as_table_mut().unwrap();
        device.insert("must_staple".to_owned(), true.into());
        device.insert("ekus_default".to_owned(), vec!["server_auth"].into());
        device.insert("ekus_allowed".to_owned(), vec!["server_auth"].into());
    });
    let error = env.try_start().await.err().unwrap().to_string();
    for words in [
        "certificate_profile device: must_staple: ",
        "certificate_profile device: ekus_default: ",
    ] {
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_it_cannot_make_is_refused_before_it_is_asked() {
    let fake = fake().await;
    fake.state().role["organization"] = json!([]);
    let server = env(&fake).start().await;
    let device = device(&server).await;
    let csr = device.csr(Some(CHALLENGE));
    refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    let said = format!("{:?}", server.events("scep_pkcsreq").first().unwrap());
    assert!(
        said.contains("policy_issuer") && said.contains("set organization on the role"),
        "{said}"
    );
    assert!(fake.state().asked.is_empty());
}
