//! Intune's tenants in the admin API: how each fares, and revocations that are held.

use intune_fake::{Fault, Mint, Operation};
use scep::client::{Content, Reply};
use serde_json::{Value, json};

use super::{Cloud, PROFILE, csr, fake_of, tenant, tenant_with};
use crate::admin::operator::Operator;
use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::TestEnv;

const TENANTS: &str = "/api/v1/admin/intune/tenants";
const RELEASE: &str = "/api/v1/admin/intune/tenants/contoso/revocations/release";
const REFUSE: &str = "/api/v1/admin/intune/tenants/contoso/revocations/refuse";

async fn shown(admin: &Operator<'_>) -> Value {
    let reply = admin.read(TENANTS).await;
    assert_eq!(reply["data"].as_array().unwrap().len(), 1);
    reply["data"][0].clone()
}

/// A server with these settings of the tenant.
async fn cloud_with(settings: &str) -> Cloud {
    let env = TestEnv::new();
    let fake = fake_of(&env.clock).await;
    let credential = format!("client_secret = 'contoso-secret'\n{settings}");
    let tenant = tenant_with(&fake, &credential);
    Cloud::of(env.with(&tenant), fake, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_shown_with_how_it_fares_and_without_its_secret() {
    let cloud = cloud_with("secret_expires = '2030-01-01'").await;
    let admin = cloud.server.admin().await;
    let before = shown(&admin).await;
    assert_eq!(before["credential"], "client_secret");
    assert_eq!(before["profiles"], json!(["corp"]));
    for absent in ["last_success", "token_issued", "trouble", "roles"] {
        assert_eq!(before.get(absent), None, "{absent}: nothing was asked yet");
    }
    issued(cloud.device.post(&cloud.request()).await);
    let now = actors::Clock::now(&*cloud.server.env.clock);
    let after = shown(&admin).await;
    let stamp = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert_eq!(after["last_success"], stamp);
    assert_eq!(after["token_issued"], stamp);
    assert!(after["token_expires"].as_str().unwrap() > stamp.as_str());
    assert_eq!(after["roles"], json!(["scep_challenge_provider"]));
    assert_eq!(after["credential_expires"], "2030-01-01T00:00:00Z");
    let ends = chrono::DateTime::parse_from_rfc3339("2030-01-01T00:00:00Z").unwrap();
    let left = (ends.to_utc() - now).num_days();
    assert_eq!(after["credential_days_to_expiry"], left);
    assert_eq!(after["codes"][0]["codes"], json!({"Success": 1}));
    assert_eq!(after["resting_profiles"], json!([]));
    assert!(!after.to_string().contains("contoso-secret"));

    let profiles = admin.read("/api/v1/admin/scep/profiles").await;
    let corp = &profiles["profiles"][0];
    assert_eq!(corp["intune_tenants"], json!(["contoso"]));
    assert_eq!(corp.get("intune"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_what_waits_for_it_and_profiles_that_rest_are_shown() {
    let cloud = Cloud::with("answer_within = '1s'").await;
    let admin = cloud.server.admin().await;
    let down = Fault::Status {
        status: 503,
        retry_after: None,
        body: None,
    };
    let told = Operation::SuccessNotification;
    cloud.fake.fail(told, None, down);
    let request = cloud.request();
    let mut tenant = shown(&admin).await;
    // Until as many failures have come as open the circuit; less than the stage's budget.
    while tenant["resting_profiles"] == json!([]) {
        assert!(matches!(cloud.device.post(&request).await, Reply::Pending));
        cloud.pass(61);
        tenant = shown(&admin).await;
    }
    assert_eq!(tenant["notifications_waiting"], 1);
    assert_eq!(tenant["trouble"]["lasting"], false);
    assert!(
        tenant["trouble"]["message"]
            .as_str()
            .unwrap()
            .contains("503")
    );
    assert_eq!(tenant["resting_profiles"], json!(["corp"]));
    cloud.fake.heal();
    issued(cloud.end(&request).await);
    let tenant = shown(&admin).await;
    assert_eq!(tenant["notifications_waiting"], 0);
    assert_eq!(tenant.get("trouble"), None);
    assert_eq!(tenant["resting_profiles"], json!([]));
}

/// Else every device waits and nothing says why.
#[tokio::test(flavor = "multi_thread")]
async fn what_graph_does_not_tell_is_trouble_though_intune_answers() {
    const GUID: &str = "5b0e5a50-6c1b-4e4c-9c35-2f6e1b0e7d11";
    let env = TestEnv::new()
        .with("[[certificate_profile]]\nid = 'device'\n[certificate_profile.san]\ntypes = ['uri']");
    let fake = fake_of(&env.clock).await;
    let (id, section) = (fake.tenants().remove(0).id, tenant(&fake));
    let profile = format!("answer_within = '1s'\n{PROFILE}compliance = 'enforce'\n");
    let server = env.with(&section).profile("corp", &profile).start().await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let cloud = Cloud {
        fake,
        server,
        device,
    };
    let admin = cloud.server.admin().await;
    let metrics = async || cloud.server.nobody().get("/metrics").await.text;
    assert!(!metrics().await.contains("scepd_intune_up{"));
    cloud.fake.tenant(&id, |tenant| {
        let role = "DeviceManagementManagedDevices.Read.All";
        tenant.roles.retain(|known| known != role);
    });
    let wanted = Mint {
        device: Some(GUID.to_owned()),
        ..Mint::default()
    };
    let challenge = cloud.fake.mint(wanted).unwrap();
    let names = format!("uri:IntuneDeviceId://{GUID}");
    let asked = csr(&cloud.device, &challenge, &names);
    let request = cloud.device.request(Content::PkcsReq(&asked));
    assert!(matches!(cloud.device.post(&request).await, Reply::Pending));
    let tenant = shown(&admin).await;
    assert!(tenant["last_success"].is_string());
    assert_eq!(tenant["trouble"]["lasting"], true);
    let message = tenant["trouble"]["message"].as_str().unwrap();
    assert!(message.contains("DeviceManagementManagedDevices.Read.All"));
    assert!(
        metrics()
            .await
            .contains("scepd_intune_up{tenant=\"contoso\"} 0")
    );
    let every = intune_fake::Tenant::named("contoso").roles;
    cloud.fake.tenant(&id, |tenant| tenant.roles = every);
    issued(cloud.end(&request).await);
    assert_eq!(shown(&admin).await.get("trouble"), None);
    assert!(
        metrics()
            .await
            .contains("scepd_intune_up{tenant=\"contoso\"} 1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_releases_or_refuses_what_is_held_and_the_audit_names_them() {
    for (path, action, revoked) in [
        (RELEASE, "intune_revocations_released", true),
        (REFUSE, "intune_revocations_refused", false),
    ] {
        let cloud = cloud_with("max_revocations_least = 0\nmax_revocations_percent = 0").await;
        let certificate = issued(cloud.device.post(&cloud.request()).await);
        let admin = cloud.server.admin().await;
        let nothing = admin.post(path, "").await;
        assert_eq!(nothing.status, 409, "{}", nothing.text);
        let wanted = intune_fake::Revocation {
            serial_number: certificate.serial().to_hex(),
            ..intune_fake::Revocation::default()
        };
        let tenant = cloud.fake.tenants().remove(0).id;
        cloud.fake.revoke(&tenant, vec![wanted]).unwrap();
        let revoker = cloud.server.server.revokers().find("contoso").unwrap();
        revoker.turn().await;
        let held = shown(&admin).await["revocations"].clone();
        assert_eq!(held["waiting"], 1);
        let metrics = cloud.server.nobody().get("/metrics").await.text;
        let line = "scepd_intune_revocations_held{tenant=\"contoso\"} 1";
        assert!(metrics.contains(line), "{metrics}");
        assert!(held["held_since"].is_string() && held["last_asked"].is_string());
        let serial = certificate.serial().to_hex().to_lowercase();
        assert_eq!(held["held"][0]["serial"], serial);

        let viewer = cloud.server.token("eye", store::TokenRole::Viewer).await;
        let viewer = cloud.server.with_token(&viewer);
        assert_eq!(viewer.post(path, "").await.status, 403);
        assert_eq!(
            admin
                .post(&path.replace("contoso", "other"), "")
                .await
                .status,
            404
        );
        let decided = admin.post(path, "").await;
        assert_eq!(decided.status, 200, "{}", decided.text);
        assert_eq!(decided.json(), json!({"tenant": "contoso", "decided": 1}));
        let event = cloud.server.events(action).remove(0).event;
        assert_eq!(
            (event.actor.as_str(), event.actor_type.as_str()),
            ("ops", "APIKey")
        );
        assert!(event.details.request_id.is_some());
        revoker.turn().await;
        let known = &cloud.server.server.runtime().services.store;
        let known = known.certificates_with_serial(certificate.serial().as_bytes());
        assert_eq!(known.unwrap()[0].revoked.is_some(), revoked);
        let after = shown(&admin).await["revocations"].clone();
        assert_eq!(
            (&after["waiting"], after.get("held_since")),
            (&json!(0), None)
        );
        assert_eq!(admin.post(path, "").await.status, 409);
    }
}
