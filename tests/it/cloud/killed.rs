//! The real binary, killed with SIGKILL while Intune is asked and told, over and over.
//!
//! What must hold: what was delivered was told of, with its own data; nothing is signed twice; Intune hears of a failure
//! where it had let the device in and the server did not, and nowhere else.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use intune_fake::{Clock, Fake, Fault, Mint, Operation, Options};
use pki::Certificate;
use scep::client::{Content, Reply, Request};
use serde_json::Value;
use store::{CertificateQuery, Records, SledOptions, SledStore};
use tokio::task::JoinSet;

use super::{PROFILE, csr, known, request, tenant, told_of};
use crate::crash::Process;
use crate::device::Device;
use crate::fleet::device_key;
use crate::test_env::{TestEnv, trusting};

const REQUESTS_A_LIFE: usize = 8;

/// How often it is killed; `SCEPD_TEST_KILLS` where it is set.
fn kills() -> usize {
    let asked = std::env::var("SCEPD_TEST_KILLS").ok();
    asked.map_or(10, |kills| kills.parse().unwrap())
}

/// What is under way when the kill comes, one after the other.
const STAGES: [Operation; 6] = [
    Operation::ValidateRequest,
    Operation::SuccessNotification,
    Operation::FailureNotification,
    Operation::Token,
    Operation::Discovery,
    Operation::SuccessNotification,
];

/// The end that a request must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Issued,
    /// Intune lets it in, the certificate profile does not.
    AgainstPolicy,
    /// Intune itself refuses it.
    RefusedByIntune,
}

/// A request, and what must become of it.
struct Wanted {
    request: Request,
    end: End,
}

impl Wanted {
    fn new(fake: &Fake, device: &Device, end: End) -> Arc<Self> {
        let subject = (end == End::RefusedByIntune).then(|| "CN=another".to_owned());
        let wanted = Mint {
            subject,
            ..Mint::default()
        };
        let challenge = fake.mint(wanted).unwrap();
        let request = match end {
            End::AgainstPolicy => {
                let csr = csr(device, &challenge, "email:box-4@example.org");
                device.request(Content::PkcsReq(&csr))
            }
            End::Issued | End::RefusedByIntune => request(device, &challenge),
        };
        Arc::new(Self { request, end })
    }

    fn id(&self) -> &str {
        self.request.transaction_id()
    }

    /// The certificate in an answer, which must be one that this request may have.
    fn certificate(&self, reply: Reply) -> Option<Certificate> {
        match (reply, self.end) {
            (Reply::Certificate { leaf, .. }, End::Issued) => Some(leaf),
            (Reply::Pending, _) => None,
            (Reply::Failure { text, .. }, end) if end != End::Issued => {
                let text = text.unwrap_or_default();
                let is_intunes = end == End::RefusedByIntune;
                assert_eq!(text.contains("Intune"), is_intunes, "{text}");
                None
            }
            (_, end) => panic!("a request that must end as {end:?} ends otherwise"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_every_stage_nothing_is_signed_twice_or_delivered_untold() {
    // reqwest asks for a TLS provider even where only plain http is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = TestEnv::new()
        .with("[[certificate_profile]]\nid = 'device'\n[certificate_profile.san]\ntypes = ['dns']");
    let fake = Fake::start(Options::new(Clock::system())).await.unwrap();
    let tenant = tenant(&fake);
    let env = env
        .with(&tenant)
        .profile("corp", &format!("answer_within = '5s'\n{PROFILE}"));
    let config: PathBuf = env.write_config();
    let http = trusting(&env.ca).build().unwrap();

    let start = || tokio::task::block_in_place(|| Process::start(&config));
    let first = start();
    let mut device = Device::at(first.url.clone(), http.clone(), device_key()).await;
    first.kill();
    let mut all: Vec<Arc<Wanted>> = Vec::new();
    let mut delivered: HashMap<String, Certificate> = HashMap::new();
    for life in 0..kills() {
        let stage = STAGES[life % STAGES.len()];
        let fresh: Vec<Arc<Wanted>> = (0..REQUESTS_A_LIFE)
            .map(|number| {
                let end = match number {
                    3 | 6 => End::AgainstPolicy,
                    5 => End::RefusedByIntune,
                    _ => End::Issued,
                };
                Wanted::new(&fake, &device, end)
            })
            .collect();
        all.extend(fresh.iter().cloned());
        // What is told of the failures of the last life goes out at the start.
        let at_start = matches!(
            stage,
            Operation::Token | Operation::Discovery | Operation::FailureNotification
        );
        // Of the later stages some calls pass before one is held, a different number each time.
        let free = if at_start { 0 } else { life % 4 };
        let mut before = fake.count(stage);
        let hold = || {
            for _ in 0..free {
                fake.fail(stage, Some(1), Fault::Slow { milliseconds: 1 });
            }
            fake.fail(stage, Some(64), Fault::Held);
        };
        if at_start {
            hold();
        }
        let process = start();
        device.url.clone_from(&process.url);
        if !at_start {
            let certificate = enrolled(&device, &fresh[0]).await;
            delivered.insert(fresh[0].id().to_owned(), certificate);
            before = fake.count(stage);
            hold();
        }
        let load = load(device.clone(), fresh);
        let stuck = fake.came(stage, before + free + 1);
        tokio::pin!(load);
        let done = tokio::select! {
            done = &mut load => {
                process.kill();
                done
            }
            () = stuck => {
                process.kill();
                load.await
            }
        };
        delivered.extend(done);
        fake.heal();
        fake.release();
    }
    let process = start();
    device.url.clone_from(&process.url);

    assert!(!delivered.is_empty());
    for wanted in all.iter().filter(|wanted| wanted.end == End::Issued) {
        let certificate = enrolled(&device, wanted).await;
        if let Some(before) = delivered.get(wanted.id()) {
            assert_eq!(
                certificate, *before,
                "a repeated request gets its certificate"
            );
        }
        told_of(&fake, &wanted.request, &certificate);
        let transaction = known(&fake, &wanted.request).unwrap();
        assert!(transaction.earlier.is_empty());
    }
    for wanted in all.iter().filter(|wanted| wanted.end != End::Issued) {
        // What scepd refuses is judged anew when it comes again, so only what never came is sent.
        let is_new = known(&fake, &wanted.request).is_none();
        if is_new || wanted.end == End::RefusedByIntune {
            refused(&device, wanted).await;
        }
    }
    told_of_failures(&fake, &all).await;
    // Another certificate for the same transaction would be one.
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
    process.kill();
    let store = SledStore::open(env.dir().join("data/store"), &SledOptions::default()).unwrap();
    let stored = store.certificates(&CertificateQuery::default(), chrono::Utc::now());
    let issued = all.iter().filter(|wanted| wanted.end == End::Issued);
    assert_eq!(stored.unwrap().total, issued.count() as u64);
    assert!(store.audit_verify().unwrap().is_good());
}

/// Intune is told of each failure that came after it had let the device in, and of no other.
async fn told_of_failures(fake: &Fake, all: &[Arc<Wanted>]) {
    for wanted in all.iter().filter(|wanted| wanted.end == End::AgainstPolicy) {
        let told = || known(fake, &wanted.request).and_then(|it| it.failure);
        let mut calls = fake.count(Operation::FailureNotification);
        while told().is_none() {
            calls += 1;
            fake.ended(Operation::FailureNotification, calls).await;
        }
        let transaction = known(fake, &wanted.request).unwrap();
        assert!(transaction.validated > 0 && transaction.earlier.is_empty());
        assert_eq!((transaction.success, transaction.refused), (None, 0));
    }
    for wanted in all
        .iter()
        .filter(|wanted| wanted.end == End::RefusedByIntune)
    {
        let transaction = known(fake, &wanted.request).unwrap();
        assert!(transaction.refused > 0);
        assert_eq!((transaction.validated, transaction.failures), (0, 0));
        assert_eq!(transaction.success, None);
    }
    let validations = fake.calls_of(Operation::ValidateRequest);
    let mut bodies: HashMap<String, Value> = HashMap::new();
    for call in fake.calls_of(Operation::FailureNotification) {
        let id = call.body["notification"]["transactionId"].as_str().unwrap();
        let of_id = all.iter().find(|wanted| wanted.id() == id).unwrap();
        assert_eq!(of_id.end, End::AgainstPolicy);
        let let_in = validations.iter().any(|earlier| {
            earlier.body["request"]["transactionId"] == id
                && earlier.answer["code"] == "Success"
                && earlier.ended.is_some_and(|ended| ended < call.began)
        });
        assert!(let_in, "told of a failure before Intune let the device in");
        let body = bodies.entry(id.to_owned()).or_insert(call.body.clone());
        assert_eq!(*body, call.body, "always the same data");
    }
}

/// The certificate of a request, when it is there.
async fn enrolled(device: &Device, wanted: &Wanted) -> Certificate {
    loop {
        let reply = device.try_post(&wanted.request).await.unwrap();
        if let Some(certificate) = wanted.certificate(reply) {
            return certificate;
        }
    }
}

/// Asks until the request is refused.
async fn refused(device: &Device, wanted: &Wanted) {
    loop {
        let reply = device.try_post(&wanted.request).await.unwrap();
        let is_over = matches!(reply, Reply::Failure { .. });
        wanted.certificate(reply);
        if is_over {
            return;
        }
    }
}

/// Sends all requests, four at a time, until each has an answer or the server is gone; what was delivered.
async fn load(device: Device, requests: Vec<Arc<Wanted>>) -> Vec<(String, Certificate)> {
    let next = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(requests);
    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let (next, requests, device) = (Arc::clone(&next), Arc::clone(&requests), device.clone());
        workers.spawn(async move {
            let mut delivered = Vec::new();
            while let Some(wanted) = requests.get(next.fetch_add(1, Ordering::SeqCst)) {
                let Ok(reply) = device.try_post(&wanted.request).await else {
                    break;
                };
                let certificate = wanted.certificate(reply);
                delivered.extend(certificate.map(|one| (wanted.id().to_owned(), one)));
            }
            delivered
        });
    }
    workers.join_all().await.concat()
}
