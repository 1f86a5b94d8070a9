//! Access tokens: one request in flight for each resource, renewed at three quarters of their life, the old one used while
//! Entra ID is away.

use crate::aadsts;
use crate::clock::Clock;
use crate::cloud::{Places, below};
use crate::credential::{Credential, federated, guid};
use crate::error::{ServiceError, Step, excerpt};
use crate::tenant::Observer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use outbound::{Client, Request, Response};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Microsoft Graph.
    Graph,
    /// Intune's API.
    Intune,
}

/// A token without any role is asked for anew after this: consent may have been given meanwhile.
const WITHOUT_ROLES: Duration = Duration::from_secs(60);

/// After a renewal failed, the old token is used for so long before the next try.
const REST: Duration = Duration::from_secs(30);

/// The life of a token that says nothing of it.
const SHORT: Duration = Duration::from_secs(300);

/// The longest life that is believed.
const LONGEST: Duration = Duration::from_secs(48 * 3600);

/// One token.
pub struct Token {
    value: Zeroizing<String>,
    since: Instant,
    life: Duration,
    /// Its roles, where it can be read.
    pub roles: Option<Vec<String>>,
    /// When it was asked for, in seconds since the epoch.
    pub issued: i64,
    /// When it ends, in seconds since the epoch.
    pub ends: i64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("roles", &self.roles)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// The header's value.
    pub(crate) fn bearer(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.value.as_str()))
    }

    fn has_no_role(&self) -> bool {
        self.roles.as_ref().is_some_and(Vec::is_empty)
    }

    fn is_fresh(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        let renew = self.life.mul_f32(0.75);
        age < match self.has_no_role() {
            true => renew.min(WITHOUT_ROLES),
            false => renew,
        }
    }

    fn is_good(&self, now: Instant) -> bool {
        let margin = (self.life / 10).min(Duration::from_secs(60));
        now.saturating_duration_since(self.since) + margin < self.life
    }
}

/// What is needed to ask for one.
pub(crate) struct Asker {
    /// The tenant's name in the configuration.
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) credential: Credential,
    pub(crate) places: Places,
    pub(crate) client: Client,
    pub(crate) direct: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// A tenant's tokens for one resource.
#[derive(Default)]
pub(crate) struct Slot {
    asking: tokio::sync::Mutex<()>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Arc<Token>>,
    failed_at: Option<Instant>,
    /// Why the last request failed, for those that waited for it.
    failed: Option<ServiceError>,
    /// How many requests have ended.
    ended: u64,
}

impl Slot {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that is held now, for whoever reports.
    pub(crate) fn held(&self) -> Option<Arc<Token>> {
        self.kept().token.clone()
    }

    /// Forgets a token that was not enough; not another one that has taken its place.
    pub(crate) fn forget(&self, token: &Arc<Token>) {
        let mut kept = self.kept();
        if kept
            .token
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(held, token))
        {
            kept.token = None;
        }
    }

    /// A token that is good.
    pub(crate) async fn get(
        self: &Arc<Self>,
        asker: &Arc<Asker>,
        resource: Resource,
    ) -> Result<Arc<Token>, ServiceError> {
        let now = asker.clock.instant();
        let before = {
            let kept = self.kept();
            if let Some(token) = kept.token.as_ref().filter(|token| token.is_good(now)) {
                let rests = kept
                    .failed_at
                    .is_some_and(|at| now.saturating_duration_since(at) < REST);
                if !token.is_fresh(now) && !rests {
                    self.renew_beside(asker, resource);
                }
                return Ok(Arc::clone(token));
            }
            kept.ended
        };
        let _alone = self.asking.lock().await;
        {
            let kept = self.kept();
            let now = asker.clock.instant();
            if let Some(token) = kept.token.as_ref().filter(|token| token.is_good(now)) {
                return Ok(Arc::clone(token));
            }
            // Whoever waited for the same request gets its failure, and does not ask again at once.
            if kept.ended != before
                && let Some(failed) = &kept.failed
            {
                return Err(failed.clone());
            }
        }
        self.ask(asker, resource).await
    }

    /// Asks for the next token while the present one is good.
    fn renew_beside(self: &Arc<Self>, asker: &Arc<Asker>, resource: Resource) {
        let (slot, asker) = (Arc::clone(self), Arc::clone(asker));
        tokio::spawn(async move {
            let Ok(_alone) = slot.asking.try_lock() else {
                return;
            };
            let now = asker.clock.instant();
            if slot.held().is_some_and(|token| token.is_fresh(now)) {
                return;
            }
            if let Err(error) = slot.ask(&asker, resource).await {
                tracing::debug!(%error, "a token could not be renewed; the present one is used on");
            }
        });
    }

    /// One request, alone.
    async fn ask(&self, asker: &Asker, resource: Resource) -> Result<Arc<Token>, ServiceError> {
        let asked = asker.ask(resource).await;
        let mut kept = self.kept();
        kept.ended = kept.ended.wrapping_add(1);
        match asked {
            Ok(token) => {
                let token = Arc::new(token);
                kept.token = Some(Arc::clone(&token));
                kept.failed = None;
                kept.failed_at = None;
                Ok(token)
            }
            Err(error) => {
                kept.failed_at = Some(asker.clock.instant());
                kept.failed = Some(error.clone());
                Err(error)
            }
        }
    }
}

impl Asker {
    async fn ask(&self, resource: Resource) -> Result<Token, ServiceError> {
        let started = self.clock.instant();
        let asked = self.try_ask(resource).await;
        self.called(Step::Token, asked.is_ok(), started);
        asked
    }

    /// Tells the observer of a call.
    pub(crate) fn called(&self, step: Step, is_good: bool, started: Instant) {
        let took = self.clock.instant().saturating_duration_since(started);
        let result = if is_good { "answered" } else { "failed" };
        self.observer.called(&self.id, step, result, took);
    }

    async fn try_ask(&self, resource: Resource) -> Result<Token, ServiceError> {
        let id = guid();
        let since = self.clock.instant();
        let answer = match &self.credential {
            Credential::Managed(identity) => {
                let resource = match resource {
                    Resource::Graph => &self.places.graph_resource,
                    Resource::Intune => &self.places.resource,
                };
                identity
                    .ask(&self.direct, &*self.clock, resource, &id)
                    .await?
            }
            credential => {
                let request = self.request(credential, resource, &id).await?;
                let sent = self.client.send(request).await;
                sent.map_err(|error| ServiceError::of_call(Step::Token, &error, &id))?
            }
        };
        if !answer.is_success() {
            return Err(self.refused(&answer, &id));
        }
        read(&answer, since, self.clock.now(), &id)
    }

    async fn request(
        &self,
        credential: &Credential,
        resource: Resource,
        id: &str,
    ) -> Result<Request, ServiceError> {
        let url = below(
            &self.places.authority,
            &format!("/{}/oauth2/v2.0/token", self.tenant),
        );
        let url = url.map_err(|why| ServiceError::new(Step::Token, why))?;
        let scope = match resource {
            Resource::Graph => self.places.graph_scope(),
            Resource::Intune => self.places.intune_scope(),
        };
        let assertion;
        let proof = match credential {
            Credential::Secret(secret) => ("client_secret", secret.as_str()),
            Credential::Certificate(assertions) => {
                assertion =
                    assertions.assertion(url.as_str(), &self.client_id, self.clock.now())?;
                ("client_assertion", assertion.as_str())
            }
            Credential::Federated(path) => {
                assertion = federated(path).await?;
                ("client_assertion", assertion.as_str())
            }
            Credential::Managed(_) => {
                return Err(ServiceError::new(
                    Step::Token,
                    "a managed identity has no token endpoint",
                ));
            }
        };
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("scope", scope.as_str()),
            proof,
        ];
        if proof.0 == "client_assertion" {
            fields.push((
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ));
        }
        Ok(Request::post(url)
            .header("accept", "application/json")
            .header("client-request-id", id)
            .form(&fields))
    }

    fn refused(&self, answer: &Response, id: &str) -> ServiceError {
        let body: Value = answer.json().unwrap_or_default();
        let code = body["error_codes"][0].as_u64();
        let Some(kind) = body["error"].as_str() else {
            let error = ServiceError::of_answer(Step::Token, answer, id, self.clock.now());
            let is_managed = matches!(self.credential, Credential::Managed(_));
            return match (is_managed, answer.status()) {
                (true, 400) => error.lasting("assign the managed identity to this machine"),
                (false, 404) => error.lasting("look at `authority_url`, `cloud` and `tenant`"),
                _ => error,
            };
        };
        let meaning = code.and_then(aadsts::meaning);
        let words = match (code, meaning) {
            (Some(code), Some(meaning)) => format!("AADSTS{code}: {}", meaning.words),
            (Some(code), None) => {
                let described = body["error_description"].as_str().unwrap_or_default();
                let first = described.lines().next().unwrap_or_default();
                format!("AADSTS{code} ({}): {}", excerpt(kind), excerpt(first))
            }
            (None, _) => format!("HTTP status {}: {}", answer.status(), excerpt(kind)),
        };
        let mut error = ServiceError::new(Step::Token, words).with_id(id);
        error.status = Some(answer.status());
        error.after = answer.retry_after(self.clock.now());
        let passes = kind == "temporarily_unavailable" || matches!(answer.status(), 429 | 500..);
        match meaning {
            Some(meaning) => match meaning.advice {
                Some(advice) => error.lasting(advice),
                None => error,
            },
            None if passes => error,
            None => error.lasting("look the code up at https://login.microsoftonline.com/error"),
        }
    }
}

fn read(answer: &Response, since: Instant, now: i64, id: &str) -> Result<Token, ServiceError> {
    let body: Value = answer
        .json()
        .map_err(|why| ServiceError::unreadable(Step::Token, &why, id))?;
    let value = body["access_token"]
        .as_str()
        .filter(|value| !value.is_empty());
    let Some(value) = value else {
        let why = "there is no access_token in it";
        return Err(ServiceError::unreadable(Step::Token, why, id));
    };
    let until = number(&body["expires_on"]).map(|ends| ends.saturating_sub(now));
    let seconds = number(&body["expires_in"]).or(until);
    let life = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let life = life.map_or(SHORT, Duration::from_secs).min(LONGEST);
    Ok(Token {
        roles: roles(value),
        value: Zeroizing::new(value.to_owned()),
        since,
        life,
        issued: now,
        ends: now.saturating_add(i64::try_from(life.as_secs()).unwrap_or(0)),
    })
}

/// A number, or a text that is one: managed identities send texts.
fn number(value: &Value) -> Option<i64> {
    let text = value.as_str().map(str::trim);
    value.as_i64().or_else(|| text?.parse().ok())
}

/// The roles in a token; `None` where it cannot be read. Nothing is verified: the token is ours, and only reported on.
fn roles(token: &str) -> Option<Vec<String>> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let octets = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&octets).ok()?;
    claims.as_object()?;
    let roles = claims["roles"].as_array().cloned().unwrap_or_default();
    let texts = roles.iter().filter_map(Value::as_str);
    Some(texts.map(str::to_owned).collect())
}
