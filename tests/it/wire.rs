//! HTTP as clients really write it: octets over a socket, not what an HTTP library makes of them.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
pub(crate) struct Raw {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends `octets` and reads until the server closes.
pub(crate) async fn send(to: SocketAddr, octets: &[u8]) -> Raw {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(octets).await;
    let mut reply = Vec::new();
    let ended = stream.read_to_end(&mut reply).await;
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no reply ({ended:?}), {} octets", reply.len()));
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Raw {
        status,
        head,
        body: reply.split_off(end + 4),
    }
}

/// A GET whose request target stands exactly as given.
pub(crate) async fn get(to: SocketAddr, target: &str) -> Raw {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    send(to, request.as_bytes()).await
}
