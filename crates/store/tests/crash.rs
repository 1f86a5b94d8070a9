//! Killed at any moment, the store holds every change that was acknowledged, and no part of one
//! that was not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test reads the clock"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use store::{
    AuditDetails, AuditEvent, CaId, CertificateRecord, Change, ClockReading, CrlRecord,
    EnrollmentRecord, Grounds, Ledger, Op, Records, Reservation, SledOptions, SledStore, Stage,
    StoreTime, StoredEvent, Times,
};

const ROUNDS: u64 = 24;
const DIR: &str = "SCEPD_STORE_CRASH_DIR";
const SEED: &str = "SCEPD_STORE_CRASH_SEED";

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("store");
    let (mut known, mut acknowledged) = (0, 0);
    let mut left_over = 0;
    for round in 0..ROUNDS {
        let newest = killed_after(&dir, round);
        assert!(newest > acknowledged, "round {round} did something");
        acknowledged = newest;
        let store = open(&dir, round);
        let held = checked(&store, known, acknowledged);
        left_over += held - acknowledged;
        (known, acknowledged) = (held, held);
    }
    assert_eq!(checked(&open(&dir, 0), 0, acknowledged), acknowledged);
    println!("{acknowledged} changes, {left_over} of them durable before they were acknowledged");
}

/// Lets a child write until so many acknowledgements came, kills it, and returns the newest
/// change that it acknowledged.
fn killed_after(dir: &Path, round: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "writes_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DIR, dir)
        .env(SEED, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut newest = 0;
    let mut wanted = 1 + round * 7 % 20;
    while wanted > 0 {
        let line = lines
            .next()
            .expect("the child writes until it is killed")
            .unwrap();
        if let Some(number) = line
            .strip_prefix("done ")
            .and_then(|line| line.strip_suffix('.'))
        {
            newest = number.parse().unwrap();
            wanted -= 1;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it could still say counts: the last line may be cut short by the kill.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    for line in rest.iter().filter_map(|line| line.strip_prefix("done ")) {
        newest = newest.max(
            line.strip_suffix('.')
                .map_or(0, |number| number.parse().unwrap()),
        );
    }
    newest
}

/// Checks the whole store, and every member of the changes after `known`; returns how many
/// changes it holds.
fn checked(store: &SledStore, known: u64, acknowledged: u64) -> u64 {
    let report = store.verify().unwrap();
    assert!(report.is_good(), "{report:?}");
    let held = report.sizes.certificates;
    assert!(
        held >= acknowledged,
        "{held} of {acknowledged} acknowledged changes are there"
    );
    let marks: BTreeSet<[u8; 16]> = store
        .profile_state("corp", time(store))
        .unwrap()
        .replay
        .iter()
        .map(|mark| mark.key)
        .collect();
    for n in known + 1..=held {
        let record = store.certificate(&ca(), &n.to_be_bytes()).unwrap();
        assert_eq!(record, Some(certificate(n)), "certificate {n}");
        let request = store.enrollment("corp", &key(n)).unwrap().unwrap();
        let expected = EnrollmentRecord {
            version: 1,
            ..enrollment(n)
        };
        assert_eq!(request, expected, "request {n}");
        let event = audit_event(store, n);
        assert_eq!(event.event, audit(n), "event {n}");
        assert!(marks.contains(&key(n)), "mark {n}");
    }
    assert_eq!(report.audit.last_id, held, "no event without its change");
    assert_eq!(
        report.sizes.transactions, held,
        "no request without its change"
    );
    assert_eq!(marks.len() as u64, held, "no mark without its change");
    let state = store.profile_state("corp", time(store)).unwrap();
    assert_eq!(state.counters.get("success"), Some(&held));
    let crl = store.crl(&ca()).unwrap();
    assert_eq!(
        crl.map_or(0, |crl| crl.number),
        held / 50,
        "each 50th change has a CRL"
    );
    held
}

/// Runs in the child only.
#[test]
#[ignore = "writes until it is killed: started by the other test"]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let seed = std::env::var_os(SEED).unwrap();
    let seed: u64 = seed.to_str().unwrap().parse().unwrap();
    let store = open(Path::new(&dir), seed);
    let mut next = store.sizes().unwrap().certificates + 1;
    let mut turn = seed;
    let mut out = std::io::stdout();
    loop {
        turn += 1;
        let many = if turn.is_multiple_of(11) {
            120
        } else {
            1 + turn * 5 % 16
        };
        let changes: Vec<Change> = (next..next + many).map(change).collect();
        for answer in store.commit(&changes, time(&store)).unwrap() {
            answer.unwrap();
        }
        next += many;
        out.write_all(format!("\ndone {}.\n", next - 1).as_bytes())
            .unwrap();
        out.flush().unwrap();
    }
}

fn open(dir: &Path, round: u64) -> SledStore {
    let options = SledOptions {
        sync: round.is_multiple_of(4),
        ..SledOptions::default()
    };
    SledStore::open(dir, &options).unwrap()
}

fn change(n: u64) -> Change {
    let mut change = Change::new()
        .with(certificate(n))
        .with(enrollment(n))
        .with(audit(n))
        .with(Reservation::Once {
            scope: "corp".into(),
            key: key(n),
            until: at(1000),
        })
        .with(Op::Count {
            profile: "corp".into(),
            name: "success".into(),
            by: 1,
        });
    if n.is_multiple_of(50) {
        change.push(CrlRecord {
            issuer_id: "ca".into(),
            ca: ca(),
            number: n / 50,
            this_update: at(0),
            next_update: at(1),
            der: vec![n as u8; 200_000],
        });
    }
    change
}

fn time(store: &SledStore) -> StoreTime {
    store.time(ClockReading {
        wall: at(0),
        monotonic: Instant::now(),
    })
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + Duration::seconds(seconds)
}

fn key(n: u64) -> [u8; 16] {
    let mut key = [7; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key
}

fn certificate(n: u64) -> CertificateRecord {
    CertificateRecord {
        issuer_id: "ca".into(),
        ca: ca(),
        serial: n.to_be_bytes().to_vec(),
        profile: "corp".into(),
        der: (0..1000 + n % 300).map(|octet| (octet * n) as u8).collect(),
        common_name: format!("device-{n}"),
        sans: String::new(),
        not_before: at(0),
        not_after: at(86_400),
        issued_at: at(0),
        transaction_id: format!("{n}"),
        device: None,
        renews: None,
        through_gates: None,
        revoked: None,
    }
}

fn ca() -> CaId {
    CaId::from_bytes([1; 16])
}

fn enrollment(n: u64) -> EnrollmentRecord {
    EnrollmentRecord {
        profile: "corp".into(),
        key: key(n),
        poll_key: key(n),
        version: 0,
        stage: Stage::Issued {
            ca: ca(),
            serial: n.to_be_bytes().into(),
        },
        needs_approval: false,
        transaction_id: format!("{n}"),
        message_type: 19,
        common_name: format!("device-{n}"),
        sans: String::new(),
        source_ip: None,
        csr: None,
        grounds: Grounds::default(),
        context: None,
        due: None,
        attempts: 0,
        lease: None,
        times: Times::starting(at(0)),
    }
}

fn audit_event(store: &SledStore, n: u64) -> StoredEvent {
    let mut found = None;
    let first = &mut |event| {
        found = Some(event);
        ControlFlow::Break(())
    };
    store.audit_each(n, first).unwrap();
    found.unwrap()
}

fn audit(n: u64) -> AuditEvent {
    AuditEvent {
        timestamp: at(0),
        actor: format!("device-{n}"),
        actor_type: "Device".into(),
        action: "scep_pkcsreq".into(),
        resource_type: "certificate".into(),
        resource_id: format!("{n}"),
        details: AuditDetails::default(),
    }
}
