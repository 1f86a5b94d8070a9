//! Many at once: copies of one message, and devices while Intune is slow.

use std::sync::Arc;

use futures_util::future::join_all;
use intune_fake::{Fault, Operation};
use scep::client::Reply;
use tokio::task::JoinSet;

use super::{Cloud, PROFILE, fake_of, request, tenant};
use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::TestEnv;

/// How many rounds; the number of `SCEPD_TEST_ROUNDS` where it is set.
fn rounds(default: u64) -> u64 {
    let asked = std::env::var("SCEPD_TEST_ROUNDS").ok();
    asked.map_or(default, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_copies_one_is_validated_issued_and_told_of() {
    let cloud = Cloud::open().await;
    for round in 1..=rounds(3) {
        let request = cloud.request();
        let replies = join_all((0..64).map(|_| cloud.device.post(&request))).await;
        let mut certificates = replies.into_iter().map(issued);
        let first = certificates.next().unwrap();
        assert!(certificates.all(|other| other == first), "round {round}");
        cloud.told_of(&request, &first);
        let transaction = cloud.known(&request).unwrap();
        assert_eq!(
            (transaction.validated, transaction.successes),
            (1, 1),
            "round {round}"
        );
        assert_eq!(cloud.certificates(), round);
    }
    cloud.is_clean();
}

/// All devices are under way at once before Intune answers the first; others go on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn many_devices_wait_for_intune_and_nobody_else_does() {
    const DEVICES: usize = 500;
    let env = TestEnv::new();
    let fake = fake_of(&env.clock).await;
    let tenant = tenant(&fake);
    let server = env
        .with(&tenant)
        .profile(
            "corp",
            &format!("answer_within = '60s'\nmax_in_flight = 1000\n{PROFILE}"),
        )
        .profile("other", "")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    fake.fail(Operation::ValidateRequest, None, Fault::Held);
    let requests: Vec<_> = (0..DEVICES)
        .map(|_| {
            Arc::new(request(
                &device,
                &fake.mint(intune_fake::Mint::default()).unwrap(),
            ))
        })
        .collect();
    let mut waiting = JoinSet::new();
    for request in &requests {
        let (device, request) = (device.clone(), Arc::clone(request));
        waiting.spawn(async move {
            (
                request.transaction_id().to_owned(),
                device.post(&request).await,
            )
        });
    }
    // As many as may ask at a time.
    fake.came(Operation::ValidateRequest, 8).await;
    let other = Device::at(server.http("other"), server.client(), device_key()).await;
    let capabilities = format!("{}?operation=GetCACaps", server.http("other"));
    for _ in 0..100 {
        let reply = server.client().get(&capabilities).send().await.unwrap();
        assert!(reply.text().await.unwrap().contains("POSTPKIOperation"));
    }
    other.enroll().await;
    // All of that was done before the first of the devices had its answer.
    assert!(waiting.try_join_next().is_none());
    fake.heal();
    let releases = async {
        loop {
            fake.release();
            tokio::task::yield_now().await;
        }
    };
    let all = async {
        let mut served = 0;
        while let Some(done) = waiting.join_next().await {
            let (_, reply) = done.unwrap();
            assert!(matches!(reply, Reply::Certificate { .. }));
            served += 1;
        }
        served
    };
    let served = tokio::select! {
        served = all => served,
        () = releases => unreachable!(),
    };
    assert_eq!(served, DEVICES);
    assert_eq!(
        fake.count(Operation::Token),
        2,
        "one token for each resource"
    );
    assert_eq!(fake.count(Operation::Discovery), 1);
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}
