//! A profile whose issuer is another SCEP server: a second one of ours.

use actors::{Clock as _, RevokeError};
use issuer::RaCertifier as _;
use pki::{
    CertificateBuilder, Curve, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey, Serial,
};
use scep::client::{Content, Reply};

use crate::device::{Device, issued, refused, until_decided};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// The server above: it takes first requests of `signer` alone.
pub(crate) async fn above(settings: &str, signer: &pki::Certificate) -> Running {
    let env = TestEnv::new();
    let file = env.file("signer.pem", signer.to_pem().as_bytes());
    let settings = format!("{settings}\nsigners_path = '{}'", file.display());
    env.profile("up", &settings).start().await
}

/// scepd's signer there.
pub(crate) fn signer() -> (pki::Certificate, PrivateKey) {
    let name = |text: &str| Name::parse(text).unwrap();
    let now = chrono::Utc::now() - chrono::Duration::minutes(5);
    let kind = KeyKind::Ec(Curve::P256);
    let (ca, ca_key) = issuer::create_root(&name("CN=Signers"), kind, now, 5).unwrap();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let builder = CertificateBuilder {
        subject: name("CN=scepd"),
        issuer: ca.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now,
        not_after: now + chrono::Duration::days(900),
        public_key: key.public_key().clone(),
        extensions: vec![Extension::key_usage(
            KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT),
        )],
    };
    let scheme = ca_key.scheme(Digest::Sha256).unwrap();
    (builder.sign(&ca_key, &scheme).unwrap(), key)
}

/// The server in between.
async fn between(above: &Running, signer: &(pki::Certificate, PrivateKey)) -> Running {
    below(TestEnv::new(), "corp", above, signer).start().await
}

/// The environment with a profile whose certificates come from the server above.
pub(crate) fn below(
    env: TestEnv,
    path_id: &str,
    above: &Running,
    signer: &(pki::Certificate, PrivateKey),
) -> TestEnv {
    // An RA that the CA above has signed, as devices want it.
    let ra_key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let now = env.clock.now();
    let ra = above.env.local.certify_ra(ra_key.public_key(), "corp", now);
    let ra_cert = env.file("ra.pem", ra.unwrap().to_pem().as_bytes());
    let ra_key = env.file("ra.key", ra_key.to_pkcs8_pem().unwrap().as_bytes());
    let settings = format!(
        "issuer_id = 'above'\nprofile_id = 'longer'\nanswer_within = '5s'\nra = 'files'\nra_cert_path = '{}'\nra_key_path = '{}'",
        ra_cert.display(),
        ra_key.display()
    );
    let mut env = env.profile(path_id, &settings);
    let cert = env.file("signer.pem", signer.0.to_pem().as_bytes());
    let key = env.file("signer.key", signer.1.to_pkcs8_pem().unwrap().as_bytes());
    let issuer = format!(
        "id = 'above'\ntype = 'scep'\nurl = '{}'\naccept_shorter_validity = true\n[scep]\nsigner_cert_path = '{}'\n\
         signer_key_path = '{}'\nca_fingerprint = '{}'\npoll_every = '1s'",
        above.http("up"),
        cert.display(),
        key.display(),
        hex::encode(above.env.ca.fingerprint()),
    );
    env.edit(|config| {
        let issuers = config["issuer"].as_array_mut().unwrap();
        issuers.push(issuer.parse::<toml::Table>().unwrap().into());
        let policies = config["certificate_profile"].as_array_mut().unwrap();
        let policy = "id = 'longer'\nmax_ttl = '366d'".parse::<toml::Table>();
        policies.push(policy.unwrap().into());
    });
    env
}

async fn device(between: &Running) -> Device {
    Device::at(between.http("corp"), between.client(), device_key()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_its_certificate_from_the_server_above() {
    let signer = signer();
    let above = above("", &signer.0).await;
    let between = between(&above, &signer).await;
    let device = device(&between).await;
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    let certificate = issued(until_decided(&device, &request).await);
    certificate
        .verify_signature_by(above.env.ca.public_key())
        .unwrap();
    assert_eq!(above.events("scep_pkcsreq").len(), 1);

    // The wrong challenge ends here: the server above hears nothing.
    let stranger = Device::of(&between, "corp").await;
    let csr = stranger.csr(Some("wrong"));
    refused(
        stranger
            .post(&stranger.request(Content::PkcsReq(&csr)))
            .await,
    );
    assert_eq!(above.events("scep_pkcsreq").len(), 1);

    // Nobody but the signer may ask there.
    let direct = Device::of(&above, "up").await;
    let csr = direct.csr(Some(CHALLENGE));
    refused(direct.post(&direct.request(Content::PkcsReq(&csr))).await);

    let services = &between.server.runtime().services;
    let issuer = &between.profile("corp").spec.issuer;
    let revocation = actors::Revocation {
        ca: store::CaId::of_ca(issuer.authority().certificate()),
        serial: certificate.serial().clone(),
        reason: pki::RevocationReason::KeyCompromise,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "r-1".to_owned(),
    };
    let revoked = actors::revoke(services, revocation).await;
    assert!(
        matches!(revoked, Err(RevokeError::Refused(_))),
        "{revoked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_above_waits_here_until_somebody_decides() {
    let signer = signer();
    let above = above("approval = true", &signer.0).await;
    let between = between(&above, &signer).await;
    let device = device(&between).await;
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    assert!(matches!(device.post(&request).await, Reply::Pending));

    let admin = above.admin().await;
    let path = "/api/v1/admin/scep/requests";
    // Who is told PENDING here may be so before it is asked above.
    let mut list = serde_json::Value::Null;
    while !list["data"][0]["id"].is_string() {
        list = admin.read(path).await;
    }
    let id = list["data"][0]["id"].as_str().unwrap();
    let answer = admin.post(&format!("{path}/{id}/approve"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);

    let certificate = issued(until_decided(&device, &request).await);
    certificate
        .verify_signature_by(above.env.ca.public_key())
        .unwrap();
}
