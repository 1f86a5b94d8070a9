//! The issuer goes away under load, and comes back after two minutes.

use std::collections::BTreeSet;

use chrono::Duration;
use futures_util::future::join_all;
use issuer_fakes::{Fake, Fault, Operation};
use scep::client::{Reply, Request};

use super::{clean, ejbca, first_request, issuer};
use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::Running;

const DEVICES: usize = 16;

/// Every call is answered with 503.
fn goes_away(fake: &Fake) {
    for operation in [
        Operation::Issue,
        Operation::Health,
        Operation::Chain,
        Operation::Find,
    ] {
        let fault = Fault::Status {
            status: 503,
            retry_after: None,
        };
        fake.fail(operation, None, fault);
    }
}

async fn devices(server: &Running) -> Vec<(Device, Request)> {
    let devices = (0..DEVICES).map(|_| async {
        let device = Device::at(server.http("corp"), server.client(), device_key()).await;
        let request = first_request(&device);
        (device, request)
    });
    join_all(devices).await
}

async fn all_wait(waiting: &[(Device, Request)]) {
    let replies = waiting.iter().map(|(device, request)| device.post(request));
    for reply in join_all(replies).await {
        assert!(matches!(reply, Reply::Pending));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_wait_while_it_is_away_and_each_gets_one_certificate() {
    let (fake, server) = ejbca().await;
    let admin = server.admin().await;
    let well = issuer(&admin).await;
    assert_eq!(
        (&well["kind"], &well["reached"]),
        (&"ejbca".into(), &true.into())
    );
    assert_eq!(
        (&well["trouble"], &well["waiting"]),
        (&().into(), &0.into()),
        "{well}"
    );
    let before = fake.issued().len();

    goes_away(&fake);
    let waiting = devices(&server).await;
    all_wait(&waiting).await;
    server.env.clock.advance(Duration::minutes(2));
    let mut alarmed = scepd::server::Alarmed::new();
    server.server.look_at_issuers(&mut alarmed).await;
    assert!(alarmed.is_empty(), "two minutes are no alarm");
    let away = issuer(&admin).await;
    assert!(away["trouble"].is_string(), "{away}");
    assert_eq!(away["waiting"], DEVICES, "{away}");
    let nobody = server.nobody();
    assert_eq!(nobody.get("/readyz").await.status, 200);
    let metrics = nobody.get("/metrics").await.text;
    for line in [
        "scepd_issuer_up{issuer=\"corp\"} 0".to_owned(),
        format!("scepd_outside_waiting{{profile=\"corp\",remote=\"corp\"}} {DEVICES}"),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    all_wait(&waiting).await;
    assert_eq!(fake.issued().len(), before);

    fake.heal();
    server.server.look_at_issuers(&mut alarmed).await;
    let mut serials = BTreeSet::new();
    let mut left: Vec<&(Device, Request)> = waiting.iter().collect();
    while !left.is_empty() {
        // A circuit rests, and calls pause. The time of a stage is 30 minutes.
        server.env.clock.advance(Duration::minutes(2));
        let replies = left.iter().map(|(device, request)| device.post(request));
        let replies = join_all(replies).await;
        let asked = std::mem::take(&mut left).into_iter().zip(replies);
        left = asked
            .filter_map(|(device, reply)| match reply {
                Reply::Pending => Some(device),
                reply => {
                    serials.insert(issued(reply).serial().to_hex());
                    None
                }
            })
            .collect();
    }
    assert_eq!(serials.len(), DEVICES);
    assert_eq!(fake.issued().len(), before + DEVICES, "each got one");
    let back = issuer(&admin).await;
    assert_eq!(
        (&back["trouble"], &back["waiting"]),
        (&().into(), &0.into()),
        "{back}"
    );
    clean(&fake);
}
