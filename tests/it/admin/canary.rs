//! Secrets that were given to the server must not come out of it: in no reply, no log line, no event.

use std::process::Command;

use api::{Method, ROUTES};
use pki::Certificate;
use scep::client::Content;

use super::operator::Operator;
use crate::crash::Process;
use crate::device::{Device, refused};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, TestEnv, trusting};

/// Everything at the most talkative level, libraries too.
pub(crate) const LOUD: &str = "trace,hyper=trace,hyper_util=trace,rustls=trace,sled=trace,mio=trace,actix=trace,actix_rt=trace,reqwest=trace";

/// A new admin token, made while no server holds the store.
pub(crate) fn token(env: &TestEnv) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_scepd"))
        .args(["token", "create", "--name", "ops", "--role", "admin"])
        .arg("--config")
        .arg(env.dir().join("scepd.toml"))
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// The path of a route, with what it asks for about a certificate of box-4.
pub(crate) fn path_of(route: &api::Route, certificate: &Certificate) -> String {
    let path = route
        .path
        .replace("{id}", "x")
        .replace("{issuer_id}", "local")
        .replace("{serial}", &certificate.serial().to_hex());
    match path.ends_with("/timeline") {
        true => format!("{path}?common_name=box-4"),
        false => path,
    }
}

/// The real binary: what is logged is the log of a process.
#[tokio::test(flavor = "multi_thread")]
async fn no_reply_and_no_log_line_holds_a_secret() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = TestEnv::new().profile("corp", "").with(&format!(
        "[log]\nlevel = '{LOUD}'\n[admin]\nmetrics_token = 'canary-metrics-token-77'\nbad_token_limit = 0"
    ));
    let config = env.write_config();
    let token = token(&env);
    let process = Process::start(&config);
    let http = trusting(&env.ca).build().unwrap();
    let with_token =
        |token: &str| Operator::at(&*process.https, http.clone(), Some(token.to_owned()));
    let admin = with_token(&token);
    let device = Device::at(process.url.clone(), http.clone(), device_key()).await;
    let certificate = device.enroll().await;
    let csr = device.csr(Some("canary-wrong-guess-31"));
    refused(device.post(&device.request(Content::PkcsReq(&csr))).await);

    let ca_key = std::fs::read_to_string(env.dir().join("ca.key")).unwrap();
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
        let path = path_of(route, &certificate);
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
    let with_metrics_token = with_token("canary-metrics-token-77");
    replies.push(with_metrics_token.get("/metrics").await);
    replies.push(with_metrics_token.get("/api/v1/audit").await);
    let session = serde_json::json!({ "token": token }).to_string();
    let signed_in = Operator::at(&*process.https, http.clone(), None)
        .post("/api/v1/session", &session)
        .await;
    let cookie = signed_in
        .header("set-cookie")
        .split([';', '='])
        .nth(1)
        .unwrap()
        .to_owned();
    let csrf = signed_in.json()["csrf_token"].as_str().unwrap().to_owned();
    env.replace("ca.key", b"canary-wrong-guess-31");
    let mut log = process.first_lines.clone();
    log.extend(process.hang_up("reload refused"));
    // The event of the reload is written after its lines.
    let mut events = String::new();
    while !events.contains("scep_config_reload") {
        events = admin.read("/api/v1/audit").await.to_string();
    }
    log.extend(process.end());

    assert!(
        log.iter().any(|line| line.contains("a JWT was refused")
            || line.contains("an admin token was refused")),
        "the log is read"
    );
    for secret in secrets
        .iter()
        .copied()
        .chain([cookie.as_str(), csrf.as_str()])
    {
        for (line, place) in log
            .iter()
            .map(|line| (line, "the log"))
            .chain([(&events, "an event")])
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
