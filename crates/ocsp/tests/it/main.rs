//! Requests and answers, judged by OpenSSL and by rasn's types.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod properties;
mod requests;

use chrono::{DateTime, TimeDelta, Utc};
use pki::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, Name, PrivateKey, Serial,
    der, oid,
};

/// A CA and what signs its answers.
struct Ca {
    certificate: Certificate,
    key: PrivateKey,
}

#[allow(
    clippy::disallowed_methods,
    reason = "OpenSSL goes by the machine's clock"
)]
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap()
}

impl Ca {
    fn new(name: &str) -> Self {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let certificate = certificate(
            name,
            name,
            &key,
            &key,
            Extension::basic_constraints(true, None),
        );
        Self { certificate, key }
    }

    fn responder(&self) -> ocsp::Responder {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let usage = Extension::ext_key_usage(&[oid::EKU_OCSP_SIGNING]).unwrap();
        let issuer = self.certificate.subject().to_string();
        let certificate = certificate("CN=responder", &issuer, &key, &self.key, usage);
        ocsp::Responder::new(certificate, key).unwrap()
    }
}

fn certificate(
    subject: &str,
    issuer: &str,
    of: &PrivateKey,
    by: &PrivateKey,
    extension: Extension,
) -> Certificate {
    let builder = CertificateBuilder {
        subject: Name::parse(subject).unwrap(),
        issuer: Name::parse(issuer).unwrap(),
        serial: Serial::random().unwrap(),
        not_before: now() - TimeDelta::hours(1),
        not_after: now() + TimeDelta::days(7),
        public_key: of.public_key().clone(),
        extensions: vec![extension],
    };
    let scheme = by.scheme(Digest::Sha256).unwrap();
    builder.sign(by, &scheme).unwrap()
}

/// An Extension.
fn extension(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical {
        der::boolean(true)
    } else {
        Vec::new()
    };
    der::seq(&[
        &der::oid(oid).unwrap(),
        &critical,
        &der::octet_string(value),
    ])
}

/// A request about these certificates, with these extensions.
fn request(ids: &[&[u8]], extensions: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<Vec<u8>> = ids.iter().map(|id| der::seq(&[id])).collect();
    let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
    let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
    let extensions = match extensions.as_slice() {
        [] => Vec::new(),
        some => der::explicit(2, &der::seq(some)),
    };
    der::seq(&[&der::seq(&[&der::seq(&list), &extensions])])
}

/// A nonce extension, as RFC 9654 has it.
fn nonce(octets: &[u8]) -> Vec<u8> {
    extension(oid::OCSP_NONCE, false, &der::octet_string(octets))
}
