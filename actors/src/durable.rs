//! What enrollments, refusals and operators' decisions end in: the issuer's signature, the one
//! durable step, and why either did not come about.

use crate::admission::USED_BEFORE;
use crate::answer::SealError;
use crate::compute::{ComputeError, Stage};
use crate::enrollment::Key;
use crate::journal::{Count, JournalError};
use crate::messages::DecideError;
use crate::meters::Stage as Timed;
use crate::shared::Shared;
use challenge::{Label, RateLimited, SignedChallenges};
use issuer::Approved;
use pki::Certificate;
use std::sync::Arc;
use store::{Change, Conflict, EnrollmentRecord};
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

    /// The gate that the store found closed, and why: something was taken meanwhile that memory here did not know of,
    /// by another node or by what an actor of before let through.
    pub(crate) fn gate(&self) -> Option<(Label, String)> {
        match self {
            Self::Journal(JournalError::Conflict(Conflict::Taken { .. })) => {
                Some((Label::Replay, USED_BEFORE.to_owned()))
            }
            Self::Journal(JournalError::Conflict(Conflict::Limited {
                limit,
                used,
                frees_at,
                ..
            })) => {
                let limited = RateLimited {
                    limit: *limit,
                    used: *used,
                    window: SignedChallenges::RATE_WINDOW,
                    frees_at: *frees_at,
                };
                Some((Label::RateLimited, limited.to_string()))
            }
            _ => None,
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

/// As [`commit`], from any thread and without waiting: `on_commit` learns how it went, or is dropped when the journal has ended.
pub(crate) fn send_off(
    shared: &Shared,
    change: Change,
    label: Option<Label>,
    on_commit: impl FnOnce(Result<(), Failure>) + Send + 'static,
) {
    let started = shared.services.clock.instant();
    let Some(guard) = shared.barrier.enter() else {
        return on_commit(Err(Failure::Fenced));
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
        on_commit(done.map(drop).map_err(Failure::from));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::{TimeZone, Utc};

    #[test]
    fn what_the_store_found_taken_is_a_gate_that_is_closed_and_nothing_else_is() {
        let at = Utc.timestamp_opt(0, 0).unwrap();
        let conflict = |conflict| Failure::from(JournalError::Conflict(conflict)).gate();
        let (scope, key) = ("corp".to_owned(), [1; 16]);
        let taken = conflict(Conflict::Taken {
            scope: scope.clone(),
            key,
            until: at,
        });
        assert_eq!(taken, Some((Label::Replay, USED_BEFORE.to_owned())));
        let (label, words) = conflict(Conflict::Limited {
            scope,
            key,
            limit: 3,
            used: 3,
            frees_at: at,
        })
        .unwrap();
        assert_eq!(label, Label::RateLimited);
        assert!(words.starts_with("3 enrollments"), "{words}");
        assert_eq!(conflict(Conflict::EnrollmentExists { stored: 2 }), None);
        assert_eq!(Failure::Fenced.gate(), None);
    }
}
