//! Each way in which a call can go wrong, as its caller sees it.

use std::time::Duration;

use intune_fake::{CODES, Fake, Fault, Mint, Operation, Rule};
use serde_json::{Value, json};

use crate::client::{
    Call, DISCOVERY, GRAPH, GUID, by_secret, csr, fake, get, http, key, post_form, success, token,
};

fn status(status: u16, retry_after: Option<&str>) -> Fault {
    Fault::Status {
        status,
        retry_after: retry_after.map(str::to_owned),
        body: None,
    }
}

fn code(code: &str) -> Fault {
    Fault::Code {
        code: code.to_owned(),
        description: "scripted".to_owned(),
    }
}

async fn prepared() -> (Fake, Call, String) {
    let fake = fake().await;
    let intune = Call::scep(&fake).await;
    let challenge = fake.mint(Mint::default()).unwrap();
    let request = csr(&key(), "a", &[], Some(&challenge));
    (fake, intune, request)
}

fn body(request: &str) -> Value {
    json!({"request": {"transactionId": "tx", "certificateRequest": request, "callerInfo": "test/1"}})
}

#[tokio::test]
async fn every_code_and_those_that_are_none() {
    let (fake, intune, request) = prepared().await;
    for name in CODES
        .into_iter()
        .chain(["SomethingNew", "success", "SUCCESS", ""])
    {
        fake.fail(Operation::ValidateRequest, Some(1), code(name));
        assert_eq!(intune.validate("tx", &request).await, name);
    }
    fake.fail(Operation::ValidateRequest, Some(1), Fault::MissingCode);
    let (status, answer) = intune.post("validateRequest", &body(&request)).await;
    assert_eq!((status, answer.get("code")), (200, None));
    let tenant = &fake.tenants()[0].id;
    assert!(
        fake.transactions(tenant).is_empty(),
        "what is scripted is not processed"
    );
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    let (fake, intune, request) = prepared().await;
    let once = |fault: Fault| fake.fail(Operation::ValidateRequest, Some(1), fault);
    let send = || async {
        let request = intune.request("validateRequest", &body(&request));
        let response = request.send().await.unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let (kind, after, place) = (
            header("content-type"),
            header("retry-after"),
            header("location"),
        );
        let status = response.status().as_u16();
        (
            status,
            kind.unwrap_or_default(),
            after,
            place,
            response.text().await,
        )
    };
    for number in [400, 401, 403, 404, 429, 500, 502, 503] {
        once(status(number, None));
        let (found, _, after, ..) = send().await;
        assert_eq!((found, after), (number, None));
    }
    once(status(429, Some("7")));
    assert_eq!(send().await.2.as_deref(), Some("7"));
    once(Fault::Html);
    let (found, kind, .., text) = send().await;
    assert_eq!((found, kind.as_str()), (200, "text/html"));
    assert!(text.unwrap().starts_with("<html>"));
    once(Fault::Empty);
    assert_eq!(send().await.4.unwrap(), "");
    once(Fault::NotJson);
    assert!(serde_json::from_str::<Value>(&send().await.4.unwrap()).is_err());
    once(Fault::ContentType {
        value: "text/plain".to_owned(),
    });
    let (found, kind, .., text) = send().await;
    assert_eq!((found, kind.as_str()), (200, "text/plain"));
    assert!(text.unwrap().contains("\"Success\""));
    once(Fault::TooLong { octets: 3_000_000 });
    assert!(send().await.4.unwrap().len() > 3_000_000);
    once(Fault::InternalError {
        retry_after: Some("30".to_owned()),
    });
    let (found, .., text) = send().await;
    let error: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let nested = error["error"]["message"].as_str().unwrap();
    let nested: Value = serde_json::from_str(nested).unwrap();
    assert_eq!((found, &nested["RetryAfter"]), (500, &json!("30")));
    once(Fault::CutHalfway);
    assert!(send().await.4.is_err());
}

#[tokio::test]
async fn redirects_are_only_said() {
    let (fake, intune, request) = prepared().await;
    let location = format!("{}/elsewhere", fake.urls().thief);
    fake.fail(
        Operation::ValidateRequest,
        Some(1),
        Fault::Redirect {
            location: location.clone(),
        },
    );
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    let request = intune
        .request("validateRequest", &body(&request))
        .build()
        .unwrap();
    let response = client.build().unwrap().execute(request).await.unwrap();
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"].to_str().unwrap(), location);
}

#[tokio::test]
async fn connections_end_before_and_after_the_work() {
    let (fake, intune, request) = prepared().await;
    let tenant = fake.tenants()[0].id.clone();
    fake.fail(Operation::ValidateRequest, Some(1), Fault::CutBefore);
    assert!(
        intune
            .request("validateRequest", &body(&request))
            .send()
            .await
            .is_err()
    );
    assert!(fake.transactions(&tenant).is_empty());
    assert_eq!(intune.validate("tx", &request).await, "Success");

    fake.fail(Operation::SuccessNotification, Some(1), Fault::CutAfter);
    let told = success("tx", &request);
    assert!(
        intune
            .request("successNotification", &told)
            .send()
            .await
            .is_err()
    );
    assert_eq!(fake.transactions(&tenant)["tx"].successes, 1);
    let call = fake.calls_of(Operation::SuccessNotification).remove(0);
    assert_eq!((call.processed, call.status), (true, None));
    assert!(call.ended.is_some());
}

#[tokio::test]
async fn calls_wait_until_they_are_released() {
    let (fake, intune, request) = prepared().await;
    fake.fail(Operation::ValidateRequest, Some(1), Fault::Held);
    let held = intune.request("validateRequest", &body(&request)).send();
    let held = tokio::spawn(held);
    fake.came(Operation::ValidateRequest, 1).await;
    // Others pass in the meantime.
    assert_eq!(intune.validate("other", &request).await, "Success");
    assert!(fake.calls_of(Operation::ValidateRequest)[0].ended.is_none());
    fake.release();
    assert_eq!(held.await.unwrap().unwrap().status(), 200);

    fake.fail(
        Operation::ValidateRequest,
        Some(1),
        Fault::Slow { milliseconds: 20 },
    );
    assert_eq!(intune.validate("tx", &request).await, "Success");
}

#[tokio::test]
async fn callers_give_up_on_who_is_silent() {
    let (fake, intune, request) = prepared().await;
    fake.fail(Operation::ValidateRequest, Some(1), Fault::Silent);
    let silent = intune.request("validateRequest", &body(&request));
    let silent = silent.timeout(Duration::from_millis(50)).send().await;
    assert!(silent.unwrap_err().is_timeout());
    fake.ended(Operation::ValidateRequest, 1).await;
    let call = fake.calls_of(Operation::ValidateRequest).remove(0);
    assert_eq!((call.processed, call.status), (false, None));
}

#[tokio::test]
async fn a_rule_can_pick_one_transaction() {
    let (fake, intune, request) = prepared().await;
    fake.rule(Rule {
        operation: Operation::ValidateRequest,
        times: None,
        containing: Some("\"tx-7\"".to_owned()),
        fault: code("ChallengeExpired"),
    });
    assert_eq!(intune.validate("tx-6", &request).await, "Success");
    assert_eq!(intune.validate("tx-7", &request).await, "ChallengeExpired");
    fake.heal();
    assert_eq!(intune.validate("tx-7", &request).await, "Success");
}

#[tokio::test]
async fn tokens_go_wrong() {
    let fake = fake().await;
    let tenant = fake.tenants().remove(0);
    let ask = || post_form(&fake, &tenant.id, by_secret(&tenant, GRAPH));
    for (code, status) in [
        (7_000_215, 401),
        (7_000_222, 401),
        (700_016, 400),
        (7_000_112, 401),
        (700_027, 401),
        (50_012, 401),
        (700_024, 401),
        (700_229, 401),
        (7_000_218, 401),
        (500_011, 400),
        (90_002, 400),
        (90_038, 400),
        (900_382, 400),
        (900_432, 400),
        (70_011, 400),
        (700_022, 400),
        (700_023, 400),
        (28_002, 400),
        (50_002, 400),
        (500_021, 400),
        (530_032, 400),
        (53_003, 400),
        (90_006, 503),
        (90_012, 503),
        (90_024, 503),
        (90_033, 503),
        (90_055, 429),
        (90_090, 503),
    ] {
        fake.fail(
            Operation::Token,
            Some(1),
            Fault::Entra {
                code,
                retry_after: None,
            },
        );
        let (found, body) = ask().await;
        assert_eq!((found, &body["error_codes"][0]), (status, &json!(code)));
        assert!(body["error"].is_string());
    }
    fake.fail(Operation::Token, Some(1), Fault::TokenLife { seconds: 60 });
    assert_eq!(ask().await.1["expires_in"], 60);
    fake.fail(
        Operation::Token,
        Some(1),
        Fault::RefreshIn { seconds: 1800 },
    );
    assert_eq!(ask().await.1["refresh_in"], 1800);
    fake.fail(Operation::Token, Some(1), Fault::TokenLife { seconds: 0 });
    let dead = token(&fake, GRAPH).await;
    assert_eq!(get(&fake, &dead, DISCOVERY).await.0, 401);
    fake.fail(Operation::Token, Some(1), Fault::RolelessToken);
    let roleless = token(&fake, GRAPH).await;
    let (found, body) = get(&fake, &roleless, DISCOVERY).await;
    assert_eq!(
        (found, &body["error"]["code"]),
        (403, &json!("Authorization_RequestDenied"))
    );
}

#[tokio::test]
async fn discovery_goes_wrong() {
    let fake = fake().await;
    let graph = token(&fake, GRAPH).await;
    let once = |fault: Fault| fake.fail(Operation::Discovery, Some(1), fault);
    let names = |body: &Value, member: &str| -> Vec<String> {
        let services = body["value"].as_array().unwrap();
        let names = services.iter().filter_map(|one| one[member].as_str());
        names.map(str::to_owned).collect()
    };
    let missing = "PkiConnectorFEService".to_owned();
    once(Fault::MissingService {
        name: missing.clone(),
    });
    let (_, body) = get(&fake, &graph, DISCOVERY).await;
    assert!(!names(&body, "providerName").contains(&missing));
    once(Fault::NoServices);
    assert_eq!(get(&fake, &graph, DISCOVERY).await.1["value"], json!([]));
    once(Fault::OtherSpelling);
    let (_, body) = get(&fake, &graph, DISCOVERY).await;
    assert!(
        names(&body, "providerName")
            .contains(&"scepreqestvalidationfeservice".replace("reqest", "request"))
    );
    assert!(names(&body, "uri").iter().all(|uri| uri.ends_with('/')));
    once(Fault::ServiceName);
    let (_, body) = get(&fake, &graph, DISCOVERY).await;
    assert!(names(&body, "serviceName").contains(&missing));
    assert!(names(&body, "providerName").is_empty());
    once(Fault::Forged { uri: None });
    let (_, body) = get(&fake, &graph, DISCOVERY).await;
    assert!(names(&body, "uri")[0].starts_with(&fake.urls().thief));

    fake.fail(Operation::Discovery, None, Fault::Paged);
    let (mut found, mut target) = (Vec::new(), DISCOVERY.to_owned());
    loop {
        let (_, body) = get(&fake, &graph, &target).await;
        found.extend(names(&body, "providerName"));
        let Some(next) = body["@odata.nextLink"].as_str() else {
            break;
        };
        target = next.strip_prefix(&fake.urls().graph).unwrap().to_owned();
    }
    assert_eq!(found.len(), 4);
}

#[tokio::test]
async fn what_comes_to_the_thief_is_recorded() {
    let fake = fake().await;
    let url = format!("{}/ScepActions/validateRequest", fake.urls().thief);
    let response = http()
        .post(url)
        .header("client-request-id", GUID)
        .body("{}")
        .send()
        .await;
    assert_eq!(response.unwrap().status(), 404);
    assert_eq!(fake.count(Operation::Other), 1);
    assert_eq!(fake.problems().len(), 1);
}
