//! Revoking a certificate: durable first, then on the next CRL.

use crate::journal::JournalError;
use crate::shared::Services;
use chrono::{DateTime, Utc};
use pki::{RevocationReason, Serial};
use store::{AuditDetails, AuditEvent, CaId, Change, Conflict, Op, Outcome};

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
}

/// Revokes a certificate, and says as of when. The next CRL that anybody asks for holds it.
///
/// # Errors
/// [`RevokeError`]; then nothing has changed.
pub async fn revoke(
    services: &Services,
    revocation: Revocation,
) -> Result<DateTime<Utc>, RevokeError> {
    let now = services.clock.now();
    let serial = revocation.serial.as_bytes().to_vec();
    let op = Op::Revoke {
        ca: revocation.ca,
        serial: serial.clone(),
        at: now,
        reason: revocation.reason as u8,
    };
    let known = {
        let (store, ca) = (services.store.clone(), revocation.ca);
        tokio::task::spawn_blocking(move || store.certificate(&ca, &serial)).await
    };
    let record = known
        .ok()
        .and_then(Result::ok)
        .flatten()
        .ok_or(RevokeError::Unknown)?;
    let event = AuditEvent {
        timestamp: now,
        actor: revocation.by,
        actor_type: revocation.by_type,
        action: "cert_revoke".to_owned(),
        resource_type: "certificate".to_owned(),
        resource_id: revocation.serial.to_hex(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            reason: Some(revocation.reason.name().to_owned()),
            message: Some("certificate revoked".to_owned()),
            profile: Some(record.profile.clone()),
            issuer_id: Some(record.issuer_id.clone()),
            serial: Some(revocation.serial.to_hex()),
            common_name: Some(record.common_name.clone()),
            sans: (!record.sans.is_empty()).then(|| record.sans.clone()),
            transaction_id: Some(record.transaction_id.clone()),
            device: record.device.clone(),
            note: revocation.note,
            request_id: Some(revocation.request_id),
            ..AuditDetails::default()
        },
    };
    let change = Change::new().with(op).with(event);
    match services.journal.commit(change, None).await {
        Ok(_) => {
            services.crls.revoked(&revocation.ca);
            services.compromised.revoked(&record, revocation.reason);
            Ok(now)
        }
        Err(JournalError::Conflict(Conflict::AlreadyRevoked { .. })) => Err(RevokeError::Already),
        Err(JournalError::Conflict(Conflict::UnknownCertificate { .. })) => {
            Err(RevokeError::Unknown)
        }
        Err(error) => Err(RevokeError::Failed(error)),
    }
}
