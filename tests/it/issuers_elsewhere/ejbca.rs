//! EJBCA: a device's life, and answers that are lost.

use actors::Revocation;
use issuer_fakes::{Fault, Operation};
use pki::RevocationReason;
use scep::client::{Content, Reply};
use store::CaId;

use super::{clean, ejbca, enrolled, first_request, is_signed_by, said, until_decided};
use crate::device::{Device, issued, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrolls_renews_and_is_revoked() {
    let (fake, server) = ejbca().await;
    let mut device = Device::of(&server, "corp").await;
    let first = enrolled(&device).await;
    assert!(is_signed_by(&fake, &first));
    device.signer = first.clone();
    let csr = device.csr(None);
    let request = device.request(Content::RenewalReq(&csr));
    let renewed = issued(until_decided(&device, &request).await);
    assert!(is_signed_by(&fake, &renewed));
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
    let revoked: Vec<_> = fake.issued();
    let revoked: Vec<_> = revoked.iter().filter_map(|one| one.revoked).collect();
    assert!(matches!(revoked.as_slice(), [(_, 9)]), "{revoked:?}");
    device.signer = renewed;
    let content = Content::GetCrl {
        issuer: first.issuer(),
        serial: first.serial(),
    };
    let Reply::Crl(crl) = device.post(&device.request(content)).await else {
        panic!("no CRL")
    };
    assert!(crl.entries().len() == 1 && crl.entries()[0].serial.same_number(first.serial()));
    clean(&fake);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_leaves_one_certificate() {
    let (fake, server) = ejbca().await;
    for fault in [
        Fault::CutAfter,
        Fault::CutHalfway,
        Fault::StatusAfter { status: 502 },
        Fault::TooLong { octets: 10_000_000 },
    ] {
        let before = fake.issued().len();
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let device = Device::of(&server, "corp").await;
        let request = first_request(&device);
        let certificate = issued(until_decided(&device, &request).await);
        assert!(is_signed_by(&fake, &certificate));
        assert_eq!(
            fake.issued().len(),
            before + 1,
            "{fault:?}: {}",
            said(&server)
        );
    }
    clean(&fake);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_its_fault_makes_a_device_wait() {
    let (fake, server) = ejbca().await;
    let named = |name: &str| Fault::Error {
        name: name.to_owned(),
    };
    for fault in [
        named("device"),
        named("ca_offline"),
        named("general_failure"),
        Fault::CutBefore,
        Fault::Status {
            status: 503,
            retry_after: Some("1".to_owned()),
        },
    ] {
        let before = fake.issued().len();
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let device = Device::of(&server, "corp").await;
        let request = first_request(&device);
        issued(until_decided(&device, &request).await);
        assert_eq!(fake.issued().len(), before + 1, "{fault:?}");
    }
    clean(&fake);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_refuses_is_refused_and_said_to_the_operator_alone() {
    let (fake, server) = ejbca().await;
    for (name, words) in [
        ("subject_field", "Wrong number of ORGANIZATION fields"),
        ("unique_dn", "Enforce unique DN"),
        ("unique_key", "not allowed to use same key"),
        ("popo", "Popo verification failed"),
    ] {
        let device = Device::of(&server, "corp").await;
        let name = name.to_owned();
        fake.fail(Operation::Issue, Some(1), Fault::Error { name });
        let request = first_request(&device);
        let (_, text) = refused(until_decided(&device, &request).await);
        assert!(!text.contains(words), "{text}");
        let said = said(&server);
        assert!(
            said.contains("issuer_refused") && said.contains(words),
            "{said}"
        );
    }
    clean(&fake);
}
