//! The challenge webhook, against a receiver that answers as it should, and as it should not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use actors::Sweep;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Duration;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use pki::Csr;
use scep::client::{Content, Reply};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::device::{Device, issued, refused};
use crate::test_env::{Running, TestEnv};

const SECRET: &[u8] = b"a secret of the webhook's receiver";

/// One answer of the receiver: octets of HTTP; the end of the connection when empty.
type Answers = Arc<Mutex<VecDeque<String>>>;

/// A receiver on a port of this machine that gives one answer after the other, the last one for ever.
struct Receiver {
    port: u16,
    answers: Answers,
    heard: Arc<watch::Sender<Vec<(String, String)>>>,
}

fn http(status: u16, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} x\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n{body}"
    )
}

/// An answer that never comes, on a connection that stays open.
const SILENCE: &str = "silence";

fn allow() -> String {
    http(200, "", r#"{"allow":true}"#)
}

impl Receiver {
    async fn start(answers: impl IntoIterator<Item = String>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            port: listener.local_addr().unwrap().port(),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            heard: Arc::new(watch::Sender::new(Vec::new())),
        };
        let (answers, heard) = (Arc::clone(&receiver.answers), Arc::clone(&receiver.heard));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answers, heard) = (Arc::clone(&answers), Arc::clone(&heard));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let (head, body) = loop {
                        let mut buffer = [0; 8192];
                        match stream.read(&mut buffer).await {
                            Ok(0) | Err(_) => return,
                            Ok(read) => request.extend_from_slice(&buffer[..read]),
                        }
                        let text = String::from_utf8_lossy(&request).into_owned();
                        let Some((head, body)) = text.split_once("\r\n\r\n") else {
                            continue;
                        };
                        let length = head.lines().find_map(|line| {
                            let (name, value) = line.split_once(':')?;
                            let named = name.eq_ignore_ascii_case("content-length");
                            named.then(|| value.trim().parse().unwrap())
                        });
                        if body.len() >= length.unwrap_or(0) {
                            break (head.to_owned(), body.to_owned());
                        }
                    };
                    let answer = {
                        let mut answers = answers.lock().unwrap();
                        match answers.len() {
                            0 | 1 => answers.front().cloned().unwrap_or_default(),
                            _ => answers.pop_front().unwrap(),
                        }
                    };
                    heard.send_modify(|heard| heard.push((head, body)));
                    if answer == SILENCE {
                        // Until the client has had enough.
                        let _ = stream.read(&mut [0]).await;
                        return;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        receiver
    }

    /// What it heard, once that was so many calls.
    async fn heard(&self, calls: usize) -> Vec<(String, String)> {
        let mut heard = self.heard.subscribe();
        heard
            .wait_for(|heard| heard.len() >= calls)
            .await
            .unwrap()
            .clone()
    }

    fn settings(&self, paths: &[&str]) -> String {
        let urls: String = paths
            .iter()
            .map(|path| format!("{path} = 'http://127.0.0.1:{}/{path}'\n", self.port))
            .collect();
        format!(
            "[challenge_webhook]\n{urls}allowed_hosts = ['127.0.0.1']\nid = 'hook-1'\nsecret = '{}'\ntimeout = '1s'\n",
            STANDARD.encode(SECRET)
        )
    }
}

async fn ask(server: &Running, challenge: &str) -> (Device, Reply) {
    let device = Device::of(server, "corp").await;
    let csr = device.csr(Some(challenge));
    let reply = device.post(&device.request(Content::PkcsReq(&csr))).await;
    (device, reply)
}

/// The body of a call, once its signature was checked.
fn signed((head, body): &(String, String)) -> Value {
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted)
                .then(|| value.trim().to_owned())
        })
    };
    assert_eq!(header("x-smallstep-webhook-id").as_deref(), Some("hook-1"));
    let signature = hex::decode(header("x-smallstep-signature").unwrap()).unwrap();
    let key = PKey::hmac(SECRET).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let expected = signer.sign_oneshot_to_vec(body.as_bytes()).unwrap();
    assert_eq!(signature, expected);
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_says_who_may_enroll_in_step_cas_form() {
    let receiver = Receiver::start([allow()]).await;
    let server = TestEnv::new()
        .profile("corp", &receiver.settings(&["url"]))
        .start()
        .await;
    let (device, reply) = ask(&server, "somebody-elses-challenge").await;
    let certificate = issued(reply);
    let heard = receiver.heard(1).await;
    assert!(
        heard[0].0.starts_with("POST /url HTTP/1.1"),
        "{}",
        heard[0].0
    );
    let body = signed(&heard[0]);
    assert_eq!(body["provisionerName"], "corp");
    assert_eq!(body["scepChallenge"], "somebody-elses-challenge");
    assert!(
        body["scepTransactionID"]
            .as_str()
            .is_some_and(|id| !id.is_empty())
    );
    chrono::DateTime::parse_from_rfc3339(body["timestamp"].as_str().unwrap()).unwrap();
    let request = &body["x509CertificateRequest"];
    assert_eq!(request["subject"]["commonName"], "box-4");
    assert_eq!(request["dnsNames"][0], "box-4.example.org");
    let raw = STANDARD.decode(request["raw"].as_str().unwrap()).unwrap();
    let csr = Csr::from_der(&raw).unwrap();
    let key = csr.public_key().spki_der();
    assert_eq!(key, device.key.public_key().spki_der());
    assert_eq!(certificate.public_key().spki_der(), key);

    // Nobody is asked about the static challenge.
    let (_, reply) = ask(&server, crate::test_env::CHALLENGE).await;
    issued(reply);
    assert_eq!(receiver.heard(1).await.len(), 1);
    let text = serde_json::to_string(&server.events("scep_pkcsreq")).unwrap();
    assert!(!text.contains("somebody-elses-challenge"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_final_and_its_words_are_the_operators() {
    let no = r#"{"allow":false,"error":{"code":"e.7","message":"stolen\u0007"}}"#;
    let receiver = Receiver::start([http(200, "", no)]).await;
    let server = TestEnv::new()
        .profile("corp", &receiver.settings(&["url"]))
        .start()
        .await;
    let (_, text) = refused(ask(&server, "stolen-challenge").await.1);
    assert_eq!(text, "the challenge was refused");
    let events = server.events("scep_pkcsreq");
    let message = events[0].event.details.message.clone().unwrap();
    assert!(
        message.contains("e.7") && message.contains("stolen"),
        "{message}"
    );
    assert_eq!(receiver.heard(1).await.len(), 1, "asked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_answer_is_asked_again() {
    let long = format!(r#"{{"allow":true,"data":"{}"}}"#, "x".repeat(80_000));
    for (name, bad) in [
        ("an error", http(500, "", "{}")),
        (
            "a redirect",
            http(
                302,
                "location: http://127.0.0.1:1/\r\n",
                r#"{"allow":true}"#,
            ),
        ),
        ("no JSON", http(200, "", "<html>yes</html>")),
        ("another JSON", http(200, "", r#"{"allow":"yes"}"#)),
        ("too much", http(200, "", &long)),
        ("the end", String::new()),
        ("silence", SILENCE.to_owned()),
        ("half an answer", allow()[..70].to_owned()),
    ] {
        let receiver = Receiver::start([bad, allow()]).await;
        let server = TestEnv::new()
            .profile("corp", &receiver.settings(&["url"]))
            .start()
            .await;
        let (_, reply) = ask(&server, "somebody-elses-challenge").await;
        issued(reply);
        assert_eq!(receiver.heard(2).await.len(), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_answers_the_first_counts() {
    let no = http(200, "", r#"{"allow":false}"#);
    for (answers, is_let_in) in [
        (format!("{}{no}", allow()), true),
        (format!("{no}{}", allow()), false),
    ] {
        let receiver = Receiver::start([answers]).await;
        let server = TestEnv::new()
            .profile("corp", &receiver.settings(&["url"]))
            .start()
            .await;
        for _ in 0..2 {
            let (_, reply) = ask(&server, "somebody-elses-challenge").await;
            match is_let_in {
                true => drop(issued(reply)),
                false => drop(refused(reply)),
            }
        }
        assert_eq!(receiver.heard(2).await.len(), 2, "once for each request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_answers_the_device_is_told_to_wait() {
    let receiver = Receiver::start([http(503, "retry-after: 60\r\n", "")]).await;
    let settings = format!("answer_within = '1s'\n{}", receiver.settings(&["url"]));
    let server = TestEnv::new().profile("corp", &settings).start().await;
    let (_, reply) = ask(&server, "somebody-elses-challenge").await;
    assert!(matches!(reply, Reply::Pending));
    assert_eq!(server.events("scep_pkcsreq").len(), 0, "nothing is decided");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_of_each_certificate_until_it_has_heard() {
    let receiver = Receiver::start([http(500, "", ""), http(200, "", "")]).await;
    let server = TestEnv::new()
        .profile("corp", &receiver.settings(&["notify_url"]))
        .start()
        .await;
    // Whoever vouched: here the static challenge.
    let (_, reply) = ask(&server, crate::test_env::CHALLENGE).await;
    let certificate = issued(reply);
    let actor = server.profile("corp").actor.clone();
    let notices = || {
        let store = &server.server.runtime().services.store;
        store.sizes().unwrap().notices
    };
    assert_eq!(notices(), 1, "written with the certificate");
    actor.send(Sweep).await.unwrap();
    assert_eq!((receiver.heard(1).await.len(), notices()), (1, 1));
    server.env.clock.advance(Duration::minutes(10));
    actor.send(Sweep).await.unwrap();
    let heard = receiver.heard(2).await;
    assert_eq!((heard.len(), notices()), (2, 0));
    server.env.clock.advance(Duration::minutes(10));
    actor.send(Sweep).await.unwrap();
    assert_eq!(receiver.heard(2).await.len(), 2, "and no more");
    for call in &heard {
        assert!(
            call.0.starts_with("POST /notify_url HTTP/1.1"),
            "{}",
            call.0
        );
        let body = signed(call);
        let raw = body["x509Certificate"]["raw"].as_str().unwrap();
        assert_eq!(STANDARD.decode(raw).unwrap(), certificate.der());
        assert!(body.get("scepChallenge").is_none(), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_is_told_once_however_often_the_outbox_is_looked_through() {
    let receiver = Receiver::start([SILENCE.to_owned(), http(200, "", "")]).await;
    let settings = receiver.settings(&["notify_url"]).replace("'1s'", "'1m'");
    let server = TestEnv::new().profile("corp", &settings).start().await;
    let (_, reply) = ask(&server, crate::test_env::CHALLENGE).await;
    issued(reply);
    let actor = server.profile("corp").actor.clone();
    let slow = tokio::spawn(actor.send(Sweep));
    assert_eq!(receiver.heard(1).await.len(), 1);
    // Meanwhile somebody else looks; what is on its way is not sent again.
    let second = tokio::spawn(actor.send(Sweep));
    server.env.clock.advance(Duration::seconds(1));
    let notices = || {
        let store = &server.server.runtime().services.store;
        store.sizes().unwrap().notices
    };
    assert_eq!((receiver.heard(1).await.len(), notices()), (1, 1));
    // No answer in time is none, and it is sent again later.
    server.env.clock.advance(Duration::minutes(2));
    slow.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    server.env.clock.advance(Duration::minutes(10));
    actor.send(Sweep).await.unwrap();
    assert_eq!((receiver.heard(2).await.len(), notices()), (2, 0));
}
