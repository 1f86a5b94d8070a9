//! Listeners, HTTP, and what happens to a call between its first and its last octet.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::clock::{Clock, http_date};
use crate::control;
use crate::fault::Fault;
use crate::message::{Answer, Listener, Request};
use crate::text::unescaped;
use crate::world::World;

/// The largest request body, in octets.
const LARGEST: usize = 8 * 1024 * 1024;

/// What all connections share.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: Clock,
    changes: watch::Sender<u64>,
    releases: watch::Sender<u64>,
    tls: TlsAcceptor,
}

impl Shared {
    pub(crate) fn new(world: World, clock: Clock, tls: TlsAcceptor) -> Self {
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

/// Accepts connections for ever.
pub(crate) async fn listen(shared: Arc<Shared>, socket: TcpListener, who: Listener) {
    // The only way out is the end of the task.
    while let Ok((stream, _)) = socket.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            if who == Listener::Metadata {
                speak(&shared, stream, who, None).await;
            } else if let Ok(stream) = shared.tls.accept(stream).await {
                let client = stream.get_ref().1.peer_certificates();
                let client = client.and_then(|chain| Some(chain.first()?.to_vec()));
                speak(&shared, stream, who, client).await;
            }
        });
    }
}

/// Serves one connection.
async fn speak<S>(shared: &Shared, stream: S, listener: Listener, client: Option<Vec<u8>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = &client;
    let serve = service_fn(move |request: hyper::Request<Incoming>| async move {
        let request = read(request, listener, client.clone()).await?;
        respond(shared, request).await
    });
    // A connection that ends early is the point of several faults.
    let _ = hyper::server::conn::http1::Builder::new()
        .max_buf_size(1024 * 1024)
        .serve_connection(TokioIo::new(stream), serve)
        .await;
}

async fn read(
    request: hyper::Request<Incoming>,
    listener: Listener,
    client: Option<Vec<u8>>,
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
    let (parts, query) = split(&target);
    Ok(Request {
        listener,
        method: head.method,
        parts,
        query,
        target,
        headers: head.headers,
        body,
        client,
    })
}

/// The parts of a target's path without percent-encoding, and its query.
pub(crate) fn split(target: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts = path.split('/').filter(|part| !part.is_empty());
    let query = serde_urlencoded::from_str(query).unwrap_or_default();
    (parts.map(unescaped).collect(), query)
}

/// Answers a request, or ends its connection by an error.
async fn respond(shared: &Shared, request: Request) -> io::Result<Response<Reply>> {
    let now = shared.clock.now();
    if request
        .parts
        .first()
        .is_some_and(|part| part == "__control")
    {
        let answer = control::answer(shared, &request).await;
        return Ok(response(&answer, false, now));
    }
    let (id, faults) = {
        let mut world = shared.world();
        let operation = world.operation(&request);
        let faults = world.script.take(operation, &request.target, &request.body);
        let id = world.journal.begin(&request, operation, &faults, now);
        (id, faults)
    };
    let mut underway = Underway {
        shared,
        id,
        status: None,
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
    underway.status = Some(answer.status);
    Ok(response(&answer, halfway, now))
}

/// A call that has begun; its end is noted, whatever it is.
struct Underway<'a> {
    shared: &'a Shared,
    id: u64,
    status: Option<u16>,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut world = self.shared.world();
        world.journal.end(self.id, self.status);
        drop(world);
        self.shared.note();
    }
}

/// What is answered, and everything that changes by it.
fn work(shared: &Shared, id: u64, request: &Request, faults: &[Fault], now: i64) -> Answer {
    let mut world = shared.world();
    let instead = faults
        .iter()
        .find_map(|fault| fault.instead(&world, request));
    if let Some(answer) = instead {
        return answer;
    }
    world.faults = faults.to_vec();
    let mut answer = world.handle(request, now);
    world.faults.clear();
    world.journal.processed(id, &answer);
    for fault in faults {
        fault.spoil(&mut answer, &world);
    }
    answer
}

fn response(answer: &Answer, halfway: bool, now: i64) -> Response<Reply> {
    let body = Bytes::from(answer.body.clone());
    let length = body.len();
    let reply = Reply {
        data: Some(if halfway {
            body.slice(..length / 2)
        } else {
            body
        }),
        broken: halfway,
        paused: false,
    };
    let mut builder = Response::builder()
        .status(answer.status)
        .header("date", http_date(now))
        .header("content-length", length);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    // A header that a test scripted may be impossible.
    builder.body(reply).unwrap_or_else(|_| {
        let mut response = Response::new(Reply {
            data: None,
            broken: false,
            paused: false,
        });
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
        let (parts, query) = split("/v1/CN%3Da%2CO%3Db%2Fc/revoke?reason=KEY_COMPROMISE&x=1+2");
        assert_eq!(parts, ["v1", "CN=a,O=b/c", "revoke"]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query, [pair("reason", "KEY_COMPROMISE"), pair("x", "1 2")]);
    }
}
