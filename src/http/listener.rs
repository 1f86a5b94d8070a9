//! The accept loops: TCP, TLS, one hyper connection each, and a drain that answers what came in.

use super::connection_limit::{ConnectionLimit, Seat};
use super::form;
use super::linger::LingeringClose;
use super::origin::{request_id, tagged};
use super::timeout_stream::{Exchange, Limits, Progress, TimeoutStream};
use super::tls::TlsAcceptor;
use super::watched::Watched;
use super::{Channel, Peer};
use crate::config::Cidr;
use crate::telemetry::access::{AccessLog, Line};
use actors::SharedClock;
use arc_swap::ArcSwap;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use warp::reply::Response as Reply;

/// How long idle connections may still bring a request once the drain has started. A keep-alive
/// client that was just about to send is answered instead of cut off.
const DRAIN_GRACE: Duration = Duration::from_millis(750);

/// hyper needs at least this much for a request head.
const SMALLEST_HEAD: usize = 8 * 1024;

/// What one connection may cost.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// How many connections one source address may have; 0 = no limit.
    pub connections_per_source: usize,
    /// Proxies, who have no such limit: behind each are many.
    pub trusted_proxies: Vec<Cidr>,
    /// The largest request line and header block, in octets.
    pub head_octets: usize,
    /// How long a TLS handshake may take; also a request head, from its first octet on.
    pub head: Duration,
    /// How long a connection may stay idle.
    pub idle: Duration,
    /// How long a client may take nothing of a reply that waits for it.
    pub stall: Duration,
}

impl ConnectionLimits {
    /// How many connections this source may have; 0 = no limit.
    fn share_of(&self, source: IpAddr) -> usize {
        let source = source.to_canonical();
        let mut proxies = self.trusted_proxies.iter();
        if proxies.any(|proxy| proxy.contains(source)) {
            0
        } else {
            self.connections_per_source
        }
    }
}

/// How far the server has come on its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Requests are taken.
    Serving,
    /// Nothing new is accepted; what comes on open connections is the last on each.
    Draining,
}

/// One socket and what is spoken on it.
pub struct Listener {
    /// The bound socket.
    pub socket: TcpListener,
    /// TLS, unless this is the plain listener.
    pub tls: Option<TlsAcceptor>,
    /// Which routes its requests may take.
    pub channel: Channel,
    /// Where it is said what could not even be read as a request; `None` where SCEP is not spoken.
    pub(crate) told: Option<Told>,
}

/// Where lines about requests go, and the time in them.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) access: Arc<AccessLog>,
    pub(crate) clock: SharedClock,
}

/// Serves one listener until the phase turns to [`Phase::Draining`] and every connection, on other listeners with the
/// same places too, has ended. Each connection keeps to the limits that were in force when it began.
pub(crate) async fn serve<S>(
    listener: Listener,
    service: S,
    limits: Arc<ArcSwap<ConnectionLimits>>,
    places: Arc<ConnectionLimit>,
    mut phase: watch::Receiver<Phase>,
) where
    S: Service<Request<Watched>, Response = warp::reply::Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    // The admin side is on https.
    let admin = listener.channel == Channel::Https;
    let shared = Arc::new(Shared {
        tls: listener.tls,
        channel: listener.channel,
        told: listener.told,
        service,
    });
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.socket.accept() => accepted,
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let limits = limits.load_full();
                let share = limits.share_of(address.ip());
                let Some(share) = places.sources.enter(address.ip(), share) else {
                    continue;
                };
                let place = tokio::select! {
                    place = places.take(admin) => place,
                    _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
                };
                // There always is one, until the end of the process.
                let Some(place) = place else { break };
                let seat = Seat::new(&places, place);
                let shared = Arc::clone(&shared);
                let phase = phase.clone();
                let eviction = places.eviction();
                tokio::spawn(async move {
                    let progress = shared.first_pace();
                    tokio::select! {
                        () = shared.connection(stream, address, &seat, &limits, &progress, phase) => {}
                        () = room_is_needed(eviction, &progress) => {
                            tracing::debug!(%address, "a connection that waited made room for another");
                        }
                    }
                    drop((seat, share));
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: wait until some connection has ended.
                tracing::warn!(%error, "a connection could not be accepted; trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener.socket);
    places.empty().await;
}

struct Shared<S> {
    tls: Option<TlsAcceptor>,
    channel: Channel,
    told: Option<Told>,
    service: S,
}

/// Ends when the place of a connection is needed and it has waited for longer than others may.
async fn room_is_needed(mut eviction: watch::Receiver<Duration>, progress: &Progress) {
    while eviction.changed().await.is_ok() {
        if progress.waited() >= *eviction.borrow_and_update() {
            return;
        }
    }
    // Nobody is left to ask.
    std::future::pending().await
}

impl<S> Shared<S>
where
    S: Service<Request<Watched>, Response = warp::reply::Response, Error = Infallible>
        + Send
        + Sync,
    S::Future: Send,
{
    /// A TLS handshake is the client's turn and takes as long as a request head may.
    fn first_pace(&self) -> Arc<Progress> {
        Progress::new(match self.tls {
            Some(_) => Exchange::Head,
            None => Exchange::Idle,
        })
    }

    async fn connection(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        seat: &Arc<Seat>,
        limits: &ConnectionLimits,
        progress: &Arc<Progress>,
        phase: watch::Receiver<Phase>,
    ) {
        // Replies are small and written at once; waiting for more would only add latency.
        let _ = stream.set_nodelay(true);
        let mut peer = Peer {
            address,
            channel: self.channel,
            certificates: Arc::default(),
            seat: Arc::clone(seat),
        };
        let pacing = Limits {
            idle: limits.idle,
            head: limits.head,
            stall: limits.stall,
        };
        let stream = TimeoutStream::new(LingeringClose::new(stream), Arc::clone(progress), pacing);
        let Some(tls) = &self.tls else {
            return self.http(stream, progress, peer, limits, phase).await;
        };
        match timeout(limits.head, tls.accept(stream)).await {
            Ok(Ok((stream, certificates))) => {
                peer.certificates = certificates;
                progress.set(Exchange::Idle);
                self.http(stream, progress, peer, limits, phase).await;
            }
            Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
        }
    }

    async fn http<I>(
        &self,
        stream: I,
        progress: &Arc<Progress>,
        peer: Peer,
        limits: &ConnectionLimits,
        mut phase: watch::Receiver<Phase>,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let draining = phase.clone();
        let (this, from) = (self, &peer);
        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            progress.set(if request.body().is_end_stream() {
                Exchange::Request
            } else {
                Exchange::Body
            });
            let method = request.method().clone();
            let answer = form::with_path(request).map(|mut request| {
                request.extensions_mut().insert(from.clone());
                this.service
                    .call(request.map(|body| Watched::new(body, Arc::clone(progress))))
            });
            let draining = draining.clone();
            async move {
                let answer = match answer {
                    Ok(answer) => answer.await,
                    Err(response) => Ok(this.without_path(from, method.as_str(), *response)),
                };
                progress.set(Exchange::Idle);
                let mut response = answer?;
                if *draining.borrow() == Phase::Draining {
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<Response<_>, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(limits.head_octets.max(SMALLEST_HEAD))
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let drain = async move {
            let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
            tokio::time::sleep(DRAIN_GRACE).await;
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = drain => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(address = %peer.address, %error, "connection ended early");
            self.unread(&peer, &error);
        }
    }

    /// Says what was answered to a request target without a path.
    fn without_path(&self, peer: &Peer, method: &str, response: Reply) -> Reply {
        let id = request_id();
        let status = response.status();
        self.tell(Line {
            status: Some(status.as_u16()),
            outcome: if status.is_success() {
                "success"
            } else {
                "unreadable"
            },
            method: Some(method),
            request_id: Some(&id),
            ..Line::of(peer.address.ip())
        });
        tagged(response, &id)
    }

    /// Says what hyper has answered by itself: a head that is too large, or none.
    fn unread(&self, peer: &Peer, error: &hyper::Error) {
        let (status, outcome) = if error.is_parse_too_large() {
            // It keeps to itself which of the two it was, but for its words.
            let long_target = error.to_string().contains("URI");
            (if long_target { 414 } else { 431 }, "too_large")
        } else if error.is_parse() {
            (400, "unreadable")
        } else {
            return;
        };
        // The reply is hyper's own and carries no id: this one tells the line from others.
        let id = request_id();
        self.tell(Line {
            status: Some(status),
            outcome,
            request_id: Some(&id),
            ..Line::of(peer.address.ip())
        });
    }

    fn tell(&self, line: Line<'_>) {
        if let Some(Told { access, clock }) = &self.told {
            access.write(&line, || clock.now());
        }
    }
}
