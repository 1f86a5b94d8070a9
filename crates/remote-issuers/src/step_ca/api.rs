//! Calls of the HTTP API, and what its statuses mean.

use crate::pause::pause;
use crate::words::excerpt;
use issuer::IssueError;
use outbound::{
    CallError, Client, Method, Options, PinError, Request, Response, Trust, Url, pinned,
};
use pki::Certificate;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Where the server is, and how it is known to be the right one.
pub(super) struct Api {
    pub(super) base: Url,
    client: OnceCell<Client>,
    root: Option<RootPin>,
}

/// A root certificate that is asked for, and believed when its fingerprint is this one.
pub struct RootPin {
    /// SHA-256 of the root certificate's DER.
    pub fingerprint: [u8; 32],
    /// How the server is reached; its `trust` is not looked at.
    pub options: Options,
}

/// Why a call did not do what it was for.
#[derive(Debug)]
pub(super) enum Fault {
    /// 400 and 403: with its words.
    Refused(String),
    /// 401: the token was not taken.
    Token(String),
    /// 404: no such path, or nothing there.
    Missing(String),
    /// 501: it cannot do that.
    Unsupported(String),
    /// Anything that may be otherwise later.
    Later {
        why: String,
        after: Option<Duration>,
        unheard: bool,
    },
}

impl Fault {
    pub(super) fn plain(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            after: None,
            unheard: false,
        }
    }

    /// For a call that says nothing about one certificate: all of it may be otherwise once somebody has seen to it.
    pub(super) fn later(self, doing: &str) -> IssueError {
        let (why, after, unheard) = match self {
            Self::Refused(words) | Self::Missing(words) | Self::Unsupported(words) => {
                (words, None, false)
            }
            Self::Token(words) => (
                format!(
                    "the token was not taken: {words}; see to the clocks, the provisioner's name and key, and `step_ca.audience`"
                ),
                None,
                false,
            ),
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
    /// By a client that knows whom to trust, or by a root that is asked for first.
    pub(super) fn new(base: Url, client: Client, root: Option<RootPin>) -> Self {
        let client = match root {
            None => OnceCell::new_with(Some(client)),
            Some(_) => OnceCell::new(),
        };
        Self { base, client, root }
    }

    /// Believes a root that is known from before, if it is the one that was named.
    pub(super) fn knows(&self, certificates: &[Certificate]) {
        let Some(pin) = &self.root else { return };
        let root = certificates
            .iter()
            .find(|one| one.fingerprint() == pin.fingerprint);
        if let Some(client) = root.and_then(|root| pin.client(root.der().to_vec()).ok()) {
            // One that is there already is as good.
            let _ = self.client.set(client);
        }
    }

    async fn client(&self) -> Result<&Client, Fault> {
        let make = async || {
            let Some(pin) = &self.root else {
                return Err(Fault::plain("there is no client to call it with"));
            };
            let path = format!("root/{}", hex::encode(pin.fingerprint));
            let read = |response: &Response| {
                let shown: Root = response.json().ok()?;
                let root = Certificate::from_pem(shown.ca.as_bytes()).ok()?;
                Some(root.der().to_vec())
            };
            let root = pinned(
                self.url(&path)?,
                pin.options.clone(),
                &pin.fingerprint,
                read,
            );
            let root = root.await.map_err(|error| match error {
                PinError::Call(error) => of_call(error),
                PinError::Other => Fault::plain(
                    "it has no root certificate with the fingerprint of `tls_fingerprint`: `step certificate fingerprint root_ca.crt` shows the right one",
                ),
                PinError::Setup(error) => Fault::plain(error.to_string()),
            })?;
            pin.client(root)
        };
        self.client.get_or_try_init(make).await
    }

    /// Sends a call. `path` is below `/1.0`.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Response, Fault> {
        let mut url = self.url(path)?;
        url.set_query(query);
        let mut request = Request::new(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.client().await?.send(request).await.map_err(of_call)?;
        match response.status() {
            200..=299 => Ok(response),
            status => Err(of_status(status, &response)),
        }
    }

    /// The same, for an answer in JSON.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        body: Option<&Value>,
    ) -> Result<T, Fault> {
        let response = self.call(method, path, query, body).await?;
        response.json().map_err(|what| Fault::Later {
            why: format!("its answer cannot be read: {what}"),
            after: None,
            unheard: true,
        })
    }

    fn url(&self, path: &str) -> Result<Url, Fault> {
        let mut url = self.base.clone();
        let appended = url.path_segments_mut().map(|mut segments| {
            segments.pop_if_empty().push("1.0").extend(path.split('/'));
        });
        appended
            .map(|()| url)
            .map_err(|()| Fault::plain("its address takes no path"))
    }
}

impl RootPin {
    fn client(&self, root: Vec<u8>) -> Result<Client, Fault> {
        let options = Options {
            trust: Trust::Roots(vec![root]),
            ..self.options.clone()
        };
        Client::new(options).map_err(|error| Fault::plain(error.to_string()))
    }
}

/// `GET /root/{fingerprint}`.
#[derive(Deserialize)]
struct Root {
    ca: String,
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
    let or = |words: &str| said.clone().unwrap_or_else(|| words.to_owned());
    match status {
        400 | 403 => Fault::Refused(or("it gives no reason")),
        401 => Fault::Token(or("it gives no reason")),
        404 => Fault::Missing(or("there is no such path")),
        501 => Fault::Unsupported(or("it cannot do that")),
        300..=399 => later(
            format!(
                "it sends elsewhere (status {status}), which is not followed: name the server itself in `url`"
            ),
            false,
        ),
        429 => later(format!("too many requests{}", appended(said)), false),
        503 => later(format!("not available{}", appended(said)), false),
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

/// The text of `{"status": 403, "message": "..."}`.
fn said(response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    let said: Said = response.json().ok()?;
    let words = excerpt(&said.message);
    (!words.is_empty()).then_some(words)
}
