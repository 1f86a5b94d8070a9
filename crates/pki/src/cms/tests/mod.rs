#![allow(clippy::unwrap_used, clippy::panic)]

mod enveloped;
mod hostile;
mod signed;

use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta};
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

use crate::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, Name, PrivateKey, Serial,
};

/// A self-signed certificate and its key.
#[derive(Clone)]
struct Pair {
    certificate: Certificate,
    key: PrivateKey,
}

impl Pair {
    fn new(name: &str, kind: KeyKind) -> Self {
        let key = PrivateKey::generate(kind).unwrap();
        let name = Name::parse(name).unwrap();
        let not_before = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let certificate = CertificateBuilder {
            subject: name.clone(),
            issuer: name,
            serial: Serial::random().unwrap(),
            not_before,
            not_after: not_before + TimeDelta::days(30),
            public_key: key.public_key().clone(),
            extensions: vec![Extension::subject_key_id(key.public_key())],
        }
        .sign(&key, &key.scheme(Digest::Sha256).unwrap())
        .unwrap();
        Self { certificate, key }
    }

    /// One RSA pair for all tests: making one takes long.
    fn rsa() -> Self {
        static PAIR: OnceLock<Pair> = OnceLock::new();
        PAIR.get_or_init(|| Self::new("O=scep, CN=device", KeyKind::Rsa { bits: 2048 }))
            .clone()
    }

    fn other_rsa() -> Self {
        static PAIR: OnceLock<Pair> = OnceLock::new();
        PAIR.get_or_init(|| Self::new("O=scep, CN=other", KeyKind::Rsa { bits: 3072 }))
            .clone()
    }

    fn ec() -> Self {
        static PAIR: OnceLock<Pair> = OnceLock::new();
        PAIR.get_or_init(|| Self::new("O=scep, CN=ec", KeyKind::Ec(Curve::P256)))
            .clone()
    }

    fn x509(&self) -> X509 {
        X509::from_der(self.certificate.der()).unwrap()
    }

    fn pkey(&self) -> PKey<Private> {
        PKey::private_key_from_pkcs8(&self.key.to_pkcs8_der().unwrap()).unwrap()
    }
}
