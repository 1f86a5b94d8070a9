//! The SCEP operations: GetCACaps, GetCACert, GetNextCACert and PKIOperation (RFC 8894 section 4),
//! in every spelling of URL and message that clients send.

use super::mtls;
use super::origin::origin;
use super::routes::Front;
use super::target::{self, Target};
use super::{Channel, Peer};
use actors::{Current, Outcome, PkiOperation};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use scep::get::{Query, decode_message};
use std::sync::Arc;
use std::time::Duration;
use warp::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::reply::Response;

/// What a SCEP request consists of.
pub(super) struct ScepRequest<B> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) peer: Peer,
    pub(super) body: B,
}

/// Whether SCEP answers this request: it names an operation, or is a POST to a profile's path.
pub(super) fn is_scep(method: &Method, path: &str, query: &str, channel: Channel) -> bool {
    let bare_get = method != Method::POST && Query::parse(query).operation.is_none();
    if bare_get && channel == Channel::Https && is_page(path) {
        return false;
    }
    target::target(path).is_some() || target::is_bare(path)
}

/// The page's own paths; a plain GET there is a browser's.
fn is_page(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/scep" | "/scep/intune")
}

/// Answers one SCEP request.
pub(super) async fn answer<B, D, E>(front: Arc<Front>, request: ScepRequest<B>) -> Response
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let target = match target::target(&request.path) {
        Some(target) => target,
        None if target::is_bare(&request.path) => Target {
            path_id: "",
            mtls: false,
        },
        None => {
            return words(
                StatusCode::NOT_FOUND,
                "there is no SCEP profile at this URL",
            );
        }
    };
    if target.mtls != (request.peer.channel == Channel::Mutual) {
        return words(
            StatusCode::NOT_FOUND,
            "this URL is not served on this listener",
        );
    }
    let Some(profile) = front.house.directory.find(target.path_id) else {
        return words(
            StatusCode::NOT_FOUND,
            "there is no SCEP profile at this URL",
        );
    };
    if target.mtls {
        let Some(anchors) = &profile.spec.mtls else {
            return words(StatusCode::NOT_FOUND, "mTLS is off on this profile");
        };
        if let Err(refusal) = mtls::check(
            &request.peer.certificates,
            anchors,
            front.house.services.clock.now(),
        ) {
            tracing::info!(profile = target.path_id, peer = %request.peer.address, %refusal, "mTLS refused");
            return words(StatusCode::UNAUTHORIZED, &refusal.to_string());
        }
    }
    let query = Query::parse(&request.query);
    match (&request.method, query.operation) {
        (&Method::GET, Some("GetCACaps")) => body("text/plain", profile.view.ca_caps.clone()),
        (&Method::GET, Some("GetCACert")) => ready(&profile.view.ca_cert),
        (&Method::GET, Some("GetNextCACert")) => match &profile.view.next_ca_cert {
            Some(next) => ready(next),
            None => words(StatusCode::NOT_FOUND, "there is no next CA certificate"),
        },
        (&Method::GET, Some("PKIOperation")) => {
            match decode_message(query.message.unwrap_or_default()) {
                Ok(message) => operate(&front, &profile, &request, Bytes::from(message)).await,
                Err(error) => words(
                    StatusCode::BAD_REQUEST,
                    &format!("the message parameter cannot be read: {error}"),
                ),
            }
        }
        (&Method::POST, Some("PKIOperation") | None | Some("")) => {
            let ScepRequest {
                method,
                path,
                query,
                headers,
                peer,
                body,
            } = request;
            match read(body, &headers, &front).await {
                Ok(message) => {
                    let request = ScepRequest {
                        method,
                        path,
                        query,
                        headers,
                        peer,
                        body: (),
                    };
                    operate(&front, &profile, &request, message).await
                }
                Err(refused) => *refused,
            }
        }
        (&Method::GET, None) => words(
            StatusCode::BAD_REQUEST,
            "the operation parameter is missing: GetCACaps, GetCACert, GetNextCACert or PKIOperation",
        ),
        (&Method::GET | &Method::POST, Some(_)) => words(
            StatusCode::BAD_REQUEST,
            "the operation is not one of GetCACaps, GetCACert, GetNextCACert and PKIOperation, or not possible with this method",
        ),
        _ => {
            let mut response = words(
                StatusCode::METHOD_NOT_ALLOWED,
                "SCEP is spoken by GET and POST",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, POST"));
            response
        }
    }
}

async fn operate<B>(
    front: &Front,
    profile: &Current,
    request: &ScepRequest<B>,
    message: Bytes,
) -> Response {
    let settings = front.settings.load();
    let origin = origin(&request.peer, &request.headers, &settings.trusted_proxies);
    if message.is_empty() {
        return words(StatusCode::BAD_REQUEST, "the request holds no PKIMessage");
    }
    let now = front.house.services.clock.instant();
    if !profile.gate.admits(origin.source, now) {
        return later(
            StatusCode::TOO_MANY_REQUESTS,
            Duration::from_secs(60),
            "too many requests; come again later",
        );
    }
    let asked = profile.actor.send(PkiOperation { message, origin });
    match tokio::time::timeout(settings.request_timeout, asked).await {
        Ok(Ok(Outcome::CertRep(octets))) => body(scep::content_type::PKI_MESSAGE, octets.into()),
        Ok(Ok(Outcome::Unreadable(reason))) => words(StatusCode::BAD_REQUEST, &reason),
        Ok(Ok(Outcome::Busy { retry_after })) => busy(retry_after),
        Ok(Ok(Outcome::TooManyGuesses)) => later(
            StatusCode::FORBIDDEN,
            Duration::from_secs(60),
            "too many wrong challenges from this address",
        ),
        // The actor died; its successor serves in a moment. Or it took too long: what it does is
        // finished, and the same request gets its stored answer.
        Ok(Err(_)) | Err(_) => busy(Duration::from_secs(1)),
    }
}

/// Reads a body within its limits of size and time.
async fn read<B, D, E>(
    stream: B,
    headers: &HeaderMap,
    front: &Front,
) -> Result<Bytes, Box<Response>>
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let settings = front.settings.load();
    let limit = settings.max_body_bytes;
    let too_large = || {
        let text = format!("the body is larger than {limit} bytes");
        Box::new(words(StatusCode::PAYLOAD_TOO_LARGE, &text))
    };
    let announced = headers
        .get(warp::http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let gathered = async {
        let mut octets = BytesMut::new();
        let mut stream = std::pin::pin!(stream);
        while let Some(chunk) = stream.next().await {
            let Ok(mut chunk) = chunk else {
                return Err(Box::new(words(
                    StatusCode::BAD_REQUEST,
                    "the body ended early",
                )));
            };
            if octets.len() + chunk.remaining() > limit {
                return Err(too_large());
            }
            while chunk.has_remaining() {
                let part = chunk.chunk();
                octets.extend_from_slice(part);
                let taken = part.len();
                chunk.advance(taken);
            }
        }
        Ok(octets.freeze())
    };
    match tokio::time::timeout(settings.body_timeout, gathered).await {
        Ok(read) => read,
        Err(_) => Err(Box::new(words(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long",
        ))),
    }
}

fn ready(ready: &actors::Body) -> Response {
    body(ready.content_type, ready.octets.clone())
}

fn body(content_type: &'static str, octets: Bytes) -> Response {
    let mut response = Response::new(octets.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn words(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(format!("{text}\n").into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn later(status: StatusCode, after: Duration, text: &str) -> Response {
    let mut response = words(status, text);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    response
}

fn busy(after: Duration) -> Response {
    later(
        StatusCode::SERVICE_UNAVAILABLE,
        after,
        "busy; come again in a moment",
    )
}
