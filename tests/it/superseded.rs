//! What was renewed is revoked some time after, where a profile wants that.

use chrono::Duration;
use pki::Certificate;
use scep::client::Content;
use store::CaId;

use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::{Running, TestEnv};

const WANTED: &str = "[renewal]\nrevoke_previous_on_renewal = true\nrevoke_previous_after = '3d'";

async fn device(server: &Running) -> Device {
    Device::at(server.http("corp"), server.client(), device_key()).await
}

/// A certificate, and the one that it renews.
async fn renewed(device: &mut Device) -> (Certificate, Certificate) {
    let old = device.enroll().await;
    device.signer = old.clone();
    let csr = device.csr(None);
    let request = device.request(Content::RenewalReq(&csr));
    (issued(device.post(&request).await), old)
}

fn reason(server: &Running, certificate: &Certificate) -> Option<u8> {
    let store = &server.server.runtime().services.store;
    let ca = CaId::of_ca(&server.env.ca);
    let record = store.certificate(&ca, certificate.serial().as_bytes());
    let record = record.unwrap().unwrap();
    record.revoked.map(|revoked| revoked.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_renewed_is_revoked_once_the_grace_time_has_passed() {
    let server = TestEnv::new().profile("corp", WANTED).start().await;
    // From here on renewals count.
    assert_eq!(server.server.supersede().await.unwrap(), 0);
    server.env.clock.advance(Duration::seconds(1));
    let mut device = device(&server).await;
    let (new, old) = renewed(&mut device).await;
    server.env.clock.advance(Duration::days(2));
    assert_eq!(server.server.supersede().await.unwrap(), 0);
    assert_eq!(reason(&server, &old), None);
    // A clock that is set ahead is no time that passes.
    server.env.clock.set_by(Duration::days(20));
    assert_eq!(server.server.supersede().await.unwrap(), 0);
    server.env.clock.set_by(Duration::days(-20));
    server.env.clock.advance(Duration::days(2));
    assert_eq!(server.server.supersede().await.unwrap(), 1);
    assert_eq!(reason(&server, &old), Some(4));
    assert_eq!(reason(&server, &new), None);
    assert_eq!(server.server.supersede().await.unwrap(), 0);
    let events = server.events("cert_revoke");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.actor_type, "System");
    assert_eq!(
        events[0].event.details.reason.as_deref(),
        Some("superseded")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_renewed_before_and_what_nobody_wants_revoked_stays() {
    let mut server = TestEnv::new().profile("corp", "").start().await;
    let mut device = device(&server).await;
    let (_, old) = renewed(&mut device).await;
    server.env.clock.advance(Duration::days(10));
    assert_eq!(server.server.supersede().await.unwrap(), 0);
    server.env.edit(|config| {
        let profile = config["profile"][0].as_table_mut().unwrap();
        profile.extend(WANTED.parse::<toml::Table>().unwrap());
    });
    server.server.reload("test").await.unwrap();
    for _ in 0..2 {
        assert_eq!(server.server.supersede().await.unwrap(), 0);
        server.env.clock.advance(Duration::days(10));
    }
    assert_eq!(reason(&server, &old), None);
}
