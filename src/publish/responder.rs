//! Who signs OCSP answers: for each CA a certificate that the CA issued for that, whose key never leaves this process.
//!
//! A start makes new ones, and half of their life later they are made anew. Answers carry the certificate of their signer,
//! so that those of before stay good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::{JournalError, Services};
use chrono::{DateTime, TimeDelta, Utc};
use ocsp::Responder;
use pki::{Curve, KeyKind, PrivateKey};
use store::{AuditDetails, AuditEvent, CaId, Change, Outcome};

use super::table::Ca;

/// A CA's responder.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) responder: Responder,
    begin: DateTime<Utc>,
    /// From then on it is made anew.
    pub(super) renew: DateTime<Utc>,
    /// The end of its certificate.
    pub(super) end: DateTime<Utc>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResponderError {
    #[error("the CA does not certify it: {0}")]
    Issuer(#[from] issuer::Error),
    #[error("its key cannot be made or used: {0}")]
    Key(#[from] pki::Error),
    #[error("it cannot be noted in the audit: {0}")]
    Audit(#[from] JournalError),
    #[error("making it was broken off: {0}")]
    BrokenOff(#[from] tokio::task::JoinError),
}

/// The responders of all CAs.
#[derive(Default)]
pub(super) struct Responders(Mutex<HashMap<CaId, Arc<Held>>>);

impl Responders {
    /// The CA's responder, if it may sign at `now`.
    pub(super) fn of(&self, ca: &CaId, now: DateTime<Utc>) -> Option<Arc<Held>> {
        let held = Arc::clone(self.lock().get(ca)?);
        (held.begin <= now && now < held.end).then_some(held)
    }

    /// Makes the CA's responder where it is due; says when it is due next.
    pub(super) async fn renew(
        &self,
        services: &Services,
        ca: &Arc<Ca>,
        lifetime: TimeDelta,
    ) -> Result<DateTime<Utc>, ResponderError> {
        let now = services.clock.now();
        let held = self.of(&ca.id, now);
        if let Some(held) = held.filter(|held| now < held.renew) {
            return Ok(held.renew);
        }
        let of = Arc::clone(ca);
        let made = tokio::task::spawn_blocking(move || make(&of, lifetime, now)).await??;
        let change = Change::new().with(event(ca, &made, now));
        services.journal.commit(change, None).await?;
        let renew = made.renew;
        self.lock().insert(ca.id, Arc::new(made));
        Ok(renew)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CaId, Arc<Held>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(ca: &Ca, lifetime: TimeDelta, now: DateTime<Utc>) -> Result<Held, ResponderError> {
    let certifier = ca.issuer.responder().ok_or_else(|| issuer::Error::NoKey {
        subject: ca.certificate.subject().to_string(),
    })?;
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256))?;
    let certificate =
        certifier.certify_responder(&ca.certificate, key.public_key(), lifetime, now)?;
    let end = certificate.not_after();
    Ok(Held {
        begin: certificate.not_before(),
        renew: now + (end - now) / 2,
        end,
        responder: Responder::new(certificate, key)?,
    })
}

fn event(ca: &Ca, made: &Held, now: DateTime<Utc>) -> AuditEvent {
    let serial = made.responder.certificate().serial().to_hex();
    AuditEvent {
        timestamp: now,
        actor: "scepd".to_owned(),
        actor_type: "System".to_owned(),
        action: "ocsp_responder_issue".to_owned(),
        resource_type: "certificate".to_owned(),
        resource_id: serial.clone(),
        details: AuditDetails {
            outcome: Some(Outcome::Success),
            message: Some(format!(
                "a certificate for signing OCSP answers was issued; it ends {}",
                made.end.to_rfc3339()
            )),
            issuer_id: Some(ca.issuer.id().to_owned()),
            serial: Some(serial),
            ..AuditDetails::default()
        },
    }
}
