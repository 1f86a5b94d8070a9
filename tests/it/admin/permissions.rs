//! Every route of the table: with admin, with viewer, without a token, with another method.

use api::{Method, Permission, ROUTES};
use reqwest::Method as HttpMethod;
use store::TokenRole;

use crate::test_env::{Running, TestEnv};

async fn server() -> Running {
    TestEnv::new()
        .profile("corp", "")
        .with("[admin]\nbad_token_limit = 0")
        .start()
        .await
}

fn method(method: Method) -> HttpMethod {
    HttpMethod::from_bytes(method.as_str().as_bytes()).unwrap()
}

/// A route's path with something in the place of its parameters.
fn path(pattern: &str) -> String {
    pattern
        .replace("{id}", "x")
        .replace("{issuer_id}", "local")
        .replace("{serial}", "00")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_is_open_but_what_is_public() {
    let server = server().await;
    for route in ROUTES {
        for caller in [
            server.nobody(),
            server.with_token("scepd_wrong"),
            server.with_token("a.b.c"),
        ] {
            let answer = caller
                .ask(method(route.method), &path(route.path), None, &[])
                .await;
            if matches!(route.permission, Permission::Public | Permission::Metrics) {
                assert_ne!(answer.status, 401, "{route:?}");
            } else {
                assert_eq!(answer.status, 401, "{route:?}: {}", answer.text);
                assert_eq!(answer.header("www-authenticate"), "Bearer");
                answer.error();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_told_what_is_missing() {
    let server = server().await;
    let viewer = server.with_token(&server.token("dashboards", TokenRole::Viewer).await);
    for route in ROUTES {
        let answer = viewer
            .ask(method(route.method), &path(route.path), None, &[])
            .await;
        if matches!(route.permission, Permission::Admin | Permission::Challenge) {
            assert_eq!(answer.status, 403, "{route:?}: {}", answer.text);
            let words = answer.error();
            assert!(
                words.contains("admin") && words.contains("dashboards"),
                "{words}"
            );
        } else {
            assert_ne!(answer.status, 403, "{route:?}: {}", answer.text);
        }
    }
    let check = viewer.read("/api/v1/auth/check").await;
    let expected =
        r#"{"status":"authenticated","user":"dashboards","admin":false,"actor_type":"APIKey"}"#;
    assert_eq!(
        check.to_string(),
        serde_json::from_str::<serde_json::Value>(expected)
            .unwrap()
            .to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_gets_past_every_door() {
    let server = server().await;
    let admin = server.admin().await;
    for route in ROUTES
        .iter()
        .filter(|route| route.permission == Permission::Admin)
    {
        let answer = admin
            .ask(method(route.method), &path(route.path), None, &[])
            .await;
        assert!(
            ![401, 403, 405, 429, 500].contains(&answer.status),
            "{route:?}: {} {}",
            answer.status,
            answer.text
        );
    }
    let answer = admin.get("/api/v1/auth/check").await;
    assert_eq!(
        answer.text,
        r#"{"status":"authenticated","user":"ops","admin":true,"actor_type":"APIKey"}"#
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_405_and_other_paths_404() {
    let server = server().await;
    let admin = server.admin().await;
    for route in ROUTES {
        for other in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let taken = ROUTES
                .iter()
                .any(|known| known.path == route.path && known.method.as_str() == other);
            if taken {
                continue;
            }
            let other = HttpMethod::from_bytes(other.as_bytes()).unwrap();
            let answer = admin.ask(other.clone(), &path(route.path), None, &[]).await;
            assert_eq!(answer.status, 405, "{other} {}", route.path);
            assert!(
                answer.header("allow").contains(route.method.as_str()),
                "{}",
                answer.header("allow")
            );
            answer.error();
        }
    }
    for nowhere in [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/x",
        "/api/v1/admin/scep/profiles/",
    ] {
        let answer = admin.get(nowhere).await;
        assert_eq!(answer.status, 404, "{nowhere}");
        answer.error();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_listener_has_no_admin_side() {
    let server = server().await;
    let token = server.token("ops", TokenRole::Admin).await;
    let base = server.http("");
    let base = base.strip_suffix("/scep").unwrap();
    for route in ROUTES {
        let url = format!("{base}{}", path(route.path));
        let reply = server
            .client()
            .request(method(route.method), url)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), 404, "{route:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_to_anyone() {
    let server = server().await;
    let answer = server.nobody().get("/api/v1/openapi.yaml").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/yaml")
    );
    assert_eq!(answer.text, api::OPENAPI);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_queries_that_make_no_sense_are_400_or_413() {
    let server = server().await;
    let admin = server.admin().await;
    for (path, body) in [
        ("/api/v1/admin/scep/intune/reload-trust", "{"),
        ("/api/v1/admin/scep/intune/reload-trust", "null"),
        (
            "/api/v1/admin/scep/intune/reload-trust",
            r#"{"path":"corp"}"#,
        ),
        ("/api/v1/admin/scep/intune/reload-trust", r#"{"path_id":7}"#),
        ("/api/v1/admin/scep/checks", "[]"),
        ("/api/v1/admin/scep/checks", r#"{"profile":null}"#),
        ("/api/v1/admin/tokens", ""),
        ("/api/v1/admin/tokens", r#"{"name":"x"}"#),
        ("/api/v1/session", "{}"),
        ("/api/v1/session", r#"{"token":"x","token":"y"}"#),
        (
            "/api/v1/admin/tokens",
            r#"{"name":"x","role":"viewer","role":"admin"}"#,
        ),
    ] {
        let answer = admin.post(path, body).await;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
        answer.error();
    }
    for path in [
        "/api/v1/audit?page=0",
        "/api/v1/audit?page=x",
        "/api/v1/audit?per_page=501",
        "/api/v1/audit?per_page=0",
        "/api/v1/audit?outcome=maybe",
        "/api/v1/audit?since=yesterday",
        "/api/v1/admin/certificates?status=lost",
        "/api/v1/admin/scep/requests?per_page=-1",
        "/api/v1/audit?page=2147483648",
    ] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        answer.error();
    }
    for path in [
        "/api/v1/audit?action=&outcome=&since=&until=&q=&page=&per_page=",
        "/api/v1/admin/certificates?status=&serial=&page=",
    ] {
        admin.read(path).await;
    }
    let huge = format!(r#"{{"path_id":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(
        admin
            .post("/api/v1/admin/scep/intune/reload-trust", &huge)
            .await
            .status,
        413
    );
}
