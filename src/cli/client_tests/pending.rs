//! Requests that wait for a decision.

use super::*;

#[test]
fn what_is_pending_is_kept_and_polled_for() {
    let server = Responder::start(Behaviour {
        pending: 2,
        ..Behaviour::default()
    });
    let dir = TempDir::new().unwrap();
    let out = dir.path().display().to_string();
    let (code, words) = complaint(enroll(&server, &dir, &[]));
    assert_eq!(code, crate::cli::outcome::PENDING);
    assert!(
        words.contains(&format!("scepd poll --out {out}")),
        "{words}"
    );
    assert_eq!(mode(&dir.path().join("pending-signer-key.pem")), 0o600);

    let before = read(&dir, "pending.json");
    let (url, pin) = (server.url(), server.ca_fingerprint());
    let renew = [
        "renew",
        "--url",
        &url,
        "--out",
        &out,
        "--ca-fingerprint",
        &pin,
    ];
    for again in [enroll(&server, &dir, &[]), type_in(&renew)] {
        let (code, words) = complaint(again);
        assert_eq!(code, 2, "{words}");
        let all = format!(
            "a request for \"C=US, O=Example, CN=laptop-17\" waits here: `scepd poll --out {out}`, or remove \
             {out}/pending.json to ask anew"
        );
        assert_eq!(words, all);
    }
    assert_eq!(read(&dir, "pending.json"), before);

    let (code, _) = complaint(type_in(&["poll", "--out", &out]));
    assert_eq!(code, crate::cli::outcome::PENDING);
    type_in(&["poll", "--out", &out, "--json"]).unwrap();
    assert_eq!(certificate(&dir).public_key(), key(&dir).public_key());
    assert!(!dir.path().join("pending.json").exists());
    assert!(!dir.path().join("pending-signer-key.pem").exists());

    let (code, words) = complaint(type_in(&["poll", "--out", &out]));
    assert_eq!(code, 2);
    assert!(words.contains("nothing is pending"), "{words}");
}

#[test]
fn a_pending_renewal_keeps_the_old_key_until_it_is_decided() {
    let quick = Responder::start(Behaviour::default());
    let dir = TempDir::new().unwrap();
    let out = dir.path().display().to_string();
    enroll(&quick, &dir, &["--challenge", "s3cret"]).unwrap();
    drop(quick);

    // Another CA: a RenewalReq would be refused, so this server has no renewal.
    let caps = Some("AES\nSHA-256\nPOSTPKIOperation\n");
    let slow = Responder::start(Behaviour {
        pending: 1,
        caps,
        ..Behaviour::default()
    });
    let old_key = key(&dir);
    let (url, pin) = (slow.url(), slow.ca_fingerprint());
    let renew = [
        "renew",
        "--url",
        &url,
        "--out",
        &out,
        "--ca-fingerprint",
        &pin,
        "--challenge",
        "s3cret",
    ];
    let (code, _) = complaint(type_in(&renew));
    assert_eq!(code, crate::cli::outcome::PENDING);
    assert_eq!(key(&dir).public_key(), old_key.public_key());
    type_in(&["poll", "--out", &out]).unwrap();
    assert_ne!(key(&dir).public_key(), old_key.public_key());
    assert_eq!(certificate(&dir).public_key(), key(&dir).public_key());
    assert!(!dir.path().join("key-next.pem").exists());
}
