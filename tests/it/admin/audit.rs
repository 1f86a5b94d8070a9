//! Audit events by the API.

use scep::client::Content;
use serde_json::json;

use crate::device::{Device, refused};
use crate::test_env::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn enrollments_and_refusals_are_events_in_plain_words() {
    let server = TestEnv::new()
        .profile("corp", "")
        .profile("", "")
        .start()
        .await;
    let device = Device::of(&server, "corp").await;
    let certificate = device.enroll().await;
    let csr = device.csr(Some("wrong"));
    refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    let admin = server.admin().await;

    let refusal = admin.read("/api/v1/audit?outcome=failure").await;
    assert_eq!(refusal["total"], 1, "{refusal}");
    let event = &refusal["data"][0];
    assert_eq!(
        (&event["action"], &event["actor_type"]),
        (&json!("scep_pkcsreq"), &json!("Device"))
    );
    let details = &event["details"];
    assert_eq!(
        (&details["profile"], &details["common_name"]),
        (&json!("corp"), &json!("box-4"))
    );
    assert_eq!(details["source_ip"], "127.0.0.1");
    assert!(
        details["message"].as_str().unwrap().contains("challenge"),
        "{details}"
    );
    assert!(details["request_id"].is_string() && details.get("serial").is_none());

    let success = &admin
        .read("/api/v1/audit?outcome=success&action=scep_pkcsreq")
        .await["data"][0];
    assert_eq!(success["details"]["serial"], certificate.serial().to_hex());
    assert!(success["id"].as_u64().unwrap() < event["id"].as_u64().unwrap());

    for (query, total) in [
        ("?profile=corp", 2),
        ("?profile=", 0),
        ("?q=BOX-4", 2),
        ("?q=box-5", 0),
        (
            "?since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00%2B01:00",
            0,
        ),
        ("?action=scep_pkcsreq&per_page=1&page=2", 2),
        ("?q=&action=scep_pkcsreq", 2),
    ] {
        let list = admin.read(&format!("/api/v1/audit{query}")).await;
        assert_eq!(list["total"], total, "{query}: {list}");
    }
}
