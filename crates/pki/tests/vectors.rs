//! Every message captured from a real client says what its decoded truth says, down to the CSR in the envelope.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use pki::cms::{CertificateId, Enveloped, Plaintext, Signed};
use pki::der::{self, Reader, Tlv};
use pki::{
    Certificate, ContentCipher, Csr, Digest, Error, KeyTransport, Name, PrivateKey, Serial,
    SignatureScheme, oid,
};
use serde_json::Value;

const KEYS: [&str; 4] = ["root", "ca", "ra-enc", "ra-sign"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/vectors")
}

fn pair(name: &str) -> (Certificate, PrivateKey) {
    let read = |suffix| std::fs::read(folder().join(format!("keys/{name}.{suffix}"))).unwrap();
    (
        Certificate::from_pem(&read("pem")).unwrap(),
        PrivateKey::from_pem(&read("key")).unwrap(),
    )
}

struct Vector {
    name: String,
    message: Vec<u8>,
    truth: Value,
}

fn vectors() -> Vec<Vector> {
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

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(text).collect()
}

fn string(signed: &Signed, oid: &str) -> String {
    let value = Tlv::parse(signed.attribute(oid).unwrap(), "test").unwrap();
    assert_eq!(value.tag, der::tag::PRINTABLE_STRING);
    der::text(&value).unwrap()
}

#[test]
fn the_signed_part() {
    for Vector {
        name,
        message,
        truth,
    } in vectors()
    {
        assert_eq!(message.len(), truth["length"], "{name}");
        assert_eq!(
            hex::encode(pki::sha256(&message)),
            truth["sha256"],
            "{name}"
        );
        let signed = Signed::parse(&message).unwrap();
        signed
            .check()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(signed.content_type(), oid::DATA, "{name}");
        assert_eq!(
            signed.certificates().len(),
            truth["certificates_in_message"],
            "{name}"
        );
        assert_eq!(
            string(&signed, oid::SCEP_MESSAGE_TYPE),
            truth["messageType"],
            "{name}"
        );
        assert_eq!(
            string(&signed, oid::SCEP_TRANSACTION_ID),
            truth["transactionID"],
            "{name}"
        );
        let nonce = Tlv::parse(signed.attribute(oid::SCEP_SENDER_NONCE).unwrap(), "test").unwrap();
        assert_eq!(hex::encode(nonce.content), truth["senderNonce"], "{name}");

        let expected = &truth["signer"];
        let attributes: Vec<&str> = signed
            .attributes()
            .iter()
            .map(|attribute| attribute.oid.as_str())
            .collect();
        assert_eq!(attributes, texts(&expected["signed_attributes"]), "{name}");
        assert_eq!(signed.digest().unwrap().oid(), expected["digest"], "{name}");
        match signed.scheme().unwrap() {
            SignatureScheme::RsaPkcs1(digest) => {
                assert_eq!(Ok(digest), signed.digest(), "{name}");
                assert_ne!(expected["sig_alg"], oid::RSA_PSS, "{name}");
            }
            SignatureScheme::RsaPss {
                digest,
                mgf,
                salt_len,
            } => {
                assert_eq!(expected["sig_alg"], oid::RSA_PSS, "{name}");
                assert_eq!(digest.oid(), expected["pss"]["hash"], "{name}");
                assert_eq!(mgf.oid(), expected["pss"]["mgf1_hash"], "{name}");
                assert_eq!(salt_len, expected["pss"]["salt_length"], "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn the_signer() {
    let issuers = KEYS.map(|name| (name, pair(name).0));
    for Vector {
        name,
        message,
        truth,
    } in vectors()
    {
        let expected = &truth["signer"];
        let signed = Signed::parse(&message).unwrap();
        let signer = signed.signer_certificate().unwrap();
        let CertificateId::IssuerAndSerial { issuer, serial } = signed.signer_id() else {
            panic!("{name}")
        };
        assert_eq!(
            (issuer, serial),
            (signer.issuer(), signer.serial()),
            "{name}"
        );
        assert_eq!(signer.issuer().to_string(), expected["issuer"], "{name}");
        assert_eq!(signer.subject().to_string(), expected["subject"], "{name}");
        assert_eq!(signer.serial().to_hex(), expected["serial"], "{name}");
        assert_eq!(
            format!("v{}", signer.version()),
            expected["cert_version"],
            "{name}"
        );
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        assert_eq!(time(signer.not_before()), expected["not_before"], "{name}");
        assert_eq!(time(signer.not_after()), expected["not_after"], "{name}");
        assert_eq!(
            signer.public_key().kind().to_string(),
            expected["key"],
            "{name}"
        );
        let self_signed =
            signer.is_self_issued() && signer.verify_signature_by(signer.public_key()).is_ok();
        assert_eq!(self_signed, expected["self_signed"], "{name}");
        let issued_by = issuers.iter().find(|(_, issuer)| {
            issuer.subject().matches(signer.issuer())
                && signer.verify_signature_by(issuer.public_key()).is_ok()
        });
        assert_eq!(
            issued_by.map(|(name, _)| *name),
            expected["issued_by"].as_str(),
            "{name}"
        );
    }
}

#[test]
fn the_envelope() {
    for Vector {
        name,
        message,
        truth,
    } in vectors()
    {
        let expected = &truth["envelope"];
        let signed = Signed::parse(&message).unwrap();
        let enveloped = Enveloped::parse(signed.content().unwrap()).unwrap();
        assert_eq!(
            enveloped.recipients().len(),
            expected["recipients"],
            "{name}"
        );
        let serials: Vec<String> = enveloped
            .recipients()
            .iter()
            .map(|recipient| match recipient.id() {
                CertificateId::IssuerAndSerial { serial, .. } => serial.to_hex(),
                CertificateId::KeyId(_) => panic!("{name}"),
            })
            .collect();
        assert_eq!(serials, texts(&expected["rid_serials"]), "{name}");
        assert_eq!(expected["key_transport"], oid::RSA_ENCRYPTION, "{name}");
        let cipher = text(&expected["content_encryption"]);
        match enveloped.cipher() {
            Ok(known) => assert_eq!(known.oid(), cipher, "{name}"),
            Err(error) => {
                assert_eq!(cipher, oid::DES_CBC, "{name}");
                let refusal = Error::Unsupported {
                    what: "content cipher",
                    oid: oid::DES_CBC.to_owned(),
                };
                assert_eq!(error, refusal, "{name}");
            }
        }
        let opens_with = texts(&expected["opens_with"]);
        for key_name in KEYS {
            let (certificate, key) = pair(key_name);
            let recipient = enveloped.recipient_for(&certificate);
            assert_eq!(
                recipient.is_some(),
                opens_with.contains(&key_name),
                "{name} {key_name}"
            );
            let Some(recipient) = recipient else {
                assert!(
                    matches!(
                        enveloped.open(&certificate, &key),
                        Err(Error::NotARecipient)
                    ),
                    "{name} {key_name}"
                );
                continue;
            };
            assert_eq!(
                recipient.key_transport(),
                Ok(KeyTransport::Pkcs1v15),
                "{name}"
            );
            let is_whole = |plaintext: &Plaintext| {
                assert!(plaintext.well_padded(), "{name} {key_name}");
                assert_eq!(
                    plaintext.bytes().len(),
                    truth["inner"]["length"],
                    "{name} {key_name}"
                );
                assert_eq!(
                    hex::encode(pki::sha256(plaintext.bytes())),
                    truth["inner"]["sha256"],
                    "{name} {key_name}"
                );
            };
            // Where nothing is secret, single DES opens, too.
            is_whole(&enveloped.open_public(&certificate, &key).unwrap());
            if enveloped.cipher().is_ok() {
                is_whole(&enveloped.open(&certificate, &key).unwrap());
            } else {
                assert!(
                    matches!(
                        enveloped.open(&certificate, &key),
                        Err(Error::Unsupported { .. })
                    ),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn the_content() {
    let mut kinds = [0; 3];
    for Vector {
        name,
        message,
        truth,
    } in vectors()
    {
        let expected = &truth["inner"];
        let signed = Signed::parse(&message).unwrap();
        let enveloped = Enveloped::parse(signed.content().unwrap()).unwrap();
        if enveloped.cipher().is_err() {
            continue;
        }
        let (certificate, key) = pair(texts(&truth["envelope"]["opens_with"])[0]);
        let plaintext = enveloped.open(&certificate, &key).unwrap();
        let mut fields = Reader::new(plaintext.bytes(), "test").sequence().unwrap();
        match text(&expected["kind"]) {
            "csr" => {
                kinds[0] += 1;
                let csr = Csr::from_der(plaintext.bytes()).unwrap();
                check_csr(&name, &csr, &signed, expected);
                check_certified(&name, &csr);
            }
            "issuer_and_subject" => {
                kinds[1] += 1;
                for field in ["issuer", "subject"] {
                    let read = Name::from_der(fields.element().unwrap().raw).unwrap();
                    assert_eq!(read.to_string(), expected[field], "{name}");
                }
            }
            _ => {
                kinds[2] += 1;
                let issuer = Name::from_der(fields.element().unwrap().raw).unwrap();
                assert_eq!(issuer.to_string(), expected["issuer"], "{name}");
                assert_eq!(
                    Serial::new(fields.integer().unwrap()).to_hex(),
                    expected["serial"],
                    "{name}"
                );
            }
        }
    }
    assert_eq!(kinds, [14, 2, 2]);
}

/// What real clients send goes into a certificate as it came.
fn check_certified(name: &str, csr: &Csr) {
    let subject = csr.subject();
    let certified = subject.for_certificate(Name::LONGEST_COMMON_NAME).unwrap();
    assert_eq!(certified.der(), subject.der(), "{name}");
    let key = csr.public_key();
    let certified = key.for_certificate().unwrap();
    assert_eq!(certified.spki_der(), key.spki_der(), "{name}");
}

fn check_csr(name: &str, csr: &Csr, signed: &Signed, expected: &Value) {
    csr.verify()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(csr.subject().to_string(), expected["csr_subject"], "{name}");
    let key = &expected["csr_key"];
    assert_eq!(
        csr.public_key().kind().to_string(),
        format!("{} {}", text(&key["type"]), key["bits"]),
        "{name}"
    );
    let algorithm = match csr.signature_scheme().unwrap() {
        SignatureScheme::RsaPkcs1(Digest::Sha256) => oid::SHA256_WITH_RSA,
        SignatureScheme::RsaPkcs1(Digest::Sha512) => oid::SHA512_WITH_RSA,
        SignatureScheme::RsaPkcs1(Digest::Sha1) => oid::SHA1_WITH_RSA,
        SignatureScheme::RsaPss { .. } => oid::RSA_PSS,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(algorithm, expected["csr_sig_alg"], "{name}");
    assert_eq!(
        csr.challenge_password(),
        expected["challengePassword"]["value"].as_str(),
        "{name}"
    );
    let sans: Vec<String> = csr
        .sans()
        .dns
        .iter()
        .map(|name| format!("DNS:{name}"))
        .collect();
    assert_eq!(sans, texts(&expected["sans"]), "{name}");
    let extensions = expected["extensions"].as_array().unwrap();
    assert_eq!(csr.extensions().len(), extensions.len(), "{name}");
    for (read, expected) in csr.extensions().iter().zip(extensions) {
        assert_eq!(read.oid, expected["oid"], "{name}");
        assert_eq!(read.critical, expected["critical"], "{name}");
        assert_eq!(hex::encode(&read.value), expected["value"], "{name}");
    }
    let attributes: Vec<&str> = csr
        .attributes()
        .iter()
        .map(|attribute| attribute.oid.as_str())
        .collect();
    assert_eq!(attributes, texts(&expected["attributes"]), "{name}");
    if let Some(others) = expected["other_attributes"].as_object() {
        for (oid, value) in others {
            let read = csr
                .attributes()
                .iter()
                .find(|attribute| attribute.oid == *oid)
                .unwrap();
            assert_eq!(hex::encode(read.single().unwrap()), *value, "{name}");
        }
    }
    let signer = signed.signer_certificate().unwrap();
    assert_eq!(
        signer.public_key() == csr.public_key(),
        expected["signer_key_is_csr_key"],
        "{name}"
    );
    assert!(!csr.wants_ca(), "{name}");
}

#[test]
fn what_is_ber_is_transcoded_and_what_is_der_is_not() {
    for Vector {
        name,
        message,
        truth,
    } in vectors()
    {
        let limits = pki::ber::Limits::default();
        let der = pki::ber::to_der(&message, &limits).unwrap();
        let content = Signed::parse(&message).unwrap().content().unwrap().to_vec();
        let inner = pki::ber::to_der(&content, &limits).unwrap();
        // Pieces under [0] are left to the reader of the envelope.
        let pieces = text(&truth["client"]).contains("scepclient");
        let is_ber = der != message || inner != content || pieces;
        assert_eq!(is_ber, truth["ber"], "{name}");
        assert_eq!(pki::ber::to_der(&der, &limits).unwrap(), der, "{name}");
        assert_eq!(
            Signed::parse(&der).unwrap().content().unwrap(),
            content,
            "{name}"
        );
    }
}

#[test]
fn no_cipher_beyond_those_captured_is_expected_here() {
    let mut seen: Vec<ContentCipher> = vectors()
        .iter()
        .filter_map(|vector| {
            let signed = Signed::parse(&vector.message).unwrap();
            Enveloped::parse(signed.content().unwrap())
                .unwrap()
                .cipher()
                .ok()
        })
        .collect();
    seen.dedup();
    for cipher in [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::DesEde3Cbc,
    ] {
        assert!(seen.contains(&cipher), "{cipher}");
    }
}
