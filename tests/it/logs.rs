//! Log lines of the real binary: JSON that every reader reads alike, with the id that the reply has.

use scep::client::Content;
use scepd::json;
use serde_json::{Map, Value};

use crate::crash::Process;
use crate::device::{Device, refused};
use crate::fleet::device_key;
use crate::house::{CHALLENGE, House, trusting};

type Line = Map<String, Value>;

/// The lines with this message.
fn saying<'a>(lines: &'a [Line], message: &str) -> Vec<&'a Line> {
    let found = lines
        .iter()
        .filter(|line| line.get("message").is_some_and(|said| said == message));
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_an_object_without_a_member_twice_and_leads_back_to_its_request() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let house = House::new()
        .profile("corp", "")
        .with("[log]\nlevel = 'debug'\n[admin]\nbad_token_limit = 1");
    let process = Process::start(&house.write_config());
    let http = trusting(&house.ca).build().unwrap();
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

    let lines: Vec<Line> = process
        .end()
        .iter()
        .filter(|line| line.starts_with('{'))
        .map(|line| json::object(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
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
