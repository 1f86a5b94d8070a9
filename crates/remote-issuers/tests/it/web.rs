//! A small HTTP server that a test writes the answers of, and that misbehaves on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The parts of the path, decoded.
    pub(crate) fn path(&self) -> Vec<String> {
        let path = self.target.split('?').next().unwrap();
        path.split('/').skip(1).map(unescaped).collect()
    }

    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn unescaped(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&after[..2]).unwrap();
            octets.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &after[2..];
        } else {
            octets.push(*first);
            rest = after;
        }
    }
    String::from_utf8(octets).unwrap()
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Whole,
    /// Not at all: the connection is closed.
    Lost,
    /// Half of the body, then the connection is closed.
    Cut,
    /// Never.
    Hangs,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) manner: Manner,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.into(),
            manner: Manner::Whole,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn sent(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }
}

/// What a server of some kind does.
pub(crate) trait Behaviour: Send + 'static {
    fn answer(&mut self, asked: &Asked) -> Answer;
}

/// A server on loopback with the state `B`.
pub(crate) struct Server<B> {
    address: SocketAddr,
    state: Arc<Mutex<B>>,
}

impl<B: Behaviour> Server<B> {
    pub(crate) async fn start(behaviour: B) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(behaviour));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, B> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve<B: Behaviour>(mut socket: TcpStream, state: Arc<Mutex<B>>) {
    let Some(asked) = read(&mut socket).await else {
        return;
    };
    let answer = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.answer(&asked)
    };
    let length = answer.body.len();
    let body = match answer.manner {
        Manner::Whole => &answer.body[..],
        Manner::Cut => &answer.body[..length / 2],
        Manner::Lost => return,
        Manner::Hangs => return std::future::pending().await,
    };
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!(
        "Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ));
    let _ = socket.write_all(&[head.as_bytes(), body].concat()).await;
    let _ = socket.shutdown().await;
}

async fn more(socket: &mut TcpStream, octets: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 8192];
    let count = socket.read(&mut chunk).await.ok()?;
    octets.extend_from_slice(&chunk[..count]);
    (count > 0).then_some(())
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut octets = Vec::new();
    let end = loop {
        more(socket, &mut octets).await?;
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let text = String::from_utf8(octets[..end].to_vec()).ok()?;
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = octets.split_off(end + 4);
    while body.len() < length {
        more(socket, &mut body).await?;
    }
    Some(Asked {
        method,
        target,
        headers,
        body,
    })
}
