//! CRLs, CA certificates and OCSP over plain http, on a listener of their own.
//!
//! OCSP answers have the status 200 whatever they say: clients take another status for a server that cannot be reached.

mod asked;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use ocsp::Refusal;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, EXPIRES, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use warp::path::FullPath;
use warp::reply::Response;

use super::Peer;
use super::origin::source;
use crate::publish::{Place, Publication, Publisher, Reply};

const CRL: &str = "application/pkix-crl";
const CERTIFICATE: &str = "application/pkix-cert";
const OCSP: &str = "application/ocsp-response";

/// How long an OCSP request may take to arrive. It fits into one packet.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that is published, and nothing else.
pub(crate) fn published(publication: Arc<Publication>) -> BoxedFilter<(Response,)> {
    warp::method()
        .and(warp::path::full())
        .and(warp::ext::get::<Peer>())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(
            move |method: Method, path: FullPath, peer: Peer, headers: HeaderMap, body| {
                let publication = Arc::clone(&publication);
                async move {
                    let asked = Asked {
                        publication: &publication,
                        method,
                        peer,
                        headers,
                    };
                    asked.answer(path.as_str(), body).await
                }
            },
        )
        .boxed()
}

struct Asked<'a> {
    publication: &'a Arc<Publication>,
    method: Method,
    peer: Peer,
    headers: HeaderMap,
}

/// A reply that caches may keep.
struct Cacheable<'a> {
    content_type: &'static str,
    body: &'a Bytes,
    etag: &'a str,
    since: DateTime<Utc>,
    /// From then on there is a newer one.
    until: Option<DateTime<Utc>>,
}

impl Asked<'_> {
    async fn answer<B, D, E>(&self, path: &str, body: B) -> Response
    where
        B: Stream<Item = Result<D, E>> + Send,
        D: Buf,
    {
        let publication = self.publication;
        match publication.find(path) {
            None => words(StatusCode::NOT_FOUND, "there is nothing at this URL\n"),
            Some(Place::Ocsp(publisher, rest)) => self.ocsp(&publisher, &rest, body).await,
            Some(_) if self.method != Method::GET && self.method != Method::HEAD => {
                let mut response = words(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD alone\n");
                let methods = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(ALLOW, methods);
                response
            }
            Some(Place::Crl(ca)) => match publication.crl(&ca) {
                Some(crl) => self.cacheable(&Cacheable {
                    content_type: CRL,
                    body: &crl.body,
                    etag: &crl.etag,
                    since: crl.since,
                    until: crl.until,
                }),
                None => words(StatusCode::NOT_FOUND, "there is no CRL of this CA\n"),
            },
            Some(Place::Certificate(ca)) => {
                let file = publication.certificate(&ca);
                self.cacheable(&Cacheable {
                    content_type: CERTIFICATE,
                    body: &file.body,
                    etag: &file.etag,
                    since: file.since,
                    until: None,
                })
            }
        }
    }

    async fn ocsp<B, D, E>(&self, publisher: &Publisher, rest: &str, body: B) -> Response
    where
        B: Stream<Item = Result<D, E>> + Send,
        D: Buf,
    {
        let by_get = self.method == Method::GET || self.method == Method::HEAD;
        let request = if by_get {
            asked::decode(rest)
        } else if self.method == Method::POST {
            read(body).await
        } else {
            let mut response = words(StatusCode::METHOD_NOT_ALLOWED, "GET and POST alone\n");
            let methods = HeaderValue::from_static("GET, HEAD, POST");
            response.headers_mut().insert(ALLOW, methods);
            return response;
        };
        let Some(request) = request else {
            return uncached(Bytes::copy_from_slice(&Refusal::MalformedRequest.der()));
        };
        let proxies = self.publication.trusted_proxies();
        let source = source(self.peer.address.ip(), &self.headers, &proxies);
        match self.publication.status(publisher, &request, source).await {
            Reply::Refused(refusal) => uncached(Bytes::copy_from_slice(&refusal.der())),
            Reply::Own(body) => uncached(body),
            Reply::Shared(signed) if by_get => self.cacheable(&Cacheable {
                content_type: OCSP,
                body: &signed.body,
                etag: &signed.etag,
                since: signed.this_update,
                until: Some(signed.refresh),
            }),
            Reply::Shared(signed) => uncached(signed.body.clone()),
        }
    }

    /// The reply, or that the client has it already (RFC 9110, section 13).
    fn cacheable(&self, reply: &Cacheable<'_>) -> Response {
        let now = self.publication.now();
        let most = self.publication.max_age();
        let left = reply
            .until
            .map(|until| (until - now).to_std().unwrap_or_default());
        let age = left.map_or(most, |left| left.min(most));
        let etag = format!("\"{}\"", reply.etag);
        let mut response = if self.has(&etag, reply.since) {
            let mut response = Response::new(Bytes::new().into());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(reply.body.clone().into());
            let kind = HeaderValue::from_static(reply.content_type);
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        };
        let age_seconds = age.as_secs();
        let control = format!("public, max-age={age_seconds}, no-transform, must-revalidate");
        for (name, text) in [
            (ETAG, etag),
            (LAST_MODIFIED, http_date(reply.since)),
            (DATE, http_date(now)),
            (EXPIRES, http_date(now + age)),
            (CACHE_CONTROL, control),
        ] {
            set(response.headers_mut(), name, &text);
        }
        response
    }

    fn has(&self, etag: &str, since: DateTime<Utc>) -> bool {
        let text = |name| {
            self.headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        if let Some(known) = text(IF_NONE_MATCH) {
            let mut known = known.split(',').map(str::trim);
            return known.any(|one| one == "*" || one.trim_start_matches("W/") == etag);
        }
        text(IF_MODIFIED_SINCE)
            .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
            .is_some_and(|known| since.timestamp() <= known.timestamp())
    }
}

/// The body of an OCSP request; `None` when it is longer than any is, or breaks off.
async fn read<B, D, E>(stream: B) -> Option<Vec<u8>>
where
    B: Stream<Item = Result<D, E>> + Send,
    D: Buf,
{
    let gathered = async {
        let mut octets = BytesMut::new();
        let mut stream = std::pin::pin!(stream);
        while let Some(chunk) = stream.next().await {
            let mut chunk = chunk.ok()?;
            if octets.len() + chunk.remaining() > ocsp::request::LONGEST {
                return None;
            }
            let length = chunk.remaining();
            octets.extend_from_slice(&chunk.copy_to_bytes(length));
        }
        Some(octets.to_vec())
    };
    tokio::time::timeout(PATIENCE, gathered).await.ok()?
}

/// An OCSP answer that is good for one client, or once.
fn uncached(body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCSP));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn words(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// IMF-fixdate (RFC 9110, section 5.6.7).
fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
