//! The sweep of devices: who is deleted, wiped, retired or disabled after the certificate was issued.

use chrono::Duration;
use intune_fake::{Fault, Mint, Operation, User};
use pki::{Certificate, Csr, Name, RevocationReason, SubjectAltNames};
use scep::client::Content;
use serde_json::Value;

use super::{Cloud, fake_of, tenant_with};
use crate::device::issued;
use crate::test_env::TestEnv;

const ADA: &str = "ada@example.org";

/// A server that sweeps, with these further settings of the tenant.
async fn sweeping(settings: &str) -> Cloud {
    let env = TestEnv::new().with(
        "[[certificate_profile]]\nid = 'device'\n\
         [certificate_profile.san]\ntypes = ['dns', 'upn', 'uri']",
    );
    let fake = fake_of(&env.clock).await;
    let tenant = tenant_with(
        &fake,
        &format!("client_secret = 'contoso-secret'\n{settings}"),
    );
    Cloud::of(env.with(&tenant), fake, "").await
}

fn guid(number: u32) -> String {
    format!("5b0e5a50-6c1b-4e4c-9c35-{number:012x}")
}

impl Cloud {
    fn put(&self, number: u32, change: impl FnOnce(&mut intune_fake::Device)) {
        let mut device =
            intune_fake::Device::with_intune_id(&guid(number), self.fake.clock().now());
        change(&mut device);
        let tenant = self.fake.tenants().remove(0).id;
        self.fake.put_device(&tenant, device).unwrap();
    }

    fn put_user(&self, change: impl FnOnce(&mut User)) {
        let mut user = User {
            name: ADA.to_owned(),
            ..User::default()
        };
        change(&mut user);
        let tenant = self.fake.tenants().remove(0).id;
        self.fake.put_user(&tenant, user).unwrap();
    }

    /// Enrolls a device under its name, with this further alternative name.
    async fn enroll(&self, number: u32, san: &str) -> Certificate {
        self.put(number, |_| {});
        let challenge = self.fake.mint(Mint::default()).unwrap();
        let subject = Name::parse(&format!("CN=box-{number}")).unwrap();
        let id = guid(number);
        let sans = format!("uri:IntuneDeviceId://{id}{san}");
        let sans = SubjectAltNames::parse(&sans).unwrap();
        let csr = Csr::build(&subject, &sans, Some(&challenge), &[], &self.device.key).unwrap();
        let request = self.device.request(Content::PkcsReq(&csr));
        issued(self.device.post(&request).await)
    }

    async fn turn(&self) {
        let revokers = self.server.server.revokers();
        revokers.find("contoso").unwrap().turn().await;
    }

    /// The reason with which a certificate is revoked.
    fn revoked(&self, certificate: &Certificate) -> Option<u8> {
        let store = &self.server.server.runtime().services.store;
        let known = store.certificates_with_serial(certificate.serial().as_bytes());
        let revoked = known.unwrap().remove(0).revoked;
        revoked.map(|revoked| revoked.reason)
    }

    async fn sweep_shown(&self) -> Value {
        let token = self.server.token("eye", store::TokenRole::Admin).await;
        let admin = self.server.with_token(&token);
        let reply = admin.read("/api/v1/admin/intune/tenants").await;
        reply["data"][0]["sweep"].clone()
    }
}

const GONE: Option<u8> = Some(RevocationReason::CessationOfOperation as u8);
const HOLD: Option<u8> = Some(RevocationReason::CertificateHold as u8);

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_revoked_and_who_is_disabled_is_held_until_enabled() {
    let cloud = sweeping("device_sweep = 'enforce'\nmax_revocations_least = 20").await;
    cloud.put_user(|_| {});
    let upn = format!(", upn:{ADA}");
    let mut devices = Vec::new();
    for number in 0..5 {
        devices.push(cloud.enroll(number, "").await);
    }
    let of_user = cloud.enroll(5, &upn).await;
    // What came by a static challenge is nobody's that Graph knows.
    cloud.device.enroll().await;
    cloud.turn().await;
    assert!(devices.iter().all(|one| cloud.revoked(one).is_none()));

    cloud.put(0, |device| {
        device.in_intune = false;
        device.in_entra = false;
    });
    cloud.put(1, |device| {
        device.management_state = "wipePending".to_owned()
    });
    cloud.put(2, |device| {
        device.management_state = "retireIssued".to_owned()
    });
    cloud.put(3, |device| device.enabled = false);
    cloud.put_user(|user| user.enabled = false);
    cloud.turn().await;
    assert!(
        devices.iter().all(|one| cloud.revoked(one).is_none()),
        "it is not time yet"
    );
    cloud.server.env.clock.advance(Duration::minutes(251));
    cloud.turn().await;
    let reasons: Vec<_> = devices.iter().map(|one| cloud.revoked(one)).collect();
    assert_eq!(reasons, [GONE, GONE, GONE, HOLD, None]);
    assert_eq!(cloud.revoked(&of_user), HOLD);
    let events = cloud.server.events("cert_revoke");
    assert_eq!(events.len(), 5);
    let notes: Vec<String> = events
        .into_iter()
        .filter_map(|stored| stored.event.details.note)
        .collect();
    assert!(notes.iter().any(|note| note.contains("wiped or retired")));
    assert!(notes.iter().any(|note| note.contains(ADA)));
    let shown = cloud.sweep_shown().await;
    assert_eq!(
        (&shown["gone"], &shown["disabled"], &shown["on_hold"]),
        (&3.into(), &2.into(), &2.into())
    );
    assert_eq!(shown["managed_devices"], 5);
    assert_eq!(shown["certificates"], 6);

    cloud.put(3, |_| {});
    cloud.put_user(|user| user.exists = false);
    cloud.server.env.clock.advance(Duration::minutes(251));
    cloud.turn().await;
    assert_eq!(cloud.revoked(&devices[3]), None, "it is enabled again");
    assert_eq!(cloud.revoked(&of_user), HOLD);
    assert_eq!(cloud.server.events("cert_release").len(), 1);
    cloud.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_observed_or_not_known_is_left_alone() {
    for (mode, observed) in [("observe", 1), ("off", 0)] {
        let cloud = sweeping(&format!("device_sweep = '{mode}'")).await;
        let certificate = cloud.enroll(0, "").await;
        cloud.put(0, |device| {
            device.in_intune = false;
            device.in_entra = false;
        });
        cloud.turn().await;
        assert_eq!(cloud.revoked(&certificate), None);
        let events = cloud.server.events("intune_sweep_observed");
        assert_eq!(events.len(), observed, "{mode}");
        let asked = cloud.fake.count(Operation::ManagedDevices);
        assert_eq!(asked > 0, observed > 0);
    }
    // Graph wants to be left alone for longer than a sweep waits.
    let cloud = sweeping("device_sweep = 'enforce'").await;
    let certificate = cloud.enroll(0, "").await;
    cloud.put(0, |device| {
        device.in_intune = false;
        device.in_entra = false;
    });
    let rest = Fault::Status {
        status: 503,
        retry_after: Some("3600".to_owned()),
        body: None,
    };
    cloud.fake.fail(Operation::Devices, Some(1), rest);
    cloud.turn().await;
    assert_eq!(cloud.revoked(&certificate), None, "an outage is no reason");
    cloud.turn().await;
    assert_eq!(cloud.fake.count(Operation::Devices), 1, "not at once again");
    cloud.server.env.clock.advance(Duration::minutes(16));
    cloud.turn().await;
    assert_eq!(cloud.revoked(&certificate), GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_are_held_and_what_an_admin_keeps_is_not_asked_about_again() {
    let limits = "max_revocations_least = 1\nmax_revocations_percent = 0";
    let cloud = sweeping(&format!("device_sweep = 'enforce'\n{limits}")).await;
    let mut certificates = Vec::new();
    for number in 0..2 {
        certificates.push(cloud.enroll(number, "").await);
        cloud.put(number, |device| {
            device.in_intune = false;
            device.in_entra = false;
        });
    }
    cloud.turn().await;
    let held = cloud.server.events("intune_revocations_held");
    let words = held[0].event.details.message.clone().unwrap();
    assert!(words.contains("sweep of devices"), "{words}");
    let admin = cloud.server.admin().await;
    let refuse = "/api/v1/admin/intune/tenants/contoso/revocations/refuse";
    assert_eq!(admin.post(refuse, "").await.json()["decided"], 2);
    for _ in 0..2 {
        cloud.turn().await;
        cloud.server.env.clock.advance(Duration::minutes(251));
    }
    assert!(certificates.iter().all(|one| cloud.revoked(one).is_none()));
    assert_eq!(cloud.server.events("intune_revocations_held").len(), 1);
    assert_eq!(
        cloud.fake.count(Operation::UploadRevocationResults),
        0,
        "Intune asked for none of them"
    );
}
