//! `scepd token`, `audit` and `store`: beside a running server, and alone with its store.

use std::path::PathBuf;
use std::process::Output;

use chrono::Duration;
use serde_json::Value;

use crate::device::Device;
use crate::test_env::{Running, TestEnv};

/// Runs the real binary on the environment's configuration.
pub(crate) async fn scepd(env: &TestEnv, arguments: &[&str]) -> Output {
    run(env.dir().join("scepd.toml"), arguments).await
}

async fn run(config: PathBuf, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scepd"));
    command
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env_clear();
    // The server of this test must go on meanwhile.
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    assert!(
        !output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn is_admin(server: &Running, token: &str) -> bool {
    server
        .with_token(token)
        .get("/api/v1/admin/scep/profiles")
        .await
        .status
        == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_beside_a_server_opens_it() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let beside = out(&scepd(
        &server.env,
        &["token", "create", "--name", "beside", "--role", "admin"],
    )
    .await);
    let beside = beside.trim();
    assert!(is_admin(&server, beside).await);
    let viewer = out(&scepd(
        &server.env,
        &["token", "create", "--name", "eyes", "--role", "viewer"],
    )
    .await);
    assert!(!is_admin(&server, viewer.trim()).await);
    let twice = scepd(
        &server.env,
        &["token", "create", "--name", "beside", "--role", "viewer"],
    )
    .await;
    assert!(err(&twice).contains("`beside`"));

    let list = out(&scepd(&server.env, &["token", "list", "--json"]).await);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["tokens"].as_array().unwrap().len(), 2);
    let list = out(&scepd(&server.env, &["token", "list"]).await);
    assert!(
        list.contains("beside") && list.contains("in force") && !list.contains(beside),
        "{list}"
    );

    assert!(out(&scepd(&server.env, &["token", "revoke", "beside"]).await).contains("revoked"));
    assert!(!is_admin(&server, beside).await);
    assert!(err(&scepd(&server.env, &["token", "revoke", "beside"]).await).contains("`beside`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_store_are_checked_and_written_out_beside_a_server() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let certificate = Device::of(&server, "corp").await.enroll().await;
    let token = out(&scepd(
        &server.env,
        &["token", "create", "--name", "ops", "--role", "admin"],
    )
    .await);

    let checked = out(&scepd(&server.env, &["audit", "verify"]).await);
    assert!(
        checked.contains("2 audit events checked, 1 to 2"),
        "{checked}"
    );
    let whole = out(&scepd(&server.env, &["store", "verify"]).await);
    assert!(
        whole.contains("1 certificates") && whole.contains("1 tokens"),
        "{whole}"
    );
    let report = out(&scepd(&server.env, &["store", "verify", "--json"]).await);
    assert_eq!(
        serde_json::from_str::<Value>(&report).unwrap()["faults"],
        serde_json::json!([])
    );

    let events = out(&scepd(&server.env, &["audit", "export"]).await);
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let actions: Vec<&str> = events
        .iter()
        .map(|event| event["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["scep_pkcsreq", "token_create"]);
    assert_eq!(
        events[0]["details"]["serial"],
        certificate.serial().to_hex()
    );
    assert!(events[0]["digest"].is_string());
    assert!(
        events
            .iter()
            .all(|event| !event.to_string().contains(token.trim()))
    );
    let later = out(&scepd(&server.env, &["audit", "export", "--from-id", "2"]).await);
    assert_eq!(later.lines().count(), 1);
    let none = out(&scepd(
        &server.env,
        &["audit", "export", "--until", "2001-01-01T00:00:00Z"],
    )
    .await);
    assert_eq!(none, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_store_is_opened() {
    let dir = tempfile::TempDir::new().unwrap();
    let deep = dir.path().join("a-rather-long-name/".repeat(8));
    std::fs::create_dir_all(&deep).unwrap();
    let config = dir.path().join("scepd.toml");
    std::fs::write(
        &config,
        format!("[server]\ndata_dir = '{}'\n", deep.display()),
    )
    .unwrap();
    let token = ["token", "create", "--name", "first", "--role", "admin"];
    let secret = out(&run(config.clone(), &token).await);
    assert!(
        secret.starts_with("scepd_") && secret.lines().count() == 1,
        "{secret}"
    );
    assert!(err(&run(config.clone(), &token).await).contains("`first`"));
    let list = out(&run(config.clone(), &["token", "list"]).await);
    assert!(list.contains("first") && list.contains("never"), "{list}");
    out(&run(config.clone(), &["token", "revoke", "first"]).await);
    let checked = out(&run(config.clone(), &["audit", "verify"]).await);
    assert!(checked.contains("2 audit events"), "{checked}");
    let exported = out(&run(config, &["audit", "export"]).await);
    assert_eq!(exported.lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_has_nothing_to_check() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let config = format!("data_dir={}", server.env.dir().join("elsewhere").display());
    let output = scepd(
        &server.env,
        &["audit", "verify", "--set", &format!("server.{config}")],
    )
    .await;
    assert!(err(&output).contains("elsewhere"));
    assert!(!server.env.dir().join("elsewhere").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_past_retention_are_let_go_and_the_rest_still_checks() {
    let server = TestEnv::new()
        .profile("corp", "")
        .with("[audit]\nretention = '30d'")
        .start()
        .await;
    let device = Device::of(&server, "corp").await;
    device.enroll().await;
    server.env.clock.advance(Duration::days(31));
    device.enroll().await;
    server.server.reload("test").await.unwrap();
    let mut first = 0;
    // Old events are let go behind the reload.
    while first < 2 {
        let events = out(&scepd(&server.env, &["audit", "export"]).await);
        let event: Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
        first = event["id"].as_u64().unwrap();
    }
    let checked = out(&scepd(&server.env, &["audit", "verify"]).await);
    assert!(checked.contains("events up to 1 were let go"), "{checked}");
    assert!(checked.contains("records it"), "{checked}");
    let admin = server.admin().await;
    let events = admin.read("/api/v1/audit?action=audit_prune").await;
    assert_eq!(events["total"], 1);
    let event = &events["data"][0];
    assert_eq!(event["actor"], "scepd");
    let details = &event["details"];
    assert_eq!(
        (&details["first_id"], &details["last_id"]),
        (&Value::from("1"), &Value::from("1"))
    );
    assert_eq!(details["retention"], "30d");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_ends_an_export_without_a_word() {
    let server = TestEnv::new().profile("corp", "").start().await;
    Device::of(&server, "corp").await.enroll().await;
    let config = server.env.dir().join("scepd.toml");
    let ended = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scepd"));
        let mut child = command
            .args(["audit", "export", "--config"])
            .arg(config)
            .env_clear()
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    });
    let ended = ended.await.unwrap();
    let words = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && words.is_empty(), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_directory_that_is_open_to_all_has_files_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnv::new().profile("corp", "");
    env.write_config();
    let store = env.dir().join("data/store");
    std::fs::create_dir_all(&store).unwrap();
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "umask 022; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_scepd"))
        .args(["token", "create", "--name", "ops", "--role", "admin"])
        .arg("--config")
        .arg(env.dir().join("scepd.toml"));
    let made = tokio::task::spawn_blocking(move || command.output()).await;
    out(&made.unwrap().unwrap());
    let files = std::fs::read_dir(&store).unwrap();
    let files: Vec<_> = files
        .map(|file| file.unwrap())
        .filter(|file| file.path().is_file())
        .collect();
    assert!(files.iter().any(|file| file.file_name() == "db"));
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_does_not_parse_is_in_the_json_of_check() {
    let env = TestEnv::new();
    let config = env.file(
        "scepd.toml",
        b"[server]\nhttps_listn = '127.0.0.1:1'\n[stroe]\nx = 1\n",
    );
    let output = run(config.clone(), &["check", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 2, "{found:#?}");
    for one in found {
        assert_eq!(one["severity"], "failure");
        assert_eq!(one["section"], "configuration");
        assert_eq!(one["file"], config.to_str().unwrap());
    }
    assert!(found[0]["what"].as_str().unwrap().contains("https_listen"));
}
