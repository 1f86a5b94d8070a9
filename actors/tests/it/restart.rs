use crate::device::{Device, ask, issued};
use crate::test_env::{CHALLENGE, TestEnv};
use actors::{ApplyProfiles, InjectPanic, Outcome, PkiOperation};
use std::time::{Duration, Instant};

#[actix::test]
async fn a_profile_that_panics_is_back_with_its_state() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp"), env.spec("iot")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    let before = issued(ask(&env, &running, "corp", &request).await);
    let sibling = running.runtime.directory.find("iot").unwrap().actor.clone();

    let dead = running
        .runtime
        .directory
        .find("corp")
        .unwrap()
        .actor
        .clone();
    dead.send(InjectPanic).await.unwrap_err();
    let started = Instant::now();
    while running.runtime.directory.find("corp").unwrap().actor == dead {
        assert!(started.elapsed() < Duration::from_secs(60), "not back");
        tokio::task::yield_now().await;
    }
    let after = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(before, after);
    assert_eq!(running.audit()[0].event.action, "scep_profile_restart");
    assert!(sibling.connected());
    assert_eq!(
        running.runtime.directory.find("iot").unwrap().actor,
        sibling
    );
}

#[actix::test]
async fn a_removed_profile_finishes_what_it_has_and_a_new_one_works_at_once() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, CHALLENGE);
    let origin = actors::Origin {
        source: std::net::IpAddr::from([127, 0, 0, 1]),
        user_agent: None,
        request_id: "0".to_owned(),
    };
    let actor = running
        .runtime
        .directory
        .find("corp")
        .unwrap()
        .actor
        .clone();
    let under_way = actor.send(PkiOperation {
        message: request.message().to_vec().into(),
        origin,
    });
    let removed = actor.downgrade();
    drop(actor);
    let under_way = actix::spawn(under_way);
    let applied = running
        .runtime
        .supervisor
        .send(ApplyProfiles(vec![env.spec("iot")]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (applied.added, applied.removed),
        (vec!["iot".to_owned()], vec!["corp".to_owned()])
    );
    assert!(running.runtime.directory.find("corp").is_none());
    assert!(matches!(
        under_way.await.unwrap().unwrap().outcome,
        Outcome::CertRep(_)
    ));
    ended(&removed).await;
    device.enroll(&env, &running, "iot").await;
}

/// Until the actor is gone. Whoever asks must not hold its address.
async fn ended(actor: &actix::WeakAddr<actors::ProfileActor>) {
    let started = Instant::now();
    while actor.upgrade().is_some() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "a profile that was removed lives on"
        );
        tokio::task::yield_now().await;
    }
}

#[actix::test]
async fn a_profile_that_comes_and_goes_leaves_nothing_behind() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("iot")]).await;
    let device = Device::new(&env, "laptop-1");
    for _ in 0..3 {
        for specs in [vec!["iot", "corp"], vec!["iot"]] {
            let before = running.runtime.directory.find("corp");
            let before = before.map(|profile| profile.actor.downgrade());
            let specs = specs.into_iter().map(|path_id| env.spec(path_id));
            let apply = ApplyProfiles(specs.collect());
            let applied = running.runtime.supervisor.send(apply).await.unwrap();
            applied.unwrap();
            match before {
                Some(removed) => ended(&removed).await,
                None => {
                    let request = device.pkcs_req(&env, CHALLENGE);
                    issued(ask(&env, &running, "corp", &request).await);
                }
            }
        }
    }
}

#[actix::test]
async fn a_reload_keeps_the_actor_and_a_bad_one_changes_nothing() {
    let env = TestEnv::new();
    let running = env.open(vec![env.spec("corp")]).await;
    let actor = running
        .runtime
        .directory
        .find("corp")
        .unwrap()
        .actor
        .clone();
    let twice = vec![env.spec("corp"), env.spec("corp")];
    running
        .runtime
        .supervisor
        .send(ApplyProfiles(twice))
        .await
        .unwrap()
        .unwrap_err();
    let mut spec = env.spec("corp");
    spec.challenge = Some(challenge::StaticChallenges::only("another"));
    running
        .runtime
        .supervisor
        .send(ApplyProfiles(vec![spec]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(running.runtime.directory.find("corp").unwrap().actor, actor);
    let device = Device::new(&env, "laptop-1");
    issued(ask(&env, &running, "corp", &device.pkcs_req(&env, "another")).await);
}
