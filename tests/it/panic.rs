//! A profile whose actor panics is back with its state; its neighbours notice nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actors::{InjectPanic, Status};
use challenge::Label;
use scep::client::Content;

use crate::device::{Device, issued, refused};
use crate::fleet::{Load, Patience, always, device_key};
use crate::intune;
use crate::test_env::{CHALLENGE, TestEnv};

const PANICS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_under_load_is_survived() {
    let env = TestEnv::new();
    let connector = intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    // A device whose answer got lost in the panic asks again with the very same message.
    let settings = intune::settings(env.dir()) + "retransmission_window = '5m'\n";
    let server = env
        .profile("corp", &settings)
        .profile("sibling", "")
        .start()
        .await;
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    let sibling = Device::at(server.http("sibling"), server.client(), device_key()).await;

    let used = intune::challenge_by(&connector);
    let csr = device.csr(Some(&used));
    let first = device.request(Content::PkcsReq(&csr));
    issued(device.post(&first).await);

    let connectors = Arc::new(Mutex::new(connector.clone()));
    let drilled = Load::start(
        vec![(device.clone(), false), (device.clone(), true)],
        &intune::challenges(&connectors),
        Patience::ComeAgain,
    );
    let undisturbed = Load::start(vec![(sibling, false)], &always(CHALLENGE), Patience::None);
    for _ in 0..PANICS {
        drilled.more(2).await;
        let dead = server.profile("corp").actor.clone();
        let started = Instant::now();
        dead.send(InjectPanic).await.unwrap_err();
        // Serves again: another actor is in the directory, and answers.
        loop {
            let actor = server.profile("corp").actor.clone();
            if actor != dead && actor.send(Status).await.is_ok() {
                break;
            }
            // How quick is not asked here: the machine may have other things to do.
            assert!(started.elapsed() < Duration::from_secs(60), "not back");
            tokio::task::yield_now().await;
        }
        drilled.more(2).await;
        undisturbed.more(1).await;
    }
    let enrolled = drilled.end().await + 1;
    undisturbed.end().await;

    let status = server.status("corp").await;
    // A device that was answered 503 after its certificate had become durable is answered from the store.
    assert!(status.counters.count(Label::Success) >= enrolled);
    assert!(status.replay_entries as u64 >= enrolled);
    let csr = device.csr(Some(&used));
    let again = device.post(&device.request(Content::PkcsReq(&csr))).await;
    let (_, text) = refused(again);
    assert!(text.contains("replay"), "{text}");

    let events = server.events("scep_profile_restart");
    assert_eq!(events.len(), PANICS);
    let profiles = events.iter().map(|event| &event.event.resource_id);
    assert!(profiles.into_iter().all(|profile| profile == "corp"));

    let metrics = server.nobody().get("/metrics").await.text;
    let restarts = format!("scepd_actor_restarts_total{{profile=\"corp\"}} {PANICS}");
    assert!(metrics.lines().any(|line| line == restarts), "{metrics}");
}
