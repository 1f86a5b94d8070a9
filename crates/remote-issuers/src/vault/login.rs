//! Logging in, and staying logged in.

use super::api::{Api, Auth, Fault};
use crate::{Credential, Ticks, read};
use outbound::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// How to log in.
#[derive(Clone)]
pub enum Login {
    /// A token that somebody else keeps: an agent that writes it to a file, or an operator.
    Token(Credential),
    /// AppRole.
    AppRole {
        /// Where the method is mounted, usually `approle`.
        mount: String,
        /// The role's id.
        role_id: String,
        /// The role's secret id.
        secret_id: Credential,
    },
    /// The service-account token of a Kubernetes pod.
    Kubernetes {
        /// Where the method is mounted, usually `kubernetes`.
        mount: String,
        /// The role.
        role: String,
        /// The pod's token.
        jwt: Credential,
    },
    /// The TLS client certificate of the connection.
    Certificate {
        /// Where the method is mounted, usually `cert`.
        mount: String,
        /// The certificate role; any that fits where there is none.
        name: Option<String>,
    },
}

/// The token in use.
pub(super) struct Session {
    login: Login,
    ticks: Ticks,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: Zeroizing<String>,
    /// When it was given or last renewed.
    since: Instant,
    /// For how long from then; `None` = without end.
    lease: Option<Duration>,
    /// The lease that it began with: one that is renewed for less nears its end for good.
    first_lease: Option<Duration>,
    renewable: bool,
}

impl Token {
    fn new(auth: Auth, now: Instant) -> Self {
        let lease = Some(Duration::from_secs(auth.lease_duration)).filter(|lease| !lease.is_zero());
        Self {
            text: auth.client_token,
            since: now,
            lease,
            first_lease: lease,
            renewable: auth.renewable,
        }
    }

    /// Whether two thirds of its time have passed.
    fn is_due(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        self.lease.is_some_and(|lease| age >= lease * 2 / 3)
    }

    fn is_over(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        self.lease.is_some_and(|lease| age >= lease)
    }
}

impl Session {
    pub(super) fn new(login: Login, ticks: Ticks) -> Self {
        Self {
            login,
            ticks,
            token: Mutex::new(None),
        }
    }

    /// A token that is valid, as far as is known. Renews or exchanges it from two thirds of its time on.
    pub(super) async fn token(&self, api: &Api) -> Result<Zeroizing<String>, Fault> {
        let mut slot = self.token.lock().await;
        let now = (self.ticks)();
        if let Some(token) = slot.as_ref().filter(|token| !token.is_due(now)) {
            return Ok(token.text.clone());
        }
        if let Some(token) = slot.as_ref().filter(|token| token.renewable)
            && let Some(renewed) = self.renew(api, token).await
        {
            let text = renewed.text.clone();
            *slot = Some(renewed);
            return Ok(text);
        }
        match self.log_in(api).await {
            Ok(token) => {
                let text = token.text.clone();
                *slot = Some(token);
                Ok(text)
            }
            // It still holds for a while.
            Err(fault) => match slot.as_ref().filter(|token| !token.is_over(now)) {
                Some(token) => Ok(token.text.clone()),
                None => Err(fault),
            },
        }
    }

    /// Says that a token was not taken: the next call logs in anew.
    pub(super) async fn refused(&self, text: &Zeroizing<String>) {
        let mut slot = self.token.lock().await;
        slot.take_if(|token| token.text == *text);
    }

    async fn renew(&self, api: &Api, token: &Token) -> Option<Token> {
        let renewed = api
            .json(
                Method::POST,
                "auth/token/renew-self",
                Some(&json!({})),
                Some(&token.text),
            )
            .await;
        let auth = renewed.ok()?.auth?;
        let next = Token {
            first_lease: token.first_lease,
            ..Token::new(auth, (self.ticks)())
        };
        // What cannot be renewed for as long as before is exchanged, where that is possible.
        let shrinks = next.lease < next.first_lease.map(|first| first * 2 / 3);
        let is_kept = matches!(self.login, Login::Token(_));
        (is_kept || !shrinks).then_some(next)
    }

    async fn log_in(&self, api: &Api) -> Result<Token, Fault> {
        let (path, body) = match &self.login {
            Login::Token(credential) => return self.adopt(api, credential).await,
            Login::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let secret_id = credential(secret_id).await?;
                (
                    format!("auth/{mount}/login"),
                    json!({"role_id": role_id, "secret_id": *secret_id}),
                )
            }
            Login::Kubernetes { mount, role, jwt } => {
                let jwt = credential(jwt).await?;
                (
                    format!("auth/{mount}/login"),
                    json!({"role": role, "jwt": *jwt}),
                )
            }
            Login::Certificate { mount, name } => (
                format!("auth/{mount}/login"),
                name.as_ref()
                    .map_or_else(|| json!({}), |name| json!({ "name": name })),
            ),
        };
        let reply = api.json(Method::POST, &path, Some(&body), None).await;
        let auth = reply.map_err(login_refused)?.auth;
        let auth = auth.ok_or_else(|| fault("the login gave no token".to_owned()))?;
        Ok(Token::new(auth, (self.ticks)()))
    }

    /// A token of somebody else's: how long it lives is asked.
    async fn adopt(&self, api: &Api, source: &Credential) -> Result<Token, Fault> {
        let text = credential(source).await?;
        let reply = api
            .json(
                Method::GET,
                "auth/token/lookup-self",
                None,
                Some(text.as_str()),
            )
            .await
            .map_err(login_refused)?;
        let seconds = reply.data.get("ttl").and_then(Value::as_u64);
        let lease = Duration::from_secs(seconds.unwrap_or_default());
        let lease = Some(lease).filter(|lease| !lease.is_zero());
        let renewable = reply.data.get("renewable").and_then(Value::as_bool);
        Ok(Token {
            text,
            since: (self.ticks)(),
            lease,
            first_lease: lease,
            renewable: renewable.unwrap_or_default(),
        })
    }
}

async fn credential(credential: &Credential) -> Result<Zeroizing<String>, Fault> {
    read(credential).await.map_err(fault)
}

fn fault(why: String) -> Fault {
    Fault::Later {
        why,
        after: None,
        unheard: false,
    }
}

/// Bad credentials are the operator's to see to; devices wait.
fn login_refused(refused: Fault) -> Fault {
    match refused {
        Fault::Refused(words) | Fault::Forbidden(words) | Fault::Missing(words) => {
            fault(format!("the login is refused: {words}"))
        }
        // Nothing was asked for yet.
        Fault::Later { why, after, .. } => Fault::Later {
            why: format!("logging in: {why}"),
            after,
            unheard: false,
        },
    }
}
