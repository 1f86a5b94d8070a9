//! An HTTP server whose answers a test writes, and a tenant that asks it.

use intune_cloud::{Clock, Cloud, Credential, NoObserver, Overrides, Places, Settings, Tenant};
use outbound::{Client, Options, Trust};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn form(&self) -> BTreeMap<String, String> {
        outbound::Url::parse(&format!("http://x/?{}", self.body))
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string(),
        }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a path is answered with: the queue first, then always the last.
#[derive(Default)]
struct State {
    answers: BTreeMap<&'static str, Vec<Answer>>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
    /// While there is one, answers to tokens wait for it.
    pub gate: Arc<Mutex<Option<Arc<Notify>>>>,
    /// Told of each token request before it is answered.
    pub token_asked: Arc<Notify>,
}

pub(crate) const TOKEN: &str = "/oauth2/v2.0/token";
pub(crate) const ENDPOINTS: &str = "/endpoints";
pub(crate) const VALIDATE: &str = "/ScepActions/validateRequest";
pub(crate) const SUCCESS: &str = "/ScepActions/successNotification";
pub(crate) const FAILURE: &str = "/ScepActions/failureNotification";
pub(crate) const DOWNLOAD: &str = "/downloadRevocationRequests";
pub(crate) const UPLOAD: &str = "/uploadRevocationResults";

impl Server {
    /// One that answers everything well.
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            url,
            state: Arc::default(),
            gate: Arc::default(),
            token_asked: Arc::default(),
        };
        let success = json!({"code": "Success", "errorDescription": ""});
        server.always(TOKEN, token("t1", 3600));
        server.always(ENDPOINTS, server.endpoints());
        for action in [VALIDATE, SUCCESS, FAILURE] {
            server.always(action, Answer::json(200, &success));
        }
        server.always(DOWNLOAD, Answer::json(200, &json!({"value": []})));
        server.always(UPLOAD, Answer::json(200, &json!({"value": true})));
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        server
    }

    pub(crate) fn endpoints(&self) -> Answer {
        let uri = |path: &str| format!("{}/{path}/", self.url);
        Answer::json(
            200,
            &json!({"value": [
                {"providerName": "Other", "uri": uri("other")},
                {"providerName": "ScepRequestValidationFEService", "uri": uri("scep")},
                {"providerName": "PkiConnectorFEService", "uri": uri("pki")},
            ]}),
        )
    }

    /// From now on.
    pub(crate) fn always(&self, path: &'static str, answer: Answer) {
        let mut state = self.state.lock().unwrap();
        state.answers.insert(path, vec![answer]);
    }

    /// One after the other; the last one from then on.
    pub(crate) fn sequence(&self, path: &'static str, answers: Vec<Answer>) {
        let mut state = self.state.lock().unwrap();
        state.answers.insert(path, answers);
    }

    /// Once, before what comes always.
    pub(crate) fn once(&self, path: &'static str, answer: Answer) {
        let mut state = self.state.lock().unwrap();
        let answers = state.answers.get_mut(path).unwrap();
        let last = answers.len() - 1;
        answers.insert(last, answer);
    }

    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let state = self.state.lock().unwrap();
        let asked = state.asked.iter().filter(|asked| asked.path.contains(path));
        asked.cloned().collect()
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some(asked) = read(&mut stream).await {
            self.state.lock().unwrap().asked.push(asked.clone());
            if asked.path.contains(TOKEN) {
                self.token_asked.notify_one();
                let gate = self.gate.lock().unwrap().clone();
                if let Some(gate) = gate {
                    gate.notified().await;
                }
            }
            let answer = {
                let mut state = self.state.lock().unwrap();
                let found = state
                    .answers
                    .iter_mut()
                    .find(|(path, _)| asked.path.contains(*path));
                match found {
                    Some((_, answers)) if answers.len() > 1 => answers.remove(0),
                    Some((_, answers)) => answers[0].clone(),
                    None => Answer::text(404, ""),
                }
            };
            let mut text = format!(
                "HTTP/1.1 {} X\r\ncontent-length: {}\r\n",
                answer.status,
                answer.body.len()
            );
            for (name, value) in &answer.headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str("\r\n");
            text.push_str(&answer.body);
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut octets = Vec::new();
    let mut chunk = [0; 8192];
    let head = loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => octets.extend_from_slice(&chunk[..read]),
        }
    };
    let text = String::from_utf8(octets[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = octets[head + 4..].to_vec();
    while body.len() < length {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => body.extend_from_slice(&chunk[..read]),
        }
    }
    Some(Asked {
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

pub(crate) fn token(value: &str, seconds: u64) -> Answer {
    Answer::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": seconds, "access_token": value}),
    )
}

/// A clock that stands still until it is told.
pub(crate) struct Still {
    start: Instant,
    seconds: AtomicI64,
    /// Whether who waits waits for ever, and the clock does not go on by it.
    stops: bool,
}

impl Still {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: started(),
            seconds: AtomicI64::new(0),
            stops: false,
        })
    }

    /// One by which no waiting ends.
    pub(crate) fn stopped() -> Arc<Self> {
        Arc::new(Self {
            start: started(),
            seconds: AtomicI64::new(0),
            stops: true,
        })
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[allow(clippy::disallowed_methods, reason = "where a clock of tests begins")]
fn started() -> Instant {
    Instant::now()
}

impl Clock for Still {
    fn now(&self) -> i64 {
        1_800_000_000 + self.seconds.load(Ordering::SeqCst)
    }

    fn instant(&self) -> Instant {
        let seconds = self.seconds.load(Ordering::SeqCst);
        self.start + Duration::from_secs(u64::try_from(seconds).unwrap())
    }

    fn wait(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if self.stops {
            return Box::pin(std::future::pending());
        }
        self.pass(i64::try_from(time.as_secs()).unwrap());
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn secret() -> Credential {
    Credential::Secret(String::from("canary&secret").into())
}

pub(crate) fn tenant(
    server: &Server,
    id: &str,
    credential: Credential,
    clock: Arc<Still>,
) -> Arc<Tenant> {
    let own = Overrides {
        authority: Some(server.url.clone()),
        graph: Some(server.url.clone()),
        ..Overrides::default()
    };
    let client = Client::new(Options::new(Trust::Roots(Vec::new())));
    let client = client.or_else(|_| Client::new(Options::new(Trust::System)));
    let client = client.unwrap();
    Arc::new(Tenant::new(Settings {
        id: id.to_owned(),
        tenant: format!("{id}.onmicrosoft.com"),
        client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        credential,
        places: Places::new(Cloud::Global, &own).unwrap(),
        client: client.clone(),
        direct: client,
        clock,
        observer: Arc::new(NoObserver),
        secret_expires: None,
    }))
}
