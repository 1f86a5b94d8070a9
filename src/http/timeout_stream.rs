//! How fast a client must be. A connection costs a place, and a client that neither sends nor takes keeps it from others.
//!
//! | what the client does | for how long |
//! |---|---|
//! | nothing, between two requests | [`Limits::idle`] |
//! | sends a request head, from its first octet to its last | [`Limits::head`] |
//! | takes nothing of a reply that waits | [`Limits::stall`] |
//!
//! Request bodies have a limit of their own where they are read, and the TLS handshake one around it. Where places are
//! short, a body that comes more slowly than [`LEAST_RATE`] counts as waiting, by so much as it is behind.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The limits, all of them on the time without progress that the table above says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) head: Duration,
    pub(super) stall: Duration,
}

/// How fast a request body must come to keep its place when places are short, in octets a second.
const LEAST_RATE: u64 = 4096;

/// What a connection is about. Kept by the I/O, which sees octets, and by the service, which sees requests.
pub(super) struct Progress {
    started: Instant,
    exchange: AtomicU8,
    /// When the turn began, in milliseconds after `started`.
    since: AtomicU64,
    /// How much of the request body has come, in octets.
    body: AtomicU64,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    /// The client's: nothing of a request has come.
    Idle,
    /// The client's: some of a request head has come.
    Head,
    /// The client's: a request's body is to come.
    Body,
    /// The server's: a request is being answered.
    Request,
}

impl Progress {
    /// Of a connection that has just started.
    pub(super) fn new(exchange: Exchange) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            exchange: AtomicU8::new(exchange as u8),
            since: AtomicU64::new(0),
            body: AtomicU64::new(0),
        })
    }

    pub(super) fn set(&self, exchange: Exchange) {
        let since = Instant::now().duration_since(self.started).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
        self.body.store(0, Ordering::Relaxed);
        self.exchange.store(exchange as u8, Ordering::Relaxed);
    }

    fn exchange(&self) -> Exchange {
        match self.exchange.load(Ordering::Relaxed) {
            0 => Exchange::Idle,
            1 => Exchange::Head,
            2 => Exchange::Body,
            _ => Exchange::Request,
        }
    }

    fn since(&self) -> Instant {
        self.started + Duration::from_millis(self.since.load(Ordering::Relaxed))
    }

    /// Some of a request's body has come.
    pub(super) fn body_came(&self, octets: usize) {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        self.body.fetch_add(octets, Ordering::Relaxed);
    }

    /// All of a request's body has come, or nobody wants the rest.
    pub(super) fn body_ended(&self) {
        if self.exchange() == Exchange::Body {
            self.set(Exchange::Request);
        }
    }

    /// For how long the server has waited for a request, or how far behind a request's body is; zero while it answers
    /// one.
    pub(super) fn waited(&self) -> Duration {
        match self.exchange() {
            Exchange::Request => Duration::ZERO,
            Exchange::Idle | Exchange::Head => self.since().elapsed(),
            Exchange::Body => behind(self.since().elapsed(), self.body.load(Ordering::Relaxed)),
        }
    }
}

/// By how much a body is too late of which `came` octets have come in the time that has passed.
fn behind(passed: Duration, came: u64) -> Duration {
    passed.saturating_sub(Duration::from_millis(
        came.saturating_mul(1000) / LEAST_RATE,
    ))
}

/// A connection that ends with [`io::ErrorKind::TimedOut`] when its client is too slow.
pub(super) struct TimeoutStream<I> {
    io: I,
    progress: Arc<Progress>,
    limits: Limits,
    reading: Timer,
    writing: Timer,
    /// When a write first had to wait, until one gets on.
    stalled: Option<Instant>,
}

impl<I> TimeoutStream<I> {
    pub(super) fn new(io: I, progress: Arc<Progress>, limits: Limits) -> Self {
        Self {
            io,
            progress,
            limits,
            reading: Timer::default(),
            writing: Timer::default(),
            stalled: None,
        }
    }

    /// What a write came to, and whether the client took something in time.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let since = *self.stalled.get_or_insert_with(Instant::now);
        ready!(self.writing.poll_at(cx, since + self.limits.stall));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for TimeoutStream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        let exchange = this.progress.exchange();
        if read.is_ready() {
            if exchange == Exchange::Idle && buffer.filled().len() > before {
                this.progress.set(Exchange::Head);
            }
            return read;
        }
        let limit = match exchange {
            Exchange::Idle => this.limits.idle,
            Exchange::Head => this.limits.head,
            Exchange::Body | Exchange::Request => return Poll::Pending,
        };
        ready!(this.reading.poll_at(cx, this.progress.since() + limit));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, octets);
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.written(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// A timer that is made when it is first waited for.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll_at(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(1);

    fn paced(limits: Limits) -> (DuplexStream, TimeoutStream<DuplexStream>, Arc<Progress>) {
        let (client, server) = duplex(16);
        let progress = Progress::new(Exchange::Idle);
        (
            client,
            TimeoutStream::new(server, Arc::clone(&progress), limits),
            progress,
        )
    }

    fn limits(idle: Duration, head: Duration, stall: Duration) -> Limits {
        Limits { idle, head, stall }
    }

    async fn kind(server: &mut TimeoutStream<DuplexStream>) -> io::ErrorKind {
        server.read(&mut [0; 8]).await.unwrap_err().kind()
    }

    #[tokio::test]
    async fn nothing_may_come_for_so_long() {
        let (_client, mut server, _) = paced(limits(SHORT, LONG, LONG));
        assert_eq!(kind(&mut server).await, io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_head_that_has_begun_must_end_whatever_still_comes() {
        let (mut client, mut server, progress) = paced(limits(LONG, SHORT, LONG));
        client.write_all(b"G").await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        let started = progress.since();
        client.write_all(b"E").await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        assert_eq!(
            progress.since(),
            started,
            "another octet starts no new count"
        );
        assert_eq!(kind(&mut server).await, io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_client_is_not_timed_while_its_request_is_answered() {
        let (mut client, mut server, progress) = paced(limits(SHORT, SHORT, LONG));
        progress.set(Exchange::Request);
        let mut octets = [0; 8];
        let reading = server.read(&mut octets);
        let sending = async {
            // Far longer than the limits of the other turns.
            tokio::time::timeout(20 * SHORT, std::future::pending::<()>())
                .await
                .unwrap_err();
            assert_eq!(progress.waited(), Duration::ZERO);
            client.write_all(b"body").await.unwrap();
        };
        let (read, ()) = tokio::join!(reading, sending);
        assert_eq!(read.unwrap(), 4);
    }

    #[test]
    fn a_body_waits_by_so_much_as_it_is_behind() {
        let seconds = Duration::from_secs;
        for (passed, came, late) in [
            (10, 0, 10),
            (10, 4 * LEAST_RATE, 6),
            (10, 10 * LEAST_RATE, 0),
            (10, u64::MAX, 0),
        ] {
            assert_eq!(behind(seconds(passed), came), seconds(late), "{came}");
        }
    }

    #[test]
    fn a_body_that_has_come_gives_the_turn_to_the_server() {
        let progress = Progress::new(Exchange::Body);
        progress.body_came(9);
        progress.body_ended();
        assert_eq!(progress.exchange(), Exchange::Request);
        progress.set(Exchange::Idle);
        progress.body_ended();
        assert_eq!(progress.exchange(), Exchange::Idle, "there was none");
    }

    #[tokio::test]
    async fn a_reply_that_is_not_taken_ends_the_connection() {
        let (mut client, mut server, _) = paced(limits(LONG, LONG, SHORT));
        server.write_all(&[1; 16]).await.unwrap();
        let stalled = server.write_all(&[2; 1]).await.unwrap_err();
        assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
        client.read_exact(&mut [0; 16]).await.unwrap();
        server.write_all(&[3; 1]).await.unwrap();
    }
}
