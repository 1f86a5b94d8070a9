//! Access tokens: by a service account's key, by a workload's own token, or from the metadata server.

use crate::base::again;
use crate::{Clock, Credential, Ticks, read, words};
use issuer::IssueError;
use josekit::jws::{self, JwsHeader, RS256};
use outbound::{Client, Request, Response, Url, endpoint};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// What a token may be used for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Seconds that an assertion is good for.
const ASSERTION_LIFE: i64 = 600;

/// How long before its end a token is exchanged.
const MARGIN: Duration = Duration::from_secs(120);

/// How to log in.
#[derive(Clone)]
pub enum Login {
    /// The key file of a service account, JSON.
    ServiceAccount(Credential),
    /// Workload identity federation: its configuration file, JSON, and what reads the file of the workload's own token.
    Workload {
        /// The configuration (`"type": "external_account"`).
        config: Credential,
        /// The workload's token, of the file that the configuration names.
        subject: Credential,
    },
    /// The metadata server of the machine or the cluster.
    Metadata(Url),
}

/// The token in use.
pub(super) struct Session {
    login: Login,
    client: Client,
    clock: Clock,
    ticks: Ticks,
    token: Mutex<Option<Token>>,
}

struct Token {
    text: Zeroizing<String>,
    /// Until when it is used.
    until: Instant,
}

/// The key file of a service account.
#[derive(Deserialize)]
struct Account {
    client_email: String,
    #[serde(deserialize_with = "secret")]
    private_key: Zeroizing<String>,
    #[serde(default)]
    private_key_id: String,
    #[serde(default = "usual_token_uri")]
    token_uri: String,
}

fn usual_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// A configuration of workload identity federation.
#[derive(Deserialize)]
struct External {
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
}

/// The file of the workload's own token that a configuration of workload identity federation names.
///
/// # Errors
/// It names none, in words.
pub fn subject_file(config: &str) -> Result<std::path::PathBuf, String> {
    let config: Value = serde_json::from_str(config).map_err(|_| NO_CONFIG.to_owned())?;
    let file = config.pointer("/credential_source/file");
    let file = file.and_then(Value::as_str).ok_or(
        "it names no credential_source.file: only workloads whose token is in a file can be used",
    )?;
    Ok(file.into())
}

const NO_CONFIG: &str =
    "it is no configuration of workload identity federation (\"type\": \"external_account\")";

/// What the token endpoints give.
#[derive(Deserialize)]
struct Given {
    #[serde(deserialize_with = "secret")]
    access_token: Zeroizing<String>,
    #[serde(default)]
    expires_in: u64,
}

/// What impersonation gives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    #[serde(deserialize_with = "secret")]
    access_token: Zeroizing<String>,
}

impl Session {
    pub(super) fn new(login: Login, client: Client, clock: Clock, ticks: Ticks) -> Self {
        Self {
            login,
            client,
            clock,
            ticks,
            token: Mutex::new(None),
        }
    }

    /// A token that is valid, as far as is known.
    ///
    /// # Errors
    /// There is none now: why, without any of the credential.
    pub(super) async fn token(&self) -> Result<Zeroizing<String>, IssueError> {
        let mut slot = self.token.lock().await;
        let now = (self.ticks)();
        if let Some(token) = slot.as_ref().filter(|token| token.until > now) {
            return Ok(token.text.clone());
        }
        let (text, life) = match &self.login {
            Login::ServiceAccount(key) => self.by_key(key).await?,
            Login::Workload { config, subject } => self.by_workload(config, subject).await?,
            Login::Metadata(base) => self.by_metadata(base).await?,
        };
        let until = now + Duration::from_secs(life).saturating_sub(MARGIN);
        *slot = Some(Token {
            text: text.clone(),
            until,
        });
        Ok(text)
    }

    /// Says that a token was not taken: the next call logs in anew.
    pub(super) async fn refused(&self, text: &Zeroizing<String>) {
        let mut slot = self.token.lock().await;
        slot.take_if(|token| token.text == *text);
    }

    async fn by_key(&self, key: &Credential) -> Result<(Zeroizing<String>, u64), IssueError> {
        let text = read(key).await.map_err(|what| again(&what))?;
        let account: Account = serde_json::from_str(&text).map_err(|_| {
            again("google_cas.key_file is no key of a service account in JSON: `gcloud iam service-accounts keys create` makes one")
        })?;
        let url = address(&account.token_uri, "token_uri of the key")?;
        let assertion =
            assertion(&account, (self.clock)().timestamp()).map_err(|what| again(&what))?;
        let request = Request::post(url).form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ]);
        let given: Given = self
            .ask(request, "logging in with the service account")
            .await?;
        Ok((given.access_token, given.expires_in))
    }

    async fn by_workload(
        &self,
        config: &Credential,
        subject: &Credential,
    ) -> Result<(Zeroizing<String>, u64), IssueError> {
        let config = read(config).await.map_err(|what| again(&what))?;
        let external: External = serde_json::from_str(&config).map_err(|_| again(NO_CONFIG))?;
        let subject = read(subject).await.map_err(|what| again(&what))?;
        let url = address(&external.token_url, "token_url of the workload identity")?;
        let request = Request::post(url).form(&[
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", &external.audience),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", &subject),
            ("subject_token_type", &external.subject_token_type),
        ]);
        let given: Given = self.ask(request, "exchanging the workload's token").await?;
        let Some(url) = &external.service_account_impersonation_url else {
            return Ok((given.access_token, given.expires_in));
        };
        let url = address(url, "service_account_impersonation_url")?;
        let bearer = Zeroizing::new(format!("Bearer {}", *given.access_token));
        let request = Request::post(url)
            .secret_header("authorization", &bearer)
            .json(&json!({"scope": [SCOPE], "lifetime": "3600s"}));
        let doing = "impersonating the service account";
        let given: Impersonated = self.ask(request, doing).await?;
        Ok((given.access_token, 3600))
    }

    async fn by_metadata(&self, base: &Url) -> Result<(Zeroizing<String>, u64), IssueError> {
        let mut url = base.clone();
        url.set_path("/computeMetadata/v1/instance/service-accounts/default/token");
        let request = Request::get(url).header("metadata-flavor", "Google");
        let given: Given = self.ask(request, "asking the metadata server").await?;
        Ok((given.access_token, given.expires_in))
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        request: Request,
        doing: &str,
    ) -> Result<T, IssueError> {
        let response = self.client.send(request).await;
        let response = response.map_err(|error| again(&format!("{doing}: {error}")))?;
        if !response.is_success() {
            let status = response.status();
            let said = refusal(&response);
            return Err(again(&format!("{doing}: status {status}{said}")));
        }
        // Its content may be a token: no word of it is repeated.
        response
            .json()
            .map_err(|_| again(&format!("{doing}: the answer holds no token")))
    }
}

/// `{"error": "invalid_grant", "error_description": ".."}`.
fn refusal(response: &Response) -> String {
    let said: Value = response.json().unwrap_or_default();
    let texts = ["error", "error_description"].map(|name| said.get(name).and_then(Value::as_str));
    let texts: Vec<String> = texts.into_iter().flatten().map(words::excerpt).collect();
    match texts.is_empty() {
        true => String::new(),
        false => format!(": {}", texts.join(": ")),
    }
}

fn address(text: &str, what: &str) -> Result<Url, IssueError> {
    endpoint(text).map_err(|error| again(&format!("{what}: {error}")))
}

fn assertion(account: &Account, now: i64) -> Result<Zeroizing<String>, String> {
    let failed = "the private_key of the service account cannot sign: it must be RSA, in PEM";
    let key = pki::PrivateKey::from_pem(account.private_key.as_bytes()).map_err(|_| failed)?;
    let der = key.to_pkcs8_der().map_err(|_| failed)?;
    let signer = RS256.signer_from_der(&*der).map_err(|_| failed)?;
    let mut header = JwsHeader::new();
    header.set_token_type("JWT");
    if !account.private_key_id.is_empty() {
        header.set_key_id(&account.private_key_id);
    }
    let claims = json!({
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now.saturating_add(ASSERTION_LIFE),
    });
    jws::serialize_compact(claims.to_string().as_bytes(), &header, &signer)
        .map(Zeroizing::new)
        .map_err(|_| failed.to_owned())
}
