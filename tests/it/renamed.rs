//! Profiles under another name (`formerly`): nothing that was used, counted or is waiting is forgotten.

use challenge::Label;
use challenge::mint::Connector;
use scep::client::{Content, Reply};

use crate::device::{Device, issued, refused};
use crate::fleet::device_key;
use crate::intune;
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// An environment whose profile `corp` takes Intune challenges, three a day for each device.
fn env() -> (TestEnv, Connector) {
    let env = TestEnv::new();
    let connector = intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    let settings = intune::settings(env.dir()).replace("24h = 0", "24h = 3");
    (env.profile("corp", &settings), connector)
}

/// Gives the first profile another name; `formerly` as TOML.
fn rename(env: &mut TestEnv, path_id: &str, formerly: Option<&str>) {
    env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        let profile = profiles[0].as_table_mut().unwrap();
        profile.insert("path_id".to_owned(), path_id.into());
        match formerly {
            Some(name) => profile.insert("formerly".to_owned(), name.into()),
            None => profile.remove("formerly"),
        };
    });
}

async fn at(server: &Running, path_id: &str) -> Device {
    Device::at(server.http(path_id), server.client(), device_key()).await
}

async fn ask(device: &Device, challenge: &str) -> Reply {
    let csr = device.csr(Some(challenge));
    device.post(&device.request(Content::PkcsReq(&csr))).await
}

async fn is_refused(device: &Device, challenge: &str, label: &str) {
    let (_, text) = refused(ask(device, challenge).await);
    assert!(text.contains(label), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_rates_and_counters_go_along() {
    let (env, connector) = env();
    let mut server = env.start().await;
    let used = [0, 1, 2].map(|_| intune::challenge_by(&connector));
    let device = at(&server, "corp").await;
    issued(ask(&device, &used[0]).await);
    issued(ask(&device, &used[1]).await);

    // Beside the running server, then over a restart, then back again.
    rename(&mut server.env, "fleet", Some("corp"));
    let reloaded = server.server.reload("test").await.unwrap();
    assert_eq!(reloaded.profiles.added, ["fleet"]);
    assert_eq!(reloaded.profiles.removed, ["corp"]);
    let device = at(&server, "fleet").await;
    is_refused(&device, &used[0], "replay").await;
    issued(ask(&device, &used[2]).await);
    let next = intune::challenge_by(&connector);
    is_refused(&device, &next, "rate").await;
    let status = server.status("fleet").await;
    assert_eq!(status.counters.count(Label::Success), 3);
    assert_eq!(status.counters.count(Label::Replay), 1);
    assert_eq!(status.replay_entries, 3);

    let server = server.stop().await.start().await;
    let device = at(&server, "fleet").await;
    for challenge in &used {
        is_refused(&device, challenge, "replay").await;
    }
    is_refused(&device, &next, "rate").await;
    let counted = server.status("fleet").await.counters;
    assert_eq!(counted.count(Label::Success), 3, "each is counted once");

    let mut env = server.stop().await;
    rename(&mut env, "corp", Some("fleet"));
    let server = env.start().await;
    let device = at(&server, "corp").await;
    for challenge in &used {
        is_refused(&device, challenge, "replay").await;
    }
    is_refused(&device, &next, "rate").await;
    let counted = server.status("corp").await.counters;
    assert_eq!(counted.count(Label::Success), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_goes_on_takes_over_another_ones_past() {
    let (env, connector) = env();
    let settings = intune::settings(env.dir());
    let mut server = env.profile("fleet", &settings).start().await;
    let used = intune::challenge_by(&connector);
    issued(ask(&at(&server, "corp").await, &used).await);
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        profiles.remove(0);
        let fleet = profiles[0].as_table_mut().unwrap();
        fleet.insert("formerly".to_owned(), "corp".into());
    });
    for _ in 0..2 {
        server.server.reload("test").await.unwrap();
        let status = server.status("fleet").await;
        assert_eq!(status.replay_entries, 1);
        assert_eq!(status.counters.count(Label::Success), 1);
    }
    is_refused(&at(&server, "fleet").await, &used, "replay").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_was_removed_and_comes_back_has_forgotten_nothing() {
    let (env, connector) = env();
    let mut server = env.profile("other", "").start().await;
    let used = intune::challenge_by(&connector);
    issued(ask(&at(&server, "corp").await, &used).await);
    let mut kept = None;
    server.env.edit(|config| {
        kept = Some(config["profile"].as_array_mut().unwrap().remove(0));
    });
    server.server.reload("test").await.unwrap();
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        profiles.extend(kept.clone());
    });
    server.server.reload("test").await.unwrap();
    is_refused(&at(&server, "corp").await, &used, "replay").await;
    let server = server.stop().await.start().await;
    is_refused(&at(&server, "corp").await, &used, "replay").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_is_refused_leaves_the_profile_at_work() {
    let (env, connector) = env();
    let mut server = env.start().await;
    let device = at(&server, "corp").await;
    issued(ask(&device, &intune::challenge_by(&connector)).await);
    rename(&mut server.env, "fleet", Some("corp"));
    server.env.replace("tls.key", b"garbage");
    server.server.reload("test").await.unwrap_err();
    issued(ask(&device, &intune::challenge_by(&connector)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_was_issued_go_along() {
    let mut server = TestEnv::new()
        .profile("corp", "approval = true")
        .start()
        .await;
    let device = at(&server, "corp").await;
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    assert!(matches!(device.post(&request).await, Reply::Pending));
    let ca = device.ca.clone();

    rename(&mut server.env, "fleet", Some("corp"));
    let mut server = server.stop().await.start().await;
    let moved = Device {
        url: server.http("fleet"),
        http: server.client(),
        ca,
        ..device
    };
    // The very same message, to the RA of before: it is known, and nothing waits twice.
    assert!(matches!(moved.post(&request).await, Reply::Pending));
    let admin = server.admin().await;
    let path = "/api/v1/admin/scep/requests";
    for query in ["", "?profile=fleet"] {
        let list = admin.read(&format!("{path}{query}")).await;
        assert_eq!(list["total"], 1, "{list}");
        assert_eq!(list["data"][0]["profile"], "fleet");
        assert_eq!(list["data"][0]["issuer_id"], "local");
    }
    let list = admin.read(path).await;
    let id = list["data"][0]["id"].as_str().unwrap();
    let answer = admin.post(&format!("{path}/{id}/approve"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(admin.read(path).await["total"], 0);
    let certificate = issued(moved.post(&request).await);
    assert_eq!(
        issued(moved.post(&request).await),
        certificate,
        "the stored answer"
    );

    // Under the next name it is still known, and its certificate renews without waiting.
    rename(&mut server.env, "devices", Some("fleet, corp"));
    server.server.reload("test").await.unwrap();
    let holder = Device {
        signer: certificate.clone(),
        ..at(&server, "devices").await
    };
    let again = Device {
        url: holder.url.clone(),
        ..moved
    };
    assert_eq!(issued(again.post(&request).await), certificate);
    let csr = holder.csr(None);
    issued(
        holder
            .post(&holder.request(Content::RenewalReq(&csr)))
            .await,
    );
}
