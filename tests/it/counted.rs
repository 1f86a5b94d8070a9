//! `scepd_scep_requests_total`: every request to a profile once, and the id that its reply carries.

use std::collections::BTreeMap;

use scep::client::Content;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::device::{Device, refused};
use crate::fleet::device_key;
use crate::test_env::{Running, TestEnv};
use crate::webhook::Webhook;
use crate::{intune, wire};

/// What was counted for a profile: by operation and result, zeros left out.
async fn counted(server: &Running, profile: &str) -> BTreeMap<String, u64> {
    let metrics = server.nobody().get("/metrics").await.text;
    let begin = format!("scepd_scep_requests_total{{profile=\"{profile}\",");
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix(&begin)?.rsplit_once("} "))
        .map(|(labels, count)| (labels.replace('"', ""), count.parse().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn expected(counts: &[(&str, &str, u64)]) -> BTreeMap<String, u64> {
    let label = |operation, result| format!("operation={operation},result={result}");
    let named = counts
        .iter()
        .map(|(operation, result, count)| (label(operation, result), *count));
    named.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_counted_once_whatever_becomes_of_it() {
    let server = TestEnv::new()
        .profile("counted", "")
        .with("[server]\nbody_timeout = '200ms'\nmax_body_bytes = 16384")
        .start()
        .await;
    let device = Device::at(server.http("counted"), server.client(), device_key()).await;
    device.enroll().await;
    let csr = device.csr(Some("wrong"));
    let wrong = device.request(Content::PkcsReq(&csr));
    refused(device.post(&wrong).await);
    refused(device.get(&wrong).await);

    let to = server.server.addresses().http.unwrap();
    let status = async |target: &str| wire::get(to, target).await.status;
    let url = "/scep/counted?operation";
    assert_eq!(status(&format!("{url}=GetCACaps")).await, 200);
    assert_eq!(status(&format!("{url}=GetNextCACert")).await, 404);
    assert_eq!(status(&format!("{url}=PKIOperation&message=*")).await, 400);
    assert_eq!(status(&format!("{url}=PKIOperation&message=")).await, 400);
    assert_eq!(status(&format!("{url}=GetMoney")).await, 400);
    assert_eq!(status("/scep/nobody?operation=GetCACaps").await, 404);

    let post = "POST /scep/counted HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ";
    for (length, status) in [
        ("0\r\n\r\n", 400),
        ("5\r\n\r\nhello", 400),
        ("16385\r\n\r\n", 413),
    ] {
        let raw = wire::send(to, format!("{post}{length}").as_bytes()).await;
        assert_eq!(raw.status, status, "{length}");
        let id = raw.header("x-request-id").unwrap();
        assert_eq!(id.len(), 16, "{id}");
    }
    let slow = wire::send(to, format!("{post}9\r\n\r\nhello").as_bytes()).await;
    assert_eq!(slow.status, 408);
    let put =
        "PUT /scep/counted?operation=PKIOperation HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(wire::send(to, put.as_bytes()).await.status, 405);

    assert_eq!(
        counted(&server, "counted").await,
        expected(&[
            ("GetCACaps", "success", 1),
            ("GetCACert", "success", 1),
            ("GetNextCACert", "not_found", 1),
            ("PKCSReq", "success", 1),
            ("PKCSReq", "failure", 2),
            ("PKIOperation", "too_large", 1),
            ("PKIOperation", "too_slow", 1),
            // Two messages by GET that are none, an empty body, five octets.
            ("PKIOperation", "unreadable", 4),
            ("other", "unreadable", 1),
            ("other", "method_not_allowed", 1),
        ])
    );
    assert!(counted(&server, "nobody").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_limits_and_guesses_turn_away_is_counted() {
    let limits = "[limits]\nper_source_per_minute = 3\nbad_challenges_per_source_per_minute = 1";
    let server = TestEnv::new().profile("limited", limits).start().await;
    let device = Device::at(server.http("limited"), server.client(), device_key()).await;
    let csr = device.csr(Some("wrong"));
    let request = device.request(Content::PkcsReq(&csr));
    refused(device.post(&request).await);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let sent = device.http.post(&device.url);
        let sent = sent.body(request.message().to_vec()).send().await.unwrap();
        statuses.push(sent.status().as_u16());
    }
    assert_eq!(statuses, [403, 403, 429]);
    assert_eq!(
        counted(&server, "limited").await,
        expected(&[
            ("GetCACert", "success", 1),
            ("PKCSReq", "failure", 1),
            ("PKIOperation", "guessing", 2),
            ("PKIOperation", "limited", 1),
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_came_too_late_counts_as_the_503_that_was_sent() {
    let env = TestEnv::new();
    let connector = intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    let webhook = Webhook::start(env.dir()).await;
    let settings = intune::settings(env.dir()) + &webhook.settings(env.dir());
    let server = env
        .profile("late", &settings)
        .with("[server]\nrequest_timeout = '500ms'")
        .start()
        .await;
    let device = Device::at(server.http("late"), server.client(), device_key()).await;
    let door = webhook.hold();
    let csr = device.csr(Some(&intune::challenge_by(&connector)));
    let request = device.request(Content::PkcsReq(&csr));
    let sent = device.http.post(&device.url);
    let sent = sent.body(request.message().to_vec()).send().await.unwrap();
    assert_eq!(sent.status(), 503);
    door.open();
    while server.status("late").await.in_flight > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        server.events("scep_pkcsreq_intune").len(),
        1,
        "it was issued"
    );
    assert_eq!(
        counted(&server, "late").await,
        expected(&[("GetCACert", "success", 1), ("PKIOperation", "busy", 1)])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_counted_as_gone() {
    let server = TestEnv::new().profile("gone", "").start().await;
    let to = server.server.addresses().http.unwrap();
    let mut stream = TcpStream::connect(to).await.unwrap();
    let head = "POST /scep/gone HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello";
    stream.write_all(head.as_bytes()).await.unwrap();
    drop(stream);
    let mut seen = BTreeMap::new();
    while seen.is_empty() {
        seen = counted(&server, "gone").await;
    }
    // Which it is depends on what of the end the server sees first.
    let ended = expected(&[("PKIOperation", "unreadable", 1)]);
    assert!(
        seen == ended || seen == expected(&[("PKIOperation", "gone", 1)]),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_alerts_watch_are_there_before_anything_happened() {
    let server = TestEnv::new().profile("quiet", "").start().await;
    let metrics = server.nobody().get("/metrics").await.text;
    for line in [
        r#"scepd_scep_requests_total{profile="quiet",operation="PKIOperation",result="shed"} 0"#,
        r#"scepd_scep_requests_total{profile="quiet",operation="PKIOperation",result="busy"} 0"#,
        r#"scepd_scep_requests_total{profile="quiet",operation="PKIOperation",result="guessing"} 0"#,
        r#"scepd_actor_restarts_total{profile="quiet"} 0"#,
        r#"scepd_admin_authentications_total{result="accepted"} 0"#,
        r#"scepd_admin_authentications_total{result="refused"} 0"#,
        r#"scepd_admin_authentications_total{result="limited"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}
