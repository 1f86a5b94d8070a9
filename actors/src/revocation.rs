//! What it is to revoke a certificate: durable first, then on the next CRL.

use crate::journal::JournalError;
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
    /// It was not revoked, or for good.
    #[error("the certificate is not on hold")]
    NotOnHold,
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

/// Who changes the status of certificates, and with which words.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub name: String,
    /// What kind of caller that is (`APIKey`, `OIDC`, `System`).
    pub kind: String,
    /// The operator's words.
    pub note: Option<String>,
    /// The id of the operator's request.
    pub request_id: Option<String>,
}

impl From<Revocation> for By {
    fn from(revocation: Revocation) -> Self {
        Self {
            name: revocation.by,
            kind: revocation.by_type,
            note: revocation.note,
            request_id: Some(revocation.request_id),
        }
    }
}

impl By {
    /// The server itself.
    pub(crate) fn system() -> Self {
        Self {
            name: "scepd".to_owned(),
            kind: "System".to_owned(),
            note: None,
            request_id: None,
        }
    }
}

/// Notes a revocation, together with what else `change` has.
///
/// # Errors
/// [`RevokeError`]; then nothing has changed.
pub(crate) async fn note(
    services: &Services,
    record: &CertificateRecord,
    revocation: Revocation,
    change: Change,
) -> Result<DateTime<Utc>, RevokeError> {
    let now = services.clock.now();
    let (ca, reason) = (revocation.ca, revocation.reason);
    let op = Op::Revoke {
        ca,
        serial: record.serial.clone(),
        at: now,
        reason: reason.number(),
    };
    let message = match reason {
        RevocationReason::CertificateHold => "certificate put on hold",
        _ => "certificate revoked",
    };
    let words = (reason.name(), message);
    let event = event("cert_revoke", words, record, revocation.into(), now);
    commit(services, change.with(op).with(event)).await?;
    services.crls.changed(&ca, &[&record.serial]);
    services.compromised.revoked(record, reason);
    Ok(now)
}

pub(crate) fn event(
    action: &str,
    (reason, message): (&str, &str),
    record: &CertificateRecord,
    by: By,
    now: DateTime<Utc>,
) -> AuditEvent {
    let serial = hex::encode(&record.serial);
    AuditEvent {
        timestamp: now,
        actor: by.name,
        actor_type: by.kind,
        action: action.to_owned(),
        resource_type: "certificate".to_owned(),
        resource_id: serial.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            profile: Some(record.profile.clone()),
            issuer_id: Some(record.issuer_id.clone()),
            serial: Some(serial),
            common_name: Some(record.common_name.clone()),
            sans: (!record.sans.is_empty()).then(|| record.sans.clone()),
            transaction_id: Some(record.transaction_id.clone()),
            device: record.device.clone(),
            note: by.note,
            request_id: by.request_id,
            ..AuditDetails::default()
        },
    }
}

pub(crate) async fn commit(services: &Services, change: Change) -> Result<(), RevokeError> {
    match services.journal.commit(change, None).await {
        Ok(_) => Ok(()),
        Err(JournalError::Conflict(Conflict::AlreadyRevoked { .. })) => Err(RevokeError::Already),
        Err(JournalError::Conflict(Conflict::NotOnHold { .. })) => Err(RevokeError::NotOnHold),
        Err(JournalError::Conflict(Conflict::UnknownCertificate { .. })) => {
            Err(RevokeError::Unknown)
        }
        Err(error) => Err(RevokeError::Failed(error)),
    }
}
