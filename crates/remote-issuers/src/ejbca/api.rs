//! Calls of the REST API, and what its statuses mean.

use super::login::Session;
use crate::pause::pause;
use crate::words::excerpt;
use issuer::IssueError;
use outbound::{CallError, Client, Method, Request, Response, Url};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where the API stands below the address of a server.
const PREFIX: [&str; 2] = ["ejbca", "ejbca-rest-api"];

/// Where the server is, and as whom it is asked.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) base: Url,
    pub(super) session: Session,
}

/// One call: `path` is below the API's address, each part as it is, without any escape.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<&'a Value>,
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a [&'a str]) -> Self {
        Self {
            method: Method::GET,
            path,
            query: &[],
            body: None,
        }
    }

    pub(super) fn post(path: &'a [&'a str], body: &'a Value) -> Self {
        Self {
            method: Method::POST,
            path,
            query: &[],
            body: Some(body),
        }
    }
}

/// Why a call did not do what it was for.
#[derive(Debug)]
pub(super) enum Fault {
    /// 400, 413, 422: with its words.
    Refused(String),
    /// 401, 403: not logged in, or not allowed.
    Forbidden(String),
    /// 404: no such thing, or no such service.
    Missing(String),
    /// 409: it is so already.
    Already(String),
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
            Self::Refused(words)
            | Self::Forbidden(words)
            | Self::Missing(words)
            | Self::Already(words) => (words, None, false),
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
    /// A call as scepd. A bearer token that is not taken is exchanged once.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Response, Fault> {
        let token = self.session.token().await?;
        let first = self.send(&call, token.as_ref()).await;
        let (Err(Fault::Forbidden(_)), Some(old)) = (&first, &token) else {
            return first;
        };
        self.session.refused(old).await;
        let token = self.session.token().await?;
        if token.as_ref() == Some(old) {
            return first;
        }
        self.send(&call, token.as_ref()).await
    }

    /// The same, for an answer in JSON.
    pub(super) async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        call: Call<'_>,
    ) -> Result<T, Fault> {
        read(&self.call(call).await?)
    }

    async fn send(
        &self,
        call: &Call<'_>,
        token: Option<&Zeroizing<String>>,
    ) -> Result<Response, Fault> {
        let mut request = Request::new(call.method.clone(), self.url(call.path, call.query)?)
            .header("accept", "application/json");
        if let Some(token) = token {
            let value = Zeroizing::new(format!("Bearer {}", token.as_str()));
            request = request.secret_header("authorization", &value);
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        let response = self.client.send(request).await.map_err(of_call)?;
        match response.status() {
            200..=299 => Ok(response),
            status => Err(of_status(status, &response)),
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, Fault> {
        let mut url = self.base.clone();
        let bare = url.path().trim_matches('/').is_empty();
        let prefix: &[&str] = if bare { &PREFIX } else { &[] };
        let appended = url.path_segments_mut().map(|mut segments| {
            segments.pop_if_empty().extend(prefix).extend(path);
        });
        if appended.is_err() {
            return Err(now("its address takes no path".to_owned()));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// An answer in JSON.
pub(super) fn read<T: for<'de> Deserialize<'de>>(response: &Response) -> Result<T, Fault> {
    response.json().map_err(|what| Fault::Later {
        why: format!("its answer cannot be read: {what}"),
        after: None,
        unheard: true,
    })
}

/// A fault before anything was asked for.
pub(super) fn now(why: String) -> Fault {
    Fault::Later {
        why,
        after: None,
        unheard: false,
    }
}

pub(super) fn of_call(error: CallError) -> Fault {
    Fault::Later {
        why: error.to_string(),
        after: None,
        unheard: error.may_have_arrived(),
    }
}

fn of_status(status: u16, response: &Response) -> Fault {
    let said = said(response);
    let or = |words: &str| said.clone().unwrap_or_else(|| words.to_owned());
    let after = pause(response);
    let later = |why: String, unheard: bool| Fault::Later {
        why,
        after,
        unheard,
    };
    let with = |words: &str| match &said {
        Some(said) => format!("{words}: {said}"),
        None => words.to_owned(),
    };
    match status {
        // What went wrong inside of an enrollment comes with 400, whatever it was.
        400 if said.as_deref().is_some_and(is_about_the_ca) => {
            later(with("its CA is not at work"), false)
        }
        400 | 413 | 422 => Fault::Refused(or("it gives no reason")),
        401 => Fault::Forbidden(or("it knows no such login")),
        403 => Fault::Forbidden(or("not allowed")),
        404 => Fault::Missing(or("there is nothing at this path")),
        409 => Fault::Already(or("it is so already")),
        300..=399 => later(
            format!(
                "it sends elsewhere (status {status}), which is not followed: correct `url`, for example to port 8443, which asks for client certificates"
            ),
            false,
        ),
        429 => later(with("too many requests"), false),
        503 => later(with("not available"), false),
        // The certificate may have been made before that.
        500..=599 => later(with(&format!("it failed with status {status}")), true),
        _ => later(with(&format!("it answered with status {status}")), false),
    }
}

/// Whether the words of a refusal are about a CA or a key that is away for the time being.
fn is_about_the_ca(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    [
        "is offline",
        "is not active",
        "crypto token",
        "device was unavailable",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// The text of `{"error_code": 400, "error_message": "..."}`.
fn said(response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        error_message: String,
    }
    let said: Said = response.json().ok()?;
    Some(excerpt(&said.error_message)).filter(|text| !text.is_empty())
}
