//! The SCEP operations: GetCACaps, GetCACert, GetNextCACert and PKIOperation (RFC 8894 section 4),
//! in every spelling of URL and message that clients send.

use super::mtls::{self, MtlsRefusal};
use super::origin::{origin, tagged};
use super::routes::Front;
use super::target::{self, Target};
use super::visit::Visit;
use super::{Channel, Peer};
use crate::config::nearest;
use actors::{Current, Operation, Origin, Outcome, PkiOperation, RequestResult};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use scep::get::{Query, decode_message, message_length};
use std::sync::Arc;
use std::time::Duration;
use warp::http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
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

/// Whether SCEP answers this request. On listeners that serve nothing else it answers all of them; on https those to a
/// profile's path, but for the page's, and those that name an operation.
pub(super) fn is_scep(method: &Method, path: &str, query: &str, channel: Channel) -> bool {
    if channel != Channel::Https {
        return true;
    }
    let operation = Query::parse(query).operation;
    if target::target(path).is_some() || target::is_bare(path) {
        return *method == Method::POST || operation.is_some() || !is_page(path);
    }
    operation.is_some_and(|name| OPERATIONS.contains(&name))
}

/// The operations of RFC 8894.
const OPERATIONS: [&str; 4] = ["GetCACaps", "GetCACert", "GetNextCACert", "PKIOperation"];

/// The page's own paths; a plain GET there is a browser's.
fn is_page(path: &str) -> bool {
    matches!(path.trim_end_matches('/'), "/scep" | "/scep/intune")
}

/// Answers one SCEP request, counts it when it is one of a profile's, and says what became of it.
pub(super) async fn answer<B, D, E>(front: Arc<Front>, request: ScepRequest<B>) -> Response
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let origin = origin(
        &request.peer,
        &request.headers,
        &front.settings.load().trusted_proxies,
    );
    let operation = operation_of(&request);
    let mut visit = Visit::new(&front, &request, &origin, operation);
    let response = if request.peer.seat.for_scep().await {
        match profile_of(&front, &request) {
            Ok(profile) => {
                let counting = profile.requests.begin(operation);
                visit.profile = Some(Arc::clone(&profile));
                let answered = of_profile(&front, &profile, request, origin).await;
                let operation = answered.operation.unwrap_or(operation);
                counting.end(operation, answered.result);
                visit.operation = operation.as_str();
                visit.outcome = answered.result.as_str();
                visit.transaction_id = answered.transaction_id;
                answered.response
            }
            Err(nothing) => {
                visit.outcome = RequestResult::NotFound.as_str();
                visit.nearest = nothing.nearest(&front);
                words(StatusCode::NOT_FOUND, nothing.words())
            }
        }
    } else {
        // Its place is one of those kept for the admin side.
        visit.outcome = RequestResult::Shed.as_str();
        let mut response = busy(Duration::from_secs(5));
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
        response
    };
    visit.status = Some(response.status().as_u16());
    tagged(response, &visit.request_id)
}

/// What a profile answers a request, and how metrics call that.
struct Answered {
    /// What it was about, where the actor has found that out.
    operation: Option<Operation>,
    transaction_id: Option<String>,
    result: RequestResult,
    response: Response,
}

impl Answered {
    fn new(result: RequestResult, response: Response) -> Self {
        Self {
            operation: None,
            transaction_id: None,
            result,
            response,
        }
    }

    fn bad_request(text: &str) -> Self {
        Self::new(
            RequestResult::Unreadable,
            words(StatusCode::BAD_REQUEST, text),
        )
    }

    fn unauthenticated(text: &str) -> Self {
        let response = words(StatusCode::UNAUTHORIZED, text);
        Self::new(RequestResult::Unauthenticated, response)
    }

    /// The last answer on its connection: what is left of the request's body is not read as
    /// another request.
    fn last(mut self) -> Self {
        let close = HeaderValue::from_static("close");
        self.response.headers_mut().insert(CONNECTION, close);
        self
    }
}

/// Why no profile serves a request.
enum Nothing {
    /// There is none with this path id.
    Unknown(String),
    /// The URL is none of a profile.
    Elsewhere,
    OtherListener,
    NoMtls,
}

impl Nothing {
    fn words(&self) -> &'static str {
        match self {
            Self::Unknown(_) | Self::Elsewhere => "there is no SCEP profile at this URL",
            Self::OtherListener => "this URL is not served on this listener",
            Self::NoMtls => "mTLS is off on this profile",
        }
    }

    /// The profile that may have been meant. Not for the client: it would tell which there are.
    fn nearest(&self, front: &Front) -> Option<String> {
        let Self::Unknown(path_id) = self else {
            return None;
        };
        // What a profile was called before it was renamed.
        if let Some(renamed) = front.runtime.directory.find_by_any_name(path_id) {
            return Some(renamed.spec.path_id.clone());
        }
        let profiles = front.runtime.directory.all();
        let mut all = profiles.keys().map(String::as_str);
        if path_id.is_empty() {
            // The root profile's URL where there is none: only one can have been meant.
            let only = all.next().filter(|_| all.next().is_none());
            return only.map(str::to_owned);
        }
        nearest(all, path_id)
    }
}

/// The profile that serves this URL on this listener, or why there is none.
fn profile_of<B>(front: &Front, request: &ScepRequest<B>) -> Result<Arc<Current>, Nothing> {
    let target = match target::target(&request.path) {
        Some(target) => target,
        None if target::is_bare(&request.path) => Target {
            path_id: "",
            mtls: false,
        },
        None => {
            return Err(match target::meant(&request.path) {
                Some(path_id) => Nothing::Unknown(path_id.to_ascii_lowercase()),
                None => Nothing::Elsewhere,
            });
        }
    };
    if target.mtls != (request.peer.channel == Channel::Mutual) {
        return Err(Nothing::OtherListener);
    }
    let profile = front
        .runtime
        .directory
        .find(target.path_id)
        .ok_or_else(|| Nothing::Unknown(target.path_id.to_owned()))?;
    if target.mtls && profile.spec.mtls.is_none() {
        return Err(Nothing::NoMtls);
    }
    Ok(profile)
}

/// What a request asks for, as far as its URL says that.
fn operation_of<B>(request: &ScepRequest<B>) -> Operation {
    match (&request.method, Query::parse(&request.query).operation) {
        (&Method::GET | &Method::HEAD, Some("GetCACaps")) => Operation::GetCaCaps,
        (&Method::GET | &Method::HEAD, Some("GetCACert")) => Operation::GetCaCert,
        (&Method::GET | &Method::HEAD, Some("GetNextCACert")) => Operation::GetNextCaCert,
        (&Method::GET | &Method::POST, Some("PKIOperation")) | (&Method::POST, None | Some("")) => {
            Operation::PkiOperation
        }
        _ => Operation::Other,
    }
}

async fn of_profile<B, D, E>(
    front: &Front,
    profile: &Current,
    request: ScepRequest<B>,
    origin: Origin,
) -> Answered
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    if let Err(refusal) = admitted(front, profile, &request.peer).await {
        tracing::info!(
            profile = profile.spec.path_id,
            request_id = origin.request_id,
            source = %origin.source,
            %refusal,
            "mTLS refused"
        );
        return match refusal {
            MtlsRefusal::Unavailable(_) => {
                Answered::new(RequestResult::Busy, busy(Duration::from_secs(5)))
            }
            refusal => Answered::unauthenticated(&refusal.to_string()),
        };
    }
    let query = Query::parse(&request.query);
    // HEAD is answered as GET; hyper leaves the body out.
    match (&request.method, query.operation) {
        (&Method::GET | &Method::HEAD, Some("GetCACaps")) => Answered::new(
            RequestResult::Success,
            body("text/plain", profile.view.ca_caps.clone()),
        ),
        (&Method::GET | &Method::HEAD, Some("GetCACert")) => {
            Answered::new(RequestResult::Success, ready(&profile.view.ca_cert))
        }
        (&Method::GET | &Method::HEAD, Some("GetNextCACert")) => match &profile.view.next_ca_cert {
            Some(next) => Answered::new(RequestResult::Success, ready(next)),
            None => Answered::new(
                RequestResult::NotFound,
                words(StatusCode::NOT_FOUND, "there is no next CA certificate"),
            ),
        },
        (&Method::GET, Some("PKIOperation")) => {
            match decode_message(query.message.unwrap_or_default()) {
                Ok(message) => operate(front, profile, Bytes::from(message), origin).await,
                Err(error) => {
                    Answered::bad_request(&format!("the message parameter cannot be read: {error}"))
                }
            }
        }
        (&Method::POST, Some("PKIOperation") | None | Some("")) => {
            match read(request.body, &request.headers, front).await {
                Ok(message) => operate(front, profile, message, origin).await,
                Err(refused) => refused.last(),
            }
        }
        (&Method::GET | &Method::HEAD, None) => Answered::bad_request(
            "the operation parameter is missing: GetCACaps, GetCACert, GetNextCACert or PKIOperation",
        ),
        // A message is not sent by HEAD.
        (method, Some(name))
            if matches!(*method, Method::GET | Method::POST)
                || (*method == Method::HEAD && name != "PKIOperation") =>
        {
            Answered::bad_request(
                "the operation is not one of GetCACaps, GetCACert, GetNextCACert and PKIOperation, or not possible with this method",
            )
        }
        _ => {
            let mut response = words(
                StatusCode::METHOD_NOT_ALLOWED,
                "SCEP is spoken by GET and POST",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            Answered::new(RequestResult::MethodNotAllowed, response)
        }
    }
}

/// Whether the connection is one on which this profile is served.
async fn admitted(front: &Front, profile: &Current, peer: &Peer) -> Result<(), MtlsRefusal> {
    if peer.channel == Channel::Mutual {
        let anchors = profile.spec.mtls.as_deref().unwrap_or_default();
        let now = front.runtime.services.clock.now();
        mtls::check(&peer.certificates, anchors, now)?;
        return mtls::not_revoked(&front.runtime, &peer.certificates).await;
    }
    if profile.spec.mtls_required {
        return Err(MtlsRefusal::Required(profile.spec.path_id.clone()));
    }
    Ok(())
}

async fn operate(front: &Front, profile: &Current, message: Bytes, origin: Origin) -> Answered {
    let message = message.slice(..message_length(&message));
    if message.is_empty() {
        return Answered::bad_request("the request holds no PKIMessage");
    }
    let now = front.runtime.services.clock.instant();
    if !profile.gate.admits(origin.source, now) {
        return Answered::new(
            RequestResult::Limited,
            later(
                StatusCode::TOO_MANY_REQUESTS,
                Duration::from_secs(60),
                "too many requests; come again later",
            ),
        );
    }
    let asked = profile.actor.send(PkiOperation { message, origin });
    let patience = front.settings.load().request_timeout;
    // The actor died; its successor serves in a moment. Or it took too long: what it does is
    // finished, and the same request gets its stored answer.
    let Ok(Ok(served)) = tokio::time::timeout(patience, asked).await else {
        return Answered::new(RequestResult::Busy, busy(Duration::from_secs(1)));
    };
    let response = match served.outcome {
        Outcome::CertRep(octets) => body(scep::content_type::PKI_MESSAGE, octets.into()),
        Outcome::Unreadable(reason) => words(StatusCode::BAD_REQUEST, &reason),
        Outcome::Busy { retry_after } => busy(retry_after),
        Outcome::Full { retry_after } => later(
            StatusCode::SERVICE_UNAVAILABLE,
            retry_after,
            "as many requests wait for an admin's approval as may, in all or from your address; come again later",
        ),
        Outcome::TooManyFailures => later(
            StatusCode::FORBIDDEN,
            Duration::from_secs(60),
            "too many wrong challenges from this address",
        ),
    };
    Answered {
        operation: Some(served.operation),
        transaction_id: served.transaction_id,
        result: served.result,
        response,
    }
}

/// Reads a body within its limits of size and time.
async fn read<B, D, E>(
    stream: B,
    headers: &HeaderMap,
    front: &Front,
) -> Result<Bytes, Box<Answered>>
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let settings = front.settings.load();
    let limit = settings.max_body_bytes;
    let too_large = || {
        let text = format!("the body is larger than {limit} bytes");
        Box::new(Answered::new(
            RequestResult::TooLarge,
            words(StatusCode::PAYLOAD_TOO_LARGE, &text),
        ))
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
                return Err(Box::new(Answered::bad_request("the body ended early")));
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
        Err(_) => Err(Box::new(Answered::new(
            RequestResult::TooSlow,
            words(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
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
