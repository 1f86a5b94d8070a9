//! Gate 9: is this device compliant? Asked of an HTTPS webhook, after every other gate.
//!
//! The request is a POST with a JSON body (`body`) and a signature over time and body
//! ([`challenge::WebhookKey`]). The answer is `{"compliant": true|false, "reason": "..."}` with
//! status 200. Anything else (another status, a redirect, more than 64 KiB, no answer in time)
//! counts as an error, and an error refuses the device unless the profile says otherwise.

mod answer;
mod body;
#[cfg(test)]
mod tests;

use std::time::Duration;

use actors::{ComplianceHook, ComplianceQuestion, Verdict, VerdictFuture};
use challenge::WebhookKey;
use chrono::Utc;
use outbound::{CallError, Client, Options, Request, SetupError, Trust, Url};
use pki::Certificate;

use crate::config::{Compliance, Secret};

/// The most octets of an answer that are read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Header with the time of the question, in seconds since the epoch.
pub const TIMESTAMP_HEADER: &str = "x-scepd-timestamp";
/// Header with the signature over time and body.
pub const SIGNATURE_HEADER: &str = "x-scepd-signature";

/// Why the webhook cannot be used, or gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The address cannot be read, is not https, or carries a user name or password.
    #[error("the compliance url must be an https address without user name or password")]
    Address,
    /// The address's host is not in the list.
    #[error(
        "the compliance url's host `{host}` is not in allowed_hosts; add it there if it is meant"
    )]
    HostNotAllowed {
        /// The host.
        host: String,
    },
    /// The CA bundle cannot be used.
    #[error("the compliance webhook's CA bundle cannot be used: {0}")]
    CaBundle(String),
    /// The client could not be made.
    #[error("the compliance webhook's client cannot be set up: {0}")]
    Setup(String),
    /// No connection, no TLS, or the connection broke.
    #[error("the compliance webhook cannot be reached: {0}")]
    Unreachable(String),
    /// No complete answer in time.
    #[error("the compliance webhook did not answer within {limit:?}")]
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// A status other than 200; redirects are not followed.
    #[error("the compliance webhook answered with status {0} instead of 200")]
    Status(u16),
    /// The answer is too large to be one.
    #[error("the compliance webhook's answer is larger than {LARGEST_ANSWER} octets")]
    TooLarge,
    /// The answer is not what it must be.
    #[error(
        "the compliance webhook's answer is not {{\"compliant\": true or false, \"reason\": text}}: {0}"
    )]
    Unreadable(String),
}

/// A profile's compliance webhook, ready to be asked. Cheap to clone.
#[derive(Clone)]
pub struct ComplianceWebhook {
    client: Client,
    url: Url,
    /// Without one, questions go out unsigned; the start-up checks warn of it.
    key: Option<WebhookKey>,
    timeout: Duration,
    fail_open: bool,
}

impl ComplianceWebhook {
    /// From a profile's settings, with the secret and the CAs that they name.
    ///
    /// # Errors
    /// [`HookError`]: an address that is not https or not allowed, a CA that cannot be used.
    pub fn new(
        url: &str,
        settings: &Compliance,
        secret: Option<&Secret>,
        roots: Option<&[Certificate]>,
    ) -> Result<Self, HookError> {
        let timeout = settings.timeout.duration();
        Ok(Self {
            url: checked(url, &settings.allowed_hosts)?,
            client: client(timeout, roots)?,
            key: secret.map(|secret| WebhookKey::new(secret.expose().as_bytes())),
            timeout,
            fail_open: settings.fail_open,
        })
    }

    /// Asks about one device; what the webhook says, as it says it.
    ///
    /// # Errors
    /// [`HookError`] when there is no clear answer.
    pub async fn ask(&self, question: &ComplianceQuestion) -> Result<Verdict, HookError> {
        let now = Utc::now();
        let body = body::body(question, now);
        let timestamp = now.timestamp();
        let mut request =
            Request::post(self.url.clone()).header(TIMESTAMP_HEADER, &timestamp.to_string());
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE_HEADER, &key.signature(timestamp, &body));
        }
        let answer = self
            .client
            .send(request.body("application/json", body))
            .await
            .map_err(|error| self.error(error))?;
        if answer.status() != 200 {
            return Err(HookError::Status(answer.status()));
        }
        answer::verdict(answer.body())
    }

    /// What an error means for the device.
    fn without_answer(&self, error: &HookError) -> Verdict {
        match self.fail_open {
            true => Verdict::LetIn {
                why: format!("{error}; let in, because fail_open is on"),
            },
            false => Verdict::NotCompliant {
                reason: format!("{error}; refused, because fail_open is off"),
            },
        }
    }

    fn error(&self, error: CallError) -> HookError {
        match error {
            CallError::TimedOut(_) => HookError::TimedOut {
                limit: self.timeout,
            },
            CallError::TooLong { .. } => HookError::TooLarge,
            CallError::Unreachable(why) | CallError::Tls(why) | CallError::Cut(why) => {
                HookError::Unreachable(why)
            }
            CallError::Invalid(why) => HookError::Setup(why.to_owned()),
        }
    }
}

impl ComplianceHook for ComplianceWebhook {
    fn ask(&self, question: ComplianceQuestion) -> VerdictFuture {
        let hook = self.clone();
        Box::pin(async move {
            match ComplianceWebhook::ask(&hook, &question).await {
                Ok(verdict) => verdict,
                Err(error) => {
                    tracing::warn!(
                        profile = question.profile,
                        transaction_id = question.transaction_id,
                        let_in = hook.fail_open,
                        "{error}"
                    );
                    hook.without_answer(&error)
                }
            }
        })
    }
}

/// The address, if it is https and to an allowed host.
fn checked(url: &str, allowed_hosts: &[String]) -> Result<Url, HookError> {
    let url = Url::parse(url).map_err(|_| HookError::Address)?;
    let Some(host) = url.host_str() else {
        return Err(HookError::Address);
    };
    if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
        return Err(HookError::Address);
    }
    if !allowed_hosts
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(host))
    {
        return Err(HookError::HostNotAllowed {
            host: host.to_owned(),
        });
    }
    Ok(url)
}

/// No redirects and no proxies: what was checked is what is asked.
fn client(timeout: Duration, roots: Option<&[Certificate]>) -> Result<Client, HookError> {
    let trust = match roots {
        None => Trust::System,
        Some(roots) => Trust::Roots(roots.iter().map(|root| root.der().to_vec()).collect()),
    };
    let mut options = Options::new(trust);
    options.timeout = timeout;
    options.max_body = LARGEST_ANSWER;
    Client::new(options).map_err(|error| match error {
        SetupError::Trust(why) => HookError::CaBundle(why),
        other => HookError::Setup(other.to_string()),
    })
}
