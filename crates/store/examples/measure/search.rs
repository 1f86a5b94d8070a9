//! Searching: events and certificates.

use std::error::Error;
use std::path::Path;

use store::{
    AuditQuery, CertificateQuery, CertificateStatus, Change, Ledger, Outcome, Records, SledOptions,
    SledStore,
};

use crate::records::{at, certificate, device, event};
use crate::watch::{Watch, busy, memory};
use crate::{Done, time};

/// Writes so many events and half as many certificates, opens them anew, and searches.
pub(crate) fn search(dir: &Path, count: u64) -> Done {
    let quick = SledOptions {
        sync: false,
        ..SledOptions::default()
    };
    let store = SledStore::open(dir, &quick)?;
    let started = Watch::start();
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
        for answer in store.commit(&changes, time(&store, first))? {
            answer?;
        }
    }
    println!(
        "{count} events and {} certificates written in {}",
        count / 2,
        started
    );
    let sizes = store.sizes()?;
    println!("disk {} MB", sizes.disk_bytes >> 20);
    drop(store);
    println!("before opening: {}", memory());
    let started = Watch::start();
    let store = SledStore::open(dir, &quick)?;
    println!("opened in {}, {}", started, memory());
    let sizes = store.sizes()?;
    println!("indexes: {} MB", sizes.index_bytes >> 20);
    searches(&store, count)?;
    println!("after searching: {}", memory());
    let started = Watch::start();
    let check = store.audit_verify()?;
    println!(
        "chain of {} checked in {started}, {}",
        check.checked,
        memory()
    );
    Ok(())
}

/// Times of searches of every kind.
pub(crate) fn searches(store: &SledStore, count: u64) -> Done {
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
            let started = Watch::start();
            total = store.audit(&query)?.total;
            times.push(started.started.elapsed());
            busied.push(busy().saturating_sub(started.busy));
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
        let started = Watch::start();
        let total = store.certificates(&query, at(count))?.total;
        println!("certificates by {name}: {total} found, {}", started);
    }
    Ok(())
}
