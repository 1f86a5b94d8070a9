//! Certificates that are not what was asked for.

use super::*;
use crate::client::responder::Lie;

const SAN: [&str; 2] = ["--san", "dns:laptop-17.example.com"];

/// Enrolls at a good server, then at one that lies. It must be refused by name, with and without leave for changes, and
/// with nothing overwritten.
fn never(lie: Lie, words: &str) {
    let dir = TempDir::new().unwrap();
    let good = Responder::start(Behaviour::default());
    enroll(&good, &dir, &SAN).unwrap();
    let before = everything(&dir);
    let liar = Responder::start(Behaviour {
        lie: Some(lie),
        ..Behaviour::default()
    });
    for flags in [&[][..], &["--accept-changes"]] {
        let (code, said) = complaint(enroll(&liar, &dir, &[&SAN[..], flags].concat()));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(everything(&dir), before);
    }
}

/// The files with names that others know.
fn everything(dir: &TempDir) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(dir.path()).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file());
    let mut files: Vec<_> = files
        .map(|path| {
            let content = std::fs::read(&path).unwrap();
            (path.file_name().unwrap().to_owned(), content)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn another_subject() {
    never(
        Lie::OtherSubject,
        "its subject is \"CN=somebody-else\", and not",
    );
}

#[test]
fn an_identity_added_to_the_subject() {
    never(Lie::AddedSerialNumber, "serialNumber=4711");
}

#[test]
fn a_name_that_is_missing() {
    never(
        Lie::SanMissing,
        "the alternative names lack dns:laptop-17.example.com",
    );
}

#[test]
fn a_name_that_was_added() {
    never(Lie::SanAdded, "nobody asked for: dns:more.example.com");
}

#[test]
fn a_ca() {
    never(Lie::Ca, "it is a CA's certificate (CA:TRUE)");
}

#[test]
fn a_key_that_may_sign_certificates() {
    never(Lie::CertSign, "its key usage is a CA's: keyCertSign");
}

#[test]
fn a_certificate_for_everything() {
    never(Lie::AnyUsage, "anyExtendedKeyUsage");
}

#[test]
fn version_1() {
    never(Lie::Version1, "of version 1, and not 3");
}

#[test]
fn an_extension_twice() {
    never(Lie::Twice, "it has the extension keyUsage twice");
}

#[test]
fn a_signature_with_sha1() {
    never(Lie::Sha1, "it is signed with SHA-1");
    let dir = TempDir::new().unwrap();
    let liar = Responder::start(Behaviour {
        lie: Some(Lie::Sha1),
        ..Behaviour::default()
    });
    enroll(&liar, &dir, &["--legacy"]).unwrap();
}

#[test]
fn another_key() {
    never(Lie::OtherKey, "about another key");
}

#[test]
fn a_validity_that_is_none() {
    for lie in [Lie::Backwards, Lie::Expired, Lie::NotYet] {
        never(lie, "not now");
    }
}

/// Refused with the way to take it, and taken by it.
fn taken_when_asked(lie: Lie, words: &str) -> (TempDir, Responder) {
    let dir = TempDir::new().unwrap();
    let good = Responder::start(Behaviour::default());
    enroll(&good, &dir, &SAN).unwrap();
    let before = (certificate(&dir), key(&dir));
    let server = Responder::start(Behaviour {
        lie: Some(lie),
        ..Behaviour::default()
    });
    let (code, said) = complaint(enroll(&server, &dir, &SAN));
    let out = dir.path().display().to_string();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(words), "{said}");
    let way = format!("scepd poll --accept-changes --out {out}");
    assert!(said.contains(&way), "{said}");
    assert_eq!(certificate(&dir), before.0);
    assert_eq!(key(&dir).public_key(), before.1.public_key());

    let (code, said) = complaint(type_in(&["poll", "--out", &out]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(words), "{said}");
    type_in(&["poll", "--accept-changes", "--out", &out]).unwrap();
    assert_ne!(certificate(&dir), before.0);
    assert_eq!(certificate(&dir).public_key(), key(&dir).public_key());
    assert!(!dir.path().join("pending.json").exists());
    // Or at once.
    let other = TempDir::new().unwrap();
    enroll(&server, &other, &["--accept-changes"]).unwrap();
    (other, server)
}

#[test]
fn an_organization_that_the_server_adds_is_said_and_needs_leave() {
    let (dir, _) = taken_when_asked(
        Lie::AddedOrganization,
        "the server added O=More to the subject: \"C=US, O=Example, CN=laptop-17, O=More\"",
    );
    let subject = certificate(&dir).subject().to_string();
    assert_eq!(subject, "C=US, O=Example, CN=laptop-17, O=More");
}

#[test]
fn another_order_is_said_and_needs_leave() {
    taken_when_asked(Lie::Reordered, "in another order than");
}

#[test]
fn a_renewal_with_a_shorter_life_is_said_and_needs_leave() {
    let dir = TempDir::new().unwrap();
    let good = Responder::start(Behaviour::default());
    enroll(&good, &dir, &[]).unwrap();
    let before = certificate(&dir);
    // Another CA: a RenewalReq would be refused, so this server has no renewal.
    let server = Responder::start(Behaviour {
        lie: Some(Lie::ShortLife),
        caps: Some("AES\nSHA-256\nPOSTPKIOperation\n"),
        ..Behaviour::default()
    });
    let (url, out) = (server.url(), dir.path().display().to_string());
    let pin = server.ca_fingerprint();
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
    let (code, said) = complaint(type_in(&renew));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("it ends on "), "{said}");
    assert!(
        said.contains("before the certificate that it renews"),
        "{said}"
    );
    assert_eq!(certificate(&dir), before);
    type_in(&["poll", "--accept-changes", "--out", &out]).unwrap();
    assert_ne!(certificate(&dir), before);
    assert_eq!(certificate(&dir).public_key(), key(&dir).public_key());
    // A first certificate is as short as it likes: nobody asked for more.
    enroll(&server, &TempDir::new().unwrap(), &[]).unwrap();
}
