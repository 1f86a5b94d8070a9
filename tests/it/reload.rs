//! Reloads while devices enroll: everything is exchanged, nobody notices.

use std::sync::{Arc, Mutex};

use challenge::Label;
use pki::{KeyKind, PrivateKey};
use scep::FailInfo;
use scep::client::Content;
use scepd::running::Caller;

use crate::device::{Device, issued, refused};
use crate::fleet::{Load, Patience, always, device_key};
use crate::intune;
use crate::test_env::{CHALLENGE, Running, TestEnv};

const RELOADS: usize = 15;

/// An environment whose profile `corp` has its RA pair in files and takes Intune challenges.
fn with_files(ra_key: &PrivateKey) -> TestEnv {
    let env = TestEnv::new();
    env.renew_ra(ra_key);
    let dir = env.dir().to_owned();
    let settings = format!(
        "ra = 'files'\nra_cert_path = '{0}/ra.pem'\nra_key_path = '{0}/ra.key'\n{1}",
        dir.display(),
        intune::settings(&dir)
    );
    env.profile("corp", &settings)
}

fn rsa() -> PrivateKey {
    PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_while_certificates_are_rotated() {
    let ra_keys = [rsa(), rsa()];
    let env = with_files(&ra_keys[0]);
    let first = intune::connector("connector 0");
    env.file("anchors.pem", first.certificate.to_pem().as_bytes());
    let server = env.start().await;
    let url = server.https("/scep/corp");

    let device = Device::at(url.clone(), server.client(), device_key()).await;
    let used = intune::challenge_by(&first);
    let csr = device.csr(Some(&used));
    issued(device.post(&device.request(Content::PkcsReq(&csr))).await);

    let connector = Arc::new(Mutex::new(first.clone()));
    let fresh = server.client_builder().pool_max_idle_per_host(0);
    let reconnects = Device {
        http: fresh.build().unwrap(),
        ..device.clone()
    };
    let with = |device: &Device, refreshes| (device.clone(), refreshes);
    // Connections are kept by client: each device has its own.
    let own = |device: &Device| Device {
        http: server.client(),
        ..device.clone()
    };
    let by_challenge = vec![
        with(&own(&device), false),
        with(&own(&device), true),
        with(&reconnects, true),
    ];
    let by_password = vec![with(&own(&device), false), with(&own(&device), true)];
    let intune_load = Load::start(
        by_challenge,
        &intune::challenges(&connector),
        Patience::None,
    );
    let plain_load = Load::start(by_password, &always(CHALLENGE), Patience::None);

    let mut last_tls = None;
    for round in 0..RELOADS {
        let new = intune::connector(&format!("connector {}", round + 1));
        let old = connector.lock().unwrap().clone();
        let bundle = new.certificate.to_pem() + &old.certificate.to_pem();
        server.env.replace("anchors.pem", bundle.as_bytes());
        server.env.renew_ra(&ra_keys[round % 2]);
        last_tls = Some(server.env.renew_tls());
        let reloaded = server.server.reload("test").await.unwrap();
        assert_eq!(reloaded.profiles.updated, ["corp"]);
        *connector.lock().unwrap() = new;
        intune_load.more(2).await;
        plain_load.more(2).await;
    }
    let by_intune = intune_load.end().await;
    plain_load.end().await;

    let status = server.status("corp").await;
    assert_eq!(status.counters.count(Label::Success), by_intune + 1);
    assert_eq!(status.replay_entries as u64, by_intune + 1);
    assert_eq!(server.events("scep_config_reload").len(), RELOADS);

    // The challenge of before the first reload is still known, though its connector is gone: put it back to show it.
    let pem = first.certificate.to_pem();
    server.env.replace("anchors.pem", pem.as_bytes());
    let caller = Caller {
        name: "test".to_owned(),
        kind: "System".to_owned(),
        request_id: "0".to_owned(),
    };
    server.server.trust().reload("corp", &caller).await.unwrap();
    let csr = device.csr(Some(&used));
    let again = device.post(&device.request(Content::PkcsReq(&csr))).await;
    let (fail_info, text) = refused(again);
    assert_eq!(fail_info, FailInfo::BadMessageCheck, "{text}");
    assert!(text.contains("replay"), "{text}");

    let looks = server.client_builder().tls_info(true).build().unwrap();
    let reply = looks.get(format!("{url}?operation=GetCACaps")).send().await;
    let reply = reply.unwrap();
    let info = reply.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    assert_eq!(info.peer_certificate(), last_tls.as_ref().map(|c| c.der()));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_the_previous_ra_open_until_its_overlap_ends() {
    let (old_key, new_key) = (rsa(), rsa());
    let env = with_files(&old_key);
    let connector = intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    let server = env.start().await;
    let early = Device::at(server.http("corp"), server.client(), device_key()).await;
    let old = early.ca.recipient().unwrap().clone();
    let new = server.env.renew_ra(&new_key);
    server.server.reload("test").await.unwrap();
    let late = Device::at(server.http("corp"), server.client(), device_key()).await;
    assert_eq!(*late.ca.recipient().unwrap(), new);
    assert_ne!(old, new);
    // The reply is checked with the certificate that the device knows.
    early.enroll().await;
    late.enroll().await;

    let overlap = server.profile("corp").spec.ras.len();
    assert_eq!(overlap, 2);
    server.env.clock.advance(chrono::Duration::days(60));
    server.server.reload("test").await.unwrap();
    let csr = early.csr(Some(CHALLENGE));
    let request = early.request(Content::PkcsReq(&csr));
    let after = late.try_post(&request).await;
    let after = after.unwrap();
    assert_eq!(refused(after).0, FailInfo::BadMessageCheck);
    late.enroll().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_stays_as_it_is_and_is_said_each_time() {
    let mut server = TestEnv::new().profile("corp", "").start().await;
    let ra = |server: &Running| server.profile("corp").spec.ras[0].opens.certificate.clone();
    let (before, in_force) = (ra(&server), server.server.config());
    let other = server.env.dir().join("other");
    let path = other.display().to_string();
    server.env.edit(|config| {
        config["server"]["data_dir"] = path.into();
        config["server"]["https_listen"] = "127.0.0.1:1".into();
    });
    for _ in 0..2 {
        let reloaded = server.server.reload("test").await.unwrap();
        assert_eq!(
            reloaded.needs_restart,
            ["server.https_listen", "server.data_dir"]
        );
        let config = server.server.config();
        assert_eq!(config.server.data_dir, in_force.server.data_dir);
        assert_eq!(config.server.https_listen, in_force.server.https_listen);
    }
    assert!(!other.exists());
    assert_eq!(ra(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_lists_what_is_wrong_with_files_ports_and_the_store_at_once() {
    let mut server = TestEnv::new().profile("corp", "").start().await;
    let address = server.server.addresses().https.to_string();
    server
        .env
        .edit(|config| config["server"]["https_listen"] = address.into());
    server.env.replace("tls.key", b"garbage");
    let Err(error) = server.env.try_start().await else {
        panic!("the server starts twice")
    };
    let words = error.to_string();
    for part in [
        "tls.key",
        "server.https_listen",
        "in use by another process",
    ] {
        assert!(
            words.lines().any(|line| line.contains(part)),
            "{part}: {words}"
        );
    }
}
