//! The keys that the recorded messages were encrypted to, from the directory that `SCEPD_FUZZ_VECTORS` names.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use challenge::{Algorithm, TrustAnchors, mint};
use chrono::{DateTime, Utc};
use pki::{Certificate, Csr, Name, PrivateKey, SubjectAltNames};
use scep::RaIdentity;
use scep::client::{Content, Request, RequestBuilder};

/// The directory of the recorded messages.
pub fn vectors() -> Option<PathBuf> {
    std::env::var_os("SCEPD_FUZZ_VECTORS").map(PathBuf::from)
}

/// The identities that open the recorded messages; none without the directory.
pub fn ras() -> &'static [RaIdentity] {
    static RAS: LazyLock<Vec<RaIdentity>> = LazyLock::new(|| {
        let keys = vectors().map(|dir| dir.join("keys"));
        keys.map(|keys| {
            ["ca", "ra-enc"]
                .iter()
                .filter_map(|name| identity(&keys, name))
                .collect()
        })
        .unwrap_or_default()
    });
    &RAS
}

fn identity(keys: &Path, name: &str) -> Option<RaIdentity> {
    let certificate = std::fs::read(keys.join(format!("{name}.pem"))).ok()?;
    let key = std::fs::read(keys.join(format!("{name}.key"))).ok()?;
    Some(RaIdentity {
        certificate: Certificate::from_pem(&certificate).ok()?,
        key: PrivateKey::from_pem(&key).ok()?,
    })
}

/// A request that is the same in every process, and the certificate that signs its reply.
pub fn request() -> Option<(&'static Request, &'static Certificate)> {
    static REQUEST: LazyLock<Option<Request>> = LazyLock::new(|| {
        let client = identity(&vectors()?.join("keys"), "ra-sign")?;
        let name = Name::parse("CN=device-1").ok()?;
        let csr = Csr::build(
            &name,
            &SubjectAltNames::default(),
            Some("s3cret"),
            &[],
            &client.key,
        )
        .ok()?;
        let ra = ras().first()?;
        RequestBuilder::new(
            Content::PkcsReq(&csr),
            (&client.certificate, &client.key),
            &[&ra.certificate],
        )
        .transaction_id("fuzz")
        .sender_nonce(Some(vec![7; 16]))
        .build()
        .ok()
    });
    Some((REQUEST.as_ref()?, &ras().first()?.certificate))
}

/// The time that challenges are judged at: 2026-01-01T00:00:00Z.
pub const NOW: DateTime<Utc> = match DateTime::from_timestamp(1_767_225_600, 0) {
    Some(now) => now,
    None => DateTime::UNIX_EPOCH,
};

/// A connector that is trusted.
pub struct Connector {
    /// Signs challenges (ES256).
    pub key: PrivateKey,
    /// Trusts that key.
    pub anchors: TrustAnchors,
}

/// A connector with a key of this process.
pub fn connector() -> Option<&'static Connector> {
    static CONNECTOR: LazyLock<Option<Connector>> = LazyLock::new(|| {
        let made = mint::Connector::throwaway(Algorithm::Es256, "connector", NOW, 365).ok()?;
        let pem = made.certificate.to_pem();
        let anchors = TrustAnchors::parse("fuzz.pem", pem.as_bytes(), NOW).ok()?;
        Some(Connector {
            key: made.key,
            anchors,
        })
    });
    CONNECTOR.as_ref()
}
