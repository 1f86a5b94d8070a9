//! The accept loops: TCP, TLS, one hyper connection each, and a drain that answers what came in.

use super::linger::Lingering;
use super::sources::Sources;
use super::tls::TlsAcceptor;
use super::{Channel, Peer};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// How long idle connections may still bring a request once the drain has begun. A keep-alive
/// client that was just about to send is answered instead of cut off.
const DRAIN_GRACE: Duration = Duration::from_millis(750);

/// hyper needs at least this much for a request head.
const SMALLEST_HEAD: usize = 8 * 1024;

/// What one connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// How many connections may be open on one listener.
    pub connections: usize,
    /// How many of them one source address may have; 0 = no limit.
    pub connections_per_source: usize,
    /// The largest request line and header block, in octets.
    pub head_octets: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a request head may take; also how long a connection may stay idle.
    pub head: Duration,
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
}

/// Serves one listener until the phase turns to [`Phase::Draining`] and every connection has ended.
pub async fn serve<S>(
    listener: Listener,
    service: S,
    limits: ConnectionLimits,
    mut phase: watch::Receiver<Phase>,
) where
    S: Service<Request<Incoming>, Response = warp::reply::Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let shared = Arc::new(Shared {
        sources: Sources::new(limits.connections_per_source),
        tls: listener.tls,
        channel: listener.channel,
        limits,
        service,
    });
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            biased;
            accepted = listener.socket.accept() => accepted,
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
        };
        match accepted {
            Ok((stream, address)) => {
                let Some(share) = shared.sources.enter(address.ip()) else {
                    tracing::debug!(%address, "too many connections from this address");
                    continue;
                };
                let shared = Arc::clone(&shared);
                let phase = phase.clone();
                tokio::spawn(async move {
                    shared.connection(stream, address, phase).await;
                    drop((place, share));
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
    // Every place free again means that every connection has ended.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

struct Shared<S> {
    sources: Sources,
    tls: Option<TlsAcceptor>,
    channel: Channel,
    limits: ConnectionLimits,
    service: S,
}

impl<S> Shared<S>
where
    S: Service<Request<Incoming>, Response = warp::reply::Response, Error = Infallible>
        + Send
        + Sync,
    S::Future: Send,
{
    async fn connection(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        phase: watch::Receiver<Phase>,
    ) {
        // Replies are small and written at once; waiting for more would only add latency.
        let _ = stream.set_nodelay(true);
        let mut peer = Peer {
            address,
            channel: self.channel,
            certificates: Arc::default(),
        };
        let Some(tls) = &self.tls else {
            return self.http(stream, peer, phase).await;
        };
        match timeout(self.limits.handshake, tls.accept(stream)).await {
            Ok(Ok((stream, certificates))) => {
                peer.certificates = certificates;
                self.http(stream, peer, phase).await;
            }
            Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
        }
    }

    async fn http<I>(&self, stream: I, peer: Peer, mut phase: watch::Receiver<Phase>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let draining = phase.clone();
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let answer = self.service.call(request);
            let draining = draining.clone();
            async move {
                let mut response = answer.await?;
                if *draining.borrow() == Phase::Draining {
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<Response<_>, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(self.limits.head_octets.max(SMALLEST_HEAD))
            .serve_connection(TokioIo::new(Lingering::new(stream)), service);
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
        }
    }
}
