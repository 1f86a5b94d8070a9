//! Listeners, HTTP, and what happens to a call between its first and its last octet.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::clock::{Clock, http_date};
use crate::fault::Fault;
use crate::message::{Answer, Operation, Request, Service};
use crate::text::guid;
use crate::world::{ROLES, World};
use crate::{control, entra, graph, identity, revocation, scep, token};

/// The largest request body, in octets.
const LARGEST: usize = 8 * 1024 * 1024;

/// What all connections share.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: Clock,
    changes: watch::Sender<u64>,
    releases: watch::Sender<u64>,
    tls: Option<TlsAcceptor>,
}

impl Shared {
    pub(crate) fn new(world: World, clock: Clock, tls: Option<TlsAcceptor>) -> Self {
        Self {
            world: Mutex::new(world),
            clock,
            changes: watch::Sender::new(0),
            releases: watch::Sender::new(0),
            tls,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn note(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Lets all calls that are held go on.
    pub(crate) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }
}

/// Who listens on a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listens {
    /// One service, over TLS where there is TLS.
    Service(Service),
    /// The metadata services, which speak plain HTTP everywhere.
    Metadata,
    /// The proxy.
    Proxy,
}

/// Accepts connections for ever.
pub(crate) async fn listen(shared: Arc<Shared>, socket: TcpListener, who: Listens) {
    // The only way out is the end of the task.
    while let Ok((stream, _)) = socket.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            match (who, &shared.tls) {
                (Listens::Service(service), Some(tls)) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        speak(&shared, stream, Some(service), "https", false).await;
                    }
                }
                (Listens::Service(service), None) => {
                    speak(&shared, stream, Some(service), "http", false).await;
                }
                (Listens::Metadata, _) => {
                    speak(&shared, stream, Some(Service::Metadata), "http", false).await;
                }
                (Listens::Proxy, _) => speak(&shared, stream, None, "http", true).await,
            }
        });
    }
}

type Connection<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Serves one connection; boxed, as a proxy's connection carries another one.
fn speak<'a, S>(
    shared: &'a Arc<Shared>,
    stream: S,
    service: Option<Service>,
    scheme: &'static str,
    proxied: bool,
) -> Connection<'a>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let serve = service_fn(move |request: hyper::Request<Incoming>| async move {
        if request.method() == Method::CONNECT {
            return Ok(tunnel(Arc::clone(shared), request));
        }
        let host = request
            .uri()
            .authority()
            .map(ToString::to_string)
            .or_else(|| {
                let host = request.headers().get("host")?;
                host.to_str().ok().map(str::to_owned)
            })
            .unwrap_or_default();
        let service = service.unwrap_or_else(|| shared.service_of(&host));
        let base = format!("{scheme}://{host}");
        let request = read(request, service, base, proxied).await?;
        respond(shared, request).await
    });
    Box::pin(async move {
        // A connection that ends early is the point of several faults.
        let _ = hyper::server::conn::http1::Builder::new()
            .max_buf_size(1024 * 1024)
            .serve_connection(TokioIo::new(stream), serve)
            .with_upgrades()
            .await;
    })
}

/// Takes a CONNECT: whatever its target is, what follows is answered here.
fn tunnel(shared: Arc<Shared>, request: hyper::Request<Incoming>) -> Response<Reply> {
    let host = request.uri().to_string();
    let service = shared.service_of(&host);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let stream = TokioIo::new(upgraded);
        if let Some(tls) = &shared.tls {
            if let Ok(stream) = tls.accept(stream).await {
                speak(&shared, stream, Some(service), "https", true).await;
            }
        } else {
            speak(&shared, stream, Some(service), "http", true).await;
        }
    });
    Response::new(Reply::whole(Bytes::new()))
}

impl Shared {
    /// Whose part a host and port name: one of the fake's own, or Microsoft's.
    fn service_of(&self, host: &str) -> Service {
        let world = self.world();
        let urls = &world.urls;
        let own = [
            (&urls.entra, Service::Entra),
            (&urls.graph, Service::Graph),
            (&urls.intune, Service::Intune),
            (&urls.metadata, Service::Metadata),
        ];
        if let Some((_, service)) = own
            .iter()
            .find(|(url, _)| url.ends_with(&format!("//{host}")))
        {
            return *service;
        }
        let name = host.split(':').next().unwrap_or_default();
        if name.starts_with("login.") {
            Service::Entra
        } else if name.contains("graph.") {
            Service::Graph
        } else if name.contains(".manage.microsoft") {
            Service::Intune
        } else {
            Service::Thief
        }
    }
}

async fn read(
    request: hyper::Request<Incoming>,
    service: Service,
    base: String,
    proxied: bool,
) -> io::Result<Request> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST)
        .collect()
        .await
        .map_err(|error| io::Error::other(error.to_string()))?
        .to_bytes();
    let target = head
        .uri
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let (path, query) = split(&target);
    Ok(Request {
        service,
        method: head.method,
        path,
        query,
        target,
        base,
        headers: head.headers,
        body,
        proxied,
        batched: false,
    })
}

/// A target's path without percent-encoding, and its query.
pub(crate) fn split(target: &str) -> (String, Vec<(String, String)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut octets = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%');
        let decoded = pair.and_then(|pair| hex::decode(pair).ok());
        match decoded.as_deref() {
            Some([octet]) => {
                octets.push(*octet);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    let query = serde_urlencoded::from_str(query).unwrap_or_default();
    (String::from_utf8_lossy(&octets).into_owned(), query)
}

/// Answers a request, or ends its connection by an error.
async fn respond(shared: &Shared, request: Request) -> io::Result<Response<Reply>> {
    if request.path.starts_with("/__control") {
        let answer = control::answer(shared, &request).await;
        return Ok(response(&answer, false, shared.clock.now()));
    }
    let now = shared.clock.now();
    let (id, faults) = {
        let mut world = shared.world();
        let faults = world
            .script
            .take(request.operation(), &request.target, &request.body);
        (world.journal.begin(&request, &faults, now), faults)
    };
    let mut underway = Underway {
        shared,
        id,
        answer: None,
    };
    shared.note();
    let cut = || Err(io::Error::other("scripted"));
    if faults.contains(&Fault::CutBefore) {
        return cut();
    }
    if faults.contains(&Fault::Silent) {
        return std::future::pending().await;
    }
    let mut releases = shared.releases.subscribe();
    releases.mark_unchanged();
    let answer = work(shared, id, &request, &faults, now);
    for fault in &faults {
        match fault {
            Fault::Slow { milliseconds } => {
                tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
            }
            Fault::Held => {
                // The sender lives as long as the fake.
                let _ = releases.changed().await;
            }
            _ => {}
        }
    }
    if faults.contains(&Fault::CutAfter) {
        return cut();
    }
    let halfway = faults.contains(&Fault::CutHalfway);
    let response = response(&answer, halfway, now);
    underway.answer = Some(answer);
    Ok(response)
}

/// A call that has begun; its end is noted, whatever it is.
struct Underway<'a> {
    shared: &'a Shared,
    id: u64,
    answer: Option<Answer>,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut world = self.shared.world();
        world.journal.end(self.id, self.answer.as_ref());
        drop(world);
        self.shared.note();
    }
}

/// What is answered, and everything that changes by it.
fn work(shared: &Shared, id: u64, request: &Request, faults: &[Fault], now: i64) -> Answer {
    let mut world = shared.world();
    let scripted = faults.iter().find_map(Fault::instead);
    let processed = scripted.is_none();
    let mut answer = match scripted {
        Some(answer) => answer,
        None if request.operation() == Operation::Batch => batch(&mut world, request, now),
        None => handle(&mut world, request, faults, now),
    };
    if processed {
        world.journal.processed(id, &answer);
    }
    for fault in faults {
        fault.spoil(&mut answer);
    }
    if request.operation() == Operation::Token {
        entra::date(&mut answer, now);
    }
    answer
}

fn handle(world: &mut World, request: &Request, faults: &[Fault], now: i64) -> Answer {
    match request.operation() {
        Operation::Token => entra::answer(world, request, faults, now),
        Operation::ManagedIdentity => identity::answer(world, request, faults, now),
        Operation::ValidateRequest
        | Operation::SuccessNotification
        | Operation::FailureNotification => scep::answer(world, request, now),
        Operation::DownloadRevocationRequests | Operation::UploadRevocationResults => {
            revocation::answer(world, request, now)
        }
        Operation::Other => {
            Answer::error(404, "NotFound", "There is nothing here.").problem(format!(
                "{} {} is nothing of Microsoft's",
                request.method, request.path
            ))
        }
        _ => graph::answer(world, request, faults, now),
    }
}

fn batch(world: &mut World, request: &Request, now: i64) -> Answer {
    let judged = token::judge(world, request, token::Resource::Graph, &ROLES, now);
    if let Err(answer) = judged
        && answer.status == 401
    {
        return answer;
    }
    let questions = match graph::questions(request) {
        Ok(questions) => questions,
        Err(answer) => return answer,
    };
    let mut responses: Vec<Value> = Vec::new();
    let mut tenant = None;
    for (id, question) in questions {
        let operation = question.operation();
        let faults = world.script.take(operation, &question.target, &[]);
        let call = world.journal.begin(&question, &faults, now);
        let mut answer = match faults.iter().find_map(Fault::instead) {
            Some(answer) => answer,
            None => {
                let answer = graph::answer(world, &question, &faults, now);
                world.journal.processed(call, &answer);
                answer
            }
        };
        for fault in &faults {
            fault.spoil(&mut answer);
        }
        world.journal.end(call, Some(&answer));
        tenant = tenant.or_else(|| answer.tenant.clone());
        responses.push(graph::batched(&id, &answer));
    }
    // The order is not promised.
    responses.reverse();
    let mut answer = Answer::json(200, &json!({"responses": responses}));
    answer.tenant = tenant;
    answer
}

fn response(answer: &Answer, halfway: bool, now: i64) -> Response<Reply> {
    let body = Bytes::from(answer.body.clone());
    let length = body.len();
    let reply = if halfway {
        Reply {
            data: Some(body.slice(..length / 2)),
            broken: true,
            paused: false,
        }
    } else {
        Reply::whole(body)
    };
    let mut builder = Response::builder()
        .status(answer.status)
        .header("date", http_date(now))
        .header("request-id", guid())
        .header("content-length", length);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    // A header that a test scripted may be impossible.
    builder.body(reply).unwrap_or_else(|_| {
        let mut response = Response::new(Reply::whole(Bytes::new()));
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// A body that may break in its middle.
struct Reply {
    data: Option<Bytes>,
    broken: bool,
    /// What came before the break was left to be sent.
    paused: bool,
}

impl Reply {
    fn whole(data: Bytes) -> Self {
        Self {
            data: Some(data),
            broken: false,
            paused: false,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = match self.data.take() {
            Some(data) => Some(Ok(Frame::data(data))),
            None if self.broken && !self.paused => {
                self.paused = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            None if self.broken => Some(Err(io::Error::other("scripted"))),
            None => None,
        };
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        !self.broken && self.data.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.data {
            Some(data) if !self.broken => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn targets_are_split_and_decoded() {
        let (path, query) = split("/v1.0/%24batch?$filter=a%20eq%20%27b%27&x=1+2");
        assert_eq!(path, "/v1.0/$batch");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query, [pair("$filter", "a eq 'b'"), pair("x", "1 2")]);
        assert_eq!(split("/50%").0, "/50%");
    }
}
