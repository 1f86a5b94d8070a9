//! Automatic RAs: what a start or reload that is refused leaves behind, and split ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use chrono::Duration;
use pki::{Certificate, KeyUsage};
use scep::client::{CaCertificates, Content, RequestBuilder};

use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// Names and octets of the RA files of `corp`.
fn files(env: &TestEnv) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(env.dir().join("data/ra/corp")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_or_reload_that_is_refused_leaves_the_ra_as_it_is() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let before = files(&server.env);
    assert_eq!(before.len(), 1);

    // The RA certificate is over by such a clock, and so is the TLS certificate, which refuses it all.
    let ahead = Duration::days(400);
    server.env.clock.advance(ahead);
    for _ in 0..2 {
        let refused = server.server.reload("test").await.unwrap_err();
        assert!(refused.to_string().contains("expired on"), "{refused}");
        assert_eq!(files(&server.env), before);
    }
    server.env.clock.advance(-ahead);
    device.enroll().await;

    let env = server.stop().await;
    env.clock.advance(ahead);
    for _ in 0..2 {
        assert!(env.try_start().await.is_err());
        assert_eq!(files(&env), before);
    }
    env.clock.advance(-ahead);
    let server = env.start().await;
    assert_eq!(files(&server.env), before);
    let device = Device {
        url: server.http("corp"),
        http: server.client(),
        ..device
    };
    device.enroll().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_refused_makes_nothing() {
    let env = TestEnv::new().profile("corp", "");
    env.file("tls.key", b"garbage");
    assert!(env.try_start().await.is_err());
    assert!(!env.dir().join("data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_is_accepted_renews_and_time_that_passed_removes() {
    let server = TestEnv::new()
        .profile("corp", "ra_overlap = '2d'")
        .start()
        .await;
    let early = Device::at(server.http("corp"), server.client(), device_key()).await;
    let first = files(&server.env);
    server.env.clock.advance(Duration::days(250));
    server.server.reload("test").await.unwrap();
    let both = files(&server.env);
    assert_eq!(both.len(), 2);
    early.enroll().await;

    server.env.clock.advance(Duration::days(3));
    server.server.reload("test").await.unwrap();
    assert_eq!(server.profile("corp").spec.ras.len(), 1);
    assert_eq!(files(&server.env), both, "a reload removes nothing");
    server.server.let_ras_go().await;
    let left = files(&server.env);
    assert_eq!(left.len(), 1);
    assert!(first.keys().all(|file| !left.contains_key(file)));
}

/// What clients look for in GetCACert that take an RA by its key usage: the certificate to encrypt to, and the one whose
/// signature they believe. As PyScep 0.0.14 and scepreq do it, an RA certificate is of use only if it has the one usage
/// and not the other; without such, they turn to the CA.
fn by_one_usage_alone(all: &[Certificate]) -> (&Certificate, &Certificate) {
    let alone = |has: KeyUsage, lacks: KeyUsage| {
        let usage = |one: &Certificate| one.key_usage().unwrap();
        let mut ras = all.iter().filter(|one| !one.is_ca());
        ras.find(|one| usage(one).contains(has) && !usage(one).contains(lacks))
            .unwrap_or_else(|| all.iter().find(|one| one.is_ca()).unwrap())
    };
    let (encrypts, signs) = (KeyUsage::KEY_ENCIPHERMENT, KeyUsage::DIGITAL_SIGNATURE);
    (alone(encrypts, signs), alone(signs, encrypts))
}

/// As strongSwan, certmonger and sscep do it: the first that has the usage.
fn by_usage(all: &[Certificate]) -> (&Certificate, &Certificate) {
    let first = |has: KeyUsage| {
        let mut ras = all.iter().filter(|one| !one.is_ca());
        ras.find(|one| one.key_usage().unwrap().contains(has))
            .unwrap()
    };
    (
        first(KeyUsage::KEY_ENCIPHERMENT),
        first(KeyUsage::DIGITAL_SIGNATURE),
    )
}

/// Enrolls a device that has picked these two out of GetCACert.
async fn enroll(server: &Running, device: &Device, encrypts: &Certificate, signs: &Certificate) {
    let csr = device.csr(Some(CHALLENGE));
    let request = RequestBuilder::new(
        Content::PkcsReq(&csr),
        (&device.signer, &device.key),
        &[encrypts],
    )
    .build()
    .unwrap();
    let url = format!("{}?operation=PKIOperation", server.http("corp"));
    let sent = device.http.post(url).body(request.message().to_vec());
    let reply = sent.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let octets = reply.bytes().await.unwrap();
    issued(request.open_reply(&octets, &[signs]).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_client_finds_its_way_with_a_split_ra() {
    let server = TestEnv::new()
        .profile("corp", "ra_split = true")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let all = device.ca.all();
    let [encryption, signing, ca] = all else {
        panic!("two RA certificates and the CA's: {}", all.len())
    };
    assert_eq!(encryption.key_usage(), Some(KeyUsage::KEY_ENCIPHERMENT));
    assert_eq!(signing.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
    assert_eq!(ca, &server.env.ca);
    for ra in [encryption, signing] {
        assert_eq!(ra.ext_key_usages(), [pki::oid::EKU_REQUEST_AGENT]);
    }
    for picks in [by_one_usage_alone, by_usage] {
        let (encrypts, signs) = picks(all);
        assert_eq!((encrypts, signs), (encryption, signing));
        enroll(&server, &device, encrypts, signs).await;
    }
    device.enroll().await;

    // Both are renewed together, and both of before are held for their overlap.
    server.env.clock.advance(Duration::days(250));
    server.server.reload("test").await.unwrap();
    let late = Device::at(server.http("corp"), server.client(), device_key()).await;
    let [new_encryption, new_signing, _] = late.ca.all() else {
        panic!("two RA certificates and the CA's")
    };
    assert!(new_encryption != encryption && new_signing != signing);
    enroll(&server, &device, encryption, signing).await;
    enroll(&server, &late, new_encryption, new_signing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_combined_ra_can_be_split_and_joined_again() {
    let mut server = TestEnv::new().profile("corp", "").start().await;
    let mut known = Vec::new();
    for split in [false, true, false] {
        set_split(&mut server, split);
        server.server.reload("test").await.unwrap();
        let device = Device::at(server.http("corp"), server.client(), device_key()).await;
        assert_eq!(device.ca.ras().len(), if split { 2 } else { 1 });
        known.push(device);
        for device in &known {
            device.enroll().await;
        }
    }
}

fn set_split(server: &mut Running, split: bool) {
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        let corp = profiles[0].as_table_mut().unwrap();
        corp.insert("ra_split".to_owned(), split.into());
    });
}

/// The certificates of a profile, and whether GetCACert says that there is more than one.
async fn ca_cert(server: &Running, path_id: &str) -> (Vec<Certificate>, String) {
    let url = format!("{}?operation=GetCACert", server.http(path_id));
    let reply = server.client().get(url).send().await.unwrap();
    let content_type = reply.headers()["content-type"].to_str().unwrap().to_owned();
    let octets = reply.bytes().await.unwrap();
    let read = CaCertificates::read(&octets).unwrap();
    (read.all().to_vec(), content_type)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_is_its_own_ra_shows_its_chain_unless_it_is_the_root() {
    for below in [true, false] {
        let env = TestEnv::new().profile("corp", "ra = 'ca'");
        let chain = own_ra(&env, below);
        let server = env.start().await;
        let (shown, content_type) = ca_cert(&server, "corp").await;
        assert_eq!(shown, chain);
        let expected = match below {
            true => "application/x-x509-ca-ra-cert",
            false => "application/x-x509-ca-cert",
        };
        assert_eq!(content_type, expected);
        Device::of(&server, "corp").await.enroll().await;
    }
}

/// An RSA CA that may do everything in the place of the env's: below the environment's root, or a root itself. Its chain.
pub(crate) fn own_ra(env: &TestEnv, below: bool) -> Vec<Certificate> {
    use pki::{CertificateBuilder, Digest, Extension, Name, Serial};
    let key = device_key();
    let subject = Name::parse("O=Example, CN=Own RA").unwrap();
    let (issuer, signs) = match below {
        true => (env.ca.subject().clone(), &env.ca_key),
        false => (subject.clone(), &key),
    };
    let usage = KeyUsage::KEY_CERT_SIGN
        | KeyUsage::CRL_SIGN
        | KeyUsage::DIGITAL_SIGNATURE
        | KeyUsage::KEY_ENCIPHERMENT;
    let certificate = CertificateBuilder {
        subject,
        issuer,
        serial: Serial::random().unwrap(),
        not_before: env.ca.not_before(),
        not_after: env.ca.not_after(),
        public_key: key.public_key().clone(),
        extensions: vec![
            Extension::subject_key_id(key.public_key()),
            Extension::basic_constraints(true, None),
            Extension::key_usage(usage),
        ],
    }
    .sign(signs, &signs.scheme(Digest::Sha256).unwrap())
    .unwrap();
    let mut chain = vec![certificate];
    chain.extend(below.then(|| env.ca.clone()));
    let bundle: String = chain.iter().map(Certificate::to_pem).collect();
    env.file("ca.pem", bundle.as_bytes());
    env.file("ca.key", key.to_pkcs8_pem().unwrap().as_bytes());
    chain
}

#[tokio::test(flavor = "multi_thread")]
async fn who_encrypts_to_the_ca_is_told_so_or_served() {
    let env = TestEnv::with_ca(pki::KeyKind::Rsa { bits: 2048 })
        .profile("corp", "")
        .profile("lenient", "open_for_ca = true");
    let server = env.start().await;
    let ca = &server.env.ca;
    for path_id in ["corp", "lenient"] {
        let device = Device::at(server.http(path_id), server.client(), device_key()).await;
        let (shown, _) = ca_cert(&server, path_id).await;
        assert_eq!(shown.len(), 2, "the RA and the CA, each once");
        let csr = device.csr(Some(CHALLENGE));
        let request =
            RequestBuilder::new(Content::PkcsReq(&csr), (&device.signer, &device.key), &[ca])
                .build()
                .unwrap();
        if path_id == "corp" {
            let (fail_info, text) = crate::device::refused(device.post(&request).await);
            assert_eq!(fail_info, scep::FailInfo::BadMessageCheck);
            assert!(
                text.contains("encrypted to the CA, not to the RA"),
                "{text}"
            );
            let [event] = &server.events("scep_pkcsreq")[..] else {
                panic!("{:?}", server.events("scep_pkcsreq"))
            };
            let said = event.event.details.message.as_deref().unwrap();
            assert!(
                said.contains("encrypted to the CA, not to the RA"),
                "{said}"
            );
            assert!(said.contains(&ca.serial().to_hex()), "{said}");
            continue;
        }
        // Who knows the CA alone checks the reply by it.
        let url = format!("{}?operation=PKIOperation", device.url);
        let sent = device.http.post(url).body(request.message().to_vec());
        let octets = sent.send().await.unwrap().bytes().await.unwrap();
        issued(request.open_reply(&octets, &[ca]).unwrap());
        // The RA still does its work.
        device.enroll().await;
    }
}
