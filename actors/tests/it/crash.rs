//! Killed between any two stages, over and over: nobody is delivered two certificates, none is delivered whose record was
//! not durable, and every enrollment comes to its end.

use crate::device::Device;
use crate::outside::poll;
use crate::scripted::{Act, Elsewhere, Oracle, Script};
use crate::test_env::{Running, TestEnv, kept_pair};
use crate::virtual_clock::VirtualClock;
use actors::{Clock, Outcome, OutsideRules};
use pki::{KeyKind, Name, PrivateKey};
use scep::client::{Content, Reply, self_signed};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use store::{CertificateQuery, ClockReading, Ledger, Records, SledOptions, SledStore};

const DIRECTORY: &str = "SCEPD_STAGES_CRASH_DIR";
const ROUND: &str = "SCEPD_STAGES_CRASH_ROUND";
/// Set in the last life, which asks for everything.
const LAST: &str = "SCEPD_STAGES_CRASH_LAST";
/// How often the process is killed; 200 for a thorough run.
const CYCLES: &str = "SCEPD_STAGES_CRASH_CYCLES";
const FEWEST: usize = 8;

/// New enrollments of each life.
const A_LIFE: usize = 3;

#[test]
fn killed_between_any_two_stages_nobody_gets_two_certificates_and_every_enrollment_ends() {
    let cycles = std::env::var(CYCLES).ok();
    let cycles = cycles.and_then(|text| text.parse().ok()).unwrap_or(FEWEST);
    let directory = tempfile::tempdir().unwrap();
    let mut delivered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for round in 0..=cycles {
        let patience = (round < cycles).then_some(2 + round * 7 % 40);
        for line in life(directory.path(), round, patience) {
            if let Some((transaction, serial)) = line.split_once(' ') {
                let serials = delivered.entry(transaction.to_owned()).or_default();
                serials.insert(serial.to_owned());
            }
        }
    }
    for (transaction, serials) in &delivered {
        assert_eq!(serials.len(), 1, "{transaction} was delivered {serials:?}");
    }
    assert_eq!(
        delivered.len(),
        (cycles + 1) * A_LIFE,
        "every one has its end"
    );

    let path = directory.path().join("store");
    let store = SledStore::open(path, &SledOptions::default()).unwrap();
    let query = CertificateQuery {
        per_page: 10_000,
        ..CertificateQuery::default()
    };
    let stored = store.certificates(&query, chrono::Utc::now()).unwrap();
    let stored: BTreeMap<String, String> = stored
        .data
        .into_iter()
        .map(|record| (record.transaction_id, hex::encode(&record.serial)))
        .collect();
    let once: BTreeMap<String, String> = delivered
        .into_iter()
        .map(|(transaction, serials)| (transaction, serials.into_iter().collect()))
        .collect();
    assert_eq!(stored, once, "what was delivered is what is stored");
    let time = store.time(ClockReading {
        wall: chrono::Utc::now(),
        monotonic: std::time::Instant::now(),
    });
    let open = store.due(time, None, 1000).unwrap();
    assert!(open.is_empty(), "{open:?}");
    assert!(store.audit_verify().unwrap().is_good());
}

/// One life of the process: killed after so many lines, or until it ends. What it delivered.
fn life(directory: &Path, round: usize, patience: Option<usize>) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::enrolls_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .env(LAST, if patience.is_none() { "1" } else { "" })
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut delivered = Vec::new();
    let mut seen = 0;
    let mut ended = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // A line that the kill cut short has no end.
        if let Some(words) = line
            .strip_prefix("delivered ")
            .and_then(|line| line.strip_suffix('.'))
        {
            delivered.push(words.to_owned());
        }
        ended |= line == "ended.";
        seen += usize::from(line.ends_with('.'));
        if patience.is_some_and(|patience| seen >= patience) && child.try_wait().unwrap().is_none()
        {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(
        ended || patience.is_some(),
        "the last life comes to its end"
    );
    delivered
}

pub(crate) fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{words}.").unwrap();
    out.flush().unwrap();
}

/// What the outside does in this life: anything, by the round's number.
fn script(round: usize, salt: usize) -> Script {
    let acts = (0..40).map(move |n| {
        let mixed = (round * 31 + n * 17 + salt).wrapping_mul(2_654_435_761) >> 7;
        match mixed % 9 {
            0 => Act::LosesItsAnswer,
            1 => Act::Breaks,
            2 => Act::Later(7),
            3 => Act::Answers(60),
            4 => Act::Answers(20),
            _ => Act::Answers((mixed % 5) as u64),
        }
    });
    Script::of(acts)
}

#[actix::test]
#[ignore = "the child of the test above"]
async fn enrolls_until_it_is_killed() {
    let (Ok(directory), Ok(round)) = (std::env::var(DIRECTORY), std::env::var(ROUND)) else {
        return;
    };
    let (directory, round) = (Path::new(&directory), round.parse::<usize>().unwrap());
    let env = TestEnv::kept(directory);
    let clock = VirtualClock::new(env.clock.now());
    let passing = Arc::clone(&clock);
    std::thread::spawn(move || {
        loop {
            std::thread::park_timeout(Duration::from_millis(1));
            passing.pass(Duration::from_millis(500));
        }
    });
    let by = Arc::clone(&clock) as Arc<dyn Clock>;
    let issuer = Elsewhere::saying(&env, Arc::clone(&by), directory, script(round, 1), say);
    let oracle = Oracle::saying(Arc::clone(&by), script(round, 2), say);
    let mut spec = env.spec("corp");
    spec.issuer = issuer;
    spec.validators = vec![oracle];
    spec.outside = OutsideRules {
        call: Duration::from_secs(30),
        failures: 1000,
        ..OutsideRules::default()
    };
    let running = env.open_by(vec![spec], by).await;

    let name = Name::parse("CN=box, O=scepd").unwrap();
    let (signer, key) = kept_pair(directory, "device", || {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        (self_signed(&name, &key, env.clock.now()).unwrap(), key)
    });
    let device = Device { name, key, signer };
    let first = match std::env::var(LAST).as_deref() {
        Ok("1") => 0,
        // What has its end is not asked for again in every life.
        _ => round.saturating_sub(3) * A_LIFE,
    };
    let asking = (first..(round + 1) * A_LIFE).map(|n| enroll(&env, &running, &device, n));
    futures_util::future::join_all(asking).await;
    say("ended");
    running.close();
}

/// Asks until there is an answer, and says what it is.
async fn enroll(env: &TestEnv, running: &Running, device: &Device, n: usize) {
    let transaction = format!("tx-{n}");
    let challenge = format!("ask:{n}");
    let csr = device.csr(Some(&challenge), &format!("dns:box-{n}.example.com"));
    let request = device.builder(env, Content::PkcsReq(&csr), |builder| {
        builder.transaction_id(&transaction)
    });
    let mut next = &request;
    let polling = poll(env, device, &request);
    loop {
        let octets = match running.send("corp", next.message().to_vec()).await {
            Outcome::CertRep(octets) => octets,
            // Told to come again, a device does so.
            Outcome::Busy { .. } => {
                crate::virtual_clock::settle().await;
                continue;
            }
            other => panic!("no CertRep: {other:?}"),
        };
        let reply = next.open_reply(&octets, &[&env.ra.certificate]);
        match reply.expect("a reply that checks") {
            Reply::Certificate { leaf, .. } => {
                let serial = hex::encode(leaf.serial().as_bytes());
                return say(&format!("delivered {transaction} {serial}"));
            }
            Reply::Pending => next = &polling,
            // What failed once starts anew.
            Reply::Failure { .. } => next = &request,
            Reply::Crl(_) => unreachable!("nobody asked for one"),
        }
        crate::virtual_clock::settle().await;
    }
}
