//! Device and user state, asked of Graph at enrollment.

use intune_fake::{Fault, Mint, Operation};
use pki::{Csr, Name, SubjectAltNames};
use scep::client::Content;

use crate::device::{Device, issued, refused};
use crate::intune_cloud::Cloud;

const GUID: &str = "5b0e5a50-6c1b-4e4c-9c35-2f6e1b0e7d11";
const TENANT: &str = "contoso.onmicrosoft.com";

async fn request(cloud: &Cloud) -> (Device, Csr) {
    let device = Device::of(&cloud.server, "corp").await;
    let challenge = cloud.fake.mint(Mint::default()).unwrap();
    let subject = Name::parse(&format!("CN={GUID}")).unwrap();
    let sans = SubjectAltNames::parse(&format!("uri:IntuneDeviceId://{GUID}")).unwrap();
    let csr = Csr::build(&subject, &sans, Some(&challenge), &[], &device.key).unwrap();
    (device, csr)
}

fn put(cloud: &Cloud, change: impl FnOnce(&mut intune_fake::Device)) {
    let now = cloud.fake.clock().now();
    let mut device = intune_fake::Device::with_intune_id(GUID, now);
    // Long enough ago to be compliant.
    device.enrolled = now - 30 * 24 * 3600;
    change(&mut device);
    cloud.fake.put_device(TENANT, device).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_disabled_or_not_compliant_is_refused_and_intune_is_told() {
    let cloud = Cloud::new("compliance = 'enforce'\nper_device_rate_limit_24h = 0").await;
    put(&cloud, |_| {});
    let (device, csr) = request(&cloud).await;
    issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
    type Change = fn(&mut intune_fake::Device);
    let bad: [(Change, &str); 3] = [
        (
            |device| device.compliance_state = "noncompliant".to_owned(),
            "noncompliant",
        ),
        (|device| device.enabled = false, "disabled"),
        (
            |device| {
                device.in_intune = false;
                device.in_entra = false;
            },
            "neither",
        ),
    ];
    for (change, words) in bad {
        put(&cloud, change);
        let request = device.request(Content::PkcsReq(&csr));
        let (_, text) = refused(device.post(&request).await);
        assert!(text.contains("device"), "{text}");
        let details = cloud.newest().event.details;
        assert_eq!(details.reason.as_deref(), Some("device_state"));
        assert!(details.message.unwrap().contains(words), "{words}");
        let profile = cloud.server.profile("corp");
        profile.actor.send(actors::Sweep).await.unwrap();
        let told = cloud.fake.transactions(TENANT);
        assert_eq!(told[request.transaction_id()].failures, 1, "{words}");
    }
    // A new device has time.
    put(&cloud, |device| {
        device.compliance_state = "noncompliant".to_owned();
        device.enrolled += 30 * 24 * 3600 - 3600;
    });
    issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
    assert_eq!(cloud.fake.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_observed_stands_in_the_audit_and_off_asks_nobody() {
    for (mode, noted) in [("observe", true), ("off", false)] {
        let cloud = Cloud::new(&format!("compliance = '{mode}'")).await;
        put(&cloud, |device| {
            device.compliance_state = "noncompliant".to_owned();
        });
        let (device, csr) = request(&cloud).await;
        issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
        let note = cloud.newest().event.details.note.unwrap();
        assert_eq!(note.contains("noncompliant"), noted, "{note}");
        let asked = cloud.fake.count(Operation::ManagedDevices);
        assert_eq!(asked > 0, noted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_graph_gives_no_answer_the_setting_counts_then_what_it_said_last() {
    let cloud = Cloud::new(
        "compliance = 'enforce'\ncompliance_outage = 'allow'\nper_device_rate_limit_24h = 0",
    )
    .await;
    put(&cloud, |_| {});
    let (device, csr) = request(&cloud).await;
    let enroll = async || issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
    let note = || cloud.newest().event.details.note.unwrap();
    let down = Fault::Status {
        status: 503,
        retry_after: None,
        body: None,
    };
    cloud.fake.fail(Operation::ManagedDevices, None, down);
    enroll().await;
    assert!(note().contains("let in, as compliance_outage says"));
    cloud.fake.heal();
    enroll().await;
    assert!(!note().contains("Graph"), "{}", note());
    // It is not waited for long.
    cloud
        .fake
        .fail(Operation::ManagedDevices, None, Fault::Silent);
    let asked = cloud.fake.count(Operation::ManagedDevices);
    let passed = async {
        cloud.fake.came(Operation::ManagedDevices, asked + 1).await;
        cloud.server.env.clock.advance(chrono::Duration::seconds(5));
    };
    futures_util::future::join(enroll(), passed).await;
    assert!(
        note().contains("what it said 0 minutes ago counts"),
        "{}",
        note()
    );
    assert_eq!(cloud.fake.problems(), Vec::<String>::new());
}
