//! A small client: keys, requests, calls, and certificates as OpenSSL reads them.

use std::sync::LazyLock;

use issuer_fakes::{Clock, Fake, Kind, Options};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name, X509ReqBuilder};
use serde_json::Value;

/// 2026-11-30T14:00:00Z.
pub(crate) const NOW: i64 = 1_796_047_200;

/// A fake whose clock stands.
pub(crate) async fn fake(kind: Kind) -> Fake {
    let options = Options {
        kind,
        clock: Clock::standing(NOW),
        first_port: None,
    };
    Fake::start(options).await.unwrap()
}

/// A client that trusts the fake, with this certificate and key (PEM) where there is one.
pub(crate) fn http(fake: &Fake, identity: Option<&str>) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(fake.trust().as_bytes()).unwrap();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([root]);
    if let Some(identity) = identity {
        builder = builder.identity(reqwest::Identity::from_pem(identity.as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

/// Status and JSON of an answer.
pub(crate) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// A new key on P-256.
pub(crate) fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A request's DER: CN and O in the subject, a DNS name and an e-mail address.
pub(crate) fn csr_of(key: &PKey<Private>, name: &str) -> Vec<u8> {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("O", "Example").unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let mut builder = X509ReqBuilder::new().unwrap();
    builder.set_subject_name(&subject.build()).unwrap();
    builder.set_pubkey(key).unwrap();
    let mut extensions = Stack::new().unwrap();
    let names = SubjectAlternativeName::new()
        .dns(&format!("{name}.example.org"))
        .email(&format!("{name}@example.org"))
        .build(&builder.x509v3_context(None))
        .unwrap();
    extensions.push(names).unwrap();
    builder.add_extensions(&extensions).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build().to_der().unwrap()
}

/// A request with a key of its own.
pub(crate) fn csr(name: &str) -> Vec<u8> {
    csr_of(&key(), name)
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let lines = openssl::base64::encode_block(der);
    let lines: Vec<&str> = lines
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

pub(crate) fn unbase64(value: &Value) -> Vec<u8> {
    openssl::base64::decode_block(value.as_str().unwrap()).unwrap()
}

/// The certificate verifies below the fake's chain.
pub(crate) fn verified(fake: &Fake, der: &[u8]) -> X509 {
    let certificate = X509::from_der(der).unwrap();
    let chain = fake.chain();
    let issuing = X509::from_der(&chain[0]).unwrap();
    let root = X509::from_der(&chain[1]).unwrap();
    assert!(certificate.verify(&issuing.public_key().unwrap()).unwrap());
    assert!(issuing.verify(&root.public_key().unwrap()).unwrap());
    assert!(root.verify(&root.public_key().unwrap()).unwrap());
    certificate
}

/// `CN=laptop-1, O=Example` in the order of the encoding.
pub(crate) fn subject(certificate: &X509) -> String {
    let entries = certificate.subject_name().entries().map(|entry| {
        let kind = entry.object().nid().short_name().unwrap();
        format!("{kind}={}", entry.data().to_string().unwrap())
    });
    entries.collect::<Vec<_>>().join(", ")
}

/// DNS names and e-mail addresses.
pub(crate) fn names(certificate: &X509) -> Vec<String> {
    let names = certificate.subject_alt_names();
    let names = names.iter().flatten().filter_map(|name| {
        let text = name
            .dnsname()
            .or_else(|| name.email())
            .or_else(|| name.uri())?;
        Some(text.to_owned())
    });
    names.collect()
}

/// Whether a CRL (DER) that the fake's CA signed has this serial number.
pub(crate) fn on_crl(fake: &Fake, crl: &[u8], certificate: &X509) -> bool {
    let crl = openssl::x509::X509Crl::from_der(crl).unwrap();
    let issuing = X509::from_der(&fake.chain()[0]).unwrap();
    assert!(crl.verify(&issuing.public_key().unwrap()).unwrap());
    matches!(
        crl.get_by_cert(certificate),
        openssl::x509::CrlStatus::Revoked(_)
    )
}

/// A key that several tests may share.
pub(crate) static KEY: LazyLock<PKey<Private>> = LazyLock::new(key);
