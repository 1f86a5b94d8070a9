//! Tokens by the API, and by the socket of `scepd token`.

use std::os::unix::fs::PermissionsExt;

use futures_util::future::join_all;
use scepd::control::{Answer, ControlError, Order, SOCKET, ask};
use serde_json::json;

use crate::test_env::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_used_listed_and_revoked() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let admin = server.admin().await;
    server.env.clock.advance(chrono::Duration::seconds(1));
    let path = "/api/v1/admin/tokens";
    let made = admin
        .post(
            path,
            r#"{"name":"dashboards","role":"viewer","expires_in_days":30}"#,
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("scepd_"));
    let id = made["token"]["id"].as_str().unwrap();
    assert!(made["token"]["expires_at"].is_string());

    assert_eq!(
        admin
            .post(path, r#"{"name":"dashboards","role":"admin"}"#)
            .await
            .status,
        409
    );
    for wrong in [
        r#"{"name":"","role":"admin"}"#,
        r#"{"name":"x","role":"admin","expires_in_days":0}"#,
    ] {
        assert_eq!(admin.post(path, wrong).await.status, 400, "{wrong}");
    }

    assert_eq!(
        server
            .with_token(secret)
            .get("/api/v1/auth/check")
            .await
            .status,
        200
    );
    let listed = admin.get(path).await;
    assert!(
        !listed.text.contains(secret) && !listed.text.contains("hash"),
        "{}",
        listed.text
    );
    let listed = listed.json();
    assert_eq!(listed["tokens"][0]["name"], "dashboards", "newest first");

    let revoke = format!("{path}/{id}");
    let revoked = admin.delete(&revoke).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert!(revoked.json()["revoked_at"].is_string());
    assert_eq!(admin.delete(&revoke).await.status, 409);
    assert_eq!(admin.delete(&format!("{path}/none")).await.status, 404);
    assert_eq!(
        server
            .with_token(secret)
            .get("/api/v1/auth/check")
            .await
            .status,
        401
    );

    let events = admin.read(&format!("/api/v1/audit?q={id}")).await;
    let actions: Vec<&str> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["token_revoke", "token_create"]);
    assert_eq!(events["data"][0]["actor"], "ops");
    assert!(!events.to_string().contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_noted() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let admin = server.admin().await;
    let mut last_used = json!(null);
    // The note is written behind the request.
    for _ in 0..200 {
        last_used = admin.read("/api/v1/admin/tokens").await["tokens"][0]["last_used_at"].clone();
        if last_used.is_string() {
            break;
        }
    }
    assert!(last_used.is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_reaches_a_running_server() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let data_dir = server.env.dir().join("data");
    let tell = |order: Order| {
        let data_dir = data_dir.clone();
        async move {
            tokio::task::spawn_blocking(move || ask(&data_dir, &order, &mut |_| Ok(())))
                .await
                .unwrap()
        }
    };
    let mode = std::fs::metadata(data_dir.join(SOCKET))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let order = Order::CreateToken {
        name: "cli".to_owned(),
        role: api::Role::Admin,
        profile: None,
        days: None,
    };
    let Ok(Answer::Created(made)) = tell(order.clone()).await else {
        panic!("not made")
    };
    assert_eq!(
        server
            .with_token(&made.secret)
            .get("/api/v1/admin/tokens")
            .await
            .status,
        200
    );
    let Ok(Answer::Refused(words)) = tell(order).await else {
        panic!("made twice")
    };
    assert!(words.contains("`cli`"), "{words}");
    let Ok(Answer::Tokens(tokens)) = tell(Order::ListTokens).await else {
        panic!("no list")
    };
    assert_eq!(tokens.len(), 1);
    let Ok(Answer::Revoked(_)) = tell(Order::RevokeToken {
        token: "cli".to_owned(),
    })
    .await
    else {
        panic!("not revoked")
    };
    assert_eq!(
        server
            .with_token(&made.secret)
            .get("/api/v1/admin/tokens")
            .await
            .status,
        401
    );

    let env = server.stop().await;
    let data_dir = env.dir().join("data");
    let gone =
        tokio::task::spawn_blocking(move || ask(&data_dir, &Order::ListTokens, &mut |_| Ok(())))
            .await
            .unwrap();
    assert!(matches!(gone, Err(ControlError::NotRunning { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_calls_at_once_one_makes_and_one_revokes() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let admin = server.admin().await;
    let path = "/api/v1/admin/tokens";
    let wanted = r#"{"name":"dashboards","role":"viewer"}"#;
    let made = join_all((0..16).map(|_| admin.post(path, wanted))).await;
    let of = |answers: &[super::operator::Answer], status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((of(&made, 201), of(&made, 409)), (1, 15));
    let made = made.iter().find(|answer| answer.status == 201).unwrap();
    let id = made.json()["token"]["id"].as_str().unwrap().to_owned();
    let path = format!("{path}/{id}");
    let revoked = join_all((0..16).map(|_| admin.delete(&path))).await;
    assert_eq!((of(&revoked, 200), of(&revoked, 409)), (1, 15));
    for action in ["token_create", "token_revoke"] {
        let events = server.events(action);
        let about = events.iter().filter(|event| event.event.resource_id == id);
        assert_eq!(about.count(), 1, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_by_its_id_also_when_another_is_named_so() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let admin = server.admin().await;
    let path = "/api/v1/admin/tokens";
    let make = async |name: &str| {
        let wanted = serde_json::json!({ "name": name, "role": "viewer" }).to_string();
        let made = admin.post(path, &wanted).await.json();
        made["token"]["id"].as_str().unwrap().to_owned()
    };
    let first = make("dashboards").await;
    let namesake = make(&first).await;
    let revoke = async |id: &str| admin.delete(&format!("{path}/{id}")).await.status;
    assert_eq!(revoke(&first).await, 200);
    assert_eq!(revoke(&first).await, 409, "not the one that is named so");
    assert_eq!(revoke("dashboards").await, 404, "a name is no id");
    assert_eq!(revoke(&namesake).await, 200);
}
