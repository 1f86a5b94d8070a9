//! Requests that wait for an operator.

use scep::client::{Content, Reply};
use serde_json::json;

use crate::device::{Device, issued, refused};
use crate::test_env::{CHALLENGE, Running, TestEnv};

async fn server() -> Running {
    TestEnv::new()
        .profile("corp", "approval = true")
        .profile("", "approval = true")
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_request_gets_its_certificate_and_a_denied_one_not() {
    let server = server().await;
    let admin = server.admin().await;
    for (path_id, approve) in [("corp", true), ("corp", false), ("", true)] {
        let device = Device::of(&server, path_id).await;
        let csr = device.csr(Some(CHALLENGE));
        let request = device.request(Content::PkcsReq(&csr));
        assert!(matches!(device.post(&request).await, Reply::Pending));

        let list = admin
            .read(&format!("/api/v1/admin/scep/requests?profile={path_id}"))
            .await;
        assert_eq!(list["total"], 1, "{list}");
        let waiting = &list["data"][0];
        assert_eq!(
            (&waiting["profile"], &waiting["renewal"]),
            (&json!(path_id), &json!(false))
        );
        assert_eq!(
            (&waiting["subject"], &waiting["public_key"]),
            (&json!("O=Example, CN=box-4"), &json!("RSA 2048"))
        );
        assert_eq!(waiting["sans"], "dns:box-4.example.org");
        assert_eq!(waiting["issuer_id"], "local");
        let id = waiting["id"].as_str().unwrap();

        let verb = if approve { "approve" } else { "deny" };
        let path = format!("/api/v1/admin/scep/requests/{id}/{verb}");
        assert_eq!(admin.post(&path, r#"{"note":7}"#).await.status, 400);
        let answer = admin.post(&path, r#"{"note":"seen"}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["state"], if approve { "approved" } else { "denied" });
        assert_eq!(
            (&answer["id"], &answer["decided_by"]),
            (&json!(id), &json!("ops"))
        );
        assert_eq!(admin.post(&path, "").await.status, 409, "decided once");
        assert_eq!(
            admin.read("/api/v1/admin/scep/requests").await["data"],
            json!([])
        );

        let reply = device.post(&request).await;
        if approve {
            issued(reply);
        } else {
            refused(reply);
        }
    }
    let events = admin.read("/api/v1/audit?q=ops").await;
    let actions: Vec<&str> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["action"].as_str().unwrap())
        .collect();
    for expected in ["scep_request_approve", "scep_request_deny"] {
        assert!(actions.contains(&expected), "{actions:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_wait_is_404() {
    let server = server().await;
    let admin = server.admin().await;
    let zeros = "0".repeat(32);
    for id in [
        "x",
        &zeros,
        &format!("corp.{zeros}"),
        &format!(".{zeros}"),
        &format!("none.{zeros}"),
    ] {
        for verb in ["approve", "deny"] {
            let answer = admin
                .post(&format!("/api/v1/admin/scep/requests/{id}/{verb}"), "")
                .await;
            assert_eq!(answer.status, 404, "{id} {verb}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged() {
    let server = server().await;
    let admin = server.admin().await;
    for _ in 0..3 {
        let device = Device::of(&server, "corp").await;
        let csr = device.csr(Some(CHALLENGE));
        assert!(matches!(
            device.post(&device.request(Content::PkcsReq(&csr))).await,
            Reply::Pending
        ));
    }
    let page = admin
        .read("/api/v1/admin/scep/requests?per_page=2&page=2")
        .await;
    assert_eq!(
        (&page["total"], &page["page"], &page["per_page"]),
        (&json!(3), &json!(2), &json!(2))
    );
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    let beyond = admin
        .read("/api/v1/admin/scep/requests?per_page=500&page=2147483647")
        .await;
    assert_eq!(beyond["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_profile_is_not_configured_waits_and_says_so() {
    let mut server = server().await;
    let device = Device::of(&server, "corp").await;
    let csr = device.csr(Some(CHALLENGE));
    assert!(matches!(
        device.post(&device.request(Content::PkcsReq(&csr))).await,
        Reply::Pending
    ));
    let removed = std::cell::RefCell::new(None);
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        let corp = profiles
            .iter()
            .position(|profile| profile["path_id"].as_str() == Some("corp"));
        *removed.borrow_mut() = Some(profiles.remove(corp.unwrap()));
    });
    server.server.reload("test").await.unwrap();
    let list = server
        .admin()
        .await
        .read("/api/v1/admin/scep/requests")
        .await;
    let id = list["data"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/admin/scep/requests/{id}/approve");
    let admin = server.with_token(&server.token("boss", store::TokenRole::Admin).await);
    let answer = admin.post(&path, "").await;
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.error().contains("not configured"));
    let other = path.replace(&id[5..9], "0000");
    assert_eq!(admin.post(&other, "").await.status, 404);

    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        profiles.extend(removed.take());
    });
    server.server.reload("test").await.unwrap();
    let admin = server.with_token(&server.token("again", store::TokenRole::Admin).await);
    assert_eq!(admin.post(&path, "").await.status, 200);
}
