//! Revocation requests: handed out with a cool-down, and their results taken once.

use intune_fake::{Fault, Operation, Revocation};
use serde_json::{Value, json};

use crate::client::{Call, fake};

fn wanted(number: u32) -> Revocation {
    Revocation {
        request_context: format!("context-{number}"),
        serial_number: format!("{number:04X}"),
        issuer_name: number.is_multiple_of(2).then(|| "Example CA".to_owned()),
        ..Revocation::default()
    }
}

fn download(most: u32, issuer: Value) -> Value {
    json!({"downloadParameters": {"maxRequests": most, "issuerName": issuer}})
}

fn result(number: u32, code: &str, message: &str) -> Value {
    json!({"requestContext": format!("context-{number}"),
        "succeeded": code == "None" || code == "0", "errorCode": code, "errorMessage": message})
}

#[tokio::test]
async fn handed_out_once_an_hour_until_they_have_results() {
    let fake = fake().await;
    fake.settings(|settings| settings.token_seconds = 86_400);
    let intune = Call::revocation(&fake).await;
    let tenant = fake.tenants()[0].id.clone();
    fake.revoke(&tenant, (0..5).map(wanted).collect()).unwrap();
    let ask = |body: Value| {
        let intune = &intune;
        async move {
            let (status, body) = intune.post("downloadRevocationRequests", &body).await;
            assert_eq!(status, 200, "{body}");
            body["value"].as_array().unwrap().clone()
        }
    };
    let first = ask(download(3, Value::Null)).await;
    assert_eq!(first.len(), 3);
    assert_eq!(
        (&first[0]["serialNumber"], &first[1]["issuerName"]),
        (&json!("0000"), &Value::Null)
    );
    assert!(ask(download(100, Value::Null)).await.is_empty());
    fake.clock().advance(3599);
    assert!(ask(download(100, Value::Null)).await.is_empty());
    assert_eq!(fake.revocations(&tenant).too_early, 2);
    let upload =
        json!({"results": [result(0, "None", ""), result(1, "4004", "no such certificate")]});
    let (status, body) = intune.post("uploadRevocationResults", &upload).await;
    assert_eq!((status, &body["value"]), (200, &json!(true)));
    fake.clock().advance(3600 * 2);
    let (_, rest) = intune
        .post(
            "downloadRevocationRequests",
            &download(100, json!("Example CA")),
        )
        .await;
    let serials: Vec<&Value> = rest["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["serialNumber"])
        .collect();
    assert_eq!(serials, [&json!("0002"), &json!("0004")]);
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test]
async fn results_must_be_complete_and_come_once() {
    let fake = fake().await;
    let intune = Call::revocation(&fake).await;
    let tenant = fake.tenants()[0].id.clone();
    fake.revoke(&tenant, (0..3).map(wanted).collect()).unwrap();
    let most = intune
        .post("downloadRevocationRequests", &download(501, Value::Null))
        .await;
    assert_eq!(most.0, 400);
    let (status, _) = intune
        .post("downloadRevocationRequests", &download(2, Value::Null))
        .await;
    assert_eq!(status, 200);
    let with = |name: &str, value: Value| {
        let mut result = result(0, "None", "");
        result[name] = value;
        result
    };
    for wrong in [
        result(2, "None", ""),
        result(9, "None", ""),
        result(0, "None", "fine"),
        result(0, "4999", "?"),
        with("succeeded", json!("true")),
        with("succeeded", json!(false)),
        with("errorCode", json!(0)),
        with("errorMessage", Value::Null),
    ] {
        let (status, _) = intune
            .post("uploadRevocationResults", &json!({"results": [wrong]}))
            .await;
        assert_eq!(status, 400, "{wrong}");
    }
    let empty = intune
        .post("uploadRevocationResults", &json!({"results": []}))
        .await;
    assert_eq!(empty.0, 400);
    let good = json!({"results": [result(0, "0", "")]});
    assert_eq!(intune.post("uploadRevocationResults", &good).await.0, 200);
    assert_eq!(
        intune.post("uploadRevocationResults", &good).await.0,
        400,
        "twice"
    );
}

#[tokio::test]
async fn the_answer_to_an_upload_has_several_forms() {
    let fake = fake().await;
    let intune = Call::revocation(&fake).await;
    let tenant = fake.tenants()[0].id.clone();
    fake.revoke(&tenant, (0..3).map(wanted).collect()).unwrap();
    intune
        .post("downloadRevocationRequests", &download(3, Value::Null))
        .await;
    for (number, value) in [(0, json!("true")), (1, json!(false)), (2, json!(true))] {
        let fault = Fault::Value {
            value: value.clone(),
        };
        fake.fail(Operation::UploadRevocationResults, Some(1), fault);
        let body = json!({"results": [result(number, "None", "")]});
        let (status, body) = intune.post("uploadRevocationResults", &body).await;
        assert_eq!((status, &body["value"]), (200, &value));
    }
}
