//! Certificates that ended long ago are let go, and what comes after is right.

use chrono::Duration;
use pki::Certificate;
use scep::client::Content;
use store::{CaId, CertificateRecord, Change, Op, Standing};

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

/// Certificates that end in each year of the long past.
const A_YEAR: u32 = 1_200;
const YEARS: u32 = 10;

/// What ten years leave behind: certificates like this one, evenly spread, the last of them ending now. Every hundredth
/// was revoked, every thousandth since somebody else had its key. How many there are.
async fn ten_years(server: &Running, like: &Certificate) -> u64 {
    let services = &server.server.runtime().services;
    let ca = CaId::of_ca(&server.env.ca);
    let record = services.store.certificate(&ca, like.serial().as_bytes());
    let record = record.unwrap().unwrap();
    let (now, all) = (services.clock.now(), A_YEAR * YEARS);
    let apart = Duration::days(365) / i32::try_from(A_YEAR).unwrap();
    for some in (1..=all).collect::<Vec<u32>>().chunks(1000) {
        let mut change = Change::new();
        for &n in some {
            let serial = [&[0x33; 12][..], &n.to_be_bytes()].concat();
            let not_after = now - apart * i32::try_from(n).unwrap();
            let issued_at = not_after - Duration::days(365);
            change.push(CertificateRecord {
                serial: serial.clone(),
                not_before: issued_at,
                issued_at,
                not_after,
                transaction_id: hex::encode(&serial),
                ..record.clone()
            });
            if n.is_multiple_of(100) {
                change.push(Op::Revoke {
                    ca,
                    serial,
                    at: issued_at + Duration::days(30),
                    reason: if n.is_multiple_of(1000) { 1 } else { 4 },
                });
            }
        }
        services.journal.commit(change, None).await.unwrap();
    }
    u64::from(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_years_of_certificates_shrink_to_those_of_the_retention() {
    let mut server = TestEnv::new().profile("corp", "").start().await;
    let mut living = Device::of(&server, "corp").await;
    let certificate = living.enroll().await;
    // Of another device: some of these keys are compromised.
    let like = device(&server).await.enroll().await;
    let all = ten_years(&server, &like).await + 2;
    let sizes = |server: &Running| {
        let services = &server.server.runtime().services;
        services.store.sizes().unwrap()
    };
    assert_eq!(sizes(&server).certificates, all);
    assert_eq!(
        server.server.prune_certificates().await.unwrap(),
        0,
        "nobody wants it yet"
    );

    server.env.edit(|config| {
        let retention = "retention = '730d'".parse::<toml::Table>().unwrap();
        config.insert("certificates".to_owned(), retention.into());
    });
    server.server.reload("test").await.unwrap();
    let mut gone = server.server.prune_certificates().await.unwrap();
    // The server itself may have been quicker: what the audit says is what went.
    let said = || {
        let events = server.events("certificate_prune");
        let counts = events.iter().map(|event| {
            let details = &event.event.details;
            assert_eq!(details.extra["retention"], "730d");
            let count: u64 = details.extra["certificates"].parse().unwrap();
            let message = details.message.as_deref().unwrap();
            assert!(
                message.starts_with(&format!("{count} certificates")),
                "{message}"
            );
            assert!(count <= 5_000, "in steps, so that nobody waits long");
            count
        });
        counts.sum::<u64>()
    };
    while said() < gone {
        gone = server.server.prune_certificates().await.unwrap();
    }
    // Two of ten years stay, and ten compromised keys less the one or two among them.
    let kept = u64::from(2 * A_YEAR);
    let compromised = u64::from(A_YEAR * (YEARS - 2) / 1000);
    let after = sizes(&server);
    assert_eq!(after.certificates, all - said());
    let expected = kept + 2 + compromised;
    assert!(
        after.certificates.abs_diff(expected) <= 2,
        "{} are left, not {expected}",
        after.certificates
    );
    // Whose key was in wrong hands stays known, however long ago that was.
    let ca = CaId::of_ca(&server.env.ca);
    let at = |server: &Running, n: u32| {
        let serial = [&[0x33; 12][..], &n.to_be_bytes()].concat();
        let store = &server.server.runtime().services.store;
        store.standing(&ca, &serial).unwrap()
    };
    for _ in 0..2 {
        assert!(matches!(at(&server, 9_000), Standing::Revoked(_)));
        assert_eq!(at(&server, 9_100), Standing::Unknown);
        assert!(matches!(at(&server, 1_100), Standing::Revoked(_)));
        assert_eq!(at(&server, 1), Standing::Good);

        server = server.stop().await.start().await;
        assert_eq!(sizes(&server).certificates, after.certificates);
        let report = server.server.runtime().services.store.verify().unwrap();
        assert_eq!(report.faults, []);
    }
    living.url = server.http("corp");
    living.http = server.client();
    living.refresh().await.unwrap();
    living.signer = certificate;
    let csr = living.csr(None);
    let renewed = issued(
        living
            .post(&living.request(Content::RenewalReq(&csr)))
            .await,
    );
    assert_eq!(standing(&server, &renewed), Standing::Good);
}
