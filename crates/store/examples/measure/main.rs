//! Measures the store on this machine.
//!
//! `cargo run --release -p store --example measure -- enroll 10000 16 [nosync]`: enrollments in
//! commits of up to 16: rate, disk per enrollment, memory, time to open again.
//! `... -- search 1000000`: that many events and half as many certificates: time of searches,
//! memory. `... -- marks 1000000`: live replay marks: time and memory to load.
//!
//! `... -- fill 1000000`: that many enrollments whose challenges are all remembered, in large commits;
//! `... -- ready`: time and memory from nothing to a store that is open and the state of every profile;
//! `... -- more 4000 [sync]`: the rate of that many further enrollments, in commits of 16. These three with `STORE_DIR`.
//!
//! `... -- serials 20000`: the serial numbers of that many certificates, the newest first, a line each; `... -- revoke 100000`:
//! that many, the oldest, are revoked, and the time to read them for a CRL. With `STORE_DIR`; `STORE_CA` names the certificate
//! (PEM) of the CA that is to have signed everything that `fill` makes, so that a server with that CA answers for it.
//!
//! `... -- challenges 1000000`: that many challenges for one device, every tenth still open; disk, time and memory to open them.
//!
//! `... -- kinds`: how much the records of each kind take in `STORE_DIR`, without what the engine adds.
//!
//! The store is made in a temporary directory, or in `STORE_DIR` and left there; then
//! `... -- open` opens it in a fresh process and says time and memory.
#![allow(clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

mod der;
mod records;
mod search;
mod watch;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use pki::{
    CrlBuilder, Curve, Digest, KeyKind, Name, PrivateKey, RevocationReason, RevokedEntry, Serial,
};
use store::{
    CertificateQuery, Change, ClockReading, Ledger, Op, Records, Reservation, SledOptions,
    SledStore, StoreTime,
};

use records::{PROFILES, at, ca, enrollment, one_time, random};
use search::{search, searches};
use watch::{Watch, busy, memory};

/// The octets before the first record of a backup.
const BACKUP_HEADER: usize = "scepd store backup 1\n".len() + 4;

type Done = Result<(), Box<dyn Error>>;

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
        Some("fill") => fill(&dir, number(1, 1_000_000)),
        Some("kinds") => kinds(&dir),
        Some("ready") => ready(&dir),
        Some("serials") => serials(&dir, number(1, 20_000)),
        Some("revoke") => revoke(&dir, number(1, 100_000)),
        Some("challenges") => challenges(&dir, number(1, 1_000_000)),
        Some("more") => more(&dir, number(1, 4000), arguments.get(2).is_some()),
        _ => Err(
            "say enroll, search, marks, open, fill, kinds, ready, more, serials, revoke or challenges"
                .into(),
        ),
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
        let started = Watch::start();
        for answer in store.commit(&changes, time(&store, end))? {
            answer?;
        }
        times.push(started.started.elapsed());
        spent += started.started.elapsed();
        busied += busy().saturating_sub(started.busy);
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
    let started = Watch::start();
    let store = SledStore::open(dir, &SledOptions::default())?;
    println!("opened again in {}, {}", started, memory());
    println!(
        "disk after closing: {} octets an enrollment",
        store.sizes()?.disk_bytes / count
    );
    let started = Watch::start();
    let report = store.verify()?;
    println!(
        "verified in {}: good {}, {}",
        started,
        report.is_good(),
        memory()
    );
    Ok(())
}

fn marks(dir: &Path, count: u64) -> Done {
    let quick = SledOptions {
        sync: false,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, &quick)?;
    let started = Watch::start();
    for first in (0..count).step_by(1000) {
        let changes = (first..(first + 1000).min(count))
            .map(|n| {
                let (key, until) = (random::<16>()?, at(n + 100_000));
                Ok(Change::new().with(Reservation::Once {
                    scope: "corp".into(),
                    key,
                    until,
                }))
            })
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        for answer in store.commit(&changes, time(&store, 0))? {
            answer?;
        }
    }
    println!("{count} marks written in {}, {}", started, memory());
    println!("disk: {} octets a mark", store.sizes()?.disk_bytes / count);
    drop(store);
    println!("before opening: {}", memory());
    let started = Watch::start();
    let store = SledStore::open(dir, &quick)?;
    println!("opened in {}, {}", started, memory());
    let started = Watch::start();
    let mut seen = 0_u64;
    store.replay_marks("corp", time(&store, 0), &mut |_| seen += 1)?;
    println!("{seen} marks visited in {}, {}", started, memory());
    let started = Watch::start();
    let state = store.profile_state("corp", time(&store, 0))?;
    println!(
        "{} marks listed in {}, {}",
        state.replay.len(),
        started,
        memory()
    );
    Ok(())
}

/// Enrollment `n`, whose challenge is remembered for a year.
fn remembered(n: u64) -> Result<Change, Box<dyn Error>> {
    let mut change = enrollment(n)?;
    for op in &mut change.0 {
        if let Op::Reserve(Reservation::Once { until, .. }) = op {
            *until = at(n + 31_536_000);
        }
    }
    Ok(change)
}

fn fill(dir: &Path, count: u64) -> Done {
    let quick = SledOptions {
        sync: false,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, &quick)?;
    let started = Watch::start();
    for first in (0..count).step_by(500) {
        let end = (first + 500).min(count);
        let changes = (first..end)
            .map(remembered)
            .collect::<Result<Vec<_>, _>>()?;
        for answer in store.commit(&changes, time(&store, end))? {
            answer?;
        }
    }
    println!("{count} enrollments written in {started}, {}", memory());
    let octets = store.sizes()?.disk_bytes;
    println!("disk: {} octets an enrollment", octets / count);
    Ok(())
}

fn kinds(dir: &Path) -> Done {
    let mut backup = Vec::new();
    SledStore::backup_of(dir, &SledOptions::default(), &mut backup)?;
    let mut rest = backup.get(BACKUP_HEADER..).ok_or("it is no backup")?;
    let mut kinds: BTreeMap<char, (u64, u64)> = BTreeMap::new();
    while let Some((lengths, after)) = rest.split_first_chunk::<8>() {
        let (key, value) = (
            u64::from_be_bytes(*lengths) >> 32,
            u64::from_be_bytes(*lengths) & 0xffff_ffff,
        );
        let Some(letter) = after.first().filter(|_| key > 0) else {
            break;
        };
        let kind = kinds.entry(char::from(*letter)).or_default();
        kind.0 += 1;
        kind.1 += key + value;
        rest = after
            .get(usize::try_from(key + value)?..)
            .ok_or("it is cut")?;
    }
    for (letter, (records, octets)) in kinds {
        println!(
            "{letter}: {records} records, {octets} octets, {} each",
            octets / records
        );
    }
    Ok(())
}

fn ready(dir: &Path) -> Done {
    println!("before opening: {}", memory());
    let started = Watch::start();
    let store = SledStore::open(dir, &SledOptions::default())?;
    println!("opened in {started}, {}", memory());
    let sizes = store.sizes()?;
    let now = time(&store, sizes.certificates);
    for profile in PROFILES {
        let started = Watch::start();
        let state = store.profile_state(profile, now)?;
        println!(
            "{profile}: {} used challenges, {} enrollments that count, in {started}, {}",
            state.replay.len(),
            state.rate.len(),
            memory()
        );
    }
    println!("ready in {started}, {}", memory());
    println!(
        "{} certificates, {} events, disk {} octets an enrollment, indexes {} MB",
        sizes.certificates,
        sizes.audit_events,
        sizes.disk_bytes / sizes.certificates.max(1),
        sizes.index_bytes >> 20
    );
    Ok(())
}

fn more(dir: &Path, count: u64, sync: bool) -> Done {
    let options = SledOptions {
        sync,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, &options)?;
    let first = store.sizes()?.certificates;
    let mut spent = Duration::ZERO;
    let mut busied = Duration::ZERO;
    for from in (first..first + count).step_by(16) {
        let end = (from + 16).min(first + count);
        let changes = (from..end).map(remembered).collect::<Result<Vec<_>, _>>()?;
        let started = Watch::start();
        for answer in store.commit(&changes, time(&store, end))? {
            answer?;
        }
        spent += started.started.elapsed();
        busied += busy().saturating_sub(started.busy);
    }
    println!(
        "{count} enrollments beside {first}, sync {sync}: {:.0}/s, busy {:?} an enrollment, {}",
        count as f64 / spent.as_secs_f64(),
        busied / u32::try_from(count)?,
        memory()
    );
    Ok(())
}

/// Shows each of so many certificates, page by page.
fn each(store: &SledStore, count: u64, oldest: bool, mut show: impl FnMut(Vec<u8>)) -> Done {
    let all = store.sizes()?.certificates;
    let per_page = 1000;
    let pages = count.min(all).div_ceil(per_page);
    for page in 1..=pages {
        let page = if oldest {
            (all / per_page).max(1) + 1 - page
        } else {
            page
        };
        let query = CertificateQuery {
            page: u32::try_from(page)?,
            per_page: u32::try_from(per_page)?,
            ..CertificateQuery::default()
        };
        for record in store.certificates(&query, at(all))?.data {
            show(record.serial);
        }
    }
    Ok(())
}

fn serials(dir: &Path, count: u64) -> Done {
    let store = SledStore::open(dir, &SledOptions::default())?;
    each(&store, count, false, |serial| {
        println!("{}", hex::encode(serial))
    })
}

fn revoke(dir: &Path, count: u64) -> Done {
    let store = SledStore::open(dir, &SledOptions::default())?;
    let mut found = Vec::new();
    each(&store, count, true, |serial| found.push(serial))?;
    let started = Watch::start();
    let mut longest = Duration::ZERO;
    for some in found.chunks(10_000) {
        let mut change = Change::new();
        for serial in some {
            change.push(Op::Revoke {
                ca: ca(),
                serial: serial.clone(),
                at: at(0),
                reason: 4,
            });
        }
        let commit = Instant::now();
        for answer in store.commit(&[change], time(&store, 0))? {
            answer?;
        }
        longest = longest.max(commit.elapsed());
    }
    println!("a commit of 10,000 took {longest:.1?} at most");
    println!("{} revoked in {started}, {}", found.len(), memory());
    let started = Watch::start();
    let revoked = store.revoked(&ca())?;
    println!(
        "{} read for a CRL in {started}, {}",
        revoked.len(),
        memory()
    );
    let started = Watch::start();
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256))?;
    let entries = revoked.into_iter().map(|revoked| RevokedEntry {
        serial: Serial::new(revoked.serial),
        revoked_at: revoked.revocation.at,
        reason: RevocationReason::from_number(revoked.revocation.reason),
    });
    let crl = CrlBuilder {
        issuer: Name::parse("CN=measured")?,
        entries: entries.collect(),
        number: 1,
        this_update: at(0),
        next_update: at(86_400),
        aki: None,
    };
    let crl = crl.sign(&key, &key.scheme(Digest::Sha256)?)?;
    println!(
        "CRL of {} octets written and signed in {started}",
        crl.der().len()
    );
    Ok(())
}

fn challenges(dir: &Path, count: u64) -> Done {
    let quick = SledOptions {
        sync: false,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, &quick)?;
    let started = Watch::start();
    for first in (0..count).step_by(500) {
        let end = (first + 500).min(count);
        let changes = (first..end).map(one_time).collect::<Result<Vec<_>, _>>()?;
        for answer in store.commit(&changes, time(&store, 0))? {
            answer?;
        }
    }
    println!("{count} challenges written in {started}, {}", memory());
    println!("disk: {} octets each", store.sizes()?.disk_bytes / count);
    drop(store);
    println!("before opening: {}", memory());
    let started = Watch::start();
    let store = SledStore::open(dir, &SledOptions::default())?;
    println!("opened in {started}, {}", memory());
    for profile in PROFILES {
        let started = Watch::start();
        let counts = store.challenge_counts(profile, time(&store, 0))?;
        println!("{profile}: {counts:?} in {started}");
    }
    Ok(())
}

/// What the store makes of a wall clock that shows so many seconds.
fn time(store: &SledStore, seconds: u64) -> StoreTime {
    store.time(ClockReading {
        wall: at(seconds),
        monotonic: Instant::now(),
    })
}

fn reopen(dir: &Path) -> Done {
    let started = Watch::start();
    let store = SledStore::open(dir, &SledOptions::default())?;
    println!("opened in {started}, {}", memory());
    println!("{:?}", store.sizes()?);
    for profile in PROFILES {
        let started = Watch::start();
        let mut seen = 0_u64;
        store.replay_marks(profile, time(&store, 0), &mut |_| seen += 1)?;
        println!(
            "{profile}: {seen} replay marks visited in {started}, {}",
            memory()
        );
    }
    searches(&store, 1_000_000)?;
    println!("after searching: {}", memory());
    Ok(())
}
