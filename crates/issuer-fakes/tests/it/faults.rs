//! What can be scripted, whatever the kind.

use issuer_fakes::{Fault, Operation, Rule};
use serde_json::{Value, json};

use crate::client::{http, read};
use crate::ejbca::{administrator, issue};

#[tokio::test]
async fn every_error_of_the_table_can_be_had() {
    let (fake, client) = administrator().await;
    for name in fake.errors() {
        fake.fail(
            Operation::Issue,
            Some(1),
            Fault::Error {
                name: name.to_owned(),
            },
        );
        let answer = issue(&fake, &client, "scepd-1").await.unwrap_err();
        assert!(
            answer["error_code"].as_u64().unwrap() >= 400,
            "{name}: {answer}"
        );
    }
    assert!(fake.issued().is_empty());
    assert!(issue(&fake, &client, "scepd-1").await.is_ok());
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test]
async fn a_lost_answer_is_of_an_issued_certificate() {
    let (fake, client) = administrator().await;
    for fault in [
        Fault::CutAfter,
        Fault::CutHalfway,
        Fault::StatusAfter { status: 502 },
    ] {
        let before = fake.issued().len();
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let url = format!(
            "{}/ejbca/ejbca-rest-api/v1/certificate/pkcs10enroll",
            fake.url()
        );
        let body = crate::client::csr(&format!("laptop-{before}"));
        let body = json!({
            "certificate_request": crate::client::pem("CERTIFICATE REQUEST", &body),
            "certificate_profile_name": "DEVICE", "end_entity_profile_name": "Devices",
            "certificate_authority_name": "ManagementCA", "username": format!("u{before}"),
            "response_format": "DER",
        });
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string());
        let arrived = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                response.bytes().await.map(|_| status).ok()
            }
            Err(_) => None,
        };
        assert_ne!(arrived, Some(201), "{fault:?}");
        assert_eq!(fake.issued().len(), before + 1, "{fault:?}");
        let call = fake.calls_of(Operation::Issue).pop().unwrap();
        assert!(call.processed, "{call:?}");
    }
    for fault in [
        Fault::CutBefore,
        Fault::Status {
            status: 500,
            retry_after: None,
        },
    ] {
        fake.fail(Operation::Issue, Some(1), fault);
        let url = format!(
            "{}/ejbca/ejbca-rest-api/v1/certificate/pkcs10enroll",
            fake.url()
        );
        let _ = client.post(url).body("{}").send().await;
        assert_eq!(fake.issued().len(), 3, "nothing was issued");
    }
}

#[tokio::test]
async fn answers_are_spoiled_as_scripted() {
    let (fake, client) = administrator().await;
    let url = format!("{}/ejbca/ejbca-rest-api/v1/certificate/status", fake.url());
    let get = || client.get(&url).send();
    fake.fail(
        Operation::Health,
        Some(1),
        Fault::TooLong { octets: 10_000_000 },
    );
    let long = get().await.unwrap().bytes().await.unwrap();
    assert!(long.len() > 10_000_000);
    fake.fail(
        Operation::Health,
        Some(1),
        Fault::Redirect { location: None },
    );
    let answer = get().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(answer.status().as_u16(), 307);
    assert!(
        !location.starts_with(fake.url()),
        "to another host: {location}"
    );
    assert_eq!(
        client.get(location).send().await.unwrap().status().as_u16(),
        404
    );
    assert_eq!(fake.count(Operation::Elsewhere), 1);
    assert_eq!(fake.problems(), ["a redirect was followed to another host"]);
    let retry_after = Some("7".to_owned());
    fake.fail(
        Operation::Health,
        Some(1),
        Fault::Status {
            status: 503,
            retry_after,
        },
    );
    let answer = get().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "7");
    fake.fail(Operation::Health, Some(1), Fault::Html);
    assert!(
        get()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("<html>")
    );
    fake.fail(Operation::Health, Some(1), Fault::LoginRanOut);
    assert_eq!(get().await.unwrap().status().as_u16(), 403);
    fake.fail(Operation::Health, None, Fault::Silent);
    fake.heal();
    assert_eq!(get().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_call_is_held_until_it_is_released() {
    let (fake, client) = administrator().await;
    fake.rule(Rule {
        operation: Operation::Issue,
        times: Some(1),
        containing: Some("scepd-1".to_owned()),
        fault: Fault::Held,
    });
    let held = issue(&fake, &client, "scepd-1");
    let release = async {
        fake.came(Operation::Issue, 1).await;
        assert!(!fake.calls_of(Operation::Issue)[0].ended);
        fake.release();
        fake.ended(Operation::Issue, 1).await;
    };
    let (answer, ()) = tokio::join!(held, release);
    assert!(answer.is_ok());
}

#[tokio::test]
async fn the_control_api_does_what_the_handle_does() {
    let (fake, client) = administrator().await;
    let anybody = http(&fake, None);
    let control = |method: reqwest::Method, path: &str, body: Value| {
        let request = anybody.request(method, format!("{}/__control/{path}", fake.url()));
        async move { read(request.body(body.to_string()).send().await.unwrap()).await }
    };
    let rule = json!({"operation": "issue", "times": 1, "fault": {"kind": "certificate", "change": "anotherKey"}});
    assert_eq!(control(reqwest::Method::POST, "rules", rule).await.0, 200);
    issue(&fake, &client, "scepd-1").await.unwrap();
    let (_, issued) = control(reqwest::Method::GET, "issued", Value::Null).await;
    assert_eq!(issued[0]["changes"], json!(["anotherKey"]));
    let patch = json!({"approval": true, "ejbca": {"ca": "Other"}});
    let (_, settings) = control(reqwest::Method::PATCH, "settings", patch).await;
    assert_eq!(settings["ejbca"]["ca"], "Other");
    assert_eq!(
        settings["ejbca"]["certificateProfile"], "DEVICE",
        "the others stay"
    );
    fake.settings(|settings| settings.ejbca.ca = "ManagementCA".to_owned());
    issue(&fake, &client, "scepd-2").await.unwrap_err();
    let id = fake.waiting().pop().unwrap();
    let path = format!("waiting/{id}/approve");
    assert_eq!(
        control(reqwest::Method::POST, &path, Value::Null).await.0,
        200
    );
    let (_, waiting) = control(reqwest::Method::GET, "waiting", Value::Null).await;
    assert_eq!(waiting[0]["decision"], "approved");
    let (_, calls) = control(reqwest::Method::GET, "calls?operation=issue", Value::Null).await;
    assert_eq!(calls["calls"].as_array().unwrap().len(), 2);
    assert_eq!(
        control(reqwest::Method::POST, "nothing", Value::Null)
            .await
            .0,
        400
    );
    let (_, moved) = control(reqwest::Method::POST, "clock", json!({"advance": 60})).await;
    assert_eq!(moved["now"], crate::client::NOW + 60);
}
