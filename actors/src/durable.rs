//! What enrollments, refusals and operators' decisions end in: the issuer's signature, the one
//! durable step, and why either did not come about.

use crate::answer::SealError;
use crate::compute::{ComputeError, Stage};
use crate::enrollment::Key;
use crate::journal::{Count, JournalError};
use crate::messages::DecideError;
use crate::meters::Stage as Timed;
use crate::shared::Shared;
use challenge::Label;
use issuer::Approved;
use pki::Certificate;
use std::sync::Arc;
use store::{Change, EnrollmentRecord};
use tokio::sync::oneshot;

/// Why an approved enrollment did not come about. None of it is the device's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the issuer cannot sign: {0}")]
    Issuer(#[from] issuer::Error),
    #[error("{0}")]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Compute(#[from] ComputeError),
    #[error("the CertRep cannot be built: {0}")]
    Seal(#[from] SealError),
    /// As many enrollments need somebody outside as may at a time.
    #[error("as many enrollments wait for an answer from outside as may")]
    Crowded,
    /// The profile's actor has been replaced meanwhile.
    #[error("the profile is being restarted")]
    Fenced,
}

impl Failure {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "issuer_failed",
            Self::Journal(_) => "store_failed",
            Self::Compute(_) | Self::Seal(_) => "internal_error",
            Self::Crowded => "outside_crowded",
            Self::Fenced => "restarting",
        }
    }
}

/// Runs the issuer on the compute pool.
pub(crate) async fn sign(shared: &Arc<Shared>, approved: Approved) -> Result<Certificate, Failure> {
    let started = shared.services.clock.instant();
    let now = shared.now();
    let issuer = Arc::clone(&shared.spec.issuer);
    let signed = shared
        .services
        .pool
        .run(Stage::Finish, move || match issuer.local() {
            Some(local) => local.sign_approved(&approved, now),
            None => Err(issuer::Error::Argument(
                "this issuer is not in this process",
            )),
        })
        .await?;
    shared.meters.stage(Timed::Issue, started.elapsed());
    Ok(signed?)
}

/// One durable step, unless the actor that decided is gone.
pub(crate) async fn commit(
    shared: &Shared,
    change: Change,
    label: Option<Label>,
) -> Result<(), Failure> {
    let (tell, told) = oneshot::channel();
    send_off(shared, change, label, move |done| {
        // The asker may be gone; the change is made all the same.
        let _ = tell.send(done);
    });
    told.await
        .unwrap_or(Err(Failure::Journal(JournalError::Stopped)))
}

/// As [`commit`], from any thread and without waiting: `then` learns how it went, or is dropped when the journal has ended.
pub(crate) fn send_off(
    shared: &Shared,
    change: Change,
    label: Option<Label>,
    then: impl FnOnce(Result<(), Failure>) + Send + 'static,
) {
    let started = shared.services.clock.instant();
    let Some(guard) = shared.barrier.enter() else {
        return then(Err(Failure::Fenced));
    };
    let count = label.map(|label| Count {
        profile: shared.spec.path_id.clone(),
        name: label.as_str(),
    });
    let meters = Arc::clone(&shared.meters);
    shared.services.journal.send(change, count, move |done| {
        drop(guard);
        if done.is_ok() {
            meters.stage(Timed::Commit, started.elapsed());
        }
        then(done.map(drop).map_err(Failure::from));
    });
}

/// The record of a request.
pub(crate) async fn load(shared: &Arc<Shared>, key: Key) -> Result<EnrollmentRecord, DecideError> {
    let job = Arc::clone(shared);
    let found = shared
        .services
        .pool
        .run(Stage::Finish, move || job.enrollment(&key))
        .await;
    match found {
        Ok(Ok(Some(record))) => Ok(record),
        Ok(Ok(None)) => Err(DecideError::Unknown),
        Ok(Err(error)) => Err(DecideError::Failed(error.to_string())),
        Err(error) => Err(DecideError::Failed(error.to_string())),
    }
}
