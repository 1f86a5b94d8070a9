//! Revoking a certificate, and taking back what was a hold: at its issuer where that is somewhere else, then here.

use crate::remote_revocation;
use crate::revocation::{By, Revocation, RevokeError, commit, event, note};
use crate::shared::Services;
use chrono::{DateTime, Utc};
use pki::{RevocationReason, Serial};
use store::{CaId, CertificateRecord, Change, Op};

/// Revokes a certificate, and says as of when. The next CRL that anybody asks for holds it. One that was on hold is revoked
/// for good.
///
/// # Errors
/// [`RevokeError`]; then nothing has changed.
pub async fn revoke(
    services: &Services,
    revocation: Revocation,
) -> Result<DateTime<Utc>, RevokeError> {
    let record = known(services, revocation.ca, &revocation.serial).await?;
    if let Some(issuer) = services.remotes.of(&revocation.ca) {
        if record.revoked.is_some() {
            return Err(RevokeError::Already);
        }
        if revocation.reason == RevocationReason::CertificateHold {
            let words = "its CA is somewhere else, from where no hold can be taken back";
            return Err(RevokeError::Refused(words.to_owned()));
        }
        remote_revocation::first(services, &*issuer, &record, &revocation).await?;
    }
    note(services, &record, revocation, Change::new()).await
}

/// Takes back a revocation that was a hold, and says as of when: the next CRL does not list the certificate any more.
///
/// # Errors
/// [`RevokeError`]; then nothing has changed.
pub async fn release(
    services: &Services,
    ca: CaId,
    serial: &Serial,
    by: By,
) -> Result<DateTime<Utc>, RevokeError> {
    let now = services.clock.now();
    if services.remotes.of(&ca).is_some() {
        return Err(RevokeError::Refused(
            "a hold of this issuer is taken back at the issuer".to_owned(),
        ));
    }
    let record = known(services, ca, serial).await?;
    let op = Op::Release {
        ca,
        serial: record.serial.clone(),
    };
    let words = (
        RevocationReason::RemoveFromCrl.name(),
        "certificate released from hold",
    );
    let event = event("cert_release", words, &record, by, now);
    commit(services, Change::new().with(op).with(event)).await?;
    services.crls.changed(&ca, &[&record.serial]);
    Ok(now)
}

async fn known(
    services: &Services,
    ca: CaId,
    serial: &Serial,
) -> Result<CertificateRecord, RevokeError> {
    let (store, serial) = (services.store.clone(), serial.as_bytes().to_vec());
    let known = tokio::task::spawn_blocking(move || store.certificate(&ca, &serial)).await;
    known
        .ok()
        .and_then(Result::ok)
        .flatten()
        .ok_or(RevokeError::Unknown)
}
