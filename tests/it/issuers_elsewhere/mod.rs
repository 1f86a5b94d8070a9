//! The server before fakes of CAs that somebody else wrote from what is published about them (`crates/issuer-fakes`).

mod adcs;
mod away;
mod aws;
mod canaries;
mod differences;
mod ejbca;

use std::sync::Arc;

use actors::Clock as _;
use issuer_fakes::{Clock, Fake, Kind, Operation, Options};
use openssl::x509::X509;
use scep::client::{Content, Request};

use crate::admin::operator::Operator;
use crate::device::{Device, issued, until_decided};
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// A fake in the time of an environment that is not started yet.
async fn fake(kind: Kind, env: &TestEnv) -> Fake {
    let clock = Arc::clone(&env.clock);
    let options = Options {
        kind,
        clock: Clock::new(move || clock.now().timestamp()),
        first_port: None,
    };
    Fake::start(options).await.unwrap()
}

/// The environment with one more issuer and a profile of it, both of this name.
fn with_issuer(env: TestEnv, id: &str, issuer: &str) -> TestEnv {
    let profile = format!("issuer_id = '{id}'\nanswer_within = '1s'");
    let mut env = env.profile(id, &profile);
    let mut issuer: toml::Table = issuer.parse().unwrap();
    issuer.insert("id".to_owned(), id.into());
    env.edit(|config| {
        let issuers = config["issuer"].as_array_mut().unwrap();
        issuers.push(issuer.into());
    });
    env
}

/// The fake's TLS, the client's certificate and its key as files; their paths.
fn files(env: &TestEnv, fake: &Fake) -> [String; 3] {
    let identity = fake.client_identity();
    let (certificate, key) = identity.split_at(identity.find("-----BEGIN PRIVATE KEY").unwrap());
    let host = fake.url().rsplit(':').next().unwrap_or_default();
    [
        ("trust.pem", fake.trust()),
        ("client.pem", certificate),
        ("client.key", key),
    ]
    .map(|(name, content)| {
        let file = env.file(&format!("{host}-{name}"), content.as_bytes());
        file.display().to_string()
    })
}

/// A fake of EJBCA and a server before it. A device may renew, and the end of the validity is asked for.
async fn ejbca() -> (Fake, Running) {
    let env = TestEnv::new();
    let fake = fake_ejbca(&env).await;
    let [trust, client, key] = files(&env, &fake);
    let login = format!("client_cert_path = '{client}'\nclient_key_path = '{key}'");
    let server = with_issuer(env, "corp", &ejbca_issuer(&fake, &trust, &login));
    let server = server.start().await;
    (fake, server)
}

/// A fake of EJBCA whose profiles let every device renew.
async fn fake_ejbca(env: &TestEnv) -> Fake {
    let fake = fake(Kind::Ejbca, env).await;
    fake.settings(|settings| {
        settings.days = 4000;
        settings.ejbca.unique_dn = false;
        settings.ejbca.unique_keys = false;
        settings.ejbca.ldap_dn_order = false;
    });
    fake
}

/// The issuer before it, with this login.
fn ejbca_issuer(fake: &Fake, trust: &str, login: &str) -> String {
    format!(
        "type = 'ejbca'\nurl = '{}'\nca_bundle_path = '{trust}'\n[ejbca]\nca = 'ManagementCA'\n\
         certificate_profile = 'DEVICE'\nend_entity_profile = 'Devices'\nra_certificate_profile = 'DEVICE'\n\
         ra_end_entity_profile = 'Devices'\nsend_end_time = true\n{login}",
        fake.url()
    )
}

/// A device's first request, to be sent again as it is: another one would be another enrollment.
fn first_request(device: &Device) -> Request {
    let csr = device.csr(Some(CHALLENGE));
    device.request(Content::PkcsReq(&csr))
}

/// Enrolls a device, however long that takes.
async fn enrolled(device: &Device) -> pki::Certificate {
    issued(until_decided(device, &first_request(device)).await)
}

/// The newest event of enrollments, in words.
fn said(server: &Running) -> String {
    format!("{:?}", server.events("scep_pkcsreq").first().unwrap())
}

/// Whether the fake's CA signed it, as OpenSSL sees it.
fn is_signed_by(fake: &Fake, certificate: &pki::Certificate) -> bool {
    let issuing = X509::from_der(&fake.chain()[0]).unwrap();
    let certificate = X509::from_pem(certificate.to_pem().as_bytes()).unwrap();
    certificate.verify(&issuing.public_key().unwrap()).unwrap()
}

/// How the admin API says that the issuer of `corp` is.
async fn issuer(admin: &Operator<'_>) -> serde_json::Value {
    let profiles = admin.read("/api/v1/admin/scep/profiles").await;
    profiles["profiles"][0]["issuer"].clone()
}

/// No call was of a form that the CA's documents do not have, and no redirect was followed.
fn clean(fake: &Fake) {
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
    assert_eq!(fake.count(Operation::Elsewhere), 0);
}
