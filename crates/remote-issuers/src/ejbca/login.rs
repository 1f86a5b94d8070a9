//! As whom EJBCA is asked: by the certificate of the connection, or by a bearer token.

use super::api::{Fault, now, of_call};
use crate::words::excerpt;
use crate::{Credential, Ticks, read};
use outbound::{Client, Request, Url};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// How to log in.
#[derive(Clone)]
pub enum Login {
    /// The TLS client certificate of the connection.
    Certificate,
    /// A bearer token that somebody else keeps.
    Token(Credential),
    /// The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
    OAuth {
        /// Reaches the authorization server.
        client: Client,
        /// Its token endpoint.
        token_url: Url,
        /// The client's id.
        client_id: String,
        /// Its secret.
        client_secret: Credential,
        /// The scope; what the server gives by itself where there is none.
        scope: Option<String>,
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
    since: Instant,
    /// For how long from then; `None` = nobody says.
    life: Option<Duration>,
}

impl Token {
    /// Whether two thirds of its time have passed.
    fn is_due(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.since);
        self.life.is_some_and(|life| age >= life * 2 / 3)
    }
}

/// What the token endpoint gives (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

/// Why it gives none (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Session {
    pub(super) fn new(login: Login, ticks: Ticks) -> Self {
        Self {
            login,
            ticks,
            token: Mutex::new(None),
        }
    }

    /// A bearer token that is valid, as far as is known; `None` where the connection says who asks.
    pub(super) async fn token(&self) -> Result<Option<Zeroizing<String>>, Fault> {
        if matches!(self.login, Login::Certificate) {
            return Ok(None);
        }
        let mut slot = self.token.lock().await;
        let now = (self.ticks)();
        if let Some(token) = slot.as_ref().filter(|token| !token.is_due(now)) {
            return Ok(Some(token.text.clone()));
        }
        let token = self.log_in(now).await?;
        let text = token.text.clone();
        *slot = Some(token);
        Ok(Some(text))
    }

    /// Says that a token was not taken: the next call logs in anew.
    pub(super) async fn refused(&self, text: &Zeroizing<String>) {
        let mut slot = self.token.lock().await;
        slot.take_if(|token| token.text == *text);
    }

    async fn log_in(&self, since: Instant) -> Result<Token, Fault> {
        let (text, life) = match &self.login {
            Login::Certificate => (Zeroizing::default(), None),
            Login::Token(credential) => (read(credential).await.map_err(now)?, None),
            Login::OAuth {
                client,
                token_url,
                client_id,
                client_secret,
                scope,
            } => {
                let secret = read(client_secret).await.map_err(now)?;
                let mut form = vec![
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id.as_str()),
                    ("client_secret", secret.as_str()),
                ];
                form.extend(scope.as_deref().map(|scope| ("scope", scope)));
                let request = Request::post(token_url.clone()).form(&form);
                let granted = ask(client, request).await?;
                let life = granted.expires_in.map(Duration::from_secs);
                (Zeroizing::new(granted.access_token), life)
            }
        };
        Ok(Token { text, since, life })
    }
}

/// Nothing is asked of EJBCA meanwhile, so nothing was made.
async fn ask(client: &Client, request: Request) -> Result<Granted, Fault> {
    let response = client.send(request).await;
    let response = response.map_err(|error| match of_call(error) {
        Fault::Later { why, after, .. } => Fault::Later {
            why: format!("logging in at the authorization server: {why}"),
            after,
            unheard: false,
        },
        other => other,
    })?;
    if response.is_success() {
        return response.json().map_err(|what| {
            now(format!(
                "the authorization server's answer cannot be read: {what}"
            ))
        });
    }
    let said = response.json::<Denied>().map_or_else(
        |_| format!("status {}", response.status()),
        |denied| excerpt(&format!("{} {}", denied.error, denied.error_description)),
    );
    Err(now(format!(
        "the authorization server refuses the login: {said}"
    )))
}
