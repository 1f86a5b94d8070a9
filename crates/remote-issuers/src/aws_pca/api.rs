//! Calls of the API, and what its errors mean.

use super::credentials::{Keyring, Keys};
use super::sigv4::{ToSign, sign};
use crate::Clock;
use crate::words::excerpt;
use issuer::IssueError;
use outbound::{Client, Request, Response, Url};
use serde_json::Value;
use std::time::Duration;

/// The service's name in signatures.
const SERVICE: &str = "acm-pca";

/// The type of bodies.
const JSON: &str = "application/x-amz-json-1.1";

/// When to ask again where it says that there were too many calls.
const SLOWER: Duration = Duration::from_secs(5);

/// Where the service is, and by whose keys it is asked.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) region: String,
    pub(super) clock: Clock,
    pub(super) keyring: Keyring,
}

/// Why a call did not do what it was for.
#[derive(Debug)]
pub(super) enum Fault {
    /// By the name that the API gives it, with its words.
    Named { name: String, words: String },
    /// Anything else.
    Later {
        why: String,
        after: Option<Duration>,
        unheard: bool,
    },
}

/// Names of faults that are about the request itself.
const OF_THE_REQUEST: [&str; 5] = [
    "InvalidArgsException",
    "MalformedCSRException",
    "InvalidRequestException",
    "ValidationException",
    "RequestFailedException",
];

/// Names of faults that are about the keys; others may help.
const OF_THE_KEYS: [&str; 6] = [
    "ExpiredTokenException",
    "ExpiredToken",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "IncompleteSignatureException",
];

impl Fault {
    /// Whether it has this name.
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Named { name, .. } if name == wanted)
    }

    /// What a fault means for a certificate that was asked for.
    pub(super) fn of_order(self, doing: &str) -> IssueError {
        match self {
            Self::Named { name, words } if OF_THE_REQUEST.contains(&name.as_str()) => {
                IssueError::Refused(format!("{name}: {words}"))
            }
            fault => fault.later(doing),
        }
    }

    /// For a call that says nothing about one certificate.
    pub(super) fn later(self, doing: &str) -> IssueError {
        let (why, after, unheard) = match self {
            Self::Later {
                why,
                after,
                unheard,
            } => (why, after, unheard),
            Self::Named { name, words } => {
                let hint = match name.as_str() {
                    "AccessDeniedException" => {
                        "; give scepd's role the actions that `scepd issuer role aws-pca` prints"
                    }
                    "ResourceNotFoundException" | "InvalidArnException" => {
                        "; correct aws_pca.ca_arn"
                    }
                    "InvalidStateException" => {
                        "; the CA must be ACTIVE: enable it, or renew its certificate"
                    }
                    "LimitExceededException" => {
                        "; a quota of the account is used up: have it raised"
                    }
                    name if OF_THE_KEYS.contains(&name) => {
                        "; see to the credentials and to this machine's clock"
                    }
                    _ => "",
                };
                let slower = matches!(
                    name.as_str(),
                    "ThrottlingException"
                        | "TooManyRequestsException"
                        | "ConcurrentModificationException"
                );
                (
                    format!("{name}: {words}{hint}"),
                    slower.then_some(SLOWER),
                    false,
                )
            }
        };
        IssueError::Again {
            why: format!("{doing}: {why}"),
            after,
            unheard,
        }
    }
}

impl Api {
    /// A call. Keys that are not taken are exchanged once.
    pub(super) async fn call(&self, action: &str, body: &Value) -> Result<Value, Fault> {
        let keys = self.keyring.keys().await.map_err(of_keys)?;
        let first = self.send(action, body, &keys).await;
        let Err(Fault::Named { name, .. }) = &first else {
            return first;
        };
        if !OF_THE_KEYS.contains(&name.as_str()) {
            return first;
        }
        self.keyring.refused(&keys).await;
        let keys = self.keyring.keys().await.map_err(of_keys)?;
        self.send(action, body, &keys).await
    }

    async fn send(&self, action: &str, body: &Value, keys: &Keys) -> Result<Value, Fault> {
        let octets = body.to_string().into_bytes();
        let target = format!("ACMPrivateCA.{action}");
        let host = match (self.url.host_str(), self.url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let signed = sign(
            &ToSign {
                host: &host,
                region: &self.region,
                service: SERVICE,
                headers: &[("content-type", JSON), ("x-amz-target", &target)],
                body: &octets,
                at: (self.clock)(),
            },
            keys,
        );
        let mut request = Request::post(self.url.clone())
            .body(JSON, octets)
            .header("x-amz-target", &target)
            .header("x-amz-date", &signed.date)
            .secret_header("authorization", &signed.authorization);
        if let Some(token) = &keys.session_token {
            request = request.secret_header("x-amz-security-token", token);
        }
        let response = self.client.send(request).await;
        let response = response.map_err(|error| Fault::Later {
            why: error.to_string(),
            after: None,
            unheard: error.may_have_arrived(),
        })?;
        match response.status() {
            200..=299 if response.body().is_empty() => Ok(Value::Null),
            200..=299 => response.json().map_err(|what| Fault::Later {
                why: format!("its answer cannot be read: {what}"),
                after: None,
                unheard: true,
            }),
            status => Err(of_status(status, &response)),
        }
    }
}

fn of_keys(error: IssueError) -> Fault {
    Fault::Later {
        why: error.to_string(),
        after: None,
        unheard: false,
    }
}

fn of_status(status: u16, response: &Response) -> Fault {
    let said: Option<Value> = response.json().ok();
    let text = |names: &[&str]| {
        let said = said.as_ref()?;
        names.iter().find_map(|name| said.get(*name)?.as_str())
    };
    let name = text(&["__type", "code"]).or_else(|| response.header("x-amzn-errortype"));
    // `com.amazonaws.acmpca#Name` in a body, `Name:http://...` in a header.
    let name = name.map(|name| {
        let name = name.rsplit('#').next().unwrap_or_default();
        name.split(':').next().unwrap_or_default()
    });
    let words = excerpt(text(&["message", "Message"]).unwrap_or_default());
    match (status, name) {
        (400..=499, Some(name)) => Fault::Named {
            name: excerpt(name),
            words,
        },
        (300..=399, _) => later(
            format!("it sends elsewhere (status {status}), which is not followed: correct `url`"),
            false,
        ),
        (429, _) => Fault::Later {
            why: "too many requests".to_owned(),
            after: Some(SLOWER),
            unheard: false,
        },
        // The certificate may have been ordered before that.
        (503, _) => later(format!("not available: {words}"), true),
        (500..=599, _) => later(format!("it failed with status {status}: {words}"), true),
        _ => later(format!("it answered with status {status}: {words}"), false),
    }
}

fn later(why: String, unheard: bool) -> Fault {
    Fault::Later {
        why,
        after: None,
        unheard,
    }
}
