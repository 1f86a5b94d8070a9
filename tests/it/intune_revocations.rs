//! Certificates that Intune wants revoked, against a fake of Microsoft's services.

use chrono::Duration;
use intune_fake::{Fault, Operation, Revocation};
use pki::Certificate;
use scep::client::Content;
use scepd::auth::tokens::By;
use scepd::intune::{DecideError, Decision, Done, Item, Revoker, State};
use std::sync::Arc;
use store::Outcome;

use crate::device::issued;
use crate::intune_cloud::Cloud;

const TENANT: &str = "contoso.onmicrosoft.com";

fn admin() -> By {
    By {
        name: "ops".to_owned(),
        kind: "APIKey",
        request_id: None,
    }
}

impl Cloud {
    async fn enroll(&self) -> Certificate {
        let (device, csr) = self.device().await;
        issued(device.post(&device.request(Content::PkcsReq(&csr))).await)
    }

    fn want_revoked(&self, serials: &[String]) {
        let requests = serials.iter().map(|serial| Revocation {
            serial_number: serial.clone(),
            ..Revocation::default()
        });
        self.fake.revoke(TENANT, requests.collect()).unwrap();
    }

    fn revoker(&self) -> Arc<Revoker> {
        self.server.server.revokers().find("contoso").unwrap()
    }

    fn is_revoked(&self, certificate: &Certificate) -> bool {
        let store = &self.server.server.runtime().services.store;
        let serial = certificate.serial().as_bytes();
        let records = store.certificates_with_serial(serial).unwrap();
        records.iter().any(|record| record.revoked.is_some())
    }

    /// What Intune was told of each, in order.
    fn results(&self) -> Vec<(bool, String)> {
        let requests = self.fake.revocations(TENANT).requests;
        let results = requests.iter().filter_map(|one| one.result.as_ref());
        results
            .map(|result| {
                let code = result["errorCode"].as_str().unwrap();
                (result["succeeded"] == true, code.to_owned())
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serials_in_any_form_are_revoked_and_reported_and_the_cool_down_is_kept() {
    let cloud = Cloud::new("").await;
    let mut certificates = Vec::new();
    for _ in 0..3 {
        certificates.push(cloud.enroll().await);
    }
    let hex = |index: usize| certificates[index].serial().to_hex();
    let revoker = cloud.revoker();
    revoker.turn().await;
    assert_eq!(cloud.fake.count(Operation::DownloadRevocationRequests), 1);
    cloud.want_revoked(&[
        hex(0).to_uppercase(),
        format!("00{}", hex(1)),
        format!("0x{}", hex(2)),
        "0102030405".to_owned(),
        hex(0),
    ]);
    revoker.turn().await;
    let count = || cloud.fake.count(Operation::DownloadRevocationRequests);
    assert_eq!(count(), 1, "within the cool-down nobody asks");
    cloud.server.env.clock.advance(Duration::minutes(66));
    revoker.turn().await;
    assert!(certificates.iter().all(|one| cloud.is_revoked(one)));
    let good = (true, "None".to_owned());
    assert_eq!(
        cloud.results(),
        [
            good.clone(),
            good.clone(),
            good.clone(),
            (false, "CertificateNotFoundError".to_owned()),
            good,
        ]
    );
    assert_eq!(cloud.fake.count(Operation::UploadRevocationResults), 1);
    assert_eq!(revoker.state().await.unwrap().items, Vec::<Item>::new());
    let events = cloud.server.events("cert_revoke");
    assert_eq!(events.len(), 3);
    assert!(events[0].event.actor.contains("contoso"));
    revoker.turn().await;
    assert_eq!(count(), 2);
    assert_eq!(cloud.fake.revocations(TENANT).too_early, 0);
    assert_eq!(cloud.fake.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_is_gone_on_with_after_a_failure_and_a_restart() {
    let cloud = Cloud::new("").await;
    let certificate = cloud.enroll().await;
    cloud.want_revoked(&[certificate.serial().to_hex()]);
    let lost = Fault::Status {
        status: 503,
        retry_after: None,
        body: None,
    };
    cloud
        .fake
        .fail(Operation::UploadRevocationResults, Some(1), lost);
    cloud.revoker().turn().await;
    assert!(cloud.is_revoked(&certificate));
    let state: State = cloud.revoker().state().await.unwrap();
    assert_eq!(state.items[0].result, Some(Done::Revoked));
    assert!(cloud.results().is_empty());

    let Cloud { fake, server } = cloud;
    let server = server.stop().await.start().await;
    let cloud = Cloud { fake, server };
    cloud.revoker().turn().await;
    assert_eq!(cloud.results(), [(true, "None".to_owned())]);
    assert_eq!(cloud.fake.count(Operation::DownloadRevocationRequests), 1);
    cloud.revoker().turn().await;
    assert_eq!(cloud.fake.count(Operation::DownloadRevocationRequests), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_are_held_until_an_admin_decides() {
    for (decision, result) in [
        (Decision::Release, (true, "None".to_owned())),
        (Decision::Refuse, (false, "NotSupportedError".to_owned())),
    ] {
        let cloud = Cloud::of("max_revocations_least = 1", "").await;
        let (one, other) = (cloud.enroll().await, cloud.enroll().await);
        let revoker = cloud.revoker();
        assert_eq!(
            revoker.decide(decision, &admin()).await,
            Err(DecideError::NothingHeld)
        );
        cloud.want_revoked(&[one.serial().to_hex(), other.serial().to_hex()]);
        for _ in 0..2 {
            revoker.turn().await;
            assert!(!cloud.is_revoked(&one) && !cloud.is_revoked(&other));
        }
        let held = cloud.server.events("intune_revocations_held");
        assert_eq!(held[0].event.details.outcome, Some(Outcome::Pending));
        let state = revoker.state().await.unwrap();
        assert!(state.held.is_some());
        assert_eq!(revoker.held(&state, 100).await.unwrap().len(), 2);
        assert_eq!(revoker.decide(decision, &admin()).await, Ok(2));
        revoker.turn().await;
        assert_eq!(cloud.is_revoked(&one), decision == Decision::Release);
        assert_eq!(cloud.results(), [result.clone(), result]);
        // They count for the day.
        if decision == Decision::Release {
            let third = cloud.enroll().await;
            cloud.server.env.clock.advance(Duration::minutes(66));
            cloud.want_revoked(&[third.serial().to_hex()]);
            revoker.turn().await;
            assert!(!cloud.is_revoked(&third));
            assert!(revoker.state().await.unwrap().held.is_some());
        }
    }
}
