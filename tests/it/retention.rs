//! Certificates that ended long ago are let go, and what comes after is right.

use chrono::Duration;
use pki::Certificate;
use scep::client::Content;
use store::{CaId, Standing};

use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};

async fn device(server: &Running) -> Device {
    Device::at(server.http("corp"), server.client(), device_key()).await
}

fn standing(server: &Running, certificate: &Certificate) -> Standing {
    let store = &server.server.runtime().services.store;
    let ca = CaId::of_ca(&server.env.ca);
    store
        .standing(&ca, certificate.serial().as_bytes())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_goes_and_its_device_starts_anew() {
    let server = TestEnv::new()
        .profile("corp", "")
        .with("[certificates]\nretention = '60d'")
        .start()
        .await;
    let (mut old, newer) = (device(&server).await, device(&server).await);
    let first = old.enroll().await;
    server.env.clock.advance(Duration::days(70));
    let second = newer.enroll().await;
    server.env.clock.advance(Duration::days(365 - 70 + 50));
    assert_eq!(server.server.prune_certificates().await.unwrap(), 0);
    // A clock that is set ahead is no time that passes.
    server.env.clock.set_by(Duration::days(40));
    assert_eq!(server.server.prune_certificates().await.unwrap(), 0);
    server.env.clock.set_by(Duration::days(-40));
    server.env.clock.advance(Duration::days(11));
    assert_eq!(server.server.prune_certificates().await.unwrap(), 1);
    assert_eq!(server.server.prune_certificates().await.unwrap(), 0);
    assert_eq!(standing(&server, &first), Standing::Unknown);
    assert_eq!(standing(&server, &second), Standing::Good);
    let events = server.events("certificate_prune");
    assert_eq!(events.len(), 1);
    let message = events[0].event.details.message.clone().unwrap();
    assert!(
        message.starts_with("1 certificates") && message.contains("(60d)"),
        "{message}"
    );

    let clock = std::sync::Arc::clone(&server.env.clock);
    let env = server.stop().await;
    env.renew_tls();
    let server = env.start().await;
    assert_eq!(standing(&server, &first), Standing::Unknown);
    assert_eq!(standing(&server, &second), Standing::Good);
    let report = server.server.runtime().services.store.verify().unwrap();
    assert_eq!(report.faults, []);
    // Signed with what was let go, a renewal is a first enrollment with its challenge.
    old.url = server.http("corp");
    old.http = server.client();
    old.refresh().await.unwrap();
    old.signer = first;
    let csr = old.csr(Some(CHALLENGE));
    let again = issued(old.post(&old.request(Content::RenewalReq(&csr))).await);
    assert_eq!(standing(&server, &again), Standing::Good);
    assert!(again.valid_at(actors::Clock::now(&*clock)));
}
