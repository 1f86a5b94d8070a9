//! The real OpenBao as a profile's issuer, with strongSwan as the device. `OPENBAO` names its program.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin::Operator;
use crate::http;
use crate::server::{self, Added, CHALLENGE, Server};
use crate::strongswan;
use crate::tool::{self, Said};

/// How long something may take that is under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with its storage in a folder: it can be sealed, killed and started again.
struct OpenBao {
    child: Child,
    home: TempDir,
    port: u16,
    unseal_key: String,
    token: String,
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(home: &Path) -> Child {
    let program = std::env::var_os("OPENBAO").expect("OPENBAO names the program");
    let mut child = Command::new(program)
        .arg("server")
        .arg(format!("-config={}", home.join("bao.hcl").display()))
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("OpenBao starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let ready = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains("server started!"));
    assert!(ready, "OpenBao ended instead of getting ready");
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}

impl OpenBao {
    /// Initialised, unsealed, with a PKI mount whose root is good for ten years.
    fn start() -> Self {
        let home = TempDir::new().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let data = home.path().join("data");
        fs::create_dir(&data).expect("its storage");
        let cluster = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let cluster_port = cluster.local_addr().expect("its address").port();
        drop(cluster);
        let config = format!(
            "storage \"raft\" {{\n path = \"{}\"\n node_id = \"one\"\n}}\n\
             listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n tls_disable = true\n}}\n\
             api_addr = \"http://127.0.0.1:{port}\"\ncluster_addr = \"http://127.0.0.1:{cluster_port}\"\n",
            data.display()
        );
        fs::write(home.path().join("bao.hcl"), config).expect("its configuration");
        let mut bao = Self {
            child: spawn(home.path()),
            home,
            port,
            unseal_key: String::new(),
            token: String::new(),
        };
        let made = bao.write(
            "sys/init",
            &json!({"secret_shares": 1, "secret_threshold": 1}),
        );
        made["keys"][0]
            .as_str()
            .expect("a key")
            .clone_into(&mut bao.unseal_key);
        made["root_token"]
            .as_str()
            .expect("a token")
            .clone_into(&mut bao.token);
        bao.unseal();
        bao.write(
            "sys/mounts/pki",
            &json!({"type": "pki", "config": {"max_lease_ttl": "87600h"}}),
        );
        bao.write(
            "pki/root/generate/internal",
            &json!({"common_name": "Corp Root", "ttl": "87600h"}),
        );
        bao
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn write(&self, path: &str, body: &Value) -> Value {
        let request = http::client(Vec::new())
            .post(format!("{}/v1/{path}", self.url()))
            .header("x-vault-token", &self.token)
            .body(body.to_string());
        let reply = http::send(request);
        let text = String::from_utf8_lossy(&reply.body);
        assert!(
            (200..300).contains(&reply.status),
            "{path}: {} {text}",
            reply.status
        );
        serde_json::from_slice(&reply.body).unwrap_or(Value::Null)
    }

    fn seal(&self) {
        self.write("sys/seal", &json!({}));
    }

    fn unseal(&self) {
        let answer = self.write("sys/unseal", &json!({ "key": self.unseal_key }));
        assert_eq!(answer["sealed"], false, "{answer}");
        // Its storage elects a leader first, of one.
        let started = Instant::now();
        while http::get(&format!("{}/v1/sys/health", self.url())).status != 200 {
            assert!(started.elapsed() < PATIENCE, "OpenBao gets ready");
            std::thread::yield_now();
        }
    }

    /// SIGKILL, and a new process on the same storage, unsealed.
    fn kill_and_restart(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        self.child = spawn(self.home.path());
        self.unseal();
    }

    /// The role that `scepd issuer role vault` prints, with the constants of strongSwan's subject.
    fn role(&self, server: &Server, change: &[(&str, Value)]) {
        let config = server.beside("scepd.toml");
        let said = tool::must(
            &server.scratch("role"),
            &server::binary(),
            &[
                "issuer",
                "role",
                "vault",
                "--config",
                config.to_str().unwrap(),
            ],
        );
        let printed = String::from_utf8(said.out).expect("a text");
        let mut settings = serde_json::Map::new();
        // The first command alone: the second one is for RAs.
        let first = printed.split("\n\n").next().expect("a command");
        for line in first.lines().map(str::trim) {
            let setting = line.trim_end_matches(" \\").split_once('=');
            if let Some((name, value)) = setting.filter(|(name, _)| !name.contains(' ')) {
                settings.insert(name.to_owned(), value.trim_matches('\'').into());
            }
        }
        assert!(settings.len() > 15, "{printed}");
        settings.insert("country".to_owned(), "US".into());
        settings.insert("organization".to_owned(), "Example".into());
        for (name, value) in change {
            settings.insert((*name).to_owned(), value.clone());
        }
        self.write("pki/roles/scepd", &Value::Object(settings));
    }

    /// A token that may do what scepd needs, for so long.
    fn token(&self, ttl: &str) -> String {
        let rules = r#"path "pki/sign/scepd" { capabilities = ["update"] }
            path "pki/sign/scepd-ra" { capabilities = ["update"] }
            path "pki/revoke" { capabilities = ["update"] }
            path "pki/roles/scepd" { capabilities = ["read"] }"#;
        self.write("sys/policies/acl/scepd", &json!({ "policy": rules }));
        let made = self.write(
            "auth/token/create",
            &json!({"policies": ["scepd"], "ttl": ttl, "explicit_max_ttl": ttl, "no_parent": true}),
        );
        made["auth"]["client_token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }
}

/// A server whose profile `bao` has its certificates from OpenBao.
fn server_with(bao: &OpenBao, token: &str) -> Server {
    // Enough for a start; what the command prints takes its place.
    let role = json!({
        "key_type": "any", "use_csr_common_name": false, "use_csr_sans": false, "server_flag": false,
        "client_flag": false, "key_usage": "DigitalSignature,KeyEncipherment", "ext_key_usage": "ClientAuth",
        "country": "US", "organization": "Example",
    });
    bao.write("pki/roles/scepd", &role);
    let of_ras = json!({
        "key_type": "rsa", "use_csr_common_name": false, "use_csr_sans": false, "cn_validations": "disabled",
        "enforce_hostnames": false, "allow_any_name": true, "server_flag": false, "client_flag": false,
        "key_usage": "DigitalSignature,KeyEncipherment", "ext_key_usage_oids": "1.3.6.1.4.1.311.20.2.1",
    });
    bao.write("pki/roles/scepd-ra", &of_ras);
    let (url, token) = (bao.url(), token.to_owned());
    let added = Added {
        path_id: "bao",
        settings: "crypto = 'compatible'\nissuer_id = 'bao'\nra = 'auto'\n\
                   profile_id = 'of-bao'\nanswer_within = '5s'",
    };
    Server::start_with(&[], &[added], move |dir, config| {
        let token_file = dir.join("bao-token");
        fs::write(&token_file, &token).expect("the token");
        tool::must(dir, "chmod", &["600", "bao-token"]);
        let issuer = format!(
            "id = 'bao'\ntype = 'vault'\nurl = '{url}'\n[vault]\nrole = 'scepd'\nra_role = 'scepd-ra'\ntoken_file = '{}'",
            token_file.display()
        );
        let policy = "id = 'of-bao'\nkey_types = ['rsa']\nmax_ttl = '30d'\nsubject_attributes = ['C', 'O', 'CN']";
        for (section, text) in [("issuer", issuer.as_str()), ("certificate_profile", policy)] {
            let list = config[section].as_array_mut().expect("a list");
            list.push(text.parse::<toml::Table>().expect("TOML").into());
        }
    })
}

fn enroll(dir: &Path, url: &str, name: &str) -> Said {
    tool::rsa_key(dir, &format!("{name}.key"));
    let polls = [
        "--password",
        CHALLENGE,
        "--interval",
        "1",
        "--maxpolltime",
        "60",
    ];
    let args = strongswan::enroll(url, &format!("{name}.key"), &polls);
    strongswan::pki(dir, &args)
}

fn keep(dir: &Path, said: &Said, name: &str) -> String {
    strongswan::keep(dir, said, &format!("{name}.pem"));
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
    tool::judge(
        dir,
        &dir.join("ca.pem"),
        &certificate,
        &key,
        strongswan::SUBJECT,
    )
}

#[test]
#[ignore = "needs OpenBao and strongSwan pki"]
fn a_device_enrolls_renews_and_is_revoked_and_the_issuer_goes_away_and_comes_back() {
    let mut bao = OpenBao::start();
    let server = server_with(&bao, &bao.token.clone());
    bao.role(&server, &[]);
    let (dir, url) = (server.scratch("strongswan"), server.http("bao"));
    strongswan::fetch_ca(&dir, &url);
    let first = keep(&dir, &enroll(&dir, &url, "1"), "1");

    tool::rsa_key(&dir, "2.key");
    let old = ["--cert", "1.pem", "--key", "1.key"];
    let said = strongswan::pki(&dir, &strongswan::enroll(&url, "2.key", &old));
    let second = keep(&dir, &said, "2");
    assert_ne!(first, second, "a renewal is another certificate");

    // Sealed while a device polls, then unsealed.
    bao.seal();
    let waiting = {
        let (dir, url) = (dir.clone(), url.clone());
        std::thread::spawn(move || enroll(&dir, &url, "3"))
    };
    server.until_logged("pending");
    bao.unseal();
    keep(&dir, &waiting.join().expect("the device's thread"), "3");

    // Killed, and started again on its storage.
    bao.kill_and_restart();
    keep(&dir, &enroll(&dir, &url, "4"), "4");

    let serial = first.strip_prefix("serial=").expect("a serial number");
    Operator::of(&server).revoke("bao", serial);
    let crl = http::get(&format!("{}/v1/pki/crl/pem", bao.url()));
    fs::write(dir.join("crl.pem"), crl.body).unwrap();
    let text = tool::openssl(&dir, &["crl", "-in", "crl.pem", "-noout", "-text"]);
    assert!(text.contains(&format!("Serial Number: {serial}")), "{text}");
    let said = tool::must(
        &dir,
        &server::binary(),
        &[
            "issuer",
            "test",
            "bao",
            "--issue",
            "--config",
            server.beside("scepd.toml").to_str().unwrap(),
        ],
    );
    for words in ["exactly what was approved", "revoked it"] {
        assert!(said.all.contains(words), "{}", said.all);
    }
}

#[test]
#[ignore = "needs OpenBao and strongSwan pki"]
fn a_token_that_ends_makes_devices_wait_and_a_role_that_adds_is_refused() {
    let bao = OpenBao::start();
    let server = server_with(&bao, &bao.token("24h"));
    bao.role(&server, &[]);
    let (dir, url) = (server.scratch("strongswan"), server.http("bao"));
    strongswan::fetch_ca(&dir, &url);
    keep(&dir, &enroll(&dir, &url, "1"), "1");

    // The token is gone; whoever keeps it writes another one.
    let old = fs::read_to_string(server.beside("bao-token")).unwrap();
    bao.write("auth/token/revoke", &json!({ "token": old }));
    let waiting = {
        let (dir, url) = (dir.clone(), url.clone());
        std::thread::spawn(move || enroll(&dir, &url, "2"))
    };
    server.until_logged("pending");
    fs::write(server.beside("bao-token"), bao.token("24h")).unwrap();
    keep(&dir, &waiting.join().expect("the device's thread"), "2");

    // What the role adds behind scepd's back is noticed, and the certificate revoked.
    bao.role(
        &server,
        &[
            ("basic_constraints_valid_for_non_ca", json!(true)),
            ("server_flag", json!(true)),
        ],
    );
    let said = enroll(&dir, &url, "3");
    assert!(!said.ok && said.out.is_empty(), "{}", said.all);
    assert!(!server.log().contains(&old), "no token in the log");
    assert!(!server.log().contains("hvs."), "no token in the log");
}
