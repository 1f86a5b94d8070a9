//! AWS Private CA.

use actors::Revocation;
use issuer_fakes::{Change, Clock, Decision, Fake, Fault, Kind, Operation, Options};
use pki::RevocationReason;
use scep::client::{Content, Reply};
use store::CaId;

use super::{clean, enrolled, first_request, said, with_issuer};
use crate::device::{Device, issued, refused, until_decided};
use crate::test_env::{Running, TestEnv};

/// A fake and a server before it.
async fn aws() -> (Fake, Running) {
    let options = Options {
        kind: Kind::AwsPca,
        clock: Clock::system(),
        first_port: None,
    };
    let fake = Fake::start(options).await.unwrap();
    let settings = fake.aws_pca_settings();
    let (id, secret) = settings.credentials;
    let env = TestEnv::new();
    let trust = env.file("aws.pem", fake.trust().as_bytes());
    let secret = env.file("aws-secret", secret.as_bytes());
    let issuer = format!(
        "type = 'aws-pca'\nurl = '{url}'\nca_bundle_path = '{}'\n[aws_pca]\nca_arn = '{}'\n\
         crl_url = '{url}/crl/ca.crl'\nauth = 'keys'\naccess_key_id = '{id}'\nsecret_access_key_file = '{}'",
        trust.display(),
        settings.ca_arn,
        secret.display(),
        url = fake.url(),
    );
    (fake, with_issuer(env, "corp", &issuer).start().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrolls_renews_and_is_revoked() {
    let (fake, server) = aws().await;
    // The RA's certificate was made there, too.
    assert_eq!(fake.issued().len(), 1);
    let mut device = Device::of(&server, "corp").await;
    let first = enrolled(&device).await;
    device.signer = first.clone();
    let csr = device.csr(None);
    let request = device.request(Content::RenewalReq(&csr));
    let renewed = issued(until_decided(&device, &request).await);
    assert_ne!(first.serial(), renewed.serial());
    let authority = server.profile("corp").spec.issuer.authority();
    let revocation = Revocation {
        ca: CaId::of_ca(authority.certificate()),
        serial: first.serial().clone(),
        reason: RevocationReason::PrivilegeWithdrawn,
        by: "ops".to_owned(),
        by_type: "APIKey".to_owned(),
        note: None,
        request_id: "r-1".to_owned(),
    };
    let services = &server.server.runtime().services;
    actors::revoke(services, revocation).await.unwrap();
    let made = fake.issued();
    let revoked: Vec<_> = made.iter().map(|one| one.revoked).collect();
    assert!(
        matches!(revoked[..], [None, Some((_, 9)), None]),
        "{revoked:?}"
    );
    device.signer = renewed;
    let content = Content::GetCrl {
        issuer: first.issuer(),
        serial: first.serial(),
    };
    let Reply::Crl(crl) = device.post(&device.request(content)).await else {
        panic!("no CRL")
    };
    assert_eq!(crl.entries().len(), 1);
    assert_eq!(&crl.entries()[0].serial, first.serial());
    clean(&fake);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_in_progress_is_pending_until_it_is_made() {
    let (fake, server) = aws().await;
    for decision in [Decision::Approved, Decision::Denied] {
        let before = fake.issued().len();
        let device = Device::of(&server, "corp").await;
        let request = first_request(&device);
        fake.fail(Operation::Issue, Some(1), Fault::Pending);
        assert!(matches!(device.post(&request).await, Reply::Pending));
        let waiting = fake.waiting();
        assert_eq!(waiting.len(), 1);
        fake.decide(&waiting[0], decision).unwrap();
        let reply = until_decided(&device, &request).await;
        if decision == Decision::Denied {
            refused(reply);
            assert!(said(&server).contains("RequestFailedException"));
            assert_eq!(fake.issued().len(), before);
        } else {
            issued(reply);
            assert_eq!(fake.issued().len(), before + 1);
        }
    }
    clean(&fake);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_leave_one_certificate_and_different_ones_are_revoked() {
    let (fake, server) = aws().await;
    for fault in [
        Fault::CutAfter,
        Fault::CutHalfway,
        Fault::StatusAfter { status: 503 },
    ] {
        let before = fake.issued().len();
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let device = Device::of(&server, "corp").await;
        let request = first_request(&device);
        issued(until_decided(&device, &request).await);
        assert_eq!(fake.issued().len(), before + 1, "{fault:?}");
        assert!(!said(&server).contains("nobody has heard of"), "{fault:?}");
    }
    for change in [Change::AddedEku, Change::Clipped, Change::AnotherKey] {
        fake.change(change);
        let device = Device::of(&server, "corp").await;
        let request = first_request(&device);
        refused(until_decided(&device, &request).await);
        let said = said(&server);
        assert!(said.contains("issuer_mismatch"), "{change:?}: {said}");
        assert!(fake.issued().pop().unwrap().revoked.is_some(), "{change:?}");
        let (_, secret) = fake.aws_pca_settings().credentials;
        assert!(!said.contains(&secret));
    }
    clean(&fake);
}
