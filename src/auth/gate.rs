//! From a request's credentials to a caller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actors::{Journal, Metrics, Origin, SharedClock};
use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use metrics::Counter;
use store::{Change, Op, Store};

use super::caller::{Caller, CallerKind, Denied, SignedIn};
use super::limit::WrongCredentials;
use super::oidc::Oidc;
use super::secret::{Digest, SecretText};
use super::session::{Basis, Found, Limits, Sessions};
use super::tokens::api_role;

/// A token's last use is noted once in this time.
const TOUCH: Duration = Duration::from_secs(60);

/// What a reload exchanges.
pub struct GateSettings {
    /// The longest life of a session.
    pub session_lifetime: Duration,
    /// A session ends after this long without a request.
    pub session_idle: Duration,
    /// Wrong credentials from one source within the window; 0 = no limit.
    pub bad_token_limit: u32,
    /// The window.
    pub bad_token_window: Duration,
    /// The token that `/metrics` asks for.
    pub metrics_token: Option<Digest>,
    /// The OIDC provider.
    pub oidc: Option<Arc<Oidc>>,
}

struct Active {
    settings: GateSettings,
    wrong: Arc<WrongCredentials>,
}

impl Active {
    fn new(settings: GateSettings, before: Option<&Active>) -> Self {
        let limit = |settings: &GateSettings| (settings.bad_token_limit, settings.bad_token_window);
        let wrong = match before {
            Some(before) if limit(&before.settings) == limit(&settings) => {
                Arc::clone(&before.wrong)
            }
            _ => Arc::new(WrongCredentials::new(
                settings.bad_token_limit,
                settings.bad_token_window,
            )),
        };
        Self { settings, wrong }
    }

    /// Whether this is the configuration of the OIDC provider.
    fn knows(&self, configuration: &Digest) -> bool {
        let oidc = self.settings.oidc.as_ref();
        oidc.is_some_and(|oidc| oidc.configuration().matches(configuration.octets()))
    }

    fn limits(&self) -> Limits {
        Limits {
            lifetime: self.settings.session_lifetime,
            idle: self.settings.session_idle,
        }
    }
}

/// The credentials of one request, as its headers hold them.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// The session cookie's value.
    pub cookie: Option<&'a str>,
    /// The CSRF header.
    pub csrf: Option<&'a str>,
    /// Whether the request changes something.
    pub changes: bool,
}

impl<'a> Presented<'a> {
    /// The token of `Authorization: Bearer <token>`.
    fn bearer(&self) -> Option<&'a str> {
        let (scheme, token) = self.authorization?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
            .filter(|token| !token.is_empty())
    }
}

/// Why a request is not from a known caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// HTTP 401: there are no credentials.
    #[error(
        "sign in first: send `Authorization: Bearer <token>` with a token of `scepd token create`"
    )]
    Missing,
    /// HTTP 401: they are wrong, revoked or have ended.
    #[error(
        "the token is not known, or it has ended or was revoked; make another with `scepd token create`"
    )]
    Bad,
    /// HTTP 401: the session has ended.
    #[error("the session has ended; sign in again")]
    SessionEnded,
    /// HTTP 403: a change under a session cookie without its CSRF token.
    #[error(
        "the header {} is missing or wrong; read the session again and repeat the request",
        api::CSRF_HEADER
    )]
    Csrf,
    /// HTTP 403: known, and not allowed to do this.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// HTTP 429: too many wrong credentials from this source.
    #[error("too many wrong tokens from this address; wait {} seconds", retry_after.as_secs().max(1))]
    TooMany {
        /// How long to wait.
        retry_after: Duration,
    },
    /// HTTP 500: the system has no random octets.
    #[error("no session can be made now")]
    NoSession,
}

/// A session just started.
pub struct NewSession {
    /// The cookie's value.
    pub cookie: SecretText,
    /// What the page is told.
    pub session: api::Session,
    /// Whose it is.
    pub caller: SignedIn,
}

/// Knows tokens, sessions and the provider; makes every [`SignedIn`] there is.
pub struct Gate {
    store: Arc<dyn Store>,
    journal: Journal,
    clock: SharedClock,
    active: ArcSwap<Active>,
    sessions: Sessions,
    touched: Mutex<HashMap<String, Instant>>,
    authentications: Authentications,
}

impl Gate {
    /// A gate before the tokens of `store`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        journal: Journal,
        clock: SharedClock,
        settings: GateSettings,
        metrics: &Metrics,
    ) -> Self {
        Self {
            store,
            journal,
            clock,
            active: ArcSwap::from_pointee(Active::new(settings, None)),
            sessions: Sessions::default(),
            touched: Mutex::default(),
            authentications: Authentications::new(metrics),
        }
    }

    /// Puts other settings in force. Sessions go on, within the new limits; those of an OIDC provider that is
    /// configured otherwise now, or not at all, end.
    pub fn apply(&self, settings: GateSettings) {
        let next = Active::new(settings, Some(&self.active.load()));
        let next = Arc::new(next);
        self.active.store(Arc::clone(&next));
        self.sessions.keep(|basis| match basis {
            Basis::Token(_) => true,
            Basis::Oidc { configuration, .. } => next.knows(configuration),
        });
    }

    /// Finds out who sent a request.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn sign_in(
        &self,
        presented: &Presented<'_>,
        origin: &Origin,
    ) -> Result<SignedIn, Refused> {
        if let Some(token) = presented.bearer() {
            return self
                .by_token(token, origin)
                .await
                .map(|(caller, _)| SignedIn::new(caller));
        }
        let Some(cookie) = presented.cookie else {
            return Err(Refused::Missing);
        };
        let (caller, found) = self.by_cookie(cookie)?;
        if presented.changes {
            let sent = presented.csrf.map(Digest::of);
            if !sent.is_some_and(|sent| sent.matches(found.csrf.digest().octets())) {
                return Err(Refused::Csrf);
            }
        }
        Ok(SignedIn::new(caller))
    }

    /// Exchanges a token or JWT for a session.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn begin_session(&self, token: &str, origin: &Origin) -> Result<NewSession, Refused> {
        let (caller, basis) = self.by_token(token.trim(), origin).await?;
        let limits = self.active.load().limits();
        let started = self
            .sessions
            .begin(basis, limits, self.clock.instant())
            .map_err(|_| Refused::NoSession)?;
        let session = self.shown(&caller, &started.csrf, limits.lifetime);
        Ok(NewSession {
            cookie: started.id,
            session,
            caller: SignedIn::new(caller),
        })
    }

    /// The session of a cookie, for the page after it was loaded again.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn session(&self, cookie: Option<&str>) -> Result<api::Session, Refused> {
        let (caller, found) = self.by_cookie(cookie.ok_or(Refused::Missing)?)?;
        Ok(self.shown(&caller, &found.csrf, found.left))
    }

    /// Ends the session of a cookie, if it is one.
    pub fn end_session(&self, cookie: &str) {
        self.sessions.end(cookie);
    }

    /// Whether `/metrics` may be read: by anyone where no metrics token is configured, else with that token or as an
    /// admin.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn metrics(&self, presented: &Presented<'_>, origin: &Origin) -> Result<(), Refused> {
        let active = self.active.load_full();
        let Some(wanted) = active.settings.metrics_token else {
            return Ok(());
        };
        if presented
            .bearer()
            .is_some_and(|token| Digest::of(token).matches(wanted.octets()))
        {
            return Ok(());
        }
        self.sign_in(presented, origin).await?.admin()?;
        Ok(())
    }

    async fn by_token(&self, token: &str, origin: &Origin) -> Result<(Caller, Basis), Refused> {
        let active = self.active.load_full();
        let found = match &active.settings.oidc {
            Some(oidc) if token.contains('.') => match oidc
                .verify(token, self.clock.now(), self.clock.instant())
                .await
            {
                Ok(caller) => {
                    let configuration = oidc.configuration();
                    Ok((
                        caller.clone(),
                        Basis::Oidc {
                            caller,
                            configuration,
                        },
                    ))
                }
                Err(reason) => Err(reason.to_string()),
            },
            _ => {
                let hash = *Digest::of(token).octets();
                self.by_hash(&hash)
                    .map(|caller| (caller, Basis::Token(hash)))
                    .ok_or_else(|| "no token in force has this secret".to_owned())
            }
        };
        let reason = match found {
            Ok(found) => {
                self.authentications.accepted.increment(1);
                return Ok(found);
            }
            Err(reason) => reason,
        };
        let (source, request_id) = (origin.source, &origin.request_id);
        match active.wrong.count(source, self.clock.instant()) {
            Ok(()) => {
                self.authentications.refused.increment(1);
                tracing::info!(request_id, %source, reason, "an admin token was refused");
                Err(Refused::Bad)
            }
            // Of a flood the log holds what the limit lets through.
            Err(retry_after) => {
                self.authentications.limited.increment(1);
                tracing::debug!(request_id, %source, reason, "an admin token was refused");
                Err(Refused::TooMany { retry_after })
            }
        }
    }

    fn by_cookie(&self, cookie: &str) -> Result<(Caller, Found), Refused> {
        let active = self.active.load();
        let limits = active.limits();
        let found = self
            .sessions
            .find(cookie, limits, self.clock.instant())
            .ok_or(Refused::SessionEnded)?;
        let caller = match &found.basis {
            Basis::Token(hash) => self.by_hash(hash),
            Basis::Oidc {
                caller,
                configuration,
            } => {
                let in_force = active.knows(configuration)
                    && caller.until.is_none_or(|until| self.clock.now() < until);
                in_force.then(|| caller.clone())
            }
        };
        match caller {
            Some(caller) => Ok((caller, found)),
            None => {
                self.sessions.end(cookie);
                Err(Refused::SessionEnded)
            }
        }
    }

    /// The caller behind a token's digest, while the token is in force.
    fn by_hash(&self, hash: &[u8; 32]) -> Option<Caller> {
        let now = self.clock.now();
        let record = self.store.token_by_hash(hash)?;
        // The store's look-up need not be in constant time; what decides is.
        if !Digest::of_octets(*hash).matches(&record.hash) || !record.usable_at(now) {
            return None;
        }
        self.touch(&record.id, now);
        Some(Caller {
            name: record.name,
            role: Some(api_role(record.role)),
            profile: record.profile,
            kind: CallerKind::ApiKey,
            until: record.expires_at,
        })
    }

    /// Notes a use, behind the request. A note that is lost is no harm.
    fn touch(&self, id: &str, now: DateTime<Utc>) {
        let instant = self.clock.instant();
        {
            let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
            if touched
                .get(id)
                .is_some_and(|last| instant.saturating_duration_since(*last) < TOUCH)
            {
                return;
            }
            touched.insert(id.to_owned(), instant);
        }
        let (journal, id) = (self.journal.clone(), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = journal
                .commit(Change::new().with(Op::TouchToken { id, at: now }), None)
                .await
            {
                tracing::debug!(%error, "a token's last use could not be noted");
            }
        });
    }

    fn shown(&self, caller: &Caller, csrf: &SecretText, left: Duration) -> api::Session {
        let now = self.clock.now();
        let left = chrono::Duration::from_std(left).unwrap_or_default();
        let end = now.checked_add_signed(left).unwrap_or(now);
        api::Session {
            user: caller.name.clone(),
            admin: caller.role == Some(api::Role::Admin),
            actor_type: caller.kind.as_str().to_owned(),
            csrf_token: csrf.expose().to_owned(),
            expires_at: caller.until.map_or(end, |until| until.min(end)),
        }
    }
}

/// Credentials that were presented, by what became of them.
struct Authentications {
    accepted: Counter,
    refused: Counter,
    limited: Counter,
}

impl Authentications {
    fn new(metrics: &Metrics) -> Self {
        let of = |result| {
            let counter =
                metrics.counter("scepd_admin_authentications_total", &[("result", result)]);
            // From 0 on: of a counter that appears with its first event, `increase()` does not see that event.
            counter.increment(0);
            counter
        };
        Self {
            accepted: of("accepted"),
            refused: of("refused"),
            limited: of("limited"),
        }
    }
}
