//! Reloading one profile's trust anchors, without touching anything else.

use super::InForce;
use crate::checks::{self, Problem};
use actors::{ApplyError, ReloadTrust, Runtime};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use store::{AuditDetails, AuditEvent, Change, Outcome};

/// Who asks for something, for the audit.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name of the token, user or signal.
    pub name: String,
    /// `APIKey`, `OIDC` or `System`.
    pub kind: String,
    /// The id of the request; empty where it was none.
    pub request_id: String,
}

/// Why the anchors were not exchanged. The old ones stay in use.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// There is no such profile.
    #[error("there is no SCEP profile `{0}`")]
    UnknownProfile(String),
    /// Intune is off on that profile.
    #[error("Intune is off on profile `{0}`")]
    IntuneOff(String),
    /// The file is bad; the words name it and say how.
    #[error("{0}; the trust anchors in use have not changed")]
    BadFile(String),
    /// The server is going down.
    #[error("the server is shutting down")]
    Stopped,
}

/// Exchanges trust anchors of the running server.
pub struct TrustReload {
    runtime: Arc<Runtime>,
    in_force: Arc<InForce>,
}

impl TrustReload {
    pub(crate) fn new(runtime: Arc<Runtime>, in_force: Arc<InForce>) -> Self {
        Self { runtime, in_force }
    }

    /// Reads a profile's trust-anchor file again and swaps its pool when all of it is good.
    /// Returns when the swap was made.
    ///
    /// # Errors
    /// [`TrustError`]; then the old pool stays in use.
    pub async fn reload(
        &self,
        path_id: &str,
        caller: &Caller,
    ) -> Result<DateTime<Utc>, TrustError> {
        let now = self.runtime.services.clock.now();
        // A reload that has read the file before must not put its anchors over these.
        let one_at_a_time = self.in_force.loaded.lock().await;
        let result = self.exchange_anchors(path_id, now).await;
        drop(one_at_a_time);
        self.audit_trust(path_id, caller, &result, now).await;
        result.map(|()| now)
    }

    async fn exchange_anchors(&self, path_id: &str, now: DateTime<Utc>) -> Result<(), TrustError> {
        let current = self
            .runtime
            .directory
            .find(path_id)
            .ok_or_else(|| TrustError::UnknownProfile(path_id.to_owned()))?;
        if current.spec.intune.is_none() {
            return Err(TrustError::IntuneOff(path_id.to_owned()));
        }
        let config = self.in_force.config();
        let profile = config
            .profiles
            .iter()
            .find(|profile| profile.path_id == path_id)
            .cloned()
            .ok_or_else(|| TrustError::UnknownProfile(path_id.to_owned()))?;
        let anchors = tokio::task::spawn_blocking(move || checks::reload_anchors(&profile, now))
            .await
            .map_err(|_| TrustError::Stopped)?
            .map_err(|problems| TrustError::BadFile(words(&problems)))?;
        let reload = ReloadTrust {
            path_id: path_id.to_owned(),
            anchors: Some(anchors),
            client_cas: None,
        };
        match self.runtime.supervisor.send(reload).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ApplyError::Unknown(path_id))) => Err(TrustError::UnknownProfile(path_id)),
            Ok(Err(ApplyError::IntuneOff(path_id))) => Err(TrustError::IntuneOff(path_id)),
            Ok(Err(_)) | Err(_) => Err(TrustError::Stopped),
        }
    }

    async fn audit_trust(
        &self,
        path_id: &str,
        caller: &Caller,
        result: &Result<(), TrustError>,
        now: DateTime<Utc>,
    ) {
        let (outcome, message) = match result {
            Ok(()) => (Outcome::Success, "trust anchors reloaded".to_owned()),
            Err(error) => {
                tracing::error!(
                    profile = path_id,
                    request_id = caller.request_id,
                    %error,
                    "trust anchors were not reloaded"
                );
                (Outcome::Failure, error.to_string())
            }
        };
        self.audit_exchange(path_id, caller, (outcome, message), now)
            .await;
    }

    /// Makes an audit event of an exchange, or of a try that failed.
    pub(crate) async fn audit_exchange(
        &self,
        path_id: &str,
        caller: &Caller,
        (outcome, message): (Outcome, String),
        now: DateTime<Utc>,
    ) {
        let request_id = Some(caller.request_id.clone()).filter(|id| !id.is_empty());
        let event = AuditEvent {
            timestamp: now,
            actor: caller.name.clone(),
            actor_type: caller.kind.clone(),
            action: "scep_trust_reload".to_owned(),
            resource_type: "scep_profile".to_owned(),
            resource_id: path_id.to_owned(),
            details: AuditDetails {
                outcome: Some(outcome),
                message: Some(message),
                profile: Some(path_id.to_owned()),
                request_id,
                ..AuditDetails::default()
            },
        };
        let journal = &self.runtime.services.journal;
        if let Err(error) = journal.commit(Change::new().with(event), None).await {
            tracing::warn!(
                request_id = caller.request_id,
                %error,
                "the reload of trust anchors could not be audited"
            );
        }
    }
}

/// Problems as one text.
pub(crate) fn words(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
