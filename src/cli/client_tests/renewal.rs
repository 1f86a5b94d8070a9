//! `scepd renew`.

use super::*;

#[test]
fn renewals_change_the_key_and_keep_the_names() {
    let server = Responder::start(Behaviour::default());
    let dir = TempDir::new().unwrap();
    enroll(&server, &dir, &["--san", "dns:laptop-17.example.com"]).unwrap();
    let (first, first_key) = (certificate(&dir), key(&dir));
    let (url, out, pin) = (
        server.url(),
        dir.path().display().to_string(),
        server.ca_fingerprint(),
    );
    let renew = [
        "renew",
        "--url",
        &url,
        "--out",
        &out,
        "--ca-fingerprint",
        &pin,
    ];
    type_in(&renew).unwrap();

    let (second, second_key) = (certificate(&dir), key(&dir));
    assert_ne!(first_key.public_key(), second_key.public_key());
    assert_eq!(second.public_key(), second_key.public_key());
    assert_eq!(second.subject(), first.subject());
    assert_eq!(second.sans(), first.sans());
    let old = PrivateKey::from_pem(&read(&dir, "key.pem.previous")).unwrap();
    assert_eq!(old.public_key(), first_key.public_key());
    let old = Certificate::from_pem(&read(&dir, "cert.pem.previous")).unwrap();
    assert_eq!(old, first);
    assert_eq!(server.renewals(), 1);

    type_in(&[&renew[..], &["--same-key"]].concat()).unwrap();
    assert_eq!(certificate(&dir).public_key(), second_key.public_key());
    assert_eq!(key(&dir).public_key(), second_key.public_key());
    assert_eq!(server.renewals(), 2);
}

#[test]
fn a_renewal_with_a_strange_key_is_not_sent() {
    let server = Responder::start(Behaviour::default());
    let dir = TempDir::new().unwrap();
    enroll(&server, &dir, &[]).unwrap();
    let stranger = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let file = dir.path().join("key.pem");
    std::fs::write(&file, stranger.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    let out = dir.path().display().to_string();
    // Nobody listens there: it is not even tried.
    let url = "http://127.0.0.1:1/scep";
    let (code, words) = complaint(type_in(&["renew", "--url", url, "--out", &out]));
    assert_eq!(code, 2);
    assert!(words.contains("is not the key of"), "{words}");
    assert!(!dir.path().join("key-next.pem").exists());
}

#[test]
fn a_server_without_renewal_gets_a_request_signed_with_the_old_certificate() {
    let caps = Some("AES\nSHA-256\nPOSTPKIOperation\n");
    let server = Responder::start(Behaviour {
        caps,
        ..Behaviour::default()
    });
    let dir = TempDir::new().unwrap();
    enroll(&server, &dir, &[]).unwrap();
    let (url, out, pin) = (
        server.url(),
        dir.path().display().to_string(),
        server.ca_fingerprint(),
    );
    type_in(&[
        "renew",
        "--url",
        &url,
        "--out",
        &out,
        "--ca-fingerprint",
        &pin,
        "--challenge",
        "s3cret",
    ])
    .unwrap();
    assert_eq!(server.renewals(), 0);
    assert_eq!(server.challenges().len(), 2);
}
