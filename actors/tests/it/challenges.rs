//! Challenges that are made for one device: used exactly once, given back, bound, and over.

use crate::device::{Device, ask, issued, words};
use crate::outside::Scene;
use crate::test_env::{Running, TestEnv};
use actors::{
    ChallengeError, ChallengeWish, Minter, NewChallenge, OneTimeRules, Outcome, ProfileSpec,
    challenge_id,
};
use challenge::Binding;
use chrono::TimeDelta;
use futures_util::future::join_all;
use scep::client::{Content, Reply};
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::ChallengeState;

/// How many devices come with one challenge at once, and how often; 500 rounds for a thorough run.
const AT_ONCE: usize = 64;
const ROUNDS: &str = "SCEPD_CHALLENGE_ROUNDS";

fn rules() -> OneTimeRules {
    OneTimeRules {
        lifetime: Duration::from_secs(3600),
        length: 16,
        alphabet: challenge::Alphabet::Hex,
        max_open: 100,
        per_client_per_minute: 0,
        certificate_profile: "device".to_owned(),
    }
}

fn spec(env: &TestEnv, path_id: &str) -> ProfileSpec {
    ProfileSpec {
        one_time: Some(rules()),
        ..env.spec(path_id)
    }
}

fn wish() -> ChallengeWish {
    ChallengeWish {
        profile: "corp".to_owned(),
        lifetime: None,
        uses: 1,
        binding: Binding::default(),
        interface: "api",
        per_minute: None,
        note: None,
    }
}

fn by() -> Minter {
    Minter {
        name: "provisioning".to_owned(),
        kind: "APIKey".to_owned(),
        origin: None,
    }
}

async fn make(running: &Running, wish: &ChallengeWish) -> NewChallenge {
    let challenges = &running.runtime.services.challenges;
    let made = challenges.make(&rules(), wish, &by()).await;
    made.unwrap_or_else(|error| panic!("{error}"))
}

/// The reason in the audit of the newest refusal, and its words.
fn reason(running: &Running) -> (String, String) {
    let events = running.audit().into_iter().map(|event| event.event.details);
    let mut refused = events
        .filter(|details| details.reason.is_some())
        .map(|details| (details.reason.unwrap(), details.message.unwrap()));
    refused.next().unwrap()
}

async fn state(running: &Running, new: &NewChallenge) -> ChallengeState {
    let challenges = &running.runtime.services.challenges;
    let record = challenges.show(&challenge_id(&new.record)).await.unwrap();
    challenges.state(&record)
}

fn is_issued(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::CertRep(_))
}

#[actix::test]
async fn a_challenge_is_good_once_and_the_audit_names_it_and_never_its_value() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let new = make(&running, &wish()).await;
    assert_eq!(state(&running, &new).await, ChallengeState::Open);
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, &new.value);
    let first = issued(ask(&env, &running, "corp", &request).await);
    let events = running.audit();
    let used = &events[0].event.details;
    assert_eq!(
        used.extra.get("challenge"),
        Some(&challenge_id(&new.record))
    );
    assert_eq!(events[1].event.action, "scep_challenge_made");
    assert_eq!(events[1].event.actor, "provisioning");
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains(new.value.as_str()), "{text}");

    // The very same message is no second use, also after a restart.
    let again = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(first.der(), again.der());
    assert_eq!(state(&running, &new).await, ChallengeState::Used);
    running.close();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let again = issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(first.der(), again.der());
    let other = Device::new(&env, "laptop-2");
    let request = other.pkcs_req(&env, &new.value);
    let reply = ask(&env, &running, "corp", &request).await;
    assert_eq!(
        words(&reply),
        "FAILURE badRequest the challenge was refused"
    );
    assert_eq!(reason(&running).0, "challenge_used");
    assert_eq!(running.certificates(), 1);

    // The device renews by its certificate, without a challenge.
    let holder = Device {
        signer: first,
        ..device
    };
    let csr = holder.csr(None, "");
    let request = holder.request(&env, Content::RenewalReq(&csr));
    issued(ask(&env, &running, "corp", &request).await);
}

#[actix::test]
async fn of_many_devices_with_one_challenge_one_gets_a_certificate() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let rounds = std::env::var(ROUNDS)
        .ok()
        .and_then(|text| text.parse().ok());
    let key = Device::new(&env, "first").key;
    for round in 0..rounds.unwrap_or(2_usize) {
        let new = make(&running, &wish()).await;
        let before = running.certificates();
        let requests: Vec<_> = (0..AT_ONCE)
            .map(|n| {
                let name = format!("device-{round}-{n}");
                Device::with_key(&env, &name, key.clone()).pkcs_req(&env, &new.value)
            })
            .collect();
        let sent = requests
            .iter()
            .map(|request| running.send("corp", request.message().to_vec()));
        let outcomes = join_all(sent).await;
        assert!(outcomes.iter().all(is_issued), "each has a reply");
        let mut certificates = 0;
        for (request, outcome) in requests.iter().zip(outcomes) {
            let Outcome::CertRep(octets) = outcome else {
                continue;
            };
            let reply = request.open_reply(&octets, &[&env.ra.certificate]).unwrap();
            certificates += usize::from(matches!(reply, Reply::Certificate { .. }));
        }
        assert_eq!(certificates, 1, "round {round}");
        assert_eq!(running.certificates(), before + 1);
        assert_eq!(state(&running, &new).await, ChallengeState::Used);
    }
}

#[actix::test]
async fn one_with_several_uses_is_good_for_so_many_and_no_more() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let new = make(&running, &ChallengeWish { uses: 3, ..wish() }).await;
    let key = Device::new(&env, "first").key;
    let request = |n: usize| {
        let device = Device::with_key(&env, &format!("device-{n}"), key.clone());
        device.pkcs_req(&env, &new.value)
    };
    let sent: Vec<_> = (0..8).map(request).collect();
    let replies = join_all(
        sent.iter()
            .map(|request| ask(&env, &running, "corp", request)),
    )
    .await;
    let good = replies
        .iter()
        .filter(|reply| matches!(reply, Reply::Certificate { .. }));
    assert_eq!(good.count(), 3);
    running.close();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let reply = ask(&env, &running, "corp", &request(99)).await;
    assert_eq!(
        words(&reply),
        "FAILURE badRequest the challenge was refused"
    );
    assert_eq!(state(&running, &new).await, ChallengeState::Used);
}

#[actix::test]
async fn it_is_given_back_when_issuing_fails() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let new = make(&running, &wish()).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, &new.value);
    env.issuer.broken.store(true, Ordering::SeqCst);
    let outcome = running.send("corp", request.message().to_vec()).await;
    assert!(matches!(outcome, Outcome::Busy { .. }), "{outcome:?}");
    assert_eq!(state(&running, &new).await, ChallengeState::Open);
    env.issuer.broken.store(false, Ordering::SeqCst);
    issued(ask(&env, &running, "corp", &request).await);
    assert_eq!(state(&running, &new).await, ChallengeState::Used);
}

#[actix::test]
async fn each_refusal_has_its_reason_for_the_operator_and_one_for_the_device() {
    let env = TestEnv::new();
    let specs = vec![spec(&env, "corp"), spec(&env, "iot")];
    let running = env.open(specs).await;
    let device = Device::new(&env, "laptop-1");
    let told = "FAILURE badRequest the challenge was refused";
    let refused = async |path_id: &str, value: &str, expected: &str| {
        let request = device.pkcs_req(&env, value);
        let reply = ask(&env, &running, path_id, &request).await;
        assert_eq!(words(&reply), told, "{expected}");
        let (reason, message) = reason(&running);
        assert_eq!(reason, expected, "{message}");
        message
    };
    refused("corp", "0123456789ABCDEF", "challenge_unknown").await;

    let bound = ChallengeWish {
        binding: Binding {
            device: Some("laptop-2".to_owned()),
            ..Binding::default()
        },
        ..wish()
    };
    let new = make(&running, &bound).await;
    let message = refused("corp", &new.value, "challenge_bound").await;
    assert!(message.contains("laptop-2"), "{message}");
    assert_eq!(
        state(&running, &new).await,
        ChallengeState::Open,
        "a wrong name does not use it up"
    );
    let message = refused("iot", &new.value, "challenge_bound").await;
    assert!(message.contains("profile `corp`"), "{message}");
    let owner = Device::new(&env, "laptop-2");
    let request = owner.pkcs_req(&env, &new.value);
    issued(ask(&env, &running, "corp", &request).await);

    let new = make(&running, &wish()).await;
    let challenges = &running.runtime.services.challenges;
    let id = challenge_id(&new.record);
    challenges.withdraw(&id, &by()).await.unwrap();
    refused("corp", &new.value, "challenge_withdrawn").await;
    assert_eq!(
        challenges.withdraw(&id, &by()).await.map(drop),
        Err(ChallengeError::Ended("withdrawn"))
    );

    let new = make(&running, &wish()).await;
    env.clock.advance(TimeDelta::seconds(3599));
    assert_eq!(state(&running, &new).await, ChallengeState::Open);
    env.clock.advance(TimeDelta::seconds(1));
    refused("corp", &new.value, "challenge_expired").await;
    running.sweep("corp").await;
    let counts = challenges.counts("corp").await.unwrap();
    let all = (counts.open, counts.made, counts.used);
    assert_eq!(all, (0, 3, 1));
    assert_eq!((counts.expired, counts.withdrawn), (1, 1));
    let refusals = running.status("corp").await.challenges_refused;
    assert_eq!(refusals, 4, "the one of another profile counts there");
}

#[actix::test]
async fn a_wall_clock_that_jumps_ahead_ends_nothing_for_good() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let new = make(&running, &wish()).await;
    let device = Device::new(&env, "laptop-1");
    env.clock.jump(TimeDelta::days(30));
    running.sweep("corp").await;
    assert_eq!(state(&running, &new).await, ChallengeState::Expired);
    env.clock.jump(TimeDelta::days(-30));
    assert_eq!(state(&running, &new).await, ChallengeState::Open);
    let request = device.pkcs_req(&env, &new.value);
    issued(ask(&env, &running, "corp", &request).await);
}

fn observed() -> ChallengeWish {
    ChallengeWish {
        binding: Binding {
            payload_identifier: Some("0A1B".to_owned()),
            observe: true,
            ..Binding::default()
        },
        interface: "jamf",
        ..wish()
    }
}

fn is_noted(running: &Running) {
    let notes = running.audit().into_iter();
    let notes: Vec<String> = notes.filter_map(|event| event.event.details.note).collect();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("observed only") && note.contains("0A1B")),
        "{notes:?}"
    );
}

#[actix::test]
async fn what_is_observed_only_is_noted_beside_the_certificate() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let new = make(&running, &observed()).await;
    let device = Device::new(&env, "laptop-1");
    let request = device.pkcs_req(&env, &new.value);
    issued(ask(&env, &running, "corp", &request).await);
    is_noted(&running);
}

#[actix::test]
async fn what_is_observed_only_is_noted_where_the_issuer_is_elsewhere_too() {
    let scene = Scene::new();
    let issuer = scene.issuer([]);
    let corp = ProfileSpec {
        one_time: Some(rules()),
        ..scene.spec(Some(&issuer), None)
    };
    let running = scene.open(&corp).await;
    let new = make(&running, &observed()).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, &new.value);
    let reply = match scene.reply(&running, &request).await {
        Reply::Pending => scene.end(&running, &device, &request).await,
        reply => reply,
    };
    issued(reply);
    is_noted(&running);
}

#[actix::test]
async fn a_client_has_so_many_made_a_minute_and_a_profile_so_many_open() {
    let env = TestEnv::new();
    let running = env.open(vec![spec(&env, "corp")]).await;
    let challenges = &running.runtime.services.challenges;
    let few = OneTimeRules {
        max_open: 2,
        ..rules()
    };
    for _ in 0..2 {
        challenges
            .make(&few, &wish(), &by())
            .await
            .map(drop)
            .unwrap();
    }
    let full = challenges.make(&few, &wish(), &by()).await.map(drop);
    assert!(
        matches!(full, Err(ChallengeError::Full { open: 2, .. })),
        "{full:?}"
    );
    let slow = OneTimeRules {
        per_client_per_minute: 1,
        ..rules()
    };
    let made = async |name: &str| {
        let by = Minter {
            name: name.to_owned(),
            ..by()
        };
        challenges.make(&slow, &wish(), &by).await.map(drop)
    };
    made("jamf").await.unwrap();
    let again = made("jamf").await;
    assert!(
        matches!(again, Err(ChallengeError::TooOften { .. })),
        "{again:?}"
    );
    made("fleet").await.unwrap();
    env.clock.advance(TimeDelta::seconds(61));
    made("jamf").await.unwrap();
}
