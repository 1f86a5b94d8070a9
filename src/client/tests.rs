//! Reports of bench and probe, against a small SCEP server.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pki::KeyKind;

use super::bench::{self, BenchOptions, Challenges, Progress, Recipe, Report};
use super::responder::{Behaviour, Lie, Responder};
use super::{CaTrust, Dialect, Method, ProbeOptions, Server, ServerTrust, Session, probe};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

async fn meet(responder: &Responder) -> Server {
    let endpoint = responder.url().parse().unwrap();
    let session = Session::new(
        endpoint,
        ServerTrust::Unchecked,
        None,
        Duration::from_secs(20),
    )
    .unwrap();
    Server::meet(session, &CaTrust::AsGiven, Utc::now())
        .await
        .unwrap()
}

fn run(
    responder: &Responder,
    count: usize,
    challenges: Challenges,
    method: Option<Method>,
) -> Report {
    block_on(async {
        let server = meet(responder).await;
        let mut dialect = Dialect::choose(&server.capabilities, false).unwrap();
        if let Some(method) = method {
            dialect.method = method;
        }
        let options = BenchOptions {
            count,
            concurrency: 4,
            keys: 2,
            checked: 10,
            dialect,
        };
        let recipe = Recipe {
            subject_prefix: "O=Bench, ".to_owned(),
            with_san: true,
            challenges,
            now: Utc::now(),
        };
        let progress = Arc::new(Progress::default());
        let report = bench::run(&server, &recipe, &options, progress.clone())
            .await
            .unwrap();
        assert_eq!(
            (progress.prepared(), progress.answered()),
            (count as u64, count as u64)
        );
        report
    })
}

fn secret() -> Challenges {
    Challenges::Static("s3cret".to_owned())
}

#[test]
fn a_good_run_is_counted_and_checked() {
    for (tls, method) in [(false, None), (true, None), (false, Some(Method::Get))] {
        let responder = Responder::start(Behaviour {
            tls,
            ..Behaviour::default()
        });
        let report = run(&responder, 20, secret(), method);
        assert_eq!(
            (report.succeeded, report.failed, report.checked),
            (20, 0, 10),
            "{report}"
        );
        assert!(report.all_good());
        assert!(
            report.enrollments_per_second > 0.0 && report.latency_ms.max >= report.latency_ms.p50
        );
        let text = report.to_string();
        assert!(
            text.contains("enrollments/s") && text.contains("p99"),
            "{text}"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["succeeded"], 20);
        assert!(json["latency_ms"]["p99"].is_number(), "{json}");
    }
}

#[test]
fn failures_are_counted_by_kind() {
    let responder = Responder::start(Behaviour::default());
    let report = run(&responder, 8, Challenges::None, None);
    assert_eq!(
        report.failures.iter().collect::<Vec<_>>(),
        [("badRequest", 8)]
    );

    let responder = Responder::start(Behaviour {
        busy_every: 4,
        ..Behaviour::default()
    });
    let report = run(&responder, 8, secret(), None);
    assert_eq!(
        report.failures.iter().collect::<Vec<_>>(),
        [("HTTP 503", 2)]
    );
    assert_eq!(report.succeeded, 6);

    let responder = Responder::start(Behaviour {
        pending: 1,
        ..Behaviour::default()
    });
    let report = run(&responder, 4, secret(), None);
    assert_eq!(report.failures.iter().collect::<Vec<_>>(), [("PENDING", 4)]);
}

#[test]
fn replies_that_only_look_good_are_found_by_the_checks() {
    let responder = Responder::start(Behaviour {
        impostor: true,
        ..Behaviour::default()
    });
    let report = run(&responder, 10, secret(), None);
    assert_eq!((report.succeeded, report.checked), (10, 0));
    assert_eq!(report.check_failures.total(), 10);
    assert!(!report.all_good());
}

#[test]
fn closed_connections_are_made_again() {
    let responder = Responder::start(Behaviour {
        closes: true,
        ..Behaviour::default()
    });
    let report = run(&responder, 12, secret(), None);
    assert_eq!(report.succeeded, 12, "{report}");
    assert!(report.reconnects > 0);
}

#[test]
fn every_intune_challenge_is_another() {
    let key = pki::PrivateKey::generate(KeyKind::Ec(pki::Curve::P256)).unwrap();
    let challenges = Challenges::Intune {
        minter: challenge::mint::Minter::new(&key).unwrap(),
        audience: Some("https://scep.example.com".to_owned()),
        issuer: "connector".to_owned(),
        lifetime: TimeDelta::hours(1),
    };
    let responder = Responder::start(Behaviour {
        challenge: None,
        ..Behaviour::default()
    });
    let report = run(&responder, 12, challenges, None);
    assert_eq!(report.succeeded, 12);
    let seen = responder.challenges();
    let distinct: std::collections::HashSet<_> = seen.iter().flatten().collect();
    assert_eq!((seen.len(), distinct.len()), (12, 12));
    assert!(
        seen.iter()
            .flatten()
            .all(|text| challenge::looks_like_challenge(text))
    );
}

#[test]
fn a_probe_tells_what_works() {
    let responder = Responder::start(Behaviour::default());
    let found = block_on(async {
        let mut server = meet(&responder).await;
        let options = ProbeOptions {
            challenge: Some("s3cret".to_owned()),
            subject: None,
        };
        probe(&mut server, &options, Utc::now()).await.unwrap()
    });
    assert!(found.get.works && found.post.works && found.renewal_advertised);
    assert!(found.enrollment.unwrap().works && found.renewal.unwrap().works);
    let roles: Vec<&str> = found
        .certificates
        .iter()
        .map(|certificate| certificate.role)
        .collect();
    assert_eq!(roles, ["RA", "issuing CA", "CA"]);
    assert_eq!(found.certificates[0].days_left, 99);
    assert_eq!(found.next_ca.unwrap().len(), 1);
    let accepted: Vec<&str> = found
        .algorithms
        .iter()
        .filter(|a| a.accepted == Some(true))
        .map(|a| a.name)
        .collect();
    assert_eq!(
        accepted,
        [
            "AES-128",
            "AES-256",
            "SHA-256",
            "SHA-384",
            "SHA-512",
            "RSA-OAEP with SHA-1",
            "RSA-OAEP with SHA-256"
        ]
    );
    assert_eq!(found.findings, Vec::<String>::new());
}

#[test]
fn a_probe_finds_empty_promises() {
    let caps = Some("POSTPKIOperation\nAES\nDES3\nSHA-1\n");
    let responder = Responder::start(Behaviour {
        caps,
        get_only: true,
        ..Behaviour::default()
    });
    let found = block_on(async {
        let mut server = meet(&responder).await;
        probe(&mut server, &ProbeOptions::default(), Utc::now())
            .await
            .unwrap()
    });
    assert!(!found.post.works && found.post.answer.contains("405"));
    let all = found.findings.join("\n");
    for part in ["POSTPKIOperation", "DES-EDE3", "SHA-1", "Renewal"] {
        assert!(all.contains(part), "{all}");
    }
}

#[test]
fn a_probe_finds_that_the_enrollment_failed() {
    let responder = Responder::start(Behaviour::default());
    let found = block_on(async {
        let mut server = meet(&responder).await;
        let options = ProbeOptions {
            challenge: Some("wrong".to_owned()),
            subject: None,
        };
        probe(&mut server, &options, Utc::now()).await.unwrap()
    });
    let all = found.findings.join("\n");
    let said = "the enrollment did not work: badRequest: the challenge is wrong";
    assert!(all.contains(said), "{all}");
    assert!(found.renewal.is_none());
}

#[test]
fn a_probe_finds_what_is_not_as_it_was_asked_for() {
    let responder = Responder::start(Behaviour {
        lie: Some(Lie::CertSign),
        ..Behaviour::default()
    });
    let found = block_on(async {
        let mut server = meet(&responder).await;
        let options = ProbeOptions {
            challenge: Some("s3cret".to_owned()),
            subject: None,
        };
        probe(&mut server, &options, Utc::now()).await.unwrap()
    });
    let said = "is not as it was asked for: its key usage is a CA's: keyCertSign";
    let certificates = ["the certificate", "the renewed certificate"];
    let expected: Vec<String> = certificates
        .iter()
        .map(|what| format!("{what} {said}"))
        .collect();
    assert_eq!(found.findings, expected);
}

#[test]
fn a_probe_does_not_guess_where_there_is_no_crl() {
    let responder = Responder::start(Behaviour {
        no_crl: true,
        ..Behaviour::default()
    });
    let found = block_on(async {
        let mut server = meet(&responder).await;
        probe(&mut server, &ProbeOptions::default(), Utc::now())
            .await
            .unwrap()
    });
    assert!(found.get.works && found.post.works, "both were answered");
    for algorithm in &found.algorithms {
        let refused = ["DES-EDE3", "SHA-1"].contains(&algorithm.name);
        assert_eq!(
            algorithm.accepted,
            refused.then_some(false),
            "{algorithm:?}"
        );
    }
    assert_eq!(found.findings, Vec::<String>::new());
}
