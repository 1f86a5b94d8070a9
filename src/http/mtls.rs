//! Whether the client certificate of an mTLS connection belongs to a profile: its chain must end
//! in this profile's own bundle, whatever other profiles trust, and it must not be one that this server revoked.

use actors::Runtime;
use rustls::pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// Why a client certificate does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MtlsRefusal {
    #[error("this URL needs a client certificate, and none was shown")]
    None,
    #[error("the client certificate does not belong to this profile: {0}")]
    Foreign(webpki::Error),
    #[error("the client certificate was revoked")]
    Revoked,
    #[error("this profile is served over mTLS only: use the mTLS listener, /scep-mtls/{0}")]
    Required(String),
    /// For the log: nothing is known of the certificate.
    #[error("the client certificate cannot be looked up: {0}")]
    Unavailable(String),
}

/// Checks `shown` (leaf first) against those of a profile's anchors that are valid at `now`: what a
/// path is checked for (RFC 5280, section 6.1) leaves the anchor's own dates out.
pub(super) fn check(
    shown: &[CertificateDer<'static>],
    anchors: &[pki::Certificate],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), MtlsRefusal> {
    let (leaf, intermediates) = shown.split_first().ok_or(MtlsRefusal::None)?;
    let ders: Vec<CertificateDer<'_>> = anchors
        .iter()
        .filter(|anchor| anchor.valid_at(now))
        .map(|anchor| CertificateDer::from(anchor.der()))
        .collect();
    // An anchor that webpki cannot read was refused when the bundle was loaded.
    let anchors: Vec<_> = ders
        .iter()
        .filter_map(|der| anchor_from_trusted_cert(der).ok())
        .collect();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| {
            leaf.verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &anchors,
                intermediates,
                time,
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map(drop)
        })
        .map_err(MtlsRefusal::Foreign)
}

/// Checks that the client's certificate is none that an issuer of this server has revoked. Of certificates from elsewhere
/// nothing is known here: whoever issued them has to make them end.
pub(super) async fn not_revoked(
    runtime: &Runtime,
    shown: &[CertificateDer<'static>],
) -> Result<(), MtlsRefusal> {
    let leaf = shown.first().ok_or(MtlsRefusal::None)?.clone();
    let store = Arc::clone(&runtime.services.store);
    // Reads the disk.
    let found = tokio::task::spawn_blocking(move || {
        // What cannot be read here is none of ours.
        let Ok(certificate) = pki::Certificate::from_der(&leaf) else {
            return Ok(false);
        };
        let records = store
            .certificates_with_serial(certificate.serial().as_bytes())
            .map_err(|error| error.to_string())?;
        // The very same: another CA may have given that number too.
        Ok(records
            .iter()
            .any(|record| record.revoked.is_some() && record.der == *leaf))
    });
    match found.await.map_err(|error| error.to_string()).flatten() {
        Ok(false) => Ok(()),
        Ok(true) => Err(MtlsRefusal::Revoked),
        Err(error) => Err(MtlsRefusal::Unavailable(error)),
    }
}
