//! A wall clock that is set while the server runs.

use chrono::Duration;

use crate::test_env::{Running, TestEnv};

/// The value of a metric without labels, or with these.
async fn metric(server: &Running, name: &str) -> f64 {
    let metrics = server.nobody().get("/metrics").await.text;
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {name}"))
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_counted() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let (ahead, back) = (
        "scepd_clock_steps_total{direction=\"ahead\"}",
        "scepd_clock_steps_total{direction=\"back\"}",
    );
    assert_eq!(
        metric(&server, ahead).await,
        0.0,
        "there before anything happens"
    );
    let time = &server.server.runtime().services.time;

    server.env.clock.set_by(Duration::hours(3));
    let unproven = time.now().unproven();
    assert!(unproven > Duration::minutes(170), "{unproven}");
    assert_eq!(metric(&server, ahead).await, 1.0);
    // The hands of this clock stand still while real time passes.
    let step = metric(&server, "scepd_clock_last_step_seconds").await;
    assert!((10_000.0..=10_800.0).contains(&step), "{step}");
    let shown = metric(&server, "scepd_clock_unproven_seconds").await;
    assert!((10_000.0..=10_800.0).contains(&shown), "{shown}");

    let before = metric(&server, back).await;
    server.env.clock.set_by(-Duration::hours(3));
    assert!(time.now().unproven() <= Duration::seconds(1));
    assert_eq!(metric(&server, back).await, before + 1.0);
    let step = metric(&server, "scepd_clock_last_step_seconds").await;
    assert!(step <= -10_800.0, "{step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_events_outlive_a_clock_that_is_ahead_and_a_reload_then() {
    let server = TestEnv::new()
        .profile("corp", "")
        .with("[audit]\nretention = '30d'")
        .start()
        .await;
    server.server.reload("test").await.unwrap();
    let reloads = server.events("scep_config_reload").len();
    assert!(reloads > 0);
    server.env.clock.set_by(Duration::days(40));
    server.server.reload("test").await.unwrap();
    // What the reload has it do.
    let services = &server.server.runtime().services;
    let retention = Duration::days(30);
    let gone = services
        .store
        .audit_prune(retention, 100, services.time.now());
    assert_eq!(gone.unwrap(), 0);
    server.env.clock.set_by(-Duration::days(40));
    let env = server.stop().await;

    // Started under such a clock.
    env.clock.set_by(Duration::days(40));
    let server = env.start().await;
    let services = &server.server.runtime().services;
    let gone = services
        .store
        .audit_prune(retention, 100, services.time.now());
    assert_eq!(gone.unwrap(), 0);
    assert_eq!(server.events("audit_prune").len(), 0);
    assert!(server.events("scep_config_reload").len() > reloads);
}
