//! Revoking a certificate: at its issuer where that is somewhere else, then durable here, then on the next CRL.

use crate::journal::JournalError;
use crate::remote_revocation;
use crate::shared::Services;
use chrono::{DateTime, Utc};
use pki::{RevocationReason, Serial};
use store::{AuditDetails, AuditEvent, CaId, CertificateRecord, Change, Conflict, Op, Outcome};

/// An order to revoke one certificate.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// The CA that signed it.
    pub ca: CaId,
    /// The certificate's serial.
    pub serial: Serial,
    /// Why (RFC 5280 section 5.3.1).
    pub reason: RevocationReason,
    /// Who revokes.
    pub by: String,
    /// What kind of caller that is (`APIKey`, `OIDC`, `System`).
    pub by_type: String,
    /// The operator's words.
    pub note: Option<String>,
    /// The id of the operator's request.
    pub request_id: String,
}

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// No such certificate.
    #[error("there is no such certificate")]
    Unknown,
    /// It was revoked before.
    #[error("the certificate is revoked already")]
    Already,
    /// The store failed.
    #[error("{0}")]
    Failed(JournalError),
    /// The issuer elsewhere could not be asked. The order is durable, and is tried until it is done.
    #[error("the issuer could not be asked ({0}); the certificate is revoked as soon as it can be")]
    Waits(String),
    /// The issuer elsewhere will not revoke it, or cannot from here.
    #[error("the issuer does not revoke it: {0}")]
    Refused(String),
}

/// Revokes a certificate, and says as of when. The next CRL that anybody asks for holds it.
///
/// # Errors
/// [`RevokeError`]; then nothing has changed.
pub async fn revoke(
    services: &Services,
    revocation: Revocation,
) -> Result<DateTime<Utc>, RevokeError> {
    let known = {
        let (store, ca) = (services.store.clone(), revocation.ca);
        let serial = revocation.serial.as_bytes().to_vec();
        tokio::task::spawn_blocking(move || store.certificate(&ca, &serial)).await
    };
    let record = known
        .ok()
        .and_then(Result::ok)
        .flatten()
        .ok_or(RevokeError::Unknown)?;
    if let Some(issuer) = services.remotes.of(&revocation.ca) {
        if record.revoked.is_some() {
            return Err(RevokeError::Already);
        }
        remote_revocation::first(services, &*issuer, &record, &revocation).await?;
    }
    note(services, &record, &revocation, Change::new()).await
}

/// Notes a revocation, together with what else `change` has.
///
/// # Errors
/// [`RevokeError`]; then nothing has changed.
pub(crate) async fn note(
    services: &Services,
    record: &CertificateRecord,
    revocation: &Revocation,
    change: Change,
) -> Result<DateTime<Utc>, RevokeError> {
    let now = services.clock.now();
    let op = Op::Revoke {
        ca: revocation.ca,
        serial: revocation.serial.as_bytes().to_vec(),
        at: now,
        reason: revocation.reason as u8,
    };
    let event = event(
        record,
        revocation,
        now,
        "certificate revoked",
        Outcome::Success,
    );
    let change = change.with(op).with(event);
    match services.journal.commit(change, None).await {
        Ok(_) => {
            services.crls.revoked(&revocation.ca);
            services.compromised.revoked(record, revocation.reason);
            Ok(now)
        }
        Err(JournalError::Conflict(Conflict::AlreadyRevoked { .. })) => Err(RevokeError::Already),
        Err(JournalError::Conflict(Conflict::UnknownCertificate { .. })) => {
            Err(RevokeError::Unknown)
        }
        Err(error) => Err(RevokeError::Failed(error)),
    }
}

/// What the audit says of it.
pub(crate) fn event(
    record: &CertificateRecord,
    revocation: &Revocation,
    now: DateTime<Utc>,
    message: &str,
    outcome: Outcome,
) -> AuditEvent {
    AuditEvent {
        timestamp: now,
        actor: revocation.by.clone(),
        actor_type: revocation.by_type.clone(),
        action: "cert_revoke".to_owned(),
        resource_type: "certificate".to_owned(),
        resource_id: revocation.serial.to_hex(),
        details: AuditDetails {
            outcome: Some(outcome),
            reason: Some(revocation.reason.name().to_owned()),
            message: Some(message.to_owned()),
            profile: Some(record.profile.clone()),
            issuer_id: Some(record.issuer_id.clone()),
            serial: Some(revocation.serial.to_hex()),
            common_name: Some(record.common_name.clone()),
            sans: (!record.sans.is_empty()).then(|| record.sans.clone()),
            transaction_id: Some(record.transaction_id.clone()),
            device: record.device.clone(),
            note: revocation.note.clone(),
            request_id: Some(revocation.request_id.clone()),
            ..AuditDetails::default()
        },
    }
}
