//! `[[profile.intune.tenant]]`: connectors of tenants, in the running server.

use actors::Clock;
use challenge::Algorithm;
use challenge::mint::{Connector, mint};
use chrono::Duration;
use scep::client::{Content, Reply};
use serde_json::{Value, json};

use crate::device::{Device, issued, refused};
use crate::test_env::{Running, TestEnv};

const TENANTS: [&str; 2] = ["contoso", "fabrikam"];

fn connector(env: &TestEnv, tenant: &str) -> Connector {
    Connector::throwaway(Algorithm::Es256, tenant, env.clock.now(), 90).unwrap()
}

/// A challenge for the test device that says it is of this tenant.
fn challenge(server: &Running, connector: &Connector, tenant: &str) -> String {
    let Value::Object(claims) = json!({
        "iss": format!("https://{tenant}.example"),
        "sub": "device-guid-box-4",
        "aud": format!("https://scep.example.com/{tenant}"),
        "device_name": "box-4",
        "san_dns": ["box-4.example.org"],
    }) else {
        unreachable!()
    };
    let now = server.env.clock.now();
    mint(claims, &connector.key, Duration::minutes(30), now).unwrap()
}

async fn enroll(device: &Device, challenge: &str) -> Reply {
    let csr = device.csr(Some(challenge));
    device.post(&device.request(Content::PkcsReq(&csr))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_says_which_tenant_vouched_and_a_reload_rotates_each() {
    let env = TestEnv::new();
    let keys = TENANTS.map(|tenant| connector(&env, tenant));
    let mut tenants = Vec::new();
    for (tenant, key) in TENANTS.iter().zip(&keys) {
        let name = format!("{tenant}.pem");
        let file = env.file(&name, key.certificate.to_pem().as_bytes());
        tenants.push(format!(
            "{{ id = '{tenant}', connector_cert_path = '{}', issuer = 'https://{tenant}.example', \
             audience = 'https://scep.example.com/{tenant}' }}",
            file.display()
        ));
    }
    let settings = format!(
        "[intune]\nenabled = true\nper_device_rate_limit_24h = 1\ntenant = [{}]\n",
        tenants.join(", ")
    );
    let server = env.profile("corp", &settings).start().await;
    let device = Device::of(&server, "corp").await;

    for (of, tenant) in TENANTS.iter().enumerate() {
        let other = &keys[1 - of];
        let foreign = challenge(&server, other, tenant);
        refused(enroll(&device, &foreign).await);
        let details = server.events("scep_pkcsreq_intune").remove(0).event.details;
        assert_eq!(details.reason.as_deref(), Some("wrong_audience"));
        assert!(details.message.unwrap().contains(TENANTS[1 - of]));
        // The limit is one a day: a device of one tenant takes nothing of another's of the same name.
        let own = challenge(&server, &keys[of], tenant);
        issued(enroll(&device, &own).await);
        let details = server.events("scep_pkcsreq_intune").remove(0).event.details;
        let note = details.note.unwrap();
        assert!(
            note.contains(&format!("the tenant {tenant} vouched")),
            "{note}"
        );
        let issuer = format!("https://{tenant}.example");
        assert_eq!(details.claim_issuer, Some(issuer));
    }

    // Both files are exchanged for one another: the same certificates, of other tenants.
    for (of, tenant) in TENANTS.iter().enumerate() {
        let pem = keys[1 - of].certificate.to_pem();
        server.env.replace(&format!("{tenant}.pem"), pem.as_bytes());
    }
    server.env.clock.advance(Duration::hours(25));
    let reloaded = server.server.reload("test").await.unwrap();
    assert_eq!(reloaded.profiles.updated, ["corp"]);
    for (of, tenant) in TENANTS.iter().enumerate() {
        let former = challenge(&server, &keys[of], tenant);
        refused(enroll(&device, &former).await);
        let present = challenge(&server, &keys[1 - of], tenant);
        issued(enroll(&device, &present).await);
    }
}
