//! The real binary, killed with SIGKILL while Intune is asked and told, over and over.
//!
//! What must hold: what was delivered was told of, with its own data; nothing is signed twice; Intune hears of a failure
//! only where it had let the device in.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use intune_fake::{Clock, Fake, Fault, Mint, Operation, Options};
use pki::Certificate;
use scep::client::{Reply, Request};
use store::{CertificateQuery, Records, SledOptions, SledStore};
use tokio::task::JoinSet;

use super::{PROFILE, known, request, tenant, told_of};
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
const STAGES: [Operation; 5] = [
    Operation::ValidateRequest,
    Operation::SuccessNotification,
    Operation::Token,
    Operation::Discovery,
    Operation::SuccessNotification,
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_every_stage_nothing_is_signed_twice_or_delivered_untold() {
    // reqwest asks for a TLS provider even where only plain http is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = TestEnv::new();
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
    let mut requests: Vec<Arc<Request>> = Vec::new();
    let mut delivered: HashMap<String, Certificate> = HashMap::new();
    for life in 0..kills() {
        let stage = STAGES[life % STAGES.len()];
        let fresh: Vec<Arc<Request>> = (0..REQUESTS_A_LIFE)
            .map(|_| Arc::new(request(&device, &fake.mint(Mint::default()).unwrap())))
            .collect();
        requests.extend(fresh.iter().cloned());
        let at_start = matches!(stage, Operation::Token | Operation::Discovery);
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
            delivered.insert(fresh[0].transaction_id().to_owned(), certificate);
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
    for request in &requests {
        let certificate = enrolled(&device, request).await;
        if let Some(before) = delivered.get(request.transaction_id()) {
            assert_eq!(
                certificate, *before,
                "a repeated request gets its certificate"
            );
        }
        told_of(&fake, request, &certificate);
        let transaction = known(&fake, request).unwrap();
        assert!(transaction.earlier.is_empty());
    }
    assert_eq!(fake.count(Operation::FailureNotification), 0);
    // Another certificate for the same transaction would be one.
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
    process.kill();
    let store = SledStore::open(env.dir().join("data/store"), &SledOptions::default()).unwrap();
    let stored = store.certificates(&CertificateQuery::default(), chrono::Utc::now());
    assert_eq!(stored.unwrap().total, requests.len() as u64);
    assert!(store.audit_verify().unwrap().is_good());
}

/// The certificate of a request, when it is there.
async fn enrolled(device: &Device, request: &Request) -> Certificate {
    loop {
        match device.try_post(request).await.unwrap() {
            Reply::Certificate { leaf, .. } => return leaf,
            Reply::Pending => {}
            _ => panic!("a request that Intune let in is not refused"),
        }
    }
}

/// Sends all requests, four at a time, until each has an answer or the server is gone; what was delivered.
async fn load(device: Device, requests: Vec<Arc<Request>>) -> Vec<(String, Certificate)> {
    let next = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(requests);
    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let (next, requests, device) = (Arc::clone(&next), Arc::clone(&requests), device.clone());
        workers.spawn(async move {
            let mut delivered = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::SeqCst)) {
                match device.try_post(request).await {
                    Ok(Reply::Certificate { leaf, .. }) => {
                        delivered.push((request.transaction_id().to_owned(), leaf));
                    }
                    Ok(Reply::Pending) => {}
                    Ok(_) => panic!("a request that Intune let in is not refused"),
                    Err(_gone) => break,
                }
            }
            delivered
        });
    }
    workers.join_all().await.concat()
}
