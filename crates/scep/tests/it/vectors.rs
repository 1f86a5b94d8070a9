//! Messages captured from real clients open with exactly what their truth says.

use std::path::PathBuf;

use pki::{Certificate, ContentCipher, Digest, KeyTransport, PrivateKey};
use scep::{Body, CryptoMode, FailInfo, MessageType, OpenError, Opened, RaIdentity, ReplyTo};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vectors")
}

fn identities() -> Vec<RaIdentity> {
    ["root", "ca", "ra-enc", "ra-sign"].map(identity).to_vec()
}

fn identity(name: &str) -> RaIdentity {
    let read = |suffix| std::fs::read(folder().join(format!("keys/{name}.{suffix}"))).unwrap();
    RaIdentity {
        certificate: Certificate::from_pem(&read("pem")).unwrap(),
        key: PrivateKey::from_pem(&read("key")).unwrap(),
    }
}

pub struct Vector {
    pub name: String,
    pub message: Vec<u8>,
    pub truth: Value,
}

pub fn all() -> Vec<Vector> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "p7"));
    files.sort();
    assert_eq!(files.len(), 22);
    let load = |file: &PathBuf| Vector {
        name: file.file_stem().unwrap().to_str().unwrap().to_owned(),
        message: std::fs::read(file).unwrap(),
        truth: serde_json::from_slice(&std::fs::read(file.with_extension("json")).unwrap())
            .unwrap(),
    };
    files.iter().map(load).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn legacy(vector: &Vector, what: &str) -> bool {
    vector.truth["legacy"]
        .as_array()
        .unwrap()
        .iter()
        .any(|entry| entry == what)
}

fn check_reply_to(vector: &Vector, reply: &ReplyTo) {
    let (name, truth) = (&vector.name, &vector.truth);
    assert_eq!(
        reply.transaction_id.as_deref(),
        Some(text(&truth["transactionID"])),
        "{name}"
    );
    assert_eq!(
        hex::encode(reply.sender_nonce.as_ref().unwrap()),
        truth["senderNonce"],
        "{name}"
    );
    assert_eq!(reply.message_type.as_text(), truth["messageType"], "{name}");
    let signer = &truth["signer"];
    assert_eq!(
        reply.signer.subject().to_string(),
        signer["subject"],
        "{name}"
    );
    assert_eq!(
        reply.signer.issuer().to_string(),
        signer["issuer"],
        "{name}"
    );
    assert_eq!(reply.signer.serial().to_hex(), signer["serial"], "{name}");
    assert_eq!(
        Digest::from_oid(text(&signer["digest"])),
        Some(reply.digest),
        "{name}"
    );
}

fn check_opened(vector: &Vector, opened: &Opened) {
    let (name, truth) = (&vector.name, &vector.truth);
    check_reply_to(vector, &opened.reply);
    let cipher = match text(&truth["envelope"]["content_encryption"]) {
        pki::oid::AES128_CBC => ContentCipher::Aes128Cbc,
        pki::oid::AES256_CBC => ContentCipher::Aes256Cbc,
        pki::oid::DES_EDE3_CBC => ContentCipher::DesEde3Cbc,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(opened.reply.cipher, cipher, "{name}");
    assert_eq!(opened.reply.key_transport, KeyTransport::Pkcs1v15, "{name}");
    assert_eq!(opened.findings, Vec::<String>::new(), "{name}");

    let inner = &truth["inner"];
    match &opened.body {
        Body::PkcsReq(csr) | Body::RenewalReq(csr) => {
            assert_eq!(inner["kind"], "csr", "{name}");
            assert_eq!(csr.der().len(), inner["length"], "{name}");
            assert_eq!(
                hex::encode(pki::sha256(csr.der())),
                inner["sha256"],
                "{name}"
            );
            assert_eq!(csr.subject().to_string(), inner["csr_subject"], "{name}");
            assert_eq!(
                csr.challenge_password(),
                inner["challengePassword"]["value"].as_str(),
                "{name}"
            );
            let same = csr.public_key() == opened.reply.signer.public_key();
            assert_eq!(same, inner["signer_key_is_csr_key"], "{name}");
        }
        Body::CertPoll { issuer, subject } => {
            assert_eq!(inner["kind"], "issuer_and_subject", "{name}");
            assert_eq!(issuer.to_string(), inner["issuer"], "{name}");
            assert_eq!(subject.to_string(), inner["subject"], "{name}");
        }
        Body::GetCert { issuer, serial } | Body::GetCrl { issuer, serial } => {
            assert_eq!(inner["kind"], "issuer_and_serial", "{name}");
            assert_eq!(issuer.to_string(), inner["issuer"], "{name}");
            assert_eq!(serial.to_hex(), inner["serial"], "{name}");
        }
    }
    let kind = match opened.body {
        Body::PkcsReq(_) => MessageType::PkcsReq,
        Body::RenewalReq(_) => MessageType::RenewalReq,
        Body::CertPoll { .. } => MessageType::CertPoll,
        Body::GetCert { .. } => MessageType::GetCert,
        Body::GetCrl { .. } => MessageType::GetCrl,
    };
    assert_eq!(kind, opened.reply.message_type, "{name}");
}

#[test]
fn every_message_opens_with_its_truth_or_is_refused_for_its_algorithms() {
    let ras = identities();
    let (mut opened_modern, mut opened_compatible, mut refused) = (0, 0, 0);
    for vector in all() {
        let name = &vector.name;
        for mode in [CryptoMode::Modern, CryptoMode::Compatible] {
            let may = match mode {
                CryptoMode::Modern => vector.truth["legacy"].as_array().unwrap().is_empty(),
                CryptoMode::Compatible => !legacy(&vector, "single DES"),
            };
            match scep::open(&vector.message, &ras, mode) {
                Ok(opened) if may => {
                    check_opened(&vector, &opened);
                    *(if mode == CryptoMode::Modern {
                        &mut opened_modern
                    } else {
                        &mut opened_compatible
                    }) += 1;
                }
                Err(OpenError::Refused {
                    reply,
                    fail_info: FailInfo::BadAlg,
                    verified: true,
                    text,
                    ..
                }) if !may => {
                    assert!(
                        text.contains("AES") || text.contains("SHA-256"),
                        "{name}: {text}"
                    );
                    // What is needed for the answer was there all the same.
                    if mode == CryptoMode::Compatible {
                        check_reply_to(&vector, &reply);
                    }
                    refused += 1;
                }
                Err(OpenError::Refused {
                    fail_info,
                    text,
                    detail,
                    ..
                }) => panic!("{name} {mode:?}: {fail_info} {text} {detail}"),
                Err(OpenError::Unreadable(words)) => panic!("{name} {mode:?}: {words}"),
                Ok(_) => panic!("{name} {mode:?}: it was opened"),
            }
        }
    }
    assert_eq!((opened_modern, opened_compatible, refused), (15, 18, 11));
}

#[test]
fn each_opens_with_the_keys_that_its_truth_names_and_no_others() {
    for vector in all().iter().filter(|vector| !legacy(vector, "single DES")) {
        for name in ["root", "ca", "ra-enc", "ra-sign"] {
            let named = vector.truth["envelope"]["opens_with"]
                .as_array()
                .unwrap()
                .iter()
                .any(|key| key == name);
            let result = scep::open(&vector.message, &[identity(name)], CryptoMode::Compatible);
            match (named, result) {
                (true, Ok(_)) => {}
                (
                    false,
                    Err(OpenError::Refused {
                        fail_info: FailInfo::BadMessageCheck,
                        detail,
                        ..
                    }),
                ) => {
                    assert!(detail.contains("recipient"), "{detail}");
                }
                _ => panic!("{} with {name}", vector.name),
            }
        }
    }
}

#[test]
fn messages_in_captured_urls_are_the_captured_messages() {
    let mut seen = 0;
    for vector in all() {
        let request =
            std::fs::read_to_string(folder().join(format!("{}.http", vector.name))).unwrap();
        let line = request.lines().next().unwrap();
        if !line.starts_with("GET ") {
            continue;
        }
        let target = line.split(' ').nth(1).unwrap();
        let query = scep::get::Query::parse(target.split_once('?').unwrap().1);
        assert_eq!(query.operation, Some("PKIOperation"));
        assert_eq!(
            scep::get::decode_message(query.message.unwrap()).unwrap(),
            vector.message,
            "{}",
            vector.name
        );
        seen += 1;
    }
    assert_eq!(seen, 9);
}
