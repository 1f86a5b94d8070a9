//! Killed between any two steps, over and over, while several devices come with each challenge that was made for one device:
//! each challenge is good for one certificate, and what failed gives it back.

use crate::crash::say;
use crate::device::Device;
use crate::outside::poll;
use crate::scripted::{Act, Elsewhere, Script};
use crate::test_env::{Running, TestEnv, kept_pair};
use crate::virtual_clock::{VirtualClock, settle};
use actors::{ChallengeWish, Clock, Minter, OneTimeRules, Outcome, OutsideRules, ProfileSpec};
use challenge::Binding;
use pki::{KeyKind, Name, PrivateKey};
use scep::client::{Content, Reply, Request, self_signed};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use store::{CertificateQuery, ChallengeQuery, ChallengeState, ClockReading, Ledger, Records};
use store::{SledOptions, SledStore};

const DIRECTORY: &str = "SCEPD_ONE_TIME_CRASH_DIR";
const ROUND: &str = "SCEPD_ONE_TIME_CRASH_ROUND";
/// Set in the last life, which asks for everything.
const LAST: &str = "SCEPD_ONE_TIME_CRASH_LAST";
/// How often the process is killed; 200 for a thorough run.
const CYCLES: &str = "SCEPD_ONE_TIME_CRASH_CYCLES";
const FEWEST: usize = 8;

/// New challenges of each life.
const A_LIFE: usize = 4;
/// Devices that come with each of them.
const DEVICES: usize = 3;
/// Every second challenge is for the profile whose issuer is somewhere else.
const PROFILES: [&str; 2] = ["near", "far"];

#[test]
fn killed_between_any_two_steps_a_challenge_is_good_for_one_certificate() {
    let cycles = std::env::var(CYCLES).ok();
    let cycles = cycles.and_then(|text| text.parse().ok()).unwrap_or(FEWEST);
    let directory = tempfile::tempdir().unwrap();
    // By challenge: the serial numbers that were delivered, and whose transactions got them.
    let mut delivered: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for round in 0..=cycles {
        let patience = (round < cycles).then_some(1 + round * 7 % 30);
        for line in life(directory.path(), round, patience) {
            let words: Vec<&str> = line.split(' ').collect();
            if let [challenge, transaction, serial] = words[..] {
                let all = delivered.entry(challenge.to_owned()).or_default();
                all.insert((transaction.to_owned(), serial.to_owned()));
            }
        }
    }
    for (challenge, all) in &delivered {
        assert_eq!(all.len(), 1, "{challenge} was good for {all:?}");
    }
    let wanted = (cycles + 1) * A_LIFE;
    assert_eq!(delivered.len(), wanted, "each was good for somebody");

    let path = directory.path().join("store");
    let store = SledStore::open(path, &SledOptions::default()).unwrap();
    let query = CertificateQuery {
        per_page: 10_000,
        ..CertificateQuery::default()
    };
    let stored = store.certificates(&query, chrono::Utc::now()).unwrap();
    let stored: BTreeSet<(String, String)> = stored
        .data
        .into_iter()
        .map(|record| (record.transaction_id, hex::encode(&record.serial)))
        .collect();
    let once: BTreeSet<(String, String)> = delivered.into_values().flatten().collect();
    assert_eq!(stored, once, "what was delivered is what is stored");
    let time = store.time(ClockReading {
        wall: chrono::Utc::now(),
        monotonic: std::time::Instant::now(),
    });
    let open = store.due(time, None, 1000).unwrap();
    assert!(open.is_empty(), "{open:?}");
    let used = ChallengeQuery {
        state: Some(ChallengeState::Used),
        limit: 10_000,
        ..ChallengeQuery::default()
    };
    let used = store.challenges(&used, time).unwrap().found;
    assert_eq!(used.len(), wanted);
    assert!(used.iter().all(|record| record.used == 1));
    assert!(store.audit_verify().unwrap().is_good());
}

/// One life of the process: killed after so many lines, or until it ends. What it delivered.
fn life(directory: &Path, round: usize, patience: Option<usize>) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "one_time_crash::enrolls_by_challenges_until_it_is_killed",
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
    let (mut seen, mut ended) = (0, false);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // A line that the kill cut short has no end.
        let Some(words) = line.strip_suffix('.') else {
            continue;
        };
        if let Some(words) = words.strip_prefix("delivered ") {
            delivered.push(words.to_owned());
        }
        ended |= words == "ended";
        seen += 1;
        if patience.is_some_and(|patience| seen >= patience) {
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

fn script(round: usize) -> Script {
    let acts = (0..40).map(move |n| {
        let mixed = (round * 31 + n * 17 + 5).wrapping_mul(2_654_435_761) >> 7;
        match mixed % 8 {
            0 => Act::LosesItsAnswer,
            1 => Act::Breaks,
            2 => Act::Later(7),
            // Final: the challenge is given back, and the next device may have it.
            3 => Act::Refuses,
            _ => Act::Answers((mixed % 5) as u64),
        }
    });
    Script::of(acts)
}

fn rules() -> OneTimeRules {
    OneTimeRules {
        lifetime: Duration::from_secs(30 * 24 * 3600),
        length: 16,
        alphabet: challenge::Alphabet::Hex,
        max_open: 1000,
        per_client_per_minute: 0,
        certificate_profile: "device".to_owned(),
    }
}

#[actix::test]
#[ignore = "the child of the test above"]
async fn enrolls_by_challenges_until_it_is_killed() {
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
    let issuer = Elsewhere::saying(&env, Arc::clone(&by), directory, script(round), say);
    let [near, far] = PROFILES;
    let near = ProfileSpec {
        one_time: Some(rules()),
        ..env.spec(near)
    };
    let mut far = ProfileSpec {
        one_time: Some(rules()),
        issuer,
        ..env.spec(far)
    };
    far.outside = OutsideRules {
        call: Duration::from_secs(30),
        failures: 1000,
        ..OutsideRules::default()
    };
    let running = env.open_by(vec![near, far], by).await;

    let name = Name::parse("CN=box, O=scepd").unwrap();
    let (signer, key) = kept_pair(directory, "device", || {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        (self_signed(&name, &key, env.clock.now()).unwrap(), key)
    });
    let device = Device { name, key, signer };
    let first = match std::env::var(LAST).as_deref() {
        Ok("1") => 0,
        // What has its end is not asked for again in every life.
        _ => round.saturating_sub(2) * A_LIFE,
    };
    let using =
        (first..(round + 1) * A_LIFE).map(|n| use_up(&env, &running, &device, directory, n));
    futures_util::future::join_all(using).await;
    say("ended");
    running.close();
}

/// The challenge with this number, as a life before has made it, or a new one.
async fn challenge(running: &Running, directory: &Path, n: usize) -> String {
    let path = directory.join(format!("challenge-{n}"));
    if let Ok(value) = std::fs::read_to_string(&path) {
        return value;
    }
    let wish = ChallengeWish {
        profile: PROFILES[n % 2].to_owned(),
        lifetime: None,
        uses: 1,
        binding: Binding::default(),
        interface: "api",
        per_minute: None,
        note: None,
    };
    let by = Minter {
        name: "provisioning".to_owned(),
        kind: "APIKey".to_owned(),
        origin: None,
    };
    let challenges = &running.runtime.services.challenges;
    let made = challenges.make(&rules(), &wish, &by).await;
    let value = made.unwrap_or_else(|error| panic!("{error}")).value;
    let new = path.with_extension("new");
    std::fs::write(&new, value.as_bytes()).unwrap();
    std::fs::rename(&new, &path).unwrap();
    say("challenge");
    value.to_string()
}

/// Devices come with it until one of them has a certificate.
async fn use_up(env: &TestEnv, running: &Running, device: &Device, directory: &Path, n: usize) {
    let value = challenge(running, directory, n).await;
    let requests: Vec<Request> = (0..DEVICES)
        .map(|d| {
            let csr = device.csr(Some(&value), &format!("dns:box-{n}-{d}.example.com"));
            device.builder(env, Content::PkcsReq(&csr), |builder| {
                builder.transaction_id(format!("tx-{n}-{d}"))
            })
        })
        .collect();
    loop {
        let asked = requests
            .iter()
            .map(|request| ask(env, running, device, PROFILES[n % 2], request));
        let serials = futures_util::future::join_all(asked).await;
        let mut done = false;
        for (d, serial) in serials.into_iter().enumerate() {
            if let Some(serial) = serial {
                say(&format!("delivered challenge-{n} tx-{n}-{d} {serial}"));
                done = true;
            }
        }
        if done {
            return;
        }
    }
}

/// Asks until there is an answer: the serial number of a certificate, or none.
async fn ask(
    env: &TestEnv,
    running: &Running,
    device: &Device,
    profile: &str,
    request: &Request,
) -> Option<String> {
    let polling = poll(env, device, request);
    let mut next = request;
    loop {
        let octets = match running.send(profile, next.message().to_vec()).await {
            Outcome::CertRep(octets) => octets,
            // Told to come again, a device does so.
            Outcome::Busy { .. } => {
                settle().await;
                continue;
            }
            other => panic!("no CertRep: {other:?}"),
        };
        let reply = next.open_reply(&octets, &[&env.ra.certificate]);
        match reply.expect("a reply that checks") {
            Reply::Certificate { leaf, .. } => {
                return Some(hex::encode(leaf.serial().as_bytes()));
            }
            Reply::Pending => next = &polling,
            Reply::Failure { .. } => return None,
            Reply::Crl(_) => unreachable!("nobody asked for one"),
        }
        settle().await;
    }
}
