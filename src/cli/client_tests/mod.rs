//! The client's commands, as typed, against a small SCEP server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Parser as _;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509StoreContext};
use pki::{Certificate, KeyKind, PrivateKey};
use tempfile::TempDir;

use super::{Cli, Failure};
use crate::client::responder::{Behaviour, Responder};

mod asked;
mod pending;
mod renewal;
mod trust;

fn type_in(words: &[&str]) -> Result<(), Failure> {
    let words = std::iter::once("scepd").chain(words.iter().copied());
    Cli::try_parse_from(words)
        .map_err(|error| Failure::usage(error.to_string()))?
        .command
        .run()
}

fn enroll(server: &Responder, dir: &TempDir, more: &[&str]) -> Result<(), Failure> {
    let (url, out, pin) = (
        server.url(),
        dir.path().display().to_string(),
        server.ca_fingerprint(),
    );
    let mut words = vec![
        "enroll",
        "--url",
        &url,
        "--out",
        &out,
        "--subject",
        "C=US, O=Example, CN=laptop-17",
    ];
    if !more
        .iter()
        .any(|word| ["--ca-file", "--insecure", "--ca-fingerprint"].contains(word))
    {
        words.extend(["--ca-fingerprint", &pin]);
    }
    if !more.contains(&"--challenge") {
        words.extend(["--challenge", "s3cret"]);
    }
    words.extend(more);
    type_in(&words)
}

fn read(dir: &TempDir, name: &str) -> Vec<u8> {
    std::fs::read(dir.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn certificate(dir: &TempDir) -> Certificate {
    Certificate::from_pem(&read(dir, "cert.pem")).unwrap()
}

fn key(dir: &TempDir) -> PrivateKey {
    PrivateKey::from_pem(&read(dir, "key.pem")).unwrap()
}

fn complaint(result: Result<(), Failure>) -> (u8, String) {
    let failure = result.expect_err("it should have failed");
    (failure.code(), failure.to_string())
}

/// As `openssl verify -CAfile ca.pem -untrusted chain.pem cert.pem`.
fn openssl_accepts(dir: &TempDir) -> bool {
    let mut store = X509StoreBuilder::new().unwrap();
    store
        .add_cert(X509::from_pem(&read(dir, "ca.pem")).unwrap())
        .unwrap();
    let mut chain = Stack::new().unwrap();
    for certificate in X509::stack_from_pem(&read(dir, "chain.pem")).unwrap() {
        chain.push(certificate).unwrap();
    }
    let leaf = X509::from_pem(&read(dir, "cert.pem")).unwrap();
    let mut context = X509StoreContext::new().unwrap();
    context
        .init(&store.build(), &leaf, &chain, |context| {
            context.verify_cert()
        })
        .unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn enroll_leaves_what_a_device_needs() {
    let server = Responder::start(Behaviour::default());
    let dir = TempDir::new().unwrap();
    enroll(
        &server,
        &dir,
        &["--san", "dns:laptop-17.example.com,email:a@example.com"],
    )
    .unwrap();

    let got = certificate(&dir);
    assert_eq!(got.subject().to_string(), "C=US, O=Example, CN=laptop-17");
    assert_eq!(
        got.sans().to_string(),
        "dns:laptop-17.example.com, email:a@example.com"
    );
    assert_eq!(got.public_key(), key(&dir).public_key());
    assert_eq!(mode(&dir.path().join("key.pem")), 0o600);
    assert!(openssl_accepts(&dir));
    assert_eq!(
        Certificate::from_pem(&read(&dir, "ca.pem")).unwrap(),
        *server.root()
    );
    assert_eq!(
        Certificate::bundle_from_pem(&read(&dir, "chain.pem")).unwrap(),
        [server.ca().clone(), server.root().clone()]
    );

    // Once more: the key stays.
    let first = key(&dir);
    enroll(&server, &dir, &["--json"]).unwrap();
    assert_eq!(key(&dir).public_key(), first.public_key());
    assert_ne!(certificate(&dir), got);
}

#[test]
fn keys_of_every_kind_and_from_files() {
    let server = Responder::start(Behaviour::default());
    let dir = TempDir::new().unwrap();
    enroll(&server, &dir, &["--key-type", "p256"]).unwrap();
    assert_eq!(
        certificate(&dir).public_key().kind(),
        &KeyKind::Ec(pki::Curve::P256)
    );
    assert_eq!(certificate(&dir).public_key(), key(&dir).public_key());

    let elsewhere = TempDir::new().unwrap();
    let file = dir.path().join("key.pem").display().to_string();
    enroll(
        &server,
        &elsewhere,
        &[
            "--key", &file, "--oaep", "--cipher", "aes256", "--digest", "sha512",
        ],
    )
    .unwrap();
    assert!(!elsewhere.path().join("key.pem").exists());
    assert_eq!(certificate(&elsewhere).public_key(), key(&dir).public_key());
}

#[test]
fn a_refusal_is_told_with_its_number_and_words() {
    let server = Responder::start(Behaviour::default());
    let dir = TempDir::new().unwrap();
    let (code, words) = complaint(enroll(&server, &dir, &["--challenge", "wrong"]));
    assert_eq!(code, 1);
    assert_eq!(
        words,
        "the server refused the request with badRequest: the challenge is wrong"
    );
    assert!(!dir.path().join("cert.pem").exists());

    let (_, words) = complaint(enroll(&server, &dir, &["--cipher", "des3"]));
    assert!(words.contains("badAlg"), "{words}");
}

#[test]
fn old_servers_and_get() {
    let server = Responder::start(Behaviour {
        get_only: true,
        caps: Some("SHA-256\nAES\n"),
        ..Behaviour::default()
    });
    let dir = TempDir::new().unwrap();
    enroll(&server, &dir, &[]).unwrap();

    let compatible = Behaviour {
        mode: scep::CryptoMode::Compatible,
        caps: Some("SHA-1\nDES3\n"),
        ..Behaviour::default()
    };
    let server = Responder::start(compatible);
    let (_, words) = complaint(enroll(&server, &dir, &[]));
    assert!(words.contains("--legacy"), "{words}");
    enroll(&server, &dir, &["--legacy"]).unwrap();

    // Not there, and not a SCEP server.
    let gone = server.url();
    drop(server);
    let out = dir.path().display().to_string();
    let (_, words) = complaint(type_in(&[
        "enroll",
        "--url",
        &gone,
        "--out",
        &out,
        "--subject",
        "CN=x",
    ]));
    assert!(words.contains("cannot connect"), "{words}");
}

#[test]
fn bench_and_probe_run_as_typed() {
    let server = Responder::start(Behaviour::default());
    let (url, pin) = (server.url(), server.ca_fingerprint());
    let words = [
        "bench",
        "--url",
        &url,
        "--ca-fingerprint",
        &pin,
        "-n",
        "6",
        "-c",
        "2",
        "--keys",
        "1",
    ];
    type_in(&[&words[..], &["--challenge", "s3cret", "--json"]].concat()).unwrap();
    let (code, words) = complaint(type_in(&[&words[..], &["--challenge", "wrong"]].concat()));
    assert_eq!(code, 1);
    assert!(words.contains("failed"), "{words}");
    let probe = ["probe", &url, "--ca-fingerprint", &pin];
    type_in(&probe).unwrap();
    type_in(&[&probe[..], &["--challenge", "s3cret"]].concat()).unwrap();
    let (code, words) = complaint(type_in(&[&probe[..], &["--challenge", "wrong"]].concat()));
    assert_eq!((code, words.as_str()), (1, "the enrollment did not work"));
    type_in(&["bench", "--floor", "--seconds", "0.02"]).unwrap();
}

#[test]
fn words_that_make_no_sense_are_refused_before_anything_is_sent() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().display().to_string();
    let base = ["enroll", "--url", "http://127.0.0.1:1/scep", "--out", &out];
    for (more, part) in [
        (&["--subject", "nonsense"][..], "--subject"),
        (&["--subject", "CN=x", "--san", "fax:1"], "--san"),
        (&["--subject", "CN=x", "--key-type", "rsa512"], "rsa2048"),
        (&["--subject", "CN=x", "--ca-fingerprint", "12"], "64"),
        (
            &["--subject", "CN=x", "--insecure", "--ca-file", "x"],
            "cannot be used with",
        ),
        (&["--subject", "CN=x", "--tls-cert", "x"], "--tls-key"),
        (&["--subject", "CN=x", "--insecure-tls"], "--ca-fingerprint"),
    ] {
        let (code, words) = complaint(type_in(&[&base[..], more].concat()));
        assert_eq!(code, 2, "{words}");
        assert!(words.contains(part), "{words}");
    }
}
