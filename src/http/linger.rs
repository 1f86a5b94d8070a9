//! The end of a connection whose client may still be sending.
//!
//! A refusal often leaves before the request's body has come in: 413, 404, 503. Closing a socket that holds unread octets
//! resets the connection, and the reset throws away the refusal that the client has not read yet: it sees a broken
//! connection instead of the reason. So the server says that it is done (FIN, close_notify) and goes on reading, and
//! throwing away, until the client has closed too. RFC 9112 section 9.6 asks for the same.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may take to close after the server has.
const TIME: Duration = Duration::from_secs(3);

/// How much is thrown away, in octets, before the connection is cut after all.
const OCTETS: usize = 16 * 1024 * 1024;

/// A connection that ends as said above; until then it is what it wraps.
pub(super) struct LingeringClose<I> {
    io: I,
    time: Duration,
    octets: usize,
    end: End,
}

enum End {
    /// Not started.
    Open,
    /// The server has said that it is done; what still comes is thrown away.
    Discarding {
        deadline: Pin<Box<Sleep>>,
        left: usize,
    },
    Closed,
}

impl<I> LingeringClose<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            time: TIME,
            octets: OCTETS,
            end: End::Open,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for LingeringClose<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringClose<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.end {
                End::Open => {
                    ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
                    this.end = End::Discarding {
                        deadline: Box::pin(sleep(this.time)),
                        left: this.octets,
                    };
                }
                End::Discarding { deadline, left } => {
                    let mut waste = [0; 4096];
                    let mut waste = ReadBuf::new(&mut waste);
                    let over = match Pin::new(&mut this.io).poll_read(cx, &mut waste) {
                        Poll::Ready(Ok(())) => {
                            *left = left.saturating_sub(waste.filled().len());
                            waste.filled().is_empty() || *left == 0
                        }
                        // The client is gone: nobody is left to read what was sent.
                        Poll::Ready(Err(_)) => true,
                        Poll::Pending => {
                            ready!(deadline.as_mut().poll(cx));
                            true
                        }
                    };
                    if over {
                        this.end = End::Closed;
                    }
                }
                End::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn what_was_sent_is_read_and_thrown_away_until_the_client_closes() {
        let (client, server) = duplex(64);
        let mut server = LingeringClose::new(server);
        let (mut reader, mut writer) = tokio::io::split(client);
        let ((), closed) = tokio::join!(
            async {
                // Far more than the pipe holds: this ends only if somebody reads.
                writer.write_all(&[7; 10_000]).await.unwrap();
                let mut reply = String::new();
                reader.read_to_string(&mut reply).await.unwrap();
                assert_eq!(reply, "no");
                writer.shutdown().await.unwrap();
            },
            async {
                server.write_all(b"no").await.unwrap();
                server.shutdown().await
            }
        );
        closed.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_never_closes_is_cut_off() {
        let (mut client, server) = duplex(64);
        let mut server = LingeringClose::new(server);
        server.time = Duration::from_millis(1);
        server.shutdown().await.unwrap();
        drop(server);
        client.write_all(b"x").await.unwrap_err();
    }

    #[tokio::test]
    async fn a_client_that_sends_for_ever_is_cut_off() {
        let (mut client, server) = duplex(1024);
        let mut server = LingeringClose::new(server);
        server.octets = 10_000;
        let sending = async move {
            let mut sent = 0;
            while client.write_all(&[0; 1024]).await.is_ok() {
                sent += 1024;
            }
            sent
        };
        let ending = async move {
            server.shutdown().await.unwrap();
        };
        let (sent, ()) = tokio::join!(sending, ending);
        assert!((10_000..20_000).contains(&sent), "{sent}");
    }
}
