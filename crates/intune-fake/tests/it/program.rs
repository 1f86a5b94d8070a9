//! The program, and the control API that it is driven by.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::client::{Call, csr, fake, get, http, key, read, token};

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_says_where_it_is_and_answers_there() {
    let program = Command::new(env!("CARGO_BIN_EXE_intune-fake"))
        .args(["--tenant", "fabrikam"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut program = Program(program);
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut text = String::new();
    let control = loop {
        let line = lines.next().unwrap().unwrap();
        text.push_str(&line);
        text.push('\n');
        if let Some(control) = line.trim().strip_prefix("control ") {
            break control.trim().to_owned();
        }
    };
    for line in lines {
        let line = line.unwrap();
        text.push_str(&line);
        text.push('\n');
        if line.ends_with("/problems") {
            break;
        }
    }
    assert!(text.contains("[[tenant]]\nid = \"fabrikam\""), "{text}");
    assert!(
        text.contains("[profile.intune_cloud]\ntenants = [\"fabrikam\"]"),
        "{text}"
    );
    let (status, body) = read(http().get(control).send().await.unwrap()).await;
    assert_eq!(
        (status, &body["tenants"][0]["domain"]),
        (200, &json!("fabrikam.onmicrosoft.com"))
    );
}

struct Control {
    fake: intune_fake::Fake,
}

impl Control {
    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/__control/{path}", self.fake.urls().entra);
        let request = http()
            .request(method.parse().unwrap(), url)
            .body(body.to_string());
        read(request.send().await.unwrap()).await
    }

    async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.send(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {body}");
        body
    }
}

#[tokio::test]
async fn everything_can_be_driven_by_json() {
    let control = Control { fake: fake().await };
    let fake = &control.fake;
    let intune = Call::scep(fake).await;
    let device = "11111111-2222-3333-4444-555555555555";
    let minted = control
        .good(
            "POST",
            "challenges",
            json!({"device": device, "octets": 8000}),
        )
        .await;
    let challenge = minted["challenge"].as_str().unwrap();
    let request = csr(&key(), "a", &[], Some(challenge));
    let rule = json!({"operation": "validateRequest", "times": 1,
        "fault": {"kind": "code", "code": "KeyLengthMismatch"}});
    control.good("POST", "rules", rule).await;
    assert_eq!(
        control.good("GET", "rules", Value::Null).await[0]["times"],
        1
    );
    assert_eq!(intune.validate("tx", &request).await, "KeyLengthMismatch");
    control
        .good(
            "PATCH",
            &format!("devices/{device}"),
            json!({"targeted": false}),
        )
        .await;
    assert_eq!(
        intune.validate("tx", &request).await,
        "ScepProfileNoLongerTargetedToTheClient"
    );
    control
        .good(
            "PATCH",
            &format!("devices/{device}"),
            json!({"targeted": true}),
        )
        .await;
    assert_eq!(intune.validate("tx", &request).await, "Success");
    assert_eq!(
        control.good("GET", "transactions", Value::Null).await["tx"]["validated"],
        1
    );

    let target = "calls?operation=validateRequest&atLeast=3";
    let calls = control.good("GET", target, Value::Null).await;
    let calls = calls["calls"].as_array().unwrap();
    assert_eq!(
        (calls.len(), &calls[0]["faults"][0]["kind"]),
        (3, &json!("code"))
    );
    let after = format!("calls?after={}", calls[2]["id"]);
    assert_eq!(
        control.good("GET", &after, Value::Null).await["calls"],
        json!([])
    );

    let tenant = "contoso";
    control
        .good("PATCH", &format!("tenants/{tenant}"), json!({"roles": []}))
        .await;
    let graph = token(fake, crate::client::GRAPH).await;
    assert_eq!(get(fake, &graph, crate::client::DISCOVERY).await.0, 403);
    control
        .good("PATCH", "settings", json!({"tokenSeconds": 60}))
        .await;
    let before = control.good("GET", "clock", Value::Null).await["now"]
        .as_i64()
        .unwrap();
    let after = control.good("POST", "clock", json!({"advance": 30})).await;
    assert_eq!(after["now"], json!(before + 30));
    control
        .good(
            "PATCH",
            "users/jo@contoso.example",
            json!({"enabled": false}),
        )
        .await;
    assert_eq!(
        control.good("GET", "users", Value::Null).await[0]["enabled"],
        false
    );
    let generated = control
        .good("POST", "devices/generate", json!({"count": 1000}))
        .await;
    assert_eq!(generated["devices"], 1001);
    control
        .good("POST", "revocations", json!([{"serialNumber": "0A"}]))
        .await;
    let queue = control.good("GET", "revocations", Value::Null).await;
    assert_eq!(queue["requests"][0]["serialNumber"], "0A");
    assert!(control.good("POST", "foreign-tokens", json!({})).await["token"].is_string());
    assert_eq!(
        control.good("GET", "problems", Value::Null).await,
        json!([])
    );
    control.good("POST", "release", Value::Null).await;
    control.good("DELETE", "rules", Value::Null).await;
    control.good("DELETE", "calls", Value::Null).await;

    for (method, path, body) in [
        (
            "POST",
            "rules",
            json!({"operation": "lunch", "fault": {"kind": "html"}}),
        ),
        ("POST", "challenges", json!({"tenant": "nobody"})),
        ("PATCH", "settings", json!({"unknown": 1})),
        ("GET", "nothing", Value::Null),
    ] {
        let (status, answer) = control.send(method, path, body).await;
        assert_eq!((status, answer["error"].is_string()), (400, true), "{path}");
    }
}
