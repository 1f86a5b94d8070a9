//! A compliance webhook that answers what a test tells it to.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// A TLS server with a test's own certificate, on a port of its own.
pub(crate) struct Webhook {
    port: u16,
    answer: Arc<Mutex<(u16, &'static str)>>,
    asked: Arc<watch::Sender<usize>>,
    held: Arc<watch::Sender<bool>>,
}

/// Keeps a webhook from answering until it is opened.
pub(crate) struct Door(Arc<watch::Sender<bool>>);

impl Door {
    pub(crate) fn open(self) {
        self.0.send_replace(false);
    }
}

impl Webhook {
    /// Says that every device is compliant, until told otherwise.
    pub(crate) async fn start(dir: &Path) -> Webhook {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = CertificateDer::pem_file_iter(dir.join("tls.pem"))
            .unwrap()
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(dir.join("tls.key")).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = Webhook {
            port: listener.local_addr().unwrap().port(),
            answer: Arc::new(Mutex::new((200, r#"{"compliant":true,"reason":""}"#))),
            asked: Arc::new(watch::Sender::new(0)),
            held: Arc::new(watch::Sender::new(false)),
        };
        let (answer, asked, held) = (hook.answer.clone(), hook.asked.clone(), hook.held.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, answer, asked) = (acceptor.clone(), answer.clone(), asked.clone());
                let mut held = held.subscribe();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else {
                        return;
                    };
                    let mut request = Vec::new();
                    while !is_complete(&request) {
                        let mut buffer = [0; 4096];
                        match stream.read(&mut buffer).await {
                            Ok(0) | Err(_) => return,
                            Ok(read) => request.extend_from_slice(&buffer[..read]),
                        }
                    }
                    asked.send_modify(|asked| *asked += 1);
                    let _ = held.wait_for(|held| !held).await;
                    let (status, body) = *answer.lock().unwrap();
                    let length = body.len();
                    let reply = format!(
                        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                    );
                    let _ = stream.write_all(reply.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        hook
    }

    /// What it answers from now on.
    pub(crate) fn say(&self, status: u16, body: &'static str) {
        *self.answer.lock().unwrap() = (status, body);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked this often.
    pub(crate) async fn asked_times(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| *asked >= times).await.unwrap();
    }

    /// Takes questions from now on, but answers them only when the door is opened.
    pub(crate) fn hold(&self) -> Door {
        self.held.send_replace(true);
        Door(self.held.clone())
    }

    /// `[intune.compliance]` of a profile that asks it.
    pub(crate) fn settings(&self, dir: &Path) -> String {
        format!(
            "[intune.compliance]\nurl = 'https://localhost:{}/check'\nallowed_hosts = ['localhost']\n\
             hmac_secret = '0123456789abcdef0123456789abcdef'\nca_bundle_path = '{}'\ntimeout = '20s'\n",
            self.port,
            dir.join("ca.pem").display()
        )
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}
