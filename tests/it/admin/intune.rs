//! Profiles, their Intune rows, and the reload of trust anchors.

use challenge::Algorithm;
use challenge::mint::{Connector, mint};
use chrono::Duration;
use scep::client::Content;
use serde_json::{Map, Value, json};

use crate::device::{Device, issued, refused};
use crate::test_env::{Running, TestEnv};

const RELOAD: &str = "/api/v1/admin/scep/intune/reload-trust";
const AUDIENCE: &str = "https://scep.example.com/scep/corp";

struct Fleet {
    server: Running,
    connector: Connector,
}

fn connector(env: &TestEnv, name: &str) -> Connector {
    use actors::Clock;
    Connector::throwaway(Algorithm::Rs256, name, env.clock.now(), 40).unwrap()
}

/// Profile `corp` with Intune on, `iot` and the root profile with Intune off.
async fn fleet() -> Fleet {
    let env = TestEnv::new();
    let connector = connector(&env, "Intune Connector");
    let file = env.file("connector.pem", connector.certificate.to_pem().as_bytes());
    let settings = format!(
        "[intune]\nenabled = true\nconnector_cert_path = '{}'\naudience = '{AUDIENCE}'",
        file.display()
    );
    let server = env
        .profile("corp", &settings)
        .profile("iot", "")
        .profile("", "")
        .start()
        .await;
    Fleet { server, connector }
}

fn challenge(fleet: &Fleet, connector: &Connector, device_name: &str) -> String {
    use actors::Clock;
    let claims = json!({
        "iss": "https://connector.example.com", "sub": "guid-box-4", "aud": AUDIENCE,
        "device_name": device_name, "san_dns": ["box-4.example.org"],
    });
    let Value::Object(claims) = claims else {
        unreachable!()
    };
    let claims: Map<String, Value> = claims;
    mint(
        claims,
        &connector.key,
        Duration::minutes(30),
        fleet.server.env.clock.now(),
    )
    .unwrap()
}

/// The members in the order of the reply.
fn members(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_have_exactly_their_members_in_their_order() {
    let fleet = fleet().await;
    let admin = fleet.server.admin().await;
    let device = Device::of(&fleet.server, "corp").await;
    let good = challenge(&fleet, &fleet.connector, "box-4");
    issued(
        device
            .post(&device.request(Content::PkcsReq(&device.csr(Some(&good)))))
            .await,
    );
    let other = challenge(&fleet, &fleet.connector, "admin");
    refused(
        device
            .post(&device.request(Content::PkcsReq(&device.csr(Some(&other)))))
            .await,
    );

    let answer = admin.get("/api/v1/admin/scep/intune/stats").await;
    let stats = answer.json();
    assert_eq!(
        members(&stats),
        ["profiles", "profile_count", "generated_at"]
    );
    assert_eq!(stats["profile_count"], 3);
    let rows = stats["profiles"].as_array().unwrap();
    let ids: Vec<&str> = rows
        .iter()
        .map(|row| row["path_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["", "corp", "iot"]);

    let on = &rows[1];
    assert_eq!(
        members(on),
        [
            "path_id",
            "issuer_id",
            "enabled",
            "trust_anchor_path",
            "trust_anchors",
            "audience",
            "challenge_validity_ns",
            "clock_skew_tolerance_ns",
            "rate_limit_disabled",
            "replay_cache_size",
            "counters",
            "generated_at",
        ]
    );
    assert_eq!(on["trust_anchors"][0]["subject"], "Intune Connector");
    assert_eq!(on["trust_anchors"][0]["days_to_expiry"], 40);
    assert_eq!(on["challenge_validity_ns"], 3_600_000_000_000_i64);
    assert_eq!(on["clock_skew_tolerance_ns"], 60_000_000_000_i64);
    assert_eq!(on["audience"], AUDIENCE);
    assert_eq!(on["replay_cache_size"], 1);
    let counters = on["counters"].as_object().unwrap();
    assert_eq!(counters.len(), 11);
    assert_eq!(
        (&counters["success"], &counters["claim_mismatch"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(counters.values().filter_map(Value::as_u64).sum::<u64>(), 2);

    let metrics = fleet.server.nobody().get("/metrics").await.text;
    for (label, count) in counters {
        let line = format!(
            "scepd_scep_intune_enrollments_total{{profile=\"corp\",status=\"{label}\"}} {count}"
        );
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }

    let off = &rows[2];
    assert_eq!(
        members(off),
        [
            "path_id",
            "issuer_id",
            "enabled",
            "rate_limit_disabled",
            "replay_cache_size",
            "counters",
            "generated_at"
        ]
    );
    assert_eq!(
        (&off["enabled"], &off["counters"]),
        (&json!(false), &json!({}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_omit_what_is_off() {
    let fleet = fleet().await;
    let list = fleet
        .server
        .admin()
        .await
        .read("/api/v1/admin/scep/profiles")
        .await;
    let corp = &list["profiles"][1];
    assert_eq!(corp["challenge_password_set"], true);
    assert_eq!(corp["issuer_id"], "local");
    assert_eq!(corp["mtls_enabled"], false);
    assert!(corp["ra_cert_days_to_expiry"].as_i64().unwrap() > 0);
    assert_eq!(corp["ra_cert_expired"], false);
    assert!(
        corp["ra_cert_subject"].as_str().unwrap().contains("corp"),
        "{corp}"
    );
    assert!(
        corp["intune"]["trust_anchor_path"]
            .as_str()
            .unwrap()
            .ends_with("connector.pem")
    );
    let iot = list["profiles"][2].as_object().unwrap();
    assert!(
        !iot.contains_key("intune") && !iot.contains_key("mtls_trust_bundle_path"),
        "{iot:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_the_new_anchors_and_a_bad_file_leaves_the_old() {
    let fleet = fleet().await;
    let admin = fleet.server.admin().await;
    let file = fleet.server.env.dir().join("connector.pem");
    let next = connector(&fleet.server.env, "Next Connector");
    let device = Device::of(&fleet.server, "corp").await;
    let ask = async |by: &Connector| {
        let challenge = challenge(&fleet, by, "box-4");
        device
            .post(&device.request(Content::PkcsReq(&device.csr(Some(&challenge)))))
            .await
    };

    std::fs::write(
        &file,
        "-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let answer = admin.post(RELOAD, r#"{"path_id":"corp"}"#).await;
    assert_eq!(answer.status, 500, "{}", answer.text);
    let words = answer.error();
    assert_eq!(words.matches("connector.pem").count(), 1, "{words}");
    assert!(
        !words.contains("until then") && words.contains("in use have not changed"),
        "{words}"
    );
    issued(ask(&fleet.connector).await);

    std::fs::write(&file, next.certificate.to_pem()).unwrap();
    refused(ask(&next).await);
    let answer = admin.post(RELOAD, r#"{"path_id":"corp"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        answer
            .text
            .starts_with(r#"{"reloaded":true,"path_id":"corp","reloaded_at":""#),
        "{}",
        answer.text
    );
    issued(ask(&next).await);
    refused(ask(&fleet.connector).await);

    let events = admin.read("/api/v1/audit?action=scep_trust_reload").await;
    let outcomes: Vec<&str> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["details"]["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["success", "failure"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_what_it_cannot_do() {
    let fleet = fleet().await;
    let admin = fleet.server.admin().await;
    assert_eq!(
        admin.post(RELOAD, r#"{"path_id":"corb"}"#).await.status,
        404
    );
    assert_eq!(admin.post(RELOAD, r#"{"path_id":"iot"}"#).await.status, 409);
    let events = "/api/v1/audit?action=scep_trust_reload";
    let before = admin.read(events).await["total"].clone();
    for no_name in ["x".repeat(60_000), "Corp".to_owned(), "a/../b".to_owned()] {
        let body = json!({ "path_id": no_name }).to_string();
        let answer = admin.post(RELOAD, &body).await;
        assert_eq!(answer.status, 404);
        let words = answer.error();
        assert!(
            words.len() < 200 && words.contains(&no_name[..4]),
            "{words}"
        );
    }
    assert_eq!(admin.read(events).await["total"], before);
    for root in ["", "{}", r#"{"path_id":""}"#, r#""""#, " \"\"\n"] {
        let answer = admin.post(RELOAD, root).await;
        assert_eq!(
            answer.status, 409,
            "the root profile has Intune off: {}",
            answer.text
        );
    }
    for wrong in ["{path_id", r#""corp""#, r#"" ""#, r#"["corp"]"#] {
        assert_eq!(admin.post(RELOAD, wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_expires_is_shown_as_such() {
    let fleet = fleet().await;
    fleet.server.env.clock.advance(Duration::days(41));
    let list = fleet
        .server
        .admin()
        .await
        .read("/api/v1/admin/scep/intune/stats")
        .await;
    let anchor = &list["profiles"][1]["trust_anchors"][0];
    assert_eq!(
        (&anchor["expired"], &anchor["days_to_expiry"]),
        (&json!(true), &json!(-1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_name_profile_setting_and_file() {
    let fleet = fleet().await;
    let admin = fleet.server.admin().await;
    let path = "/api/v1/admin/scep/checks";
    let good = admin.post(path, "").await.json();
    assert_eq!(good["ok"], true, "{good}");
    assert_eq!(good["profiles_checked"], 3);
    std::fs::write(fleet.server.env.dir().join("connector.pem"), "").unwrap();
    let bad = admin.post(path, r#"{"profile":"corp"}"#).await.json();
    assert_eq!(
        (&bad["ok"], &bad["profiles_checked"]),
        (&json!(false), &json!(1))
    );
    let finding = &bad["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["level"] == "error")
        .unwrap();
    assert_eq!(finding["profile"], "corp");
    assert_eq!(finding["setting"], "intune.connector_cert_path");
    assert!(finding["file"].as_str().unwrap().ends_with("connector.pem"));
    assert_eq!(
        admin.post(path, r#"{"profile":"iot"}"#).await.json()["ok"],
        true
    );
    assert_eq!(admin.post(path, r#"{"profile":"none"}"#).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_profiles_answer_in_one_request_however_many() {
    const PROFILES: usize = 200;
    let mut env = TestEnv::new();
    let connector = connector(&env, "Intune Connector");
    let file = env.file("connector.pem", connector.certificate.to_pem().as_bytes());
    let settings = format!(
        "[intune]\nenabled = true\nconnector_cert_path = '{}'\naudience = '{AUDIENCE}'",
        file.display()
    );
    for number in 0..PROFILES {
        env = env.profile(&format!("fleet-{number}"), &settings);
    }
    let server = env.start().await;
    let admin = server.admin().await;
    for path in [
        "/api/v1/admin/scep/profiles",
        "/api/v1/admin/scep/intune/stats",
    ] {
        let started = std::time::Instant::now();
        let list = admin.read(path).await;
        let took = started.elapsed();
        assert_eq!(list["profile_count"], PROFILES);
        assert_eq!(list["profiles"].as_array().unwrap().len(), PROFILES);
        // Far below a second alone; tests run side by side.
        assert!(took.as_secs() < 2, "{took:?}");
    }
}
