//! Calls of the HTTP API, and what its statuses mean.

use crate::pause::pause;
use crate::words::excerpt;
use issuer::IssueError;
use outbound::{CallError, Client, Method, Request, Response, Url};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where the server is, and in which namespace.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) base: Url,
    pub(super) namespace: Option<String>,
}

/// The envelope of every JSON answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reply {
    pub(super) data: Value,
    pub(super) auth: Option<Auth>,
    pub(super) warnings: Option<Vec<String>>,
}

/// What a login gives.
#[derive(Deserialize)]
pub(super) struct Auth {
    #[serde(deserialize_with = "secret")]
    pub(super) client_token: Zeroizing<String>,
    /// Seconds; 0 = it does not end.
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("lease_duration", &self.lease_duration)
            .finish_non_exhaustive()
    }
}

/// Why a call did not do what it was for.
#[derive(Debug)]
pub(super) enum Fault {
    /// 400: with its words.
    Refused(String),
    /// 403: the token is not valid any more, or may not do this.
    Forbidden(String),
    /// 404: no such path.
    Missing(String),
    /// Anything that may be otherwise later.
    Later {
        why: String,
        after: Option<Duration>,
        unheard: bool,
    },
}

impl Fault {
    /// For a call that says nothing about one certificate: all of it may be otherwise once somebody has seen to it.
    pub(super) fn later(self, doing: &str) -> IssueError {
        let (why, after, unheard) = match self {
            Self::Refused(words) | Self::Forbidden(words) | Self::Missing(words) => {
                (words, None, false)
            }
            Self::Later {
                why,
                after,
                unheard,
            } => (why, after, unheard),
        };
        IssueError::Again {
            why: format!("{doing}: {why}"),
            after,
            unheard,
        }
    }
}

impl Api {
    /// Sends a call. `path` is below `/v1`.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<Response, Fault> {
        let mut request = Request::new(method, self.url(path)?).header("x-vault-request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if let Some(token) = token {
            request = request.secret_header("x-vault-token", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.client.send(request).await.map_err(of_call)?;
        match response.status() {
            200..=299 => Ok(response),
            status => Err(of_status(status, &response)),
        }
    }

    /// The same, for an answer in JSON.
    pub(super) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Result<Reply, Fault> {
        let response = self.call(method, path, body, token).await?;
        if response.body().is_empty() {
            return Ok(Reply::default());
        }
        response.json().map_err(|what| Fault::Later {
            why: format!("its answer cannot be read: {what}"),
            after: None,
            unheard: true,
        })
    }

    /// How the server itself is; outside of any namespace.
    pub(super) async fn health(&self) -> Result<(), Fault> {
        let mut url = self.url("sys/health")?;
        url.set_query(Some("standbyok=true&perfstandbyok=true"));
        let request = Request::get(url).header("x-vault-request", "true");
        let response = self.client.send(request).await.map_err(of_call)?;
        let why = match response.status() {
            200..=299 | 429 | 472 | 473 => return Ok(()),
            501 => "it is not initialised",
            503 => "it is sealed",
            474 => "it is a standby that finds no leader",
            530 => "its node was removed from the cluster",
            // What stands before it may not let this path through: the next call tells.
            403..=405 => return Ok(()),
            status => return Err(of_status(status, &response)),
        };
        Err(Fault::Later {
            why: why.to_owned(),
            after: None,
            unheard: false,
        })
    }

    fn url(&self, path: &str) -> Result<Url, Fault> {
        let mut url = self.base.clone();
        let appended = url.path_segments_mut().map(|mut segments| {
            segments.pop_if_empty().push("v1").extend(path.split('/'));
        });
        appended.map(|()| url).map_err(|()| Fault::Later {
            why: "its address takes no path".to_owned(),
            after: None,
            unheard: false,
        })
    }
}

fn of_call(error: CallError) -> Fault {
    Fault::Later {
        why: error.to_string(),
        after: None,
        unheard: error.may_have_arrived(),
    }
}

fn of_status(status: u16, response: &Response) -> Fault {
    let said = said(response);
    let later = |why: String, unheard: bool| Fault::Later {
        why,
        after: pause(response),
        unheard,
    };
    match status {
        400 => Fault::Refused(said.unwrap_or_else(|| "it gives no reason (status 400)".to_owned())),
        403 => Fault::Forbidden(said.unwrap_or_else(|| "permission denied".to_owned())),
        404 => Fault::Missing(said.unwrap_or_else(|| "there is no such path".to_owned())),
        300..=399 => later(
            format!(
                "it sends elsewhere (status {status}), which is not followed: it is a standby that does not forward, or its address has changed; name the active node or a load balancer in `url`"
            ),
            false,
        ),
        429 => later(
            format!("too many requests by its quota{}", appended(said)),
            false,
        ),
        503 => later(format!("not available{}", appended(said)), false),
        412 => later(format!("not there yet{}", appended(said)), false),
        // The certificate may have been made before that.
        500..=599 => later(
            format!("it failed with status {status}{}", appended(said)),
            true,
        ),
        _ => later(
            format!("it answered with status {status}{}", appended(said)),
            false,
        ),
    }
}

fn appended(said: Option<String>) -> String {
    said.map_or_else(String::new, |said| format!(": {said}"))
}

/// The texts of `{"errors": [...]}`.
fn said(response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let errors: Errors = response.json().ok()?;
    let words: Vec<String> = errors
        .errors
        .iter()
        .map(|text| excerpt(text))
        .map(|text| match text.strip_prefix("1 error occurred: * ") {
            Some(one) => one.to_owned(),
            None => text,
        })
        .filter(|text| !text.is_empty())
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}
