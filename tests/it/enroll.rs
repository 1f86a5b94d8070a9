//! First things first: a certificate comes out, once.

use pki::KeyKind;
use scep::FailInfo;
use scep::client::Content;

use crate::device::{Device, issued, refused};
use crate::test_env::{CHALLENGE, TestEnv};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrolls_by_post_and_by_get() {
    let server = TestEnv::new()
        .profile("corp", "")
        .profile("", "")
        .start()
        .await;
    for path_id in ["corp", ""] {
        let device = Device::of(&server, path_id).await;
        let first = device.enroll().await;
        first
            .verify_signature_by(server.env.ca.public_key())
            .unwrap();
        assert_eq!(first.subject().common_name(), Some("box-4"));
        assert_eq!(first.sans().dns, ["box-4.example.org"]);

        let csr = device.csr(Some(CHALLENGE));
        let second = issued(device.get(&device.request(Content::PkcsReq(&csr))).await);
        assert_ne!(
            first.serial(),
            second.serial(),
            "another request is another certificate"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_certificate() {
    let server = TestEnv::with_ca(KeyKind::Rsa { bits: 2048 })
        .profile("corp", "")
        .start()
        .await;
    let device = Device::of(&server, "corp").await;
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    let first = issued(device.post(&request).await);
    let second = issued(device.get(&request).await);
    assert_eq!(first.der(), second.der());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gets_the_same_certificate_after_a_restart() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let mut device = Device::of(&server, "corp").await;
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    let first = issued(device.post(&request).await);
    let server = server.stop().await.start().await;
    device.url = server.http("corp");
    let second = issued(device.post(&request).await);
    assert_eq!(first.der(), second.der());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_challenge_is_refused_in_a_signed_reply() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = Device::of(&server, "corp").await;
    for challenge in [Some("wrong"), Some(""), None] {
        let csr = device.csr(challenge);
        let (fail_info, text) = refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
        assert_eq!(fail_info, FailInfo::BadRequest, "{challenge:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_serves_scep_too() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let url = server.https("/scep/corp?operation=GetCACaps");
    let reply = server.client().get(url).send().await.unwrap();
    assert_eq!(reply.headers()["content-type"], "text/plain");
    let caps = reply.text().await.unwrap();
    assert!(
        caps.lines().any(|line| line == "POSTPKIOperation"),
        "{caps}"
    );
}
