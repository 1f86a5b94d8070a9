//! Secrets that were given to the server must not come out of it: in no reply, no log line, no event.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use api::{Method, ROUTES};
use scep::client::Content;

use crate::device::{Device, refused};
use crate::house::{CHALLENGE, House};

/// Every log line of this process, at the most talkative level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reply_and_no_log_line_holds_a_secret() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let server = House::new()
        .profile("corp", "")
        .with("[admin]\nmetrics_token = 'canary-metrics-token-77'\nbad_token_limit = 0")
        .start()
        .await;
    let token = server.token("ops", store::TokenRole::Admin).await;
    let admin = server.with_token(&token);
    let device = Device::of(&server, "corp").await;
    let certificate = device.enroll().await;
    let csr = device.csr(Some("canary-wrong-guess-31"));
    refused(device.post(&device.request(Content::PkcsReq(&csr))).await);

    let ca_key = std::fs::read_to_string(server.house.dir().join("ca.key")).unwrap();
    let key_line = ca_key.lines().nth(1).unwrap().to_owned();
    let digest = hex::encode(pki::sha256(token.as_bytes()));
    let secrets = [
        CHALLENGE,
        "canary-wrong-guess-31",
        "canary-metrics-token-77",
        &token,
        &key_line,
        &digest,
    ];

    let mut replies = Vec::new();
    for route in ROUTES {
        let path = route
            .path
            .replace("{id}", "x")
            .replace("{issuer_id}", "local")
            .replace("{serial}", &certificate.serial().to_hex());
        let path = if route.path.ends_with("/timeline") {
            format!("{path}?common_name=box-4")
        } else {
            path
        };
        replies.push(match route.method {
            Method::Get => admin.get(&path).await,
            Method::Post if route.path.ends_with("/session") => {
                admin
                    .post(&path, "{\"token\":\"canary-wrong-guess-31\"}")
                    .await
            }
            Method::Post => {
                admin
                    .post(
                        &path,
                        "{\"canary-wrong-guess-31\":\"canary-metrics-token-77\"}",
                    )
                    .await
            }
            Method::Delete => admin.delete(&path).await,
        });
    }
    let with_metrics_token = server.with_token("canary-metrics-token-77");
    replies.push(with_metrics_token.get("/metrics").await);
    replies.push(with_metrics_token.get("/api/v1/audit").await);
    let session = serde_json::json!({ "token": token }).to_string();
    let signed_in = server.nobody().post("/api/v1/session", &session).await;
    let cookie = signed_in
        .header("set-cookie")
        .split([';', '='])
        .nth(1)
        .unwrap()
        .to_owned();
    let csrf = signed_in.json()["csrf_token"].as_str().unwrap().to_owned();
    std::fs::write(server.house.dir().join("ca.key"), "canary-wrong-guess-31").unwrap();
    server.server.reload("test").await.unwrap_err();

    let log = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(
        log.contains("a JWT was refused") || log.contains("an admin token was refused"),
        "the log is read"
    );
    let events = format!("{:?}", server.events("scep_config_reload"));
    for secret in secrets
        .iter()
        .copied()
        .chain([cookie.as_str(), csrf.as_str()])
    {
        for (line, place) in log
            .lines()
            .map(|line| (line, "the log"))
            .chain([(events.as_str(), "an event")])
        {
            assert!(!line.contains(secret), "{secret} in {place}: {line}");
        }
    }
    for reply in replies {
        let headers = format!("{:?}", reply.headers);
        for secret in secrets {
            assert!(!reply.text.contains(secret), "{secret} in {}", reply.text);
            assert!(!headers.contains(secret), "{secret} in {headers}");
        }
    }
}
