//! What goes out: JSON, and errors that are told apart from what the log says.

use std::fmt;
use std::time::Duration;

use api::Endpoint;
use serde::Serialize;
use warp::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::http::{HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

use crate::auth::{Denied, Refused};
use crate::http::origin::tagged;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// What the caller is told.
    told: String,
    /// What only the log says.
    logged: Option<String>,
    extra: Extra,
}

/// What some statuses say in a header besides.
#[derive(Debug)]
enum Extra {
    None,
    /// `Allow`: methods.
    Allow(String),
    /// `Retry-After`: seconds.
    RetryAfter(u64),
    /// `WWW-Authenticate: Bearer`.
    Bearer,
}

impl Extra {
    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::None => None,
            Self::Allow(methods) => HeaderValue::try_from(methods)
                .ok()
                .map(|methods| (ALLOW, methods)),
            Self::RetryAfter(seconds) => Some((RETRY_AFTER, HeaderValue::from(seconds))),
            Self::Bearer => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        }
    }
}

impl Problem {
    fn new(status: StatusCode, told: impl Into<String>) -> Self {
        Self {
            status,
            told: told.into(),
            logged: None,
            extra: Extra::None,
        }
    }

    pub(super) fn bad_request(told: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, told)
    }

    pub(super) fn not_found(told: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, told)
    }

    pub(super) fn conflict(told: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, told)
    }

    pub(super) fn forbidden(told: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, told)
    }

    /// Come again later: there were too many.
    pub(super) fn too_many(told: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, told).retry_after(retry_after)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {limit} bytes"),
        )
    }

    pub(super) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )
    }

    pub(super) fn method_not_allowed(allowed: &[api::Method]) -> Self {
        let methods: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let methods = methods.join(", ");
        Self {
            extra: Extra::Allow(methods.clone()),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("this URL takes {methods} only"),
            )
        }
    }

    /// Come again after a moment.
    pub(super) fn busy(told: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, told).retry_after(retry_after)
    }

    /// The server's own fault: the caller is told where to look, the log why. For faults that the caller can do
    /// something about, see [`Problem::fault_told`].
    pub(super) fn fault(reason: impl fmt::Display) -> Self {
        let mut problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server could not do this; its log says why under this request id",
        );
        problem.logged = Some(reason.to_string());
        problem
    }

    /// A fault whose reason the caller is told.
    pub(super) fn fault_told(told: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, told)
    }

    fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait
            .as_secs()
            .saturating_add(u64::from(wait.subsec_nanos() > 0))
            .max(1);
        self.extra = Extra::RetryAfter(seconds);
        self
    }

    pub(super) fn logged(&self) -> Option<&str> {
        self.logged.as_deref()
    }

    pub(super) fn into_response(self, request_id: &str) -> Response {
        let body = api::ErrorReply {
            error: self.told,
            request_id: request_id.to_owned(),
        };
        let mut response = json(self.status, &body).unwrap_or_else(|_| Response::default());
        *response.status_mut() = self.status;
        if let Some((name, value)) = self.extra.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let told = refused.to_string();
        match refused {
            Refused::Missing | Refused::Bad | Refused::SessionEnded => Self {
                extra: Extra::Bearer,
                ..Self::new(StatusCode::UNAUTHORIZED, told)
            },
            Refused::Csrf | Refused::Denied(_) => Self::new(StatusCode::FORBIDDEN, told),
            Refused::TooMany { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, told).retry_after(retry_after)
            }
            Refused::NoSession => Self::fault(told),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::from(Refused::from(denied))
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        Self::fault(error)
    }
}

/// An operation's reply.
pub(super) fn ok<E: Endpoint>(value: &E::Reply) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(E::ROUTE.status).map_err(Problem::fault)?;
    json(status, value)
}

/// An operation's reply under another status than its own.
pub(super) fn with_status<E: Endpoint>(
    status: StatusCode,
    value: &E::Reply,
) -> Result<Response, Problem> {
    json(status, value)
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let text = serde_json::to_vec(value).map_err(Problem::fault)?;
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/json");
    Ok(response)
}

/// A reply of another type.
pub(super) fn file(content_type: &'static str, octets: impl Into<bytes::Bytes>) -> Response {
    let mut response = Response::new(octets.into().into());
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

/// Puts on what every reply carries.
pub(super) fn finish(mut response: Response, request_id: &str) -> Response {
    set(&mut response, CACHE_CONTROL, "no-store");
    set(
        &mut response,
        HeaderName::from_static("x-content-type-options"),
        "nosniff",
    );
    tagged(response, request_id)
}

/// For paths that a listener does not serve.
pub(super) fn nothing_here() -> Response {
    let request_id = crate::http::request_id();
    finish(
        Problem::not_found("there is nothing at this URL").into_response(&request_id),
        &request_id,
    )
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}
