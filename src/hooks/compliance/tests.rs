//! Against a TLS server on a port of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::config::Span;
use challenge::{Claim, CsrFacts};
use pki::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, Name, PrivateKey, Serial,
    SubjectAltNames,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A server that answers every request with the same octets, or not at all.
struct Service {
    url: String,
    ca: Certificate,
    requests: Arc<AtomicUsize>,
    last: Arc<std::sync::Mutex<Vec<u8>>>,
}

/// What it sends, and whether it keeps the connection open without a word afterwards.
#[derive(Clone)]
struct Reply {
    octets: Vec<u8>,
    hang: bool,
}

fn reply(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let octets = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    Reply {
        octets: octets.into_bytes(),
        hang: false,
    }
}

impl Service {
    async fn start(reply: Reply) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let certificate = certificate(&key);
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().to_vec().into()],
                rustls::pki_types::pem::PemObject::from_pem_slice(
                    key.to_pkcs8_pem().unwrap().as_bytes(),
                )
                .unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let last = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (seen, kept) = (requests.clone(), last.clone());
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                let (acceptor, reply, seen, kept) =
                    (acceptor.clone(), reply.clone(), seen.clone(), kept.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else {
                        return;
                    };
                    let mut request = Vec::new();
                    while !complete(&request) {
                        let mut buffer = [0; 4096];
                        match stream.read(&mut buffer).await {
                            Ok(0) | Err(_) => return,
                            Ok(read) => request.extend_from_slice(&buffer[..read]),
                        }
                    }
                    *kept.lock().unwrap() = request;
                    seen.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(&reply.octets).await;
                    if reply.hang {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            url: format!("https://localhost:{port}/check"),
            ca: certificate,
            requests,
            last,
        }
    }

    fn settings(&self) -> Compliance {
        Compliance {
            allowed_hosts: vec!["LocalHost".to_owned()],
            timeout: Span::seconds(20),
            ..Compliance::default()
        }
    }

    fn hook(&self, settings: &Compliance) -> ComplianceWebhook {
        let roots = std::slice::from_ref(&self.ca);
        ComplianceWebhook::new(&self.url, settings, Some(&Secret::new(SECRET)), Some(roots))
            .unwrap()
    }

    async fn ask(&self) -> Result<Verdict, HookError> {
        self.hook(&self.settings()).ask(&question()).await
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    body.len() >= header(head, "content-length").unwrap().parse().unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn certificate(key: &PrivateKey) -> Certificate {
    let subject = Name::parse("CN=localhost").unwrap();
    let names = SubjectAltNames {
        dns: vec!["localhost".into()],
        ..SubjectAltNames::default()
    };
    let now = Utc::now();
    CertificateBuilder {
        issuer: subject.clone(),
        extensions: vec![Extension::subject_alt_names(&names, &subject).unwrap()],
        subject,
        serial: Serial::random().unwrap(),
        not_before: now - chrono::Duration::hours(1),
        not_after: now + chrono::Duration::hours(1),
        public_key: key.public_key().clone(),
    }
    .sign(key, &key.scheme(Digest::Sha256).unwrap())
    .unwrap()
}

fn question() -> ComplianceQuestion {
    ComplianceQuestion {
        profile: "corp".into(),
        transaction_id: "ABC".into(),
        claim: Claim {
            iss: "connector".into(),
            sub: "device-7".into(),
            iat: 1,
            exp: 2,
            ..Claim::default()
        },
        csr: CsrFacts {
            common_names: vec!["LAPTOP-7".into()],
            ..CsrFacts::default()
        },
    }
}

#[tokio::test]
async fn yes_and_no_come_through() {
    let yes = Service::start(reply("200 OK", "", r#"{"compliant":true,"reason":"fine"}"#)).await;
    assert_eq!(yes.ask().await.unwrap(), Verdict::Compliant);
    let no = Service::start(reply("200 OK", "", r#"{"compliant":false,"reason":"old"}"#)).await;
    assert_eq!(
        no.ask().await.unwrap(),
        Verdict::NotCompliant {
            reason: "old".into()
        }
    );
    assert_eq!((yes.requests(), no.requests()), (1, 1));
}

#[tokio::test]
async fn the_question_is_signed_and_says_what_it_must() {
    let service = Service::start(reply("200 OK", "", r#"{"compliant":true}"#)).await;
    service.ask().await.unwrap();
    let request = service.last.lock().unwrap().clone();
    let text = String::from_utf8(request).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /check HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(head, "content-type"), Some("application/json"));
    let timestamp: i64 = header(head, TIMESTAMP_HEADER).unwrap().parse().unwrap();
    let signature = header(head, SIGNATURE_HEADER).unwrap();
    assert!((Utc::now().timestamp() - timestamp).abs() < 60);
    assert!(WebhookKey::new(SECRET.as_bytes()).is_signature(timestamp, body.as_bytes(), signature));
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(value["asked_at"].take().is_string());
    assert_eq!(
        value,
        serde_json::json!({
            "version": 1, "asked_at": null, "profile": "corp", "transaction_id": "ABC", "device": "device-7",
            "claim": {"iss": "connector", "sub": "device-7", "iat": 1, "exp": 2},
            "csr": {"device_name": ["LAPTOP-7"]},
        })
    );
    assert!(!text.contains(SECRET));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Service::start(reply("200 OK", "", r#"{"compliant":true}"#)).await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("location: {}\r\n", target.url);
        let service = Service::start(reply(status, &location, r#"{"compliant":true}"#)).await;
        let code = status[..3].parse().unwrap();
        assert_eq!(service.ask().await, Err(HookError::Status(code)));
    }
    assert_eq!(target.requests(), 0);
}

#[tokio::test]
async fn other_statuses_are_errors_whatever_the_body() {
    for status in [
        "201 Created",
        "204 No Content",
        "400 Bad Request",
        "401 Unauthorized",
        "500 Oops",
        "503 Later",
    ] {
        let service = Service::start(reply(status, "", "")).await;
        assert_eq!(
            service.ask().await,
            Err(HookError::Status(status[..3].parse().unwrap())),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_slow_answer_runs_into_the_limit() {
    for octets in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"compliant\":",
    ] {
        let service = Service::start(Reply {
            octets: octets.to_vec(),
            hang: true,
        })
        .await;
        let settings = Compliance {
            timeout: "300ms".parse().unwrap(),
            ..service.settings()
        };
        let error = service.hook(&settings).ask(&question()).await.unwrap_err();
        assert_eq!(
            error,
            HookError::TimedOut {
                limit: Duration::from_millis(300)
            }
        );
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let body = format!(
        r#"{{"compliant":true,"reason":"{}"}}"#,
        "x".repeat(LARGEST_ANSWER)
    );
    let service = Service::start(reply("200 OK", "", &body)).await;
    assert_eq!(service.ask().await, Err(HookError::TooLarge));
    // One that announces no length and never ends.
    let mut octets = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    octets.resize(LARGEST_ANSWER + 1000, b' ');
    let service = Service::start(Reply { octets, hang: true }).await;
    assert_eq!(service.ask().await, Err(HookError::TooLarge));
}

#[tokio::test]
async fn bad_answers_are_errors() {
    for body in [
        "",
        "yes",
        r#"{"compliant":"yes"}"#,
        r#"{"compliant":true,"compliant":true}"#,
    ] {
        let service = Service::start(reply("200 OK", "", body)).await;
        let error = service.ask().await.unwrap_err();
        assert!(matches!(error, HookError::Unreadable(_)), "{body}: {error}");
    }
    let broken = Service::start(Reply {
        octets: b"garbage\r\n\r\n".to_vec(),
        hang: false,
    })
    .await;
    assert!(matches!(broken.ask().await, Err(HookError::Unreachable(_))));
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused() {
    let service = Service::start(reply("200 OK", "", r#"{"compliant":true}"#)).await;
    let other = certificate(&PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap());
    let hook =
        ComplianceWebhook::new(&service.url, &service.settings(), None, Some(&[other])).unwrap();
    assert!(matches!(
        hook.ask(&question()).await,
        Err(HookError::Unreachable(_))
    ));
    assert_eq!(service.requests(), 0);
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let service = Service::start(reply("200 OK", "", r#"{"compliant":true}"#)).await;
    let roots = std::slice::from_ref(&service.ca);
    let hook =
        ComplianceWebhook::new(&service.url, &service.settings(), None, Some(roots)).unwrap();
    assert_eq!(hook.ask(&question()).await.unwrap(), Verdict::Compliant);
    let request = String::from_utf8(service.last.lock().unwrap().clone()).unwrap();
    assert_eq!(header(&request, SIGNATURE_HEADER), None);
}

#[tokio::test]
async fn without_an_answer_the_setting_decides() {
    let service = Service::start(reply("500 Oops", "", "")).await;
    for fail_open in [false, true] {
        let settings = Compliance {
            fail_open,
            ..service.settings()
        };
        let hook = service.hook(&settings);
        let words = match ComplianceHook::ask(&hook, question()).await {
            Verdict::LetIn { why } if fail_open => why,
            Verdict::NotCompliant { reason } if !fail_open => reason,
            other => panic!("fail_open {fail_open}: {other:?}"),
        };
        assert!(
            words.contains("status 500") && words.contains("fail_open"),
            "{words}"
        );
    }
    // A clear no is no error.
    let no = Service::start(reply("200 OK", "", r#"{"compliant":false}"#)).await;
    let hook = no.hook(&Compliance {
        fail_open: true,
        ..no.settings()
    });
    let verdict = ComplianceHook::ask(&hook, question()).await;
    assert!(
        matches!(verdict, Verdict::NotCompliant { .. }),
        "{verdict:?}"
    );
}

#[test]
fn only_https_to_an_allowed_host_is_set_up() {
    let set_up = |url: &str, hosts: &[&str]| {
        let settings = Compliance {
            allowed_hosts: hosts.iter().map(ToString::to_string).collect(),
            ..Compliance::default()
        };
        ComplianceWebhook::new(url, &settings, None, None).map(|_| ())
    };
    let hosts = ["hooks.example.com"];
    assert_eq!(set_up("https://hooks.example.com/x", &hosts), Ok(()));
    assert_eq!(set_up("https://HOOKS.example.com:8443/x", &hosts), Ok(()));
    for url in [
        "http://hooks.example.com/x",
        "ftp://hooks.example.com/x",
        "hooks.example.com",
        "https://",
        "https://user@hooks.example.com/",
        "https://user:pass@hooks.example.com/",
        "",
    ] {
        assert_eq!(set_up(url, &hosts), Err(HookError::Address), "{url}");
    }
    for url in [
        "https://evil.example/",
        "https://hooks.example.com.evil.example/",
        "https://hooks.example.com@evil.example/",
        "https://127.0.0.1/",
    ] {
        assert_ne!(set_up(url, &hosts), Ok(()), "{url}");
    }
    let error = set_up("https://hooks.example.com/", &[]).unwrap_err();
    assert!(error.to_string().contains("hooks.example.com"), "{error}");
}

#[test]
fn an_empty_ca_bundle_trusts_nobody_and_is_refused() {
    let settings = Compliance {
        allowed_hosts: vec!["a.example".into()],
        ..Compliance::default()
    };
    let error = ComplianceWebhook::new("https://a.example/", &settings, None, Some(&[]))
        .err()
        .unwrap();
    assert!(matches!(error, HookError::CaBundle(_)), "{error}");
}
