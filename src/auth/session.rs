//! Sessions of the page: an unguessable cookie that stands for credentials presented once.
//!
//! They live in memory; after a restart people sign in again. A session is as good as what it was made with: each use
//! looks again whether the token is still in force.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::caller::Caller;
use super::secret::{Digest, SecretText};

/// Sessions that are kept at once; beyond, the one idle for longest ends.
const MOST: usize = 4096;

/// What a session was made with.
#[derive(Clone)]
pub(super) enum Basis {
    /// A token, by the SHA-256 of its secret.
    Token([u8; 32]),
    /// A JWT, checked when the session began.
    Oidc {
        /// Whose it was.
        caller: Caller,
        /// The configuration of the provider that it was checked against.
        configuration: Digest,
    },
}

struct Session {
    basis: Basis,
    csrf: SecretText,
    started: Instant,
    used: Instant,
}

/// A session just made.
pub(super) struct Begun {
    /// The cookie's value.
    pub(super) id: SecretText,
    /// To be sent with every change.
    pub(super) csrf: SecretText,
}

/// A session as it was found.
pub(super) struct Found {
    pub(super) basis: Basis,
    pub(super) csrf: SecretText,
    /// How long it goes on at most.
    pub(super) left: Duration,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions {
    by_digest: Mutex<HashMap<[u8; 32], Session>>,
}

/// How long sessions live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) lifetime: Duration,
    pub(super) idle: Duration,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.by_digest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(
        &self,
        basis: Basis,
        limits: Limits,
        now: Instant,
    ) -> Result<Begun, pki::Error> {
        let started = Begun {
            id: SecretText::opaque()?,
            csrf: SecretText::opaque()?,
        };
        let mut sessions = self.lock();
        if sessions.len() >= MOST {
            sessions.retain(|_, session| session.left(limits, now).is_some());
        }
        if sessions.len() >= MOST
            && let Some(idlest) = sessions
                .iter()
                .min_by_key(|(_, session)| session.used)
                .map(|(digest, _)| *digest)
        {
            sessions.remove(&idlest);
        }
        let session = Session {
            basis,
            csrf: started.csrf.clone(),
            started: now,
            used: now,
        };
        sessions.insert(*started.id.digest().octets(), session);
        Ok(started)
    }

    /// Looks a cookie up, and notes that it was used.
    pub(super) fn find(&self, cookie: &str, limits: Limits, now: Instant) -> Option<Found> {
        let digest = *Digest::of(cookie).octets();
        let mut sessions = self.lock();
        let session = sessions.get_mut(&digest)?;
        let Some(left) = session.left(limits, now) else {
            sessions.remove(&digest);
            return None;
        };
        session.used = now;
        Some(Found {
            basis: session.basis.clone(),
            csrf: session.csrf.clone(),
            left,
        })
    }

    pub(super) fn end(&self, cookie: &str) {
        self.lock().remove(Digest::of(cookie).octets());
    }

    /// Ends the sessions whose basis is no longer good.
    pub(super) fn keep(&self, good: impl Fn(&Basis) -> bool) {
        self.lock().retain(|_, session| good(&session.basis));
    }
}

impl Session {
    fn left(&self, limits: Limits, now: Instant) -> Option<Duration> {
        if now.saturating_duration_since(self.used) >= limits.idle {
            return None;
        }
        limits
            .lifetime
            .checked_sub(now.saturating_duration_since(self.started))
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIMITS: Limits = Limits {
        lifetime: Duration::from_secs(3600),
        idle: Duration::from_secs(600),
    };

    #[test]
    fn a_session_ends_when_idle_and_when_old() {
        let sessions = Sessions::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let idle = sessions
            .begin(Basis::Token([1; 32]), LIMITS, start)
            .unwrap();
        assert!(sessions.find(idle.id.expose(), LIMITS, at(599)).is_some());
        assert!(
            sessions.find(idle.id.expose(), LIMITS, at(1198)).is_some(),
            "use keeps it going"
        );
        assert!(sessions.find(idle.id.expose(), LIMITS, at(1798)).is_none());

        let old = sessions
            .begin(Basis::Token([1; 32]), LIMITS, start)
            .unwrap();
        for minute in 1..60 {
            assert!(
                sessions
                    .find(old.id.expose(), LIMITS, at(minute * 60))
                    .is_some(),
                "{minute}"
            );
        }
        assert!(sessions.find(old.id.expose(), LIMITS, at(3600)).is_none());
    }

    #[test]
    fn an_ended_or_unknown_session_is_not_found() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let session = sessions.begin(Basis::Token([1; 32]), LIMITS, now).unwrap();
        assert!(sessions.find("x", LIMITS, now).is_none());
        assert!(sessions.find(session.csrf.expose(), LIMITS, now).is_none());
        sessions.end(session.id.expose());
        assert!(sessions.find(session.id.expose(), LIMITS, now).is_none());
    }

    #[test]
    fn there_are_never_too_many() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let first = sessions.begin(Basis::Token([1; 32]), LIMITS, now).unwrap();
        for _ in 0..MOST {
            sessions
                .begin(Basis::Token([2; 32]), LIMITS, now + Duration::from_secs(1))
                .unwrap();
        }
        assert_eq!(sessions.lock().len(), MOST);
        assert!(
            sessions
                .find(first.id.expose(), LIMITS, now + Duration::from_secs(1))
                .is_none()
        );
    }
}
