//! What Graph's answer means for the certificate: a short one for a new device, with or without the user's SID.

use actors::Clock;
use chrono::Duration;
use intune_fake::{Mint, User};
use pki::{Certificate, Csr, Extension, Name, SubjectAltNames, oid};
use scep::client::Content;

use super::{Cloud, PROFILE, fake_of, tenant};
use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::TestEnv;

const GUID: &str = "5b0e5a50-6c1b-4e4c-9c35-2f6e1b0e7d11";
const ADA: &str = "ada@example.org";
const SID: &str = "S-1-5-21-1496966362-3320961333-4044918980-1105";

/// A server with these settings of `[profile.intune_cloud]`.
async fn cloud_with(settings: &str) -> Cloud {
    let env = TestEnv::new().with(
        "[[certificate_profile]]\nid = 'device'\n\
         [certificate_profile.san]\ntypes = ['dns', 'upn', 'uri']",
    );
    let fake = fake_of(&env.clock).await;
    let tenant = tenant(&fake);
    let server = env.with(&tenant);
    let server = server.profile("corp", &format!("{PROFILE}{settings}\n"));
    let server = server.start().await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    Cloud {
        fake,
        server,
        device,
    }
}

async fn enroll(cloud: &Cloud, sans: &str) -> Certificate {
    let challenge = cloud.fake.mint(Mint::default()).unwrap();
    let subject = Name::parse("CN=box-4").unwrap();
    let sans = SubjectAltNames::parse(sans).unwrap();
    let csr = Csr::build(&subject, &sans, Some(&challenge), &[], &cloud.device.key).unwrap();
    let request = cloud.device.request(Content::PkcsReq(&csr));
    issued(cloud.device.post(&request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_not_compliant_yet_gets_a_short_certificate() {
    let cloud = cloud_with("compliance = 'enforce'\nbootstrap_lifetime = '12h'").await;
    let tenant = cloud.fake.tenants().remove(0).id;
    let now = cloud.server.env.clock.now();
    let life = async |state: &str| {
        let mut device = intune_fake::Device::with_intune_id(GUID, now.timestamp() - 60);
        device.compliance_state = state.to_owned();
        cloud.fake.put_device(&tenant, device).unwrap();
        let certificate = enroll(&cloud, &format!("uri:IntuneDeviceId://{GUID}")).await;
        certificate.not_after() - now
    };
    let short = life("noncompliant").await;
    // Whole seconds, rounded down.
    assert!(short <= Duration::hours(12) && short > Duration::hours(12) - Duration::seconds(2));
    assert!(life("compliant").await > Duration::days(30));
    cloud.is_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sid_is_kept_left_out_or_written_as_the_directory_has_it() {
    let uri = format!("tag:microsoft.com,2022-09-14:sid:{SID}");
    let extension = Extension::ms_sid(SID).unwrap().value;
    for (rule, has_uri, has_extension) in [
        ("keep", true, false),
        ("verify", true, false),
        ("extension", true, true),
        ("strip", false, false),
    ] {
        let cloud = cloud_with(&format!("sid = '{rule}'")).await;
        let tenant = cloud.fake.tenants().remove(0).id;
        let user = User {
            name: ADA.to_owned(),
            sid: Some(SID.to_owned()),
            ..User::default()
        };
        cloud.fake.put_user(&tenant, user).unwrap();
        let certificate = enroll(&cloud, &format!("upn:{ADA}, uri:{uri}")).await;
        assert_eq!(certificate.sans().uri.contains(&uri), has_uri, "{rule}");
        let written = certificate.extension(oid::MS_SID);
        assert_eq!(written, has_extension.then_some(&*extension), "{rule}");
        assert_eq!(certificate.sans().upn, [ADA]);
        cloud.is_clean();
    }
}
