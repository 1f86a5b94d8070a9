//! The real OpenBao. `cargo xtask test --only openbao` installs it and names its program in `OPENBAO`.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use issuer::{Issuer as _, RemoteCa as _};
use outbound::{Method, Request, Response, endpoint};
use pki::RevocationReason;
use remote_issuers::vault::{Login, recommended};
use serde_json::{Value, json};

use crate::support::*;

/// A development server: unsealed, in memory, with a root token.
struct OpenBao {
    child: Child,
    _home: tempfile::TempDir,
    url: String,
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl OpenBao {
    fn start() -> Self {
        let program = std::env::var_os("OPENBAO").expect("OPENBAO names the program");
        let home = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut child = Command::new(program)
            .args(["server", "-dev", "-dev-root-token-id=root"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains("Development mode should NOT be used"));
        assert!(ready, "OpenBao ended instead of getting ready");
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self {
            child,
            _home: home,
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Response {
        let url = endpoint(&format!("{}/v1/{path}", self.url)).unwrap();
        let request = Request::new(method, url)
            .secret_header("x-vault-token", "root")
            .json(body);
        let response = client(Duration::from_secs(20)).send(request).await.unwrap();
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert!(
            response.is_success(),
            "{path}: {} {text}",
            response.status()
        );
        response
    }

    async fn write(&self, path: &str, body: Value) -> Value {
        let response = self.call(Method::POST, path, &body).await;
        response.json().unwrap_or(Value::Null)
    }

    /// A mount with a root, the recommended role, and an AppRole that may use it.
    async fn prepare(&self) -> Login {
        self.write(
            "sys/mounts/pki",
            json!({"type": "pki", "config": {"max_lease_ttl": "87600h"}}),
        )
        .await;
        self.write(
            "pki/root/generate/internal",
            json!({"common_name": "Corp Root", "ttl": "87600h", "key_type": "ec", "key_bits": 256}),
        )
        .await;
        let role: serde_json::Map<String, Value> = recommended(&policy())
            .iter()
            .map(|setting| setting.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').into()))
            .collect();
        self.write("pki/roles/scepd", Value::Object(role)).await;
        let rules = r#"path "pki/sign/scepd" { capabilities = ["update"] }
            path "pki/revoke" { capabilities = ["update"] }
            path "pki/roles/scepd" { capabilities = ["read"] }"#;
        self.call(
            Method::PUT,
            "sys/policies/acl/scepd",
            &json!({ "policy": rules }),
        )
        .await;
        self.write("sys/auth/approle", json!({"type": "approle"}))
            .await;
        self.write(
            "auth/approle/role/scepd",
            json!({"token_policies": "scepd", "token_ttl": "20m"}),
        )
        .await;
        let role_id = self
            .call(Method::GET, "auth/approle/role/scepd/role-id", &Value::Null)
            .await;
        let role_id: Value = role_id.json().unwrap();
        let secret_id = self
            .write("auth/approle/role/scepd/secret-id", json!({}))
            .await;
        Login::AppRole {
            mount: "approle".to_owned(),
            role_id: role_id["data"]["role_id"].as_str().unwrap().to_owned(),
            secret_id: secret(secret_id["data"]["secret_id"].as_str().unwrap()),
        }
    }
}

#[tokio::test]
#[ignore = "needs OpenBao"]
async fn the_recommended_role_gives_exactly_what_was_approved() {
    let bao = OpenBao::start();
    let login = bao.prepare().await;
    let vault = open(&bao.url, settings(login)).await.unwrap();
    assert_eq!(vault.findings(), []);
    let (certificate, authority) = {
        let order = order();
        vault.can_express(&order.approved).unwrap();
        let certificate = issued(vault.issue(&order).await.unwrap());
        order.approved.matches(&certificate).unwrap();
        order.approved.whole_validity(&certificate).unwrap();
        (certificate, vault.authority())
    };
    authority.made(&certificate).unwrap();
    let serials = |crl: &pki::Crl| {
        let entries = crl.entries().iter();
        entries
            .map(|entry| entry.serial.to_hex())
            .collect::<Vec<_>>()
    };
    assert!(serials(&vault.newest_crl(chrono::Utc::now()).await.unwrap().unwrap()).is_empty());
    for _ in 0..2 {
        vault
            .revoke(&certificate, RevocationReason::Superseded)
            .await
            .unwrap();
    }
    let crl = vault.newest_crl(chrono::Utc::now()).await.unwrap().unwrap();
    assert_eq!(serials(&crl), [certificate.serial().to_hex()]);
    crl.verify_signature_by(authority.certificate().public_key())
        .unwrap();
}
