//! What comes in: headers, query, body, path parameters.

use std::borrow::Cow;
use std::time::Duration;

use actors::Origin;
use api::Endpoint;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::error::Category;
use warp::http::header::{AUTHORIZATION, COOKIE};
use warp::http::{HeaderMap, Method};

use super::context::AdminContext;
use super::reply::Problem;
use crate::auth::{Presented, Refused, SignedIn};
use crate::http::origin::origin;
use crate::http::{Channel, Peer};
use challenge::json;

/// The largest body of an admin request, in bytes.
const LARGEST_BODY: usize = 64 * 1024;
/// The longest note, in characters.
const LONGEST_NOTE: usize = 1000;

/// A request as it arrived.
pub(super) struct Arrived {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) peer: Peer,
}

/// A request of which route, parameters and body are known, and not yet who sent it.
pub(super) struct Asked {
    /// The path's parameters, percent-decoded.
    pub(super) parameters: Vec<String>,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) origin: Origin,
    pub(super) changes: bool,
    pub(super) channel: Channel,
}

impl Arrived {
    pub(super) fn origin(&self, context: &AdminContext) -> Origin {
        origin(
            &self.peer,
            &self.headers,
            &context.config().server.trusted_proxies,
        )
    }
}

impl Asked {
    fn header(&self, name: impl warp::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of the session cookie.
    pub(super) fn cookie(&self) -> Option<&str> {
        self.headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(name, value)| (name == api::SESSION_COOKIE).then_some(value))
    }

    pub(super) fn presented(&self) -> Presented<'_> {
        Presented {
            authorization: self.header(AUTHORIZATION),
            cookie: self.cookie(),
            csrf: self.header(api::CSRF_HEADER),
            changes: self.changes,
        }
    }

    /// What the page sends: the cookie, whatever else is there.
    pub(super) fn presented_by_page(&self) -> Presented<'_> {
        Presented {
            authorization: None,
            ..self.presented()
        }
    }

    /// Finds out who sent it.
    pub(super) async fn sign_in(&self, context: &AdminContext) -> Result<SignedIn, Refused> {
        context.gate.sign_in(&self.presented(), &self.origin).await
    }

    /// The path's parameter at `index`.
    pub(super) fn parameter(&self, index: usize) -> Result<&str, Problem> {
        self.parameters
            .get(index)
            .map(String::as_str)
            .ok_or_else(|| Problem::fault("a path parameter is missing"))
    }

    /// The operation's query. Parameters that are given and empty count as absent, as forms send them, but for `profile`:
    /// that is the root profile.
    pub(super) fn query<E: Endpoint>(&self) -> Result<E::Query, Problem> {
        let unreadable = |error: serde_urlencoded::de::Error| {
            Problem::bad_request(format!("the query cannot be read: {error}"))
        };
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(&self.query).map_err(unreadable)?;
        let kept: Vec<(String, String)> = pairs
            .into_iter()
            .filter(|(name, value)| !value.is_empty() || name == "profile")
            .collect();
        let text = serde_urlencoded::to_string(kept).map_err(Problem::fault)?;
        serde_urlencoded::from_str(&text).map_err(unreadable)
    }

    /// The operation's body: a JSON object without nulls, as what is absent is left out.
    pub(super) fn body<E: Endpoint>(&self) -> Result<E::Body, Problem> {
        // serde's own words may quote values, and a value may be a secret.
        let unreadable = |error: serde_json::Error| {
            Problem::bad_request(match error.classify() {
                Category::Data => {
                    "the body must be a JSON object that names no member twice".to_owned()
                }
                _ => format!(
                    "the body is no JSON: line {}, column {}",
                    error.line(),
                    error.column()
                ),
            })
        };
        let members = json::object(&self.body).map_err(unreadable)?;
        if members.values().any(Value::is_null) {
            return Err(Problem::bad_request(
                "a member of the body is null; leave it out instead",
            ));
        }
        serde_json::from_value(Value::Object(members)).map_err(|_| {
            Problem::bad_request("the body does not have the members that this route takes; see /api/v1/openapi.yaml")
        })
    }

    /// The operation's body; an empty one is the default.
    pub(super) fn body_or_default<E>(&self) -> Result<E::Body, Problem>
    where
        E: Endpoint<Body: Default>,
    {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            Ok(E::Body::default())
        } else {
            self.body::<E>()
        }
    }
}

/// Page and rows on it, within their bounds.
pub(super) fn page(page: Option<u32>, per_page: Option<u32>) -> Result<(u32, u32), Problem> {
    let page = page.unwrap_or(1);
    let per_page = per_page.unwrap_or(api::DEFAULT_PER_PAGE);
    if page == 0 || i32::try_from(page).is_err() {
        return Err(Problem::bad_request(format!(
            "page must be 1 to {}",
            i32::MAX
        )));
    }
    if !(1..=api::MAX_PER_PAGE).contains(&per_page) {
        return Err(Problem::bad_request(format!(
            "per_page must be 1 to {}",
            api::MAX_PER_PAGE
        )));
    }
    Ok((page, per_page))
}

/// An operator's note: not too long, nothing where it says nothing.
pub(super) fn note(note: Option<String>) -> Result<Option<String>, Problem> {
    match note
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
    {
        Some(text) if text.chars().count() > LONGEST_NOTE => Err(Problem::bad_request(format!(
            "a note has at most {LONGEST_NOTE} characters"
        ))),
        note => Ok(note),
    }
}

/// Reads a body within its limits of size and time.
pub(super) async fn read<B, D, E>(body: B, patience: Duration) -> Result<Bytes, Problem>
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let gather = async {
        let mut body = std::pin::pin!(body);
        let mut gathered = BytesMut::new();
        while let Some(piece) = body.next().await {
            let mut piece =
                piece.map_err(|_| Problem::bad_request("the body did not arrive whole"))?;
            if gathered.len().saturating_add(piece.remaining()) > LARGEST_BODY {
                return Err(Problem::too_large(LARGEST_BODY));
            }
            let length = piece.remaining();
            gathered.extend_from_slice(&piece.copy_to_bytes(length));
        }
        Ok(gathered.freeze())
    };
    tokio::time::timeout(patience, gather)
        .await
        .unwrap_or_else(|_| Err(Problem::too_slow()))
}

/// A path segment without its percent escapes; as it is where they make no UTF-8.
pub(super) fn decoded(segment: &str) -> String {
    let text = percent_decode_str(segment).decode_utf8();
    text.map_or_else(|_| segment.to_owned(), Cow::into_owned)
}

/// Runs what blocks on memory or disk off the async threads.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Problem> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Problem::fault(error)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn escapes_are_decoded_and_stray_ones_stay() {
        for (segment, text) in [
            ("corp.00ff", "corp.00ff"),
            ("a%2Fb%20c", "a/b c"),
            ("%", "%"),
            ("%2", "%2"),
            ("%zz", "%zz"),
            ("%ff", "%ff"),
            ("%C3%A9", "é"),
        ] {
            assert_eq!(decoded(segment), text, "{segment}");
        }
    }

    #[test]
    fn pages_are_bounded() {
        assert_eq!(page(None, None).unwrap(), (1, 50));
        assert_eq!(page(Some(3), Some(500)).unwrap(), (3, 500));
        for (number, rows) in [(0, 50), (1 << 31, 50), (1, 0), (1, 501)] {
            assert!(page(Some(number), Some(rows)).is_err(), "{number} {rows}");
        }
    }

    #[test]
    fn notes_are_trimmed_and_bounded() {
        assert_eq!(note(Some("  ".to_owned())).unwrap(), None);
        assert_eq!(
            note(Some(" stolen ".to_owned())).unwrap().as_deref(),
            Some("stolen")
        );
        assert!(note(Some("x".repeat(1000))).is_ok());
        assert!(note(Some("x".repeat(1001))).is_err());
    }
}
