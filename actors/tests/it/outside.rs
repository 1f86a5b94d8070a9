//! Enrollments whose stages reach outside: what the device is told meanwhile, and that there is one certificate in the end.

use crate::device::{Device, ask, issued, words};
use crate::scripted::{Act, Elsewhere, Oracle, Script};
use crate::test_env::{CHALLENGE, Running, TestEnv};
use crate::virtual_clock::VirtualClock;
use actors::{Clock, DecideError, OperatorDecision, OutsideRules, ProfileSpec};
use pki::Certificate;
use scep::client::{Content, Reply, Request};
use std::sync::Arc;
use std::time::Duration;
use store::Stage;
use tempfile::TempDir;

pub const ASK: &str = "ask:laptop-1";

pub struct Scene {
    pub env: TestEnv,
    pub clock: Arc<VirtualClock>,
    directory: TempDir,
}

impl Scene {
    pub fn new() -> Self {
        let env = TestEnv::new();
        let clock = VirtualClock::new(env.clock.now());
        Self {
            env,
            clock,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    pub fn issuer(&self, acts: impl IntoIterator<Item = Act>) -> Arc<Elsewhere> {
        let path = self.directory.path();
        Elsewhere::new(&self.env, self.clock(), path, Script::of(acts))
    }

    pub fn oracle(&self, acts: impl IntoIterator<Item = Act>) -> Arc<Oracle> {
        Oracle::new(self.clock(), Script::of(acts))
    }

    pub fn spec(
        &self,
        issuer: Option<&Arc<Elsewhere>>,
        oracle: Option<&Arc<Oracle>>,
    ) -> ProfileSpec {
        let mut spec = self.env.spec("corp");
        // Time passes faster than the work that has no time of its own.
        spec.outside.answer_within = Duration::from_secs(24 * 3600);
        if let Some(issuer) = issuer {
            spec.issuer = Arc::clone(issuer) as Arc<dyn issuer::Issuer>;
        }
        if let Some(oracle) = oracle {
            spec.validators = vec![Arc::clone(oracle) as Arc<dyn challenge::Validator>];
        }
        spec
    }

    /// The same, with a device that is not kept waiting.
    pub fn hasty(
        &self,
        issuer: Option<&Arc<Elsewhere>>,
        oracle: Option<&Arc<Oracle>>,
    ) -> ProfileSpec {
        let mut spec = self.spec(issuer, oracle);
        spec.outside = OutsideRules::default();
        spec
    }

    pub async fn open(&self, spec: &ProfileSpec) -> Running {
        self.env.open_by(vec![spec.clone()], self.clock()).await
    }

    /// The reply, with time passing until it comes.
    pub async fn reply(&self, running: &Running, request: &Request) -> Reply {
        let asking = ask(&self.env, running, "corp", request);
        tokio::pin!(asking);
        loop {
            tokio::select! {
                biased;
                reply = &mut asking => return reply,
                () = crate::virtual_clock::settle() => self.clock.pass(Duration::from_millis(500)),
            }
        }
    }

    /// Polls until the request has an end; time passes.
    pub async fn end(&self, running: &Running, device: &Device, request: &Request) -> Reply {
        for _ in 0..200 {
            let poll = poll(&self.env, device, request);
            let reply = ask(&self.env, running, "corp", &poll).await;
            if !matches!(reply, Reply::Pending) {
                return reply;
            }
            self.clock.pass_until(20, async || false).await;
            running.sweep("corp").await;
        }
        panic!("the request has no end");
    }
}

/// Asks what became of a request.
pub fn poll(env: &TestEnv, device: &Device, request: &Request) -> Request {
    let issuer = env.issuer_name();
    let content = Content::CertPoll {
        issuer: &issuer,
        subject: &device.name,
        key: device.key.public_key(),
    };
    device.builder(env, content, |builder| {
        builder.transaction_id(request.transaction_id())
    })
}

pub fn open_stages(running: &Running) -> usize {
    let time = running.runtime.services.time.now();
    running.store.due(time, None, 1000).unwrap().len()
}

pub async fn one_certificate(running: &Running, certificate: &Certificate) {
    assert_eq!(running.certificates(), 1);
    assert_eq!(open_stages(running), 0);
    let query = store::CertificateQuery::default();
    let stored = running
        .store
        .certificates(&query, chrono::Utc::now())
        .unwrap();
    assert_eq!(stored.data[0].der, certificate.der());
}

#[actix::test]
async fn an_issuer_elsewhere_that_answers_in_time_is_waited_for() {
    let scene = Scene::new();
    let issuer = scene.issuer([Act::Answers(3)]);
    let running = scene.open(&scene.spec(Some(&issuer), None)).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, CHALLENGE);
    let certificate = issued(scene.reply(&running, &request).await);
    one_certificate(&running, &certificate).await;
    let again = issued(scene.reply(&running, &request).await);
    assert_eq!((again, issuer.made()), (certificate, 1));
    let events = running.audit();
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0].event.details.message.as_deref(),
        Some("certificate issued")
    );
}

#[actix::test]
async fn one_that_takes_longer_is_pending_until_its_poll_finds_the_certificate() {
    let scene = Scene::new();
    let issuer = scene.issuer([Act::Later(40), Act::Later(40), Act::Answers(5)]);
    let running = scene.open(&scene.hasty(Some(&issuer), None)).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, CHALLENGE);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    let certificate = issued(scene.end(&running, &device, &request).await);
    one_certificate(&running, &certificate).await;
    assert_eq!(issued(scene.reply(&running, &request).await), certificate);
}

#[actix::test]
async fn a_lost_answer_is_looked_for_and_nothing_is_made_twice() {
    let scene = Scene::new();
    let issuer = scene.issuer([Act::Breaks, Act::LosesItsAnswer]);
    let running = scene.open(&scene.spec(Some(&issuer), None)).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, CHALLENGE);
    let certificate = issued(scene.reply(&running, &request).await);
    one_certificate(&running, &certificate).await;
    assert_eq!((issuer.made(), issuer.script.calls()), (1, 2));
}

#[actix::test]
async fn what_an_issuer_refuses_is_refused_and_the_next_try_starts_anew() {
    let scene = Scene::new();
    let issuer = scene.issuer([Act::Refuses]);
    let running = scene.open(&scene.spec(Some(&issuer), None)).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, CHALLENGE);
    let refused = words(&scene.reply(&running, &request).await);
    assert!(refused.starts_with("FAILURE badRequest"), "{refused}");
    assert_eq!((running.certificates(), open_stages(&running)), (0, 0));
    let reason = running.audit()[0].event.details.reason.clone();
    assert_eq!(reason.as_deref(), Some("issuer_refused"));
    let certificate = issued(scene.reply(&running, &request).await);
    one_certificate(&running, &certificate).await;
}

#[actix::test]
async fn a_certificate_that_is_not_what_was_approved_is_revoked_and_never_delivered() {
    let scene = Scene::new();
    let issuer = scene.issuer([Act::Meddles]);
    let running = scene.open(&scene.spec(Some(&issuer), None)).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, CHALLENGE);
    let refused = words(&scene.reply(&running, &request).await);
    assert!(refused.starts_with("FAILURE"), "{refused}");
    assert_eq!((running.certificates(), issuer.revoked()), (0, 1));
    let event = running.audit().remove(0).event;
    assert_eq!(event.details.reason.as_deref(), Some("issuer_mismatch"));
    let message = event.details.message.unwrap();
    assert!(
        message.contains("notAfter") && message.contains("revoked"),
        "{message}"
    );
}

#[actix::test]
async fn a_validator_is_asked_and_told_how_it_ended() {
    let scene = Scene::new();
    let oracle = scene.oracle([Act::Breaks, Act::Later(30), Act::Answers(8)]);
    oracle.notifying.then([Act::Breaks]);
    let running = scene.open(&scene.hasty(None, Some(&oracle))).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    let certificate = issued(scene.end(&running, &device, &request).await);
    one_certificate(&running, &certificate).await;
    let told = scene
        .clock
        .pass_until(300, async || {
            running.sweep("corp").await;
            !oracle.told().is_empty()
        })
        .await;
    assert!(told);
    assert_eq!(oracle.told(), ["issued"]);
    let events = running.audit();
    assert_eq!(events[0].event.details.device.as_deref(), Some(ASK));
    // The challenge is used up: another request with it is a replay.
    let other = Device::new(&scene.env, "laptop-2");
    let request = other.pkcs_req(&scene.env, ASK);
    let replay = match scene.reply(&running, &request).await {
        Reply::Pending => scene.end(&running, &other, &request).await,
        reply => reply,
    };
    let replay = words(&replay);
    assert!(replay.starts_with("FAILURE badMessageCheck"), "{replay}");
    assert!(replay.contains("replay"), "{replay}");
}

#[actix::test]
async fn sweeps_side_by_side_tell_once() {
    let scene = Scene::new();
    let oracle = scene.oracle([]);
    let running = scene.open(&scene.spec(None, Some(&oracle))).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    issued(scene.reply(&running, &request).await);
    let sweep = || running.sweep("corp");
    tokio::join!(sweep(), sweep(), sweep());
    sweep().await;
    assert_eq!(oracle.told(), ["issued"]);
}

#[actix::test]
async fn what_a_validator_refuses_has_its_own_fail_info() {
    let scene = Scene::new();
    let oracle = scene.oracle([Act::Refuses]);
    let running = scene.open(&scene.spec(None, Some(&oracle))).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    let refused = words(&scene.reply(&running, &request).await);
    assert!(refused.starts_with("FAILURE badMessageCheck"), "{refused}");
    assert_eq!(
        running.audit()[0].event.details.reason.as_deref(),
        Some("device_unknown")
    );
    issued(scene.reply(&running, &request).await);
}

#[actix::test]
async fn after_the_budget_of_a_stage_the_enrollment_fails_and_gives_back_what_it_took() {
    let scene = Scene::new();
    let issuer = scene.issuer(std::iter::repeat_n(Act::Breaks, 2000));
    let oracle = scene.oracle([]);
    let mut spec = scene.hasty(Some(&issuer), Some(&oracle));
    spec.outside = OutsideRules {
        budget: Duration::from_secs(300),
        ..OutsideRules::default()
    };
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, ASK);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    let failed = words(&scene.end(&running, &device, &request).await);
    assert!(failed.starts_with("FAILURE"), "{failed}");
    // The circuit opened: most of the time nobody was called.
    assert!(issuer.script.calls() < 30, "{}", issuer.script.calls());
    assert_eq!((running.certificates(), open_stages(&running)), (0, 0));
    // What it took is free again: the same challenge may be used.
    issuer.script.then([]);
    let other = Device::new(&scene.env, "laptop-2");
    let request = other.pkcs_req(&scene.env, ASK);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
}

#[actix::test]
async fn after_a_restart_every_open_enrollment_goes_on_where_it_stood() {
    for (validator, issuer) in [
        (Some(Act::Hangs), vec![]),
        (None, vec![]),
        (None, vec![Act::LosesItsAnswer]),
        (None, vec![Act::Later(5)]),
    ] {
        let scene = Scene::new();
        let hangs = std::iter::repeat_n(Act::Hangs, 100);
        let first = (
            scene.oracle(validator.into_iter().cycle().take(100)),
            scene.issuer(issuer.into_iter().chain(hangs)),
        );
        let running = scene
            .open(&scene.hasty(Some(&first.1), Some(&first.0)))
            .await;
        let device = Device::new(&scene.env, "laptop-1");
        let request = device.pkcs_req(&scene.env, ASK);
        // An answer that was lost may be found before the device is told PENDING.
        let first = scene.reply(&running, &request).await;
        assert!(matches!(first, Reply::Pending | Reply::Certificate { .. }));
        running.close();
        let second = (scene.oracle([]), scene.issuer([]));
        let running = scene
            .open(&scene.hasty(Some(&second.1), Some(&second.0)))
            .await;
        let certificate = issued(scene.end(&running, &device, &request).await);
        one_certificate(&running, &certificate).await;
        assert_eq!(second.1.made(), 1);
        running.close();
    }
}

#[actix::test]
async fn what_an_operator_approves_is_issued_elsewhere() {
    let scene = Scene::new();
    let issuer = scene.issuer([Act::Answers(2)]);
    let mut spec = scene.spec(Some(&issuer), None);
    spec.approval = Some(Duration::from_secs(3600));
    let running = scene.open(&spec).await;
    let device = Device::new(&scene.env, "laptop-1");
    let request = device.pkcs_req(&scene.env, CHALLENGE);
    assert!(matches!(
        scene.reply(&running, &request).await,
        Reply::Pending
    ));
    assert_eq!(issuer.script.calls(), 0);
    let waiting = running.store.pending(Some("corp")).unwrap().remove(0);
    let decision = OperatorDecision {
        key: waiting.key,
        approve: true,
        by: "admin".to_owned(),
        by_type: "APIKey".to_owned(),
        note: Some("known".to_owned()),
        request_id: "1".to_owned(),
    };
    let actor = running
        .runtime
        .directory
        .find("corp")
        .unwrap()
        .actor
        .clone();
    let deciding = actor.send(decision);
    tokio::pin!(deciding);
    let decided: Result<Stage, DecideError> = loop {
        tokio::select! {
            biased;
            decided = &mut deciding => break decided.unwrap(),
            () = crate::virtual_clock::settle() => scene.clock.pass(Duration::from_millis(500)),
        }
    };
    assert!(matches!(decided, Ok(Stage::Issued { .. })), "{decided:?}");
    let certificate = issued(scene.end(&running, &device, &request).await);
    one_certificate(&running, &certificate).await;
    let messages: Vec<_> = running
        .audit()
        .into_iter()
        .filter_map(|event| event.event.details.message)
        .collect();
    assert!(
        messages
            .iter()
            .any(|words| words == "certificate issued after approval"),
        "{messages:?}"
    );
}
