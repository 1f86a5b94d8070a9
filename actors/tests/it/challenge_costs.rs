//! What challenges for one device cost beside the enrollments that use them. A measurement, for optimised code:
//!
//! `cargo test --release -p actors --test it -- --ignored --nocapture what_challenges_cost`

use crate::device::Device;
use crate::test_env::{CHALLENGE, Running, TestEnv};
use actors::{ChallengeWish, Minter, OneTimeRules, Outcome, ProfileSpec};
use challenge::Binding;
use futures_util::future::join_all;
use std::time::{Duration, Instant};

/// Challenges that are open all the time.
const OPEN: usize = 10_000;
/// Of each kind.
const MANY: usize = 2_000;
/// At the same time.
const AT_ONCE: usize = 32;

fn rules() -> OneTimeRules {
    OneTimeRules {
        lifetime: Duration::from_secs(3600),
        length: 16,
        alphabet: challenge::Alphabet::Hex,
        max_open: 100_000,
        per_client_per_minute: 0,
        certificate_profile: "device".to_owned(),
    }
}

/// The processor time of this process, user and system.
fn spent() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    // utime and stime, in hundredths of a second.
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

async fn mint(running: &Running, count: usize) -> Vec<String> {
    let wish = ChallengeWish {
        profile: "corp".to_owned(),
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
    let rules = rules();
    let challenges = &running.runtime.services.challenges;
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        let making = (0..AT_ONCE).map(|_| challenges.make(&rules, &wish, &by));
        let made = join_all(making).await.into_iter();
        values.extend(made.map(|made| {
            made.unwrap_or_else(|error| panic!("{error}"))
                .value
                .to_string()
        }));
    }
    values.truncate(count);
    values
}

async fn enroll(running: &Running, requests: &[Vec<u8>]) {
    for some in requests.chunks(AT_ONCE) {
        let sent = some
            .iter()
            .map(|request| running.send("corp", request.clone()));
        for outcome in join_all(sent).await {
            assert!(matches!(outcome, Outcome::CertRep(_)), "{outcome:?}");
        }
    }
}

#[actix::test]
#[ignore = "a measurement: run it alone, in release"]
#[allow(clippy::print_stdout, reason = "its numbers are what it is for")]
async fn what_challenges_cost() {
    let env = TestEnv::new();
    let spec = ProfileSpec {
        one_time: Some(rules()),
        ..env.spec("corp")
    };
    let running = env.open(vec![spec]).await;
    drop(mint(&running, OPEN).await);
    let key = Device::new(&env, "first").key;
    let request = |name: String, challenge: &str| {
        let device = Device::with_key(&env, &name, key.clone());
        device.pkcs_req(&env, challenge).message().to_vec()
    };
    let (mut fixed, mut made, mut minted) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..3 {
        let requests: Vec<Vec<u8>> = (0..MANY)
            .map(|n| request(format!("fixed-{round}-{n}"), CHALLENGE))
            .collect();
        let before = spent();
        enroll(&running, &requests).await;
        fixed.push(spent() - before);

        let (before, started) = (spent(), Instant::now());
        let values = mint(&running, MANY).await;
        minted.push(spent() - before);
        println!(
            "minted {:.0}/s",
            MANY as f64 / started.elapsed().as_secs_f64()
        );

        let requests: Vec<Vec<u8>> = values
            .iter()
            .enumerate()
            .map(|(n, value)| request(format!("made-{round}-{n}"), value))
            .collect();
        let before = spent();
        enroll(&running, &requests).await;
        made.push(spent() - before);
    }
    let each = |mut all: Vec<Duration>| {
        all.sort();
        all[all.len() / 2] / MANY as u32
    };
    let (fixed, minted, made) = (each(fixed), each(minted), each(made));
    println!("an enrollment by a static challenge: {fixed:?} of processor time");
    println!("an enrollment by a challenge for one device: {made:?}");
    println!("such a challenge made: {minted:?}");
    let more = (minted + made).as_secs_f64() / fixed.as_secs_f64() - 1.0;
    println!(
        "made and used: {:.1}% more than the static one",
        more * 100.0
    );
}
