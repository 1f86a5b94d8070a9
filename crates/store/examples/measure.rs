//! Measures the store on this machine.
//!
//! `cargo run --release -p store --example measure -- enroll 10000 16 [nosync]`: enrollments in
//! commits of up to 16: rate, disk per enrollment, memory, time to open again.
//! `... -- search 1000000`: that many events and half as many certificates: time of searches,
//! memory. `... -- marks 1000000`: live replay marks: time and memory to load.
//!
//! The store is made in a temporary directory, or in `STORE_DIR` and left there; then
//! `... -- open` opens it in a fresh process and says time and memory.
#![allow(clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use store::{
    AuditDetails, AuditEvent, AuditQuery, CertificateQuery, CertificateRecord, CertificateStatus,
    Change, Op, Outcome, SledOptions, SledStore, Store, TransactionRecord, TransactionState,
};

type Done = Result<(), Box<dyn Error>>;

const PROFILES: [&str; 3] = ["corp", "iot", "lab"];
const LABELS: [&str; 11] = [
    "success",
    "signature_invalid",
    "expired",
    "not_yet_valid",
    "wrong_audience",
    "replay",
    "rate_limited",
    "claim_mismatch",
    "compliance_failed",
    "malformed",
    "unknown_version",
];

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, default: u64| {
        arguments
            .get(n)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let temporary = tempfile::tempdir()?;
    let dir = match std::env::var_os("STORE_DIR") {
        Some(dir) => dir.into(),
        None => temporary.path().join("store"),
    };
    match arguments.first().map(String::as_str) {
        Some("enroll") => {
            let sync = arguments.get(3).is_none_or(|word| word != "nosync");
            enroll(&dir, number(1, 10_000), number(2, 16), sync)
        }
        Some("search") => search(&dir, number(1, 1_000_000)),
        Some("marks") => marks(&dir, number(1, 1_000_000)),
        Some("open") => reopen(&dir),
        _ => Err("say enroll, search or marks".into()),
    }
}

fn enroll(dir: &Path, count: u64, batch: u64, sync: bool) -> Done {
    let store = SledStore::open(
        dir,
        &SledOptions {
            sync,
            ..SledOptions::default()
        },
    )?;
    let (mut times, mut done, mut spent) = (Vec::new(), 0, Duration::ZERO);
    let mut busied = Duration::ZERO;
    let mut sizes = (1..=batch).cycle();
    while done < count {
        // With "16" the size of the groups runs from 1 to 16, as it does under changing load.
        let size = if batch == 16 {
            sizes.next().unwrap_or(1)
        } else {
            batch
        };
        let end = (done + size).min(count);
        let changes = (done..end).map(enrollment).collect::<Result<Vec<_>, _>>()?;
        let begun = Watch::start();
        for answer in store.commit(&changes, at(end))? {
            answer?;
        }
        times.push(begun.begun.elapsed());
        spent += begun.begun.elapsed();
        busied += busy().saturating_sub(begun.busy);
        done = end;
    }
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{count} enrollments in groups of {batch}, sync {sync}: {:.0}/s, {:.0} commits/s, \
         p50 {:?}, p99 {:?}, busy {:?} an enrollment",
        count as f64 / spent.as_secs_f64(),
        times.len() as f64 / spent.as_secs_f64(),
        at(50),
        at(99),
        busied / count as u32,
    );
    let sizes = store.sizes()?;
    println!("disk: {} octets an enrollment", sizes.disk_bytes / count);
    println!(
        "memory: {} (indexes {} kB)",
        memory(),
        sizes.index_bytes / 1024
    );
    drop(store);
    let begun = Watch::start();
    let store = SledStore::open(dir, &SledOptions::default())?;
    println!("opened again in {}, {}", begun, memory());
    println!(
        "disk after closing: {} octets an enrollment",
        store.sizes()?.disk_bytes / count
    );
    let begun = Watch::start();
    let report = store.verify()?;
    println!(
        "verified in {}: good {}, {}",
        begun,
        report.is_good(),
        memory()
    );
    Ok(())
}

fn search(dir: &Path, count: u64) -> Done {
    let quick = SledOptions {
        sync: false,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, &quick)?;
    let begun = Watch::start();
    for first in (0..count).step_by(500) {
        let changes = (first..(first + 500).min(count))
            .map(|n| {
                let mut change = Change::new().with(event(n)?);
                if n % 2 == 0 {
                    change.push(certificate(n)?);
                }
                Ok(change)
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        for answer in store.commit(&changes, at(first))? {
            answer?;
        }
    }
    println!(
        "{count} events and {} certificates written in {}",
        count / 2,
        begun
    );
    let sizes = store.sizes()?;
    println!("disk {} MB", sizes.disk_bytes >> 20);
    drop(store);
    println!("before opening: {}", memory());
    let begun = Watch::start();
    let store = SledStore::open(dir, &quick)?;
    println!("opened in {}, {}", begun, memory());
    let sizes = store.sizes()?;
    println!("indexes: {} MB", sizes.index_bytes >> 20);
    searches(&store, count)?;
    println!("after searching: {}", memory());
    let begun = Watch::start();
    let check = store.audit_verify()?;
    println!(
        "chain of {} checked in {begun}, {}",
        check.checked,
        memory()
    );
    Ok(())
}

fn searches(store: &SledStore, count: u64) -> Done {
    let text = |text: &str| Some(text.to_owned());
    let query = AuditQuery::default;
    for (name, query) in [
        ("all", query()),
        (
            "last page",
            AuditQuery {
                page: (count / 50) as u32,
                ..query()
            },
        ),
        (
            "action",
            AuditQuery {
                actions: vec!["scep_pkcsreq_intune".into()],
                ..query()
            },
        ),
        (
            "profile and outcome",
            AuditQuery {
                profile: text("lab"),
                outcome: Some(Outcome::Failure),
                ..query()
            },
        ),
        (
            "a day",
            AuditQuery {
                since: Some(at(count / 2)),
                until: Some(at(count / 2 + 86400)),
                ..query()
            },
        ),
        (
            "rare text",
            AuditQuery {
                q: text("device-0000017"),
                ..query()
            },
        ),
        (
            "absent text",
            AuditQuery {
                q: text("nowhere to be found"),
                ..query()
            },
        ),
        (
            "text of every event",
            AuditQuery {
                q: text("device-"),
                ..query()
            },
        ),
        (
            "one letter",
            AuditQuery {
                q: text("e"),
                ..query()
            },
        ),
        (
            "hex digits",
            AuditQuery {
                q: text("a1"),
                ..query()
            },
        ),
        (
            "device",
            AuditQuery {
                device: text(&device(777)),
                ..query()
            },
        ),
        (
            "all together",
            AuditQuery {
                actions: vec!["scep_pkcsreq_intune".into()],
                profile: text("lab"),
                outcome: Some(Outcome::Success),
                since: Some(at(10)),
                until: Some(at(count - 10)),
                q: text("device-00"),
                page: 3,
                ..query()
            },
        ),
    ] {
        let (mut times, mut busied) = (Vec::new(), Vec::new());
        let mut total = 0;
        for _ in 0..9 {
            let begun = Watch::start();
            total = store.audit(&query)?.total;
            times.push(begun.begun.elapsed());
            busied.push(busy().saturating_sub(begun.busy));
        }
        busied.sort_unstable();
        times.sort_unstable();
        println!(
            "events by {name}: {total} found, median {:?}, worst {:?}, busy {:?}",
            times[4], times[8], busied[4]
        );
    }
    let query = CertificateQuery::default;
    for (name, query) in [
        ("nothing", query()),
        (
            "profile",
            CertificateQuery {
                profile: text("iot"),
                ..query()
            },
        ),
        (
            "status",
            CertificateQuery {
                status: Some(CertificateStatus::Valid),
                ..query()
            },
        ),
        (
            "rare text",
            CertificateQuery {
                q: text("device-0000017"),
                ..query()
            },
        ),
        (
            "text of every one",
            CertificateQuery {
                q: text("device-"),
                ..query()
            },
        ),
        (
            "device",
            CertificateQuery {
                device: text(&device(778)),
                ..query()
            },
        ),
    ] {
        let begun = Watch::start();
        let total = store.certificates(&query, at(count))?.total;
        println!("certificates by {name}: {total} found, {}", begun);
    }
    Ok(())
}

fn marks(dir: &Path, count: u64) -> Done {
    let quick = SledOptions {
        sync: false,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, &quick)?;
    let begun = Watch::start();
    for first in (0..count).step_by(1000) {
        let changes = (first..(first + 1000).min(count))
            .map(|n| {
                let (key, until) = (random::<16>()?, at(n + 100_000));
                Ok(Change::new().with(Op::PutReplay {
                    profile: "corp".into(),
                    key,
                    until,
                }))
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        for answer in store.commit(&changes, at(0))? {
            answer?;
        }
    }
    println!("{count} marks written in {}, {}", begun, memory());
    println!("disk: {} octets a mark", store.sizes()?.disk_bytes / count);
    drop(store);
    println!("before opening: {}", memory());
    let begun = Watch::start();
    let store = SledStore::open(dir, &quick)?;
    println!("opened in {}, {}", begun, memory());
    let begun = Watch::start();
    let mut seen = 0_u64;
    store.replay_marks("corp", at(0), &mut |_| seen += 1)?;
    println!("{seen} marks visited in {}, {}", begun, memory());
    let begun = Watch::start();
    let state = store.profile_state("corp", at(0))?;
    println!(
        "{} marks listed in {}, {}",
        state.replay.len(),
        begun,
        memory()
    );
    Ok(())
}

fn reopen(dir: &Path) -> Done {
    let begun = Watch::start();
    let store = SledStore::open(dir, &SledOptions::default())?;
    println!("opened in {begun}, {}", memory());
    println!("{:?}", store.sizes()?);
    for profile in PROFILES {
        let begun = Watch::start();
        let mut seen = 0_u64;
        store.replay_marks(profile, at(0), &mut |_| seen += 1)?;
        println!(
            "{profile}: {seen} replay marks visited in {begun}, {}",
            memory()
        );
    }
    searches(&store, 1_000_000)?;
    println!("after searching: {}", memory());
    Ok(())
}

/// Time gone by, and time spent on a processor.
struct Watch {
    begun: Instant,
    busy: Duration,
}

impl Watch {
    fn start() -> Self {
        Self {
            begun: Instant::now(),
            busy: busy(),
        }
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let busy = busy().saturating_sub(self.busy);
        write!(f, "{:.1?} (busy {busy:.1?})", self.begun.elapsed())
    }
}

/// What all threads have spent on processors.
fn busy() -> Duration {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    let spent = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(spent).sum::<u64>())
}

/// All that one Intune enrollment leaves behind.
fn enrollment(n: u64) -> Result<Change, Box<dyn Error>> {
    let certificate = certificate(n)?;
    let transaction = TransactionRecord {
        profile: certificate.profile.clone(),
        key: random()?,
        poll_key: random()?,
        state: TransactionState::Issued {
            issuer_id: certificate.issuer_id.clone(),
            serial: certificate.serial.clone(),
        },
        transaction_id: certificate.transaction_id.clone(),
        message_type: 19,
        created_at: at(n),
        updated_at: at(n),
        deadline: None,
        common_name: certificate.common_name.clone(),
        sans: certificate.sans.clone(),
        device: certificate.device.clone(),
        source_ip: Some(address(n)),
        csr: None,
        context: None,
    };
    let mut event = event(n)?;
    event.details.outcome = Some(Outcome::Success);
    event.details.serial = Some(hex::encode(&certificate.serial));
    let profile = certificate.profile.clone();
    let counters: BTreeMap<String, u64> = LABELS
        .iter()
        .map(|label| ((*label).to_owned(), n))
        .collect();
    Ok(Change::new()
        .with(certificate)
        .with(transaction)
        .with(event)
        .with(Op::PutReplay {
            profile: profile.clone(),
            key: random()?,
            until: at(n + 3660),
        })
        .with(Op::PutRate {
            profile: profile.clone(),
            device: random()?,
            at: at(n),
            until: at(n + 86_400),
        })
        .with(Op::Counters {
            profile,
            values: counters,
        }))
}

fn certificate(n: u64) -> Result<CertificateRecord, Box<dyn Error>> {
    Ok(CertificateRecord {
        issuer_id: "corp-issuing-ca".into(),
        serial: random::<20>()?.to_vec(),
        profile: PROFILES[(n % 3) as usize].into(),
        der: random::<1010>()?.to_vec(),
        common_name: format!("Device-{n:09}"),
        sans: format!("dns:device-{n:09}.corp.example, upn:user{n}@corp.example"),
        not_before: at(n) - chrono::Duration::minutes(5),
        not_after: at(n) + chrono::Duration::days(365),
        issued_at: at(n),
        transaction_id: hex::encode_upper(random::<20>()?),
        device: Some(device(n)),
        renews: None,
        revoked: None,
    })
}

fn event(n: u64) -> Result<AuditEvent, Box<dyn Error>> {
    let failed = n.is_multiple_of(7);
    let common_name = format!("Device-{n:09}");
    let upn = format!("user{n}@corp.example");
    let dns = format!("device-{n:09}.corp.example");
    let iat = at(n).timestamp();
    Ok(AuditEvent {
        timestamp: at(n),
        actor: device(n),
        actor_type: "Device".into(),
        action: if n.is_multiple_of(4) {
            "scep_renewalreq_intune"
        } else {
            "scep_pkcsreq_intune"
        }
        .into(),
        resource_type: "certificate".into(),
        resource_id: String::new(),
        details: AuditDetails {
            outcome: Some(if failed {
                Outcome::Failure
            } else {
                Outcome::Success
            }),
            reason: failed.then(|| LABELS[(n % 11) as usize].to_owned()),
            message: failed.then(|| "this challenge was used before".to_owned()),
            profile: Some(PROFILES[(n % 3) as usize].into()),
            issuer_id: Some("corp-issuing-ca".into()),
            serial: if failed {
                None
            } else {
                Some(hex::encode(random::<20>()?))
            },
            common_name: Some(common_name.clone()),
            sans: Some(format!("dns:{dns}, upn:{upn}")),
            transaction_id: Some(hex::encode_upper(random::<20>()?)),
            source_ip: Some(address(n)),
            user_agent: Some("Mozilla/4.0 (compatible; Win32; NDES client)".into()),
            device: Some(device(n)),
            claim_issuer: Some("https://connector.corp.example/0f7b2c1e".into()),
            claim: Some(json!({
                "iss": "https://connector.corp.example/0f7b2c1e", "sub": device(n),
                "aud": "https://scep.corp.example/scep/corp", "iat": iat, "exp": iat + 3600,
                "nonce": hex::encode(random::<16>()?), "device_name": common_name,
                "san_dns": [dns], "san_upn": [upn],
            })),
            csr: Some(json!({
                "subject": format!("CN={common_name}, O=Corp"), "common_names": [common_name],
                "dns": [dns], "upn": [upn], "key_type": "RSA 2048",
            })),
            request_id: Some(hex::encode(random::<8>()?)),
            note: None,
            extra: BTreeMap::new(),
        },
    })
}

fn device(n: u64) -> String {
    let high = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{n:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high >> 4 & 0xfff,
        high & 0xfff
    )
}

fn address(n: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, (n >> 16) as u8, (n >> 8) as u8, n as u8))
}

fn at(seconds: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000 + seconds.cast_signed(), 123_456_000).unwrap_or_default()
}

fn random<const N: usize>() -> Result<[u8; N], Box<dyn Error>> {
    let mut octets = [0; N];
    SystemRandom::new()
        .fill(&mut octets)
        .map_err(|_| "no random numbers")?;
    Ok(octets)
}

/// Resident memory now and at most.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        kilobytes
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
            / 1024
    };
    format!("resident {} MB (most {} MB)", line("VmRSS"), line("VmHWM"))
}
