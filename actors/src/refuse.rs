//! Saying no: each refusal is audited before it is answered, floods are only sampled.

use crate::admission::ActorHandle;
use crate::answer::Answer;
use crate::audit;
use crate::durable::{Failure, commit};
use crate::enrollment::{EnrollmentRequest, Rejected};
use crate::journal::JournalError;
use crate::messages::Origin;
use crate::records;
use crate::refusal::Refusal;
use crate::shared::Shared;
use challenge::OneTime;
use std::net::IpAddr;
use std::sync::Arc;
use store::Change;

/// A line at INFO where the event is written too; of a flood the rest is for who asks for DEBUG.
macro_rules! sampled {
    ($written:expr, $($line:tt)*) => {
        if $written {
            tracing::info!($($line)*)
        } else {
            tracing::debug!($($line)*)
        }
    };
}

/// Audits a refusal and answers it. The stored counter of its label goes up with the event.
pub(crate) async fn refuse(
    shared: &Arc<Shared>,
    origin: &Origin,
    asked: &EnrollmentRequest,
    refusal: &Refusal,
) -> Answer {
    let suppressed = if refusal.anonymous {
        shared.refusals.admit()
    } else {
        let instant = shared.services.clock.instant();
        let admitted = shared
            .verified
            .admits(origin.source, refusal.reason, instant);
        admitted.then_some(0)
    };
    if shared.spec.one_time.is_some() && OneTime::REASONS.contains(&refusal.reason) {
        shared.meters.one_time_refused(refusal.reason);
        if refusal.reason == "challenge_bound" && suppressed.is_some() {
            say_bound(shared, origin, asked, refusal);
        }
    }
    let mut change = Change::new();
    if let Some(suppressed) = suppressed {
        let now = shared.now();
        change.push(audit::refused(
            shared, origin, asked, refusal, suppressed, now,
        ));
    }
    sampled!(
        suppressed.is_some(),
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        reason = refusal.reason,
        detail = refusal.message,
        "enrollment refused"
    );
    if (suppressed.is_some() || refusal.label.is_some())
        && let Err(error) = commit(shared, change, refusal.label).await
    {
        unaudited(shared, origin, &error, "a refusal could not be audited");
        return Answer::Busy;
    }
    Answer::from(refusal)
}

/// A challenge that was made for somebody else is said aloud: it is known to a device, or a person, that should not have it.
fn say_bound(shared: &Shared, origin: &Origin, asked: &EnrollmentRequest, refusal: &Refusal) {
    tracing::warn!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        source = %origin.source,
        common_name = records::common_name(asked),
        detail = refusal.message,
        "a challenge came from somebody whom it was not made for; it stays open"
    );
}

/// Audits a failure of ours; the device is told to come again.
pub(crate) async fn failed(
    shared: &Arc<Shared>,
    origin: &Origin,
    asked: &EnrollmentRequest,
    failure: &Failure,
) {
    tracing::error!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        error = %failure,
        "an approved enrollment failed; the device is told to try again"
    );
    if matches!(
        failure,
        Failure::Fenced | Failure::Journal(JournalError::Store(_))
    ) {
        return;
    }
    let event = audit::failed(shared, origin, asked, failure, shared.now());
    if let Err(error) = commit(shared, Change::new().with(event), None).await {
        unaudited(shared, origin, &error, "a failure could not be audited");
    }
}

/// A message that was refused before it was known what it asks for, or a question that is not answered.
pub(crate) async fn reject(
    shared: &Arc<Shared>,
    actor: &ActorHandle,
    origin: &Origin,
    rejected: &Rejected,
) -> Answer {
    let turned_away = if rejected.guess {
        match actor.guess(origin.source).await {
            Ok(false) => None,
            Ok(true) => Some(Answer::Throttled),
            // The actor is gone: it will be back in a moment.
            Err(_) => Some(Answer::Busy),
        }
    } else {
        None
    };
    let sampler = if rejected.verified {
        &shared.refusals
    } else {
        &shared.garbage
    };
    let suppressed = match turned_away {
        Some(_) => None,
        None => sampler.admit(),
    };
    sampled!(
        suppressed.is_some(),
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        fail_info = %rejected.fail_info,
        detail = rejected.detail,
        "PKIMessage refused"
    );
    if let Some(answer) = turned_away {
        return answer;
    }
    if let Some(suppressed) = suppressed {
        let event = audit::rejected(shared, origin, rejected, suppressed, shared.now());
        if let Err(error) = commit(shared, Change::new().with(event), None).await {
            unaudited(shared, origin, &error, "a refusal could not be audited");
        }
    }
    Answer::refused(rejected.fail_info, &rejected.text)
}

/// Writes one event about the verified refusals that were counted and not written.
pub(crate) async fn summarize(shared: &Shared) {
    let Some(suppressed) = shared.verified.suppressed(shared.services.clock.instant()) else {
        return;
    };
    tracing::warn!(
        profile = shared.spec.path_id,
        "{suppressed}; if such sources are many devices behind one address, raise audit.refusals_per_source_per_minute"
    );
    let event = audit::suppressed(shared, &suppressed, shared.now());
    if let Err(error) = commit(shared, Change::new().with(event), None).await {
        shared.verified.put_back(suppressed);
        tracing::error!(profile = shared.spec.path_id, %error, "refusals that were left out could not be audited");
    }
}

/// What is no PKIMessage at all: counted, and written now and then.
pub(crate) async fn garbage(shared: &Arc<Shared>, origin: &Origin, words: &str) {
    tracing::debug!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        words,
        "unreadable"
    );
    if let Some(suppressed) = shared.garbage.admit() {
        let event = audit::unreadable(shared, origin, words, suppressed, shared.now());
        if let Err(error) = commit(shared, Change::new().with(event), None).await {
            unaudited(shared, origin, &error, "garbage could not be audited");
        }
    }
}

/// A source has made as many wrong challenges as it may, and is turned away unread for the rest of its minute.
pub(crate) async fn locked_out(shared: Arc<Shared>, source: IpAddr) {
    let suppressed = shared.lockouts.admit();
    if suppressed.is_some() {
        tracing::warn!(
            profile = shared.spec.path_id,
            %source,
            limit = shared.spec.guesses_per_minute,
            "too many wrong challenges: the source is turned away for up to a minute"
        );
    }
    let Some(suppressed) = suppressed else { return };
    let event = audit::locked_out(&shared, source, suppressed, shared.now());
    if let Err(error) = commit(&shared, Change::new().with(event), None).await {
        tracing::error!(profile = shared.spec.path_id, %error, "a lock-out could not be audited");
    }
}

fn unaudited(shared: &Shared, origin: &Origin, error: &Failure, what: &'static str) {
    tracing::error!(
        profile = shared.spec.path_id,
        request_id = origin.request_id,
        %error,
        "{what}"
    );
}
