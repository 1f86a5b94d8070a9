//! The real binary, killed with SIGKILL in the middle of enrollments, over and over.
//!
//! What must hold: a certificate that was delivered is in the store, nobody has two, and a
//! request that is repeated gets the certificate that it was given, or the one that was stored
//! while its reply was lost.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use pki::{Certificate, Csr, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::{CaCertificates, Content, Reply, Request, RequestBuilder, self_signed};
use store::{CaId, CertificateQuery, Records, SledOptions, SledStore};

use crate::test_env::{CHALLENGE, TestEnv};

const KILLS: usize = 20;
const REQUESTS_A_LIFE: usize = 24;
const AT_ONCE: usize = 6;

pub(crate) struct Process {
    child: Child,
    /// Profile `corp`.
    pub(crate) url: String,
    /// Where the admin API is.
    pub(crate) https: String,
    /// What it wrote until it was ready.
    pub(crate) first_lines: Vec<String>,
    /// Lines that it writes.
    lines: Receiver<String>,
}

impl Process {
    /// Starts the binary and waits for the line that says where it listens.
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_in(config, &[])
    }

    /// The same with these variables in its environment.
    pub(crate) fn start_in(config: &Path, environment: &[(&str, String)]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_scepd"))
            .args(["serve", "--log-format", "json", "--config"])
            .arg(config)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = std::sync::mpsc::channel();
        let mut process = Self {
            child,
            url: String::new(),
            https: String::new(),
            first_lines: Vec::new(),
            lines,
        };
        let stdout = process.child.stdout.take().unwrap();
        let stderr = process.child.stderr.take().unwrap();
        for pipe in [
            Box::new(stdout) as Box<dyn std::io::Read + Send>,
            Box::new(stderr),
        ] {
            let tell = tell.clone();
            // Reads to the end, so that the server never waits for room in a pipe.
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        drop(tell);
        while let Ok(line) = process.lines.recv() {
            if let Some((http, https)) = listeners(&line) {
                process.url = format!("http://{http}/scep/corp");
                process.https = format!("https://{https}");
                return process;
            }
            process.first_lines.push(line);
        }
        let said = process.first_lines.join("\n");
        panic!("the server ended before it was ready: {said}");
    }

    /// SIGHUP, and what is written until a line holds `words`.
    pub(crate) fn hang_up(&self, words: &str) -> Vec<String> {
        use rustix::process::{Pid, Signal, kill_process};
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        self.until(words)
    }

    /// What is written until a line holds `words`.
    pub(crate) fn until(&self, words: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.lines.recv().expect("the server goes on");
            let found = line.contains(words);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// SIGKILL; what it has written since it was ready.
    pub(crate) fn end(mut self) -> Vec<String> {
        let _ = self.child.kill();
        self.lines.iter().collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The addresses of the plain listener and of https in the line that says "ready".
fn listeners(line: &str) -> Option<(String, String)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if line.get("message")? != "ready" {
        return None;
    }
    let address = |name| line.get(name)?.as_str().map(str::to_owned);
    Some((address("http")?, address("https")?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_delivered_is_lost_and_nothing_is_issued_twice() {
    // reqwest asks for a TLS provider even where only plain http is spoken.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = TestEnv::new().profile("corp", "");
    let config: PathBuf = env.write_config();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let http = reqwest::Client::new();

    let mut process = Process::start(&config);
    let ca = ca_certificates(&http, &process.url).await;
    let mut requests: Vec<Arc<Request>> = Vec::new();
    let mut delivered: HashMap<String, Certificate> = HashMap::new();
    for life in 0..KILLS {
        let fresh: Vec<Arc<Request>> = (0..REQUESTS_A_LIFE)
            .map(|n| Arc::new(request(&key, &ca, &format!("box-{life}-{n}"))))
            .collect();
        requests.extend(fresh.iter().cloned());
        // The kill comes after a different number of replies each time, others under way.
        let kill_after = 1 + (life * 7) % (REQUESTS_A_LIFE - AT_ONCE);
        let certificates = load(&http, &process.url, &ca, fresh, kill_after).await;
        process.kill();
        for (transaction, certificate) in certificates {
            delivered.insert(transaction, certificate);
        }
        process = Process::start(&config);
    }

    assert!(delivered.len() >= KILLS, "{} delivered", delivered.len());
    let mut serials = HashMap::new();
    for request in &requests {
        let certificate = ask(&http, &process.url, &ca, request)
            .await
            .expect("an answer");
        if let Some(before) = delivered.get(request.transaction_id()) {
            assert_eq!(
                certificate, *before,
                "a repeated request gets its certificate"
            );
        }
        serials.insert(certificate.serial().to_hex(), certificate.clone());
    }
    assert_eq!(
        serials.len(),
        requests.len(),
        "every request has a certificate of its own"
    );
    process.kill();

    let store = SledStore::open(env.dir().join("data/store"), &SledOptions::default()).unwrap();
    let stored = store
        .certificates(&CertificateQuery::default(), chrono::Utc::now())
        .unwrap();
    assert_eq!(
        stored.total,
        requests.len() as u64,
        "no certificate beside the delivered ones"
    );
    for certificate in serials.values() {
        let record = store
            .certificate(
                &CaId::of_issuer(certificate).unwrap(),
                certificate.serial().as_bytes(),
            )
            .unwrap()
            .unwrap();
        assert_eq!(record.der, certificate.der());
    }
    assert!(store.audit_verify().unwrap().is_good());
}

/// Sends `requests`, a few at a time, until `enough` were answered; what was answered by then.
async fn load(
    http: &reqwest::Client,
    url: &str,
    ca: &CaCertificates,
    requests: Vec<Arc<Request>>,
    enough: usize,
) -> Vec<(String, Certificate)> {
    let next = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(requests);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (next, requests, tell) = (Arc::clone(&next), Arc::clone(&requests), tell.clone());
        let (http, url, ca) = (http.clone(), url.to_owned(), ca.clone());
        workers.spawn(async move {
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::SeqCst)) {
                let Some(certificate) = ask(&http, &url, &ca, request).await else {
                    return;
                };
                let _ = tell.send((request.transaction_id().to_owned(), certificate));
            }
        });
    }
    drop(tell);
    let mut answered = Vec::new();
    while answered.len() < enough {
        answered.push(told.recv().await.expect("more answers"));
    }
    workers.abort_all();
    while let Ok(late) = told.try_recv() {
        answered.push(late);
    }
    answered
}

async fn ask(
    http: &reqwest::Client,
    url: &str,
    ca: &CaCertificates,
    request: &Request,
) -> Option<Certificate> {
    let url = format!("{url}?operation=PKIOperation");
    let reply = http
        .post(url)
        .body(request.message().to_vec())
        .send()
        .await
        .ok()?;
    let body = reply.bytes().await.ok()?;
    match request.open_reply(&body, &ca.reply_signers()).ok()? {
        Reply::Certificate { leaf, .. } => Some(leaf),
        _ => None,
    }
}

async fn ca_certificates(http: &reqwest::Client, url: &str) -> CaCertificates {
    let reply = http
        .get(format!("{url}?operation=GetCACert"))
        .send()
        .await
        .unwrap();
    CaCertificates::read(&reply.bytes().await.unwrap()).unwrap()
}

fn request(key: &PrivateKey, ca: &CaCertificates, name: &str) -> Request {
    let subject = Name::parse(&format!("O=Example, CN={name}")).unwrap();
    let signer = self_signed(&subject, key, chrono::Utc::now()).unwrap();
    let sans = SubjectAltNames::default();
    let csr = Csr::build(&subject, &sans, Some(CHALLENGE), &[], key).unwrap();
    let recipients = [ca.recipient().unwrap()];
    RequestBuilder::new(Content::PkcsReq(&csr), (&signer, key), &recipients)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_leaves_no_core() {
    let env = TestEnv::new().profile("corp", "");
    let process = Process::start(&env.write_config());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.child.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    let values: Vec<&str> = core.split_whitespace().skip(4).collect();
    assert_eq!(values, ["0", "0", "bytes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_a_pipe_keeps_nobody_from_ending_the_server() {
    use rustix::process::{Pid, Signal, kill_process};
    let env = TestEnv::new().profile("corp", "");
    let config = env.write_config();
    let mut process = Process::start(&config);
    std::fs::remove_file(&config).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &config, fifo, mode, 0).unwrap();
    let pid = Pid::from_child(&process.child);
    kill_process(pid, Signal::HUP).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(process.child.wait().unwrap().success());
}
