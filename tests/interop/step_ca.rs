//! The real step-ca as a profile's issuer, with strongSwan as the device. `STEP_CA` names its program.

use std::fs;
use std::path::Path;

use josekit::jwk::KeyPair as _;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use serde_json::{Value, json};

use crate::admin::Operator;
use crate::server::{self, Added, CHALLENGE, Server};
use crate::step_ca_server::{StepCaServer, provisioner};
use crate::strongswan;
use crate::tool::{self, Said};

/// What the certificate profile approves.
fn policy() -> issuer::CertificatePolicy {
    let mut policy = issuer::CertificatePolicy::new("of-step-ca");
    policy.max_ttl = chrono::Duration::days(30);
    policy
}

/// A server whose profile `step` has its certificates from step-ca, which it knows by its root's fingerprint.
fn server_with(ca: &StepCaServer, key: &EcKeyPair) -> Server {
    let added = Added {
        path_id: "step",
        settings: "crypto = 'compatible'\nissuer_id = 'step'\nra = 'auto'\n\
                   profile_id = 'of-step-ca'\nanswer_within = '5s'",
    };
    let private = key.to_jwk_private_key().to_string();
    let (url, root) = (ca.url(), hex::encode(ca.root.fingerprint()));
    let intermediate = ca.path("intermediate.pem");
    Server::start_with(&[], &[added], move |dir, config| {
        fs::write(dir.join("step-key.json"), private).expect("the key");
        tool::must(dir, "chmod", &["600", "step-key.json"]);
        let issuer = format!(
            "id = 'step'\ntype = 'step-ca'\nurl = '{url}'\ntls_fingerprint = '{root}'\n\
             [step_ca]\nprovisioner = 'scepd'\nkey_file = '{}'\nintermediate_path = '{}'",
            dir.join("step-key.json").display(),
            intermediate.display()
        );
        let policy = "id = 'of-step-ca'\nmax_ttl = '30d'";
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
    let chain = dir.join("chain.pem");
    tool::judge(dir, &chain, &certificate, &key, strongswan::SUBJECT)
}

/// Runs `scepd issuer ...` with the server's configuration.
fn issuer(server: &Server, args: &[&str]) -> Said {
    let config = server.beside("scepd.toml");
    let config = ["--config", config.to_str().unwrap()];
    let args = [&["issuer"], args, &config].concat();
    tool::must(&server.scratch("command"), &server::binary(), &args)
}

#[test]
#[ignore = "needs step-ca and strongSwan pki"]
fn a_device_enrolls_renews_and_is_revoked_and_the_provisioner_goes_away_and_comes_back() {
    let mut key = EcKeyPair::generate(EcCurve::P256).unwrap();
    key.set_key_id(Some("key-1"));
    let own = json!({"type": "JWK", "name": "scepd", "key": key.to_jwk_public_key()});
    let recommended = remote_issuers::step_ca::recommended(&policy());
    let jwk = provisioner(&recommended, &own);
    let mut ca = StepCaServer::start(std::slice::from_ref(&jwk));
    let server = server_with(&ca, &key);

    // What the command prints is what this provisioner has.
    let printed = issuer(&server, &["role", "step-ca"]).out;
    let printed = String::from_utf8(printed).expect("a text");
    let (_, last) = printed.rsplit_once("\n\n").expect("paragraphs");
    let json = last.find('{').and_then(|begin| last.get(begin..));
    let shown: Value = serde_json::from_str(json.expect("JSON")).expect("JSON");
    assert_eq!(shown, recommended);

    let (dir, url) = (server.scratch("strongswan"), server.http("step"));
    let chain = [ca.root.to_pem(), ca.intermediate.to_pem()].concat();
    fs::write(dir.join("chain.pem"), chain).unwrap();
    strongswan::fetch_ca(&dir, &url);
    let first = keep(&dir, &enroll(&dir, &url, "1"), "1");

    tool::rsa_key(&dir, "2.key");
    let old = ["--cert", "1.pem", "--key", "1.key"];
    let said = strongswan::pki(&dir, &strongswan::enroll(&url, "2.key", &old));
    let second = keep(&dir, &said, "2");
    assert_ne!(first, second, "a renewal is another certificate");

    // Without the provisioner devices wait, and get their certificates once it is back.
    ca.restart(&[]);
    let waiting = {
        let (dir, url) = (dir.clone(), url.clone());
        std::thread::spawn(move || enroll(&dir, &url, "3"))
    };
    server.until_logged("pending");
    ca.restart(&[jwk]);
    keep(&dir, &waiting.join().expect("the device's thread"), "3");

    let serial = first.strip_prefix("serial=").expect("a serial number");
    Operator::of(&server).revoke("step", serial);
    let said = issuer(&server, &["test", "step", "--issue"]);
    for words in ["exactly what was approved", "revoked it", "there is no CRL"] {
        assert!(said.all.contains(words), "{}", said.all);
    }
    let private = key.to_jwk_private_key();
    let secret = private.parameter("d").and_then(Value::as_str).unwrap();
    assert!(!server.log().contains(secret), "no key in the log");
    assert!(!server.log().contains("eyJ"), "no token in the log");
}
