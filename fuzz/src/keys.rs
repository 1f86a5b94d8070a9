//! The keys that the recorded messages were encrypted to, from the directory that `SCEPD_FUZZ_VECTORS` names.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

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
