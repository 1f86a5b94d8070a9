//! A small HTTP server on loopback that answers as a function says, and breaks connections on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whole lines, each with its end.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    pub(crate) way: Way,
}

/// How it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As it should.
    Whole,
    /// The connection is closed in the middle of the body.
    Cut,
    /// The connection is closed without an answer.
    Lost,
    /// Nothing ever comes.
    Hangs,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.into(),
            way: Way::Whole,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(crate) fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }
}

/// Starts one. It ends with the runtime.
pub(crate) async fn start(
    answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answers = Arc::clone(&answers);
            tokio::spawn(async move { serve(socket, &*answers).await });
        }
    });
    address
}

async fn serve(mut socket: TcpStream, answers: &(impl Fn(&Asked) -> Answer + Sync)) {
    let Some(asked) = read(&mut socket).await else {
        return;
    };
    let answer = answers(&asked);
    let head = format!(
        "HTTP/1.1 {} X\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
        answer.status,
        answer.headers,
        answer.body.len()
    );
    let body = match answer.way {
        Way::Whole => &answer.body[..],
        Way::Cut => &answer.body[..answer.body.len() / 2],
        Way::Lost => return,
        Way::Hangs => return std::future::pending().await,
    };
    let _ = socket.write_all(&[head.as_bytes(), body].concat()).await;
    let _ = socket.shutdown().await;
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut octets = Vec::new();
    let mut more = async |octets: &mut Vec<u8>| {
        let mut chunk = [0; 4096];
        let count = socket.read(&mut chunk).await.unwrap_or_default();
        octets.extend_from_slice(&chunk[..count]);
        (count > 0).then_some(())
    };
    let head = loop {
        more(&mut octets).await?;
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8(octets[..head].to_vec()).ok()?;
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = octets.split_off(head + 4);
    while body.len() < length {
        more(&mut body).await?;
    }
    Some(Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    })
}
