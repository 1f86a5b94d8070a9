//! Health, readiness, metrics, about.

use reqwest::Method;
use serde_json::json;
use store::TokenRole;

use crate::device::Device;
use crate::test_env::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_need_no_token() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let anyone = server.nobody();
    assert_eq!(anyone.get("/healthz").await.text, r#"{"status":"ok"}"#);
    let ready = anyone.read("/readyz").await;
    assert_eq!(
        ready,
        json!({"ready": true, "checks": [{"name": "store", "ok": true}, {"name": "profiles", "ok": true}]})
    );
    for path in ["/healthz", "/readyz"] {
        let head = anyone.ask(Method::HEAD, path, None, &[]).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_write_says_so_and_sends_devices_away() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let anyone = server.nobody();
    let stopped = |metrics: &str| {
        metrics
            .lines()
            .find_map(|line| line.strip_prefix("scepd_store_stopped ").map(str::to_owned))
    };
    assert_eq!(
        stopped(&anyone.get("/metrics").await.text).as_deref(),
        Some("0")
    );

    let journal = server.server.runtime().services.journal.clone();
    tokio::task::spawn_blocking(move || journal.close())
        .await
        .unwrap();
    let answer = anyone.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.text.contains("the store takes no more"),
        "{}",
        answer.text
    );
    assert_eq!(anyone.get("/healthz").await.status, 200);
    assert_eq!(
        stopped(&anyone.get("/metrics").await.text).as_deref(),
        Some("1")
    );
    let url = format!("{}?operation=PKIOperation", server.http("corp"));
    let reply = server
        .client()
        .post(url)
        .body("anything")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 503);
    assert_eq!(reply.headers()["retry-after"], "60");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_prometheus_text() {
    let server = TestEnv::new().profile("corp", "").start().await;
    Device::of(&server, "corp").await.enroll().await;
    let answer = server.nobody().get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain"));
    for line in answer
        .text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = name.split('{').next().unwrap();
        assert!(name.starts_with("scepd_"), "{line}");
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        let described = [name, base]
            .iter()
            .any(|name| answer.text.contains(&format!("# TYPE {name} ")));
        assert!(described, "{line}");
    }
    for expected in [
        r#"scepd_scep_requests_total{profile="corp""#,
        r#"scepd_certificate_expiry_seconds{profile="corp",kind="ra"}"#,
        r#"scepd_certificate_expiry_seconds{profile="corp",kind="ca"}"#,
        r#"scepd_certificate_expiry_seconds{profile="",kind="tls"}"#,
        r#"scepd_compute_queue_depth{stage="start"}"#,
        r#"stage="commit""#,
        "scepd_build_info{",
        "scepd_store_commit_seconds_bucket{",
    ] {
        assert!(
            answer.text.contains(expected),
            "{expected}\n{}",
            answer.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_can_ask_for_a_token() {
    let server = TestEnv::new()
        .profile("corp", "")
        .with("[admin]\nmetrics_token = 'scrape-me-5521'\nbad_token_limit = 0")
        .start()
        .await;
    assert_eq!(server.nobody().get("/metrics").await.status, 401);
    assert_eq!(
        server.with_token("scrape-me").get("/metrics").await.status,
        401
    );
    assert_eq!(
        server
            .with_token("scrape-me-5521")
            .get("/metrics")
            .await
            .status,
        200
    );
    assert_eq!(server.admin().await.get("/metrics").await.status, 200);
    let viewer = server.with_token(&server.token("dashboards", TokenRole::Viewer).await);
    assert_eq!(viewer.get("/metrics").await.status, 403);
    assert_eq!(
        server
            .with_token("scrape-me-5521")
            .get("/api/v1/auth/check")
            .await
            .status,
        401,
        "good for nothing else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn about_names_version_and_clock() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let viewer = server.with_token(&server.token("dashboards", TokenRole::Viewer).await);
    let about = viewer.read("/api/v1/about").await;
    assert_eq!(
        (&about["name"], &about["version"]),
        (&json!("scepd"), &json!(env!("CARGO_PKG_VERSION")))
    );
    assert!(
        about["openssl"].as_str().unwrap().contains("OpenSSL 3"),
        "{about}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_of_a_profile_that_was_removed_go() {
    let env = TestEnv::new().profile("stays", "").profile("leaves", "");
    let mut server = env.start().await;
    let tls = r#"scepd_certificate_expiry_seconds{profile="",kind="tls"} "#;
    let value = |text: &str, begin: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(begin));
        line.map(|value| value.trim().parse().unwrap())
    };
    let names = [
        r#"scepd_profile_pending_requests{profile="leaves"} "#,
        r#"scepd_profile_replay_entries{profile="leaves"} "#,
        r#"scepd_profile_in_flight{profile="leaves"} "#,
        r#"scepd_certificate_expiry_seconds{profile="leaves",kind="ra"} "#,
    ];
    let before = server.nobody().get("/metrics").await.text;
    for name in names {
        assert!(
            value(&before, name).is_some_and(f64::is_finite),
            "{name}\n{before}"
        );
    }
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        profiles.retain(|profile| profile["path_id"].as_str() != Some("leaves"));
    });
    server.server.reload("test").await.unwrap();
    let after = server.nobody().get("/metrics").await.text;
    for name in names {
        assert!(
            value(&after, name).is_none_or(f64::is_nan),
            "{name}\n{after}"
        );
        let other = name.replace("leaves", "stays");
        assert!(value(&after, &other).is_some_and(f64::is_finite), "{other}");
    }
    assert!(value(&after, tls).is_some_and(f64::is_finite));
}
