//! Devices, users, apps, batches and limits.

use intune_fake::{Device, Fault, Operation, User};
use serde_json::{Value, json};

use crate::client::{GRAPH, NOW, fake, get, http, read, token};

const INTUNE_ID: &str = "11111111-2222-3333-4444-555555555555";
const ENTRA_ID: &str = "66666666-7777-8888-9999-aaaaaaaaaaaa";
const USER: &str = "jo@contoso.example";

struct Side {
    fake: intune_fake::Fake,
    tenant: String,
    token: String,
}

impl Side {
    async fn new() -> Side {
        let fake = fake().await;
        let tenant = fake.tenants()[0].id.clone();
        let side = Side {
            token: token(&fake, GRAPH).await,
            fake,
            tenant,
        };
        side.put(|_| {});
        let user = User {
            name: USER.to_owned(),
            sid: Some("S-1-5-21-1-2-3-1105".to_owned()),
            ..User::default()
        };
        side.fake.put_user(&side.tenant, user).unwrap();
        side
    }

    fn put(&self, change: fn(&mut Device)) {
        let mut device = Device {
            entra_id: ENTRA_ID.to_owned(),
            user: Some(USER.to_owned()),
            ..Device::with_intune_id(INTUNE_ID, NOW)
        };
        change(&mut device);
        self.fake.put_device(&self.tenant, device).unwrap();
    }

    async fn get(&self, target: &str) -> (u16, Value) {
        get(&self.fake, &self.token, target).await
    }
}

#[tokio::test]
async fn devices_of_both_directories() {
    let side = Side::new().await;
    let entra = format!(
        "/v1.0/devices(deviceId='{ENTRA_ID}')?$select=id,deviceId,accountEnabled,isCompliant"
    );
    let (status, body) = side.get(&entra).await;
    assert_eq!(
        (status, &body["accountEnabled"], body.get("isManaged")),
        (200, &json!(true), None)
    );
    let intune = format!("/v1.0/deviceManagement/managedDevices/{INTUNE_ID}");
    let (status, body) = side.get(&intune).await;
    assert_eq!((status, &body["azureADDeviceId"]), (200, &json!(ENTRA_ID)));
    assert_eq!(body["enrolledDateTime"], "2026-11-30T14:00:00Z");
    assert_eq!(body.get("managementState"), None);
    let filter = format!(
        "/v1.0/deviceManagement/managedDevices?$filter=azureADDeviceId%20eq%20'{ENTRA_ID}'"
    );
    assert_eq!(side.get(&filter).await.1["value"][0]["id"], INTUNE_ID);
    let beta =
        format!("/beta/deviceManagement/managedDevices/{INTUNE_ID}?$select=id,managementState");
    assert_eq!(side.get(&beta).await.1["managementState"], "managed");

    // The state of management is none of v1.0's members.
    let wrong = format!("{intune}?$select=managementState");
    assert_eq!(side.get(&wrong).await.0, 400);
    // An id of the one directory is none in the other.
    assert_eq!(
        side.get(&format!("/v1.0/devices(deviceId='{INTUNE_ID}')"))
            .await
            .0,
        404
    );
    assert_eq!(
        side.get(&format!("/v1.0/deviceManagement/managedDevices/{ENTRA_ID}"))
            .await
            .0,
        404
    );

    side.put(|device| {
        device.in_entra = false;
        device.management_state = "wipePending".to_owned();
    });
    assert_eq!(side.get(&entra).await.0, 404);
    assert_eq!(side.get(&beta).await.1["managementState"], "wipePending");
    side.put(|device| device.in_intune = false);
    assert_eq!(side.get(&intune).await.0, 404);
    assert_eq!(side.get(&filter).await.1["value"], json!([]));
}

#[tokio::test]
async fn users_their_devices_and_the_app() {
    let side = Side::new().await;
    let select = "$select=id,accountEnabled,userPrincipalName,onPremisesSecurityIdentifier";
    let (status, body) = side.get(&format!("/v1.0/users/{USER}?{select}")).await;
    assert_eq!(
        (status, &body["onPremisesSecurityIdentifier"]),
        (200, &json!("S-1-5-21-1-2-3-1105"))
    );
    assert_eq!(side.get(&format!("/v1.0/users('{USER}')")).await.0, 200);
    let devices = side
        .get(&format!("/v1.0/users/{USER}/managedDevices"))
        .await
        .1;
    assert_eq!(devices["value"][0]["id"], INTUNE_ID);
    assert_eq!(side.get("/v1.0/users/nobody@contoso.example").await.0, 404);

    let client = &side.fake.tenants()[0].client_id;
    let (status, body) = side
        .get(&format!("/v1.0/applications(appId='{client}')"))
        .await;
    let secret = &body["passwordCredentials"][0];
    assert_eq!((status, &secret["secretText"]), (200, &Value::Null));
    assert!(secret["endDateTime"].as_str().unwrap().ends_with('Z'));
    let listed = side
        .get(&format!(
            "/v1.0/applications?$filter=appId%20eq%20'{client}'"
        ))
        .await
        .1;
    assert_eq!(listed["value"][0]["appId"], json!(client));
}

#[tokio::test]
async fn roles_open_what_they_open() {
    let side = Side::new().await;
    side.fake.tenant(&side.tenant, |tenant| {
        tenant.roles = vec!["Device.Read.All".to_owned()]
    });
    let token = token(&side.fake, GRAPH).await;
    let (fake, token) = (&side.fake, &token);
    let status = |target: String| async move {
        let (status, _) = get(fake, token, &target).await;
        status
    };
    assert_eq!(
        status(format!("/v1.0/devices(deviceId='{ENTRA_ID}')")).await,
        200
    );
    assert_eq!(
        status(format!("/v1.0/deviceManagement/managedDevices/{INTUNE_ID}")).await,
        403
    );
    assert_eq!(status(format!("/v1.0/users/{USER}")).await, 403);
    assert_eq!(status(crate::client::DISCOVERY.to_owned()).await, 403);
}

async fn batch(side: &Side, body: &Value) -> (u16, Value) {
    let request = http()
        .post(format!("{}/v1.0/$batch", side.fake.urls().graph))
        .bearer_auth(&side.token)
        .header("content-type", "application/json")
        .body(body.to_string());
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn batches_answer_each_question() {
    let side = Side::new().await;
    let question = |id: u32, url: &str| json!({"id": id.to_string(), "method": "GET", "url": url});
    side.fake.fail(
        Operation::Users,
        Some(1),
        Fault::Status {
            status: 429,
            retry_after: Some("3".to_owned()),
            body: None,
        },
    );
    let body = json!({"requests": [
        question(1, &format!("/deviceManagement/managedDevices/{INTUNE_ID}")),
        question(2, "/devices(deviceId='00000000-0000-0000-0000-000000000000')"),
        question(3, &format!("/users/{USER}")),
    ]});
    let (status, body) = batch(&side, &body).await;
    assert_eq!(status, 200);
    let responses = body["responses"].as_array().unwrap();
    let of = |id: &str| responses.iter().find(|one| one["id"] == id).unwrap();
    assert_eq!(of("1")["body"]["id"], INTUNE_ID);
    assert_eq!(of("2")["status"], 404);
    assert_eq!(
        (&of("3")["status"], &of("3")["headers"]["retry-after"]),
        (&json!(429), &json!("3"))
    );
    assert_eq!(
        side.fake.calls().iter().filter(|call| call.batched).count(),
        3
    );

    let many: Vec<Value> = (0..21).map(|id| question(id, "/users")).collect();
    assert_eq!(batch(&side, &json!({"requests": many})).await.0, 400);
    let twice = json!({"requests": [question(1, "/users"), question(1, "/users")]});
    assert_eq!(batch(&side, &twice).await.0, 400);
    let absolute = json!({"requests": [question(1, "https://graph.microsoft.com/v1.0/users")]});
    assert_eq!(batch(&side, &absolute).await.0, 400);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let side = Side::new().await;
    for number in 0..250 {
        let device =
            Device::with_intune_id(&format!("{number:08}-0000-0000-0000-000000000000"), NOW);
        side.fake.put_device(&side.tenant, device).unwrap();
    }
    let mut target = "/v1.0/deviceManagement/managedDevices?$select=id,complianceState".to_owned();
    let (mut pages, mut found) = (0, 0);
    loop {
        let (status, body) = side.get(&target).await;
        assert_eq!(status, 200, "{body}");
        pages += 1;
        found += body["value"].as_array().unwrap().len();
        let Some(next) = body["@odata.nextLink"].as_str() else {
            break;
        };
        target = next
            .strip_prefix(&side.fake.urls().graph)
            .unwrap()
            .to_owned();
    }
    assert_eq!((pages, found), (3, 251));
}

#[tokio::test]
async fn limits_are_kept_and_end() {
    let side = Side::new().await;
    side.fake.settings(|settings| {
        settings.intune_requests = 2;
        settings.directory_units = 3;
    });
    let device = format!("/v1.0/deviceManagement/managedDevices/{INTUNE_ID}");
    assert_eq!(side.get(&device).await.0, 200);
    assert_eq!(side.get(&device).await.0, 200);
    let response = http()
        .get(format!("{}{device}", side.fake.urls().graph))
        .bearer_auth(&side.token);
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "20");
    side.fake.clock().advance(20);
    assert_eq!(side.get(&device).await.0, 200);

    // A user costs two units, with $select one.
    let user = format!("/v1.0/users/{USER}");
    assert_eq!(side.get(&user).await.0, 200);
    assert_eq!(side.get(&user).await.0, 429);
    assert_eq!(side.get(&format!("{user}?$select=id")).await.0, 200);
    assert_eq!(side.get(&format!("{user}?$select=id")).await.0, 429);
}

#[tokio::test]
async fn users_at_risk_are_told_once_a_second_without_a_hint() {
    let side = Side::new().await;
    let user = User {
        name: "risky@contoso.example".to_owned(),
        risk: Some("high".to_owned()),
        ..User::default()
    };
    side.fake.put_user(&side.tenant, user).unwrap();
    let (status, body) = side.get("/v1.0/identityProtection/riskyUsers").await;
    assert_eq!(
        (status, &body["value"][0]["riskLevel"]),
        (200, &json!("high"))
    );
    let response = http()
        .get(format!(
            "{}/v1.0/identityProtection/riskyUsers",
            side.fake.urls().graph
        ))
        .bearer_auth(&side.token);
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(!response.headers().contains_key("retry-after"));
    side.fake.clock().advance(1);
    assert_eq!(side.get("/v1.0/identityProtection/riskyUsers").await.0, 200);
}
