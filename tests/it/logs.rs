//! Log lines of the real binary: JSON that every reader reads alike, with the id that the reply has.

use std::net::SocketAddr;

use challenge::json;
use scep::client::Content;
use serde_json::{Map, Value};

use crate::crash::Process;
use crate::device::{Device, refused};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, TestEnv, trusting};
use crate::wire;

type Line = Map<String, Value>;

/// The lines with this message.
fn saying<'a>(lines: &'a [Line], message: &str) -> Vec<&'a Line> {
    let found = lines
        .iter()
        .filter(|line| line.get("message").is_some_and(|said| said == message));
    found.collect()
}

/// Lines that are objects.
fn read(lines: &[String]) -> Vec<Line> {
    let objects = lines.iter().filter(|line| line.starts_with('{'));
    objects
        .map(|line| json::object(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_an_object_without_a_member_twice_and_leads_back_to_its_request() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = TestEnv::new()
        .profile("corp", "")
        .with("[log]\nlevel = 'debug'\n[admin]\nbad_token_limit = 1");
    let process = Process::start(&env.write_config());
    let http = trusting(&env.ca).build().unwrap();
    let device = Device::at(process.url.clone(), http.clone(), device_key()).await;
    device.enroll().await;
    let csr = device.csr(Some("wrong"));
    refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    let csr = device.csr(Some(CHALLENGE));
    let mut forged = device.request(Content::PkcsReq(&csr)).message().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    // One is written out, the others are for who asks for DEBUG.
    let mut ids = Vec::new();
    for _ in 0..30 {
        let sent = http.post(&device.url).body(forged.clone());
        let reply = sent.send().await.unwrap();
        assert_eq!(reply.status(), 200);
        ids.push(reply.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    http.post(&device.url).body("hello").send().await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let asked = http.get(format!("{}/api/v1/auth/check", process.https));
        let reply = asked.bearer_auth("scepd_wrong").send().await.unwrap();
        tokens.push(reply.headers()["x-request-id"].to_str().unwrap().to_owned());
    }

    let lines = read(&process.end());
    let wrong = saying(&lines, "enrollment refused");
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0]["detail"].as_str().unwrap().contains("challenge"));

    let refusals = saying(&lines, "PKIMessage refused");
    let logged: Vec<&str> = refusals
        .iter()
        .map(|line| line["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(logged, ids);
    let loud = refusals.iter().filter(|line| line["level"] == "INFO");
    let loud = loud.count();
    assert!((1..=10).contains(&loud), "{loud} of 30");

    let refusals = saying(&lines, "an admin token was refused");
    let told: Vec<(&str, &str)> = refusals
        .iter()
        .map(|line| {
            (
                line["request_id"].as_str().unwrap(),
                line["level"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(tokens[0].as_str(), "INFO"), (tokens[1].as_str(), "DEBUG")]
    );
}

/// Requests of every kind: how many there are, and what is to be said of those that are no success.
async fn visit(
    process: &Process,
    env: &TestEnv,
) -> (usize, Vec<(&'static str, Value, &'static str)>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = trusting(&env.ca).user_agent("box \"4\"\u{9}x");
    let http = http.build().unwrap();
    let address: SocketAddr = process.url["http://".len()..]
        .split('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let device = Device::at(process.url.clone(), http.clone(), device_key()).await;
    device.enroll().await;
    let csr = device.csr(Some("wrong"));
    refused(device.post(&device.request(Content::PkcsReq(&csr))).await);
    let ask = async |line: &str, rest: &str| {
        let octets = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}\r\n");
        wire::send(address, octets.as_bytes()).await.status
    };
    let caps = "?operation=GetCACaps";
    assert_eq!(ask(&format!("GET /scep/corp{caps}"), "").await, 200);
    assert_eq!(ask(&format!("GET /scep/crop{caps}"), "").await, 404);
    assert_eq!(ask(&format!("GET /scep/{caps}"), "").await, 404);
    assert_eq!(ask("GET /scep/corp?operation=GetMoney", "").await, 400);
    assert_eq!(ask(&format!("PUT /scep/corp{caps}"), "").await, 405);
    let long = "Content-Length: 999999\r\n";
    assert_eq!(ask("POST /scep/corp", long).await, 413);
    assert_eq!(ask("GET x:1", "").await, 400);
    let url = format!("{}/secp/corp?operation=GetCACert", process.https);
    assert_eq!(http.get(url).send().await.unwrap().status(), 404);
    let huge = format!("X: {}\r\n", "x".repeat(200_000));
    assert_eq!(ask("GET /scep/corp", &huge).await, 431);
    let said = vec![
        ("PKCSReq", 200.into(), "failure"),
        ("GetCACaps", 404.into(), "not_found"),
        ("GetCACaps", 404.into(), "not_found"),
        ("other", 400.into(), "unreadable"),
        ("other", 405.into(), "method_not_allowed"),
        ("PKIOperation", 413.into(), "too_large"),
        ("other", 400.into(), "unreadable"),
        ("GetCACert", 404.into(), "not_found"),
        ("other", 431.into(), "too_large"),
    ];
    // GetCACert, an enrollment and GetCACaps succeed.
    (3 + said.len(), said)
}

/// What lines about requests say: operation, status, outcome.
fn summary(lines: &[&Line]) -> Vec<(String, Value, String)> {
    let text = |line: &Line, name: &str| line[name].as_str().unwrap().to_owned();
    let summed = lines.iter().map(|line| {
        let status = line["status"].clone();
        (text(line, "operation"), status, text(line, "outcome"))
    });
    summed.collect()
}

fn owned(said: &[(&str, Value, &str)]) -> Vec<(String, Value, String)> {
    let owned = said.iter();
    owned
        .map(|(operation, status, outcome)| {
            (
                (*operation).to_owned(),
                status.clone(),
                (*outcome).to_owned(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_is_no_success_leaves_a_line() {
    let env = TestEnv::new().profile("corp", "");
    let process = Process::start(&env.write_config());
    let (_, said) = visit(&process, &env).await;
    let lines = read(&process.until("\"status\":431"));
    let lines = saying(&lines, "SCEP request");
    assert_eq!(summary(&lines), owned(&said));
    assert!(lines.iter().all(|line| line["level"] == "INFO"));
    let mut ids: Vec<&str> = lines
        .iter()
        .map(|line| line["request_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), lines.len());
    let refusal = lines[0];
    assert_eq!(refusal["profile"], "corp");
    assert_eq!(refusal["source"], "127.0.0.1");
    assert_eq!(refusal["user_agent"], "box \"4\"\tx");
    assert!(!refusal["transaction_id"].as_str().unwrap().is_empty());
    assert!(refusal["milliseconds"].is_u64());
    assert_eq!(refusal["request_id"].as_str().unwrap().len(), 16);
    assert_eq!(lines[1]["nearest_profile"], "corp");
    assert_eq!(lines[1]["path"], "/scep/crop");
    // There is no root profile, and one only that can have been meant.
    assert_eq!(lines[2]["path"], "/scep/");
    assert_eq!(lines[2]["nearest_profile"], "corp");
    assert_eq!(lines[7]["nearest_profile"], "corp");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_its_own_holds_every_request() {
    let env = TestEnv::new().profile("corp", "");
    let file = env.dir().join("access.log");
    let access = format!("[log]\naccess = '{}'", file.display());
    let env = env.with(&access);
    let process = Process::start(&env.write_config());
    let (all, said) = visit(&process, &env).await;
    let mut text = String::new();
    while text.lines().count() < all {
        tokio::task::yield_now().await;
        text = std::fs::read_to_string(&file).unwrap();
    }
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let lines = read(&lines);
    let (good, bad): (Vec<&Line>, Vec<&Line>) =
        lines.iter().partition(|line| line["outcome"] == "success");
    assert_eq!(summary(&bad), owned(&said));
    let good: Vec<&str> = good
        .iter()
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert_eq!(good, ["GetCACert", "PKCSReq", "GetCACaps"]);
    assert!(lines.iter().all(|line| line.contains_key("timestamp")));
    // And nowhere else.
    let log = read(&process.end());
    assert!(saying(&log, "SCEP request").is_empty());
}
