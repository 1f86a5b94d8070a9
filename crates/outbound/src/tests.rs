//! Against servers on ports of their own.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use pki::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, Name, PrivateKey, Serial,
    SubjectAltNames, sha256,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{CallError, Client, Options, Request, Trust, endpoint};

/// What a server does with a connection.
#[derive(Clone)]
struct Answer {
    octets: Vec<u8>,
    /// Keeps the connection open without a word afterwards.
    hang: bool,
}

fn answer(text: &str) -> Answer {
    Answer {
        octets: text.as_bytes().to_vec(),
        hang: false,
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let _ = stream.write_all(&answer.octets).await;
    if answer.hang {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

/// A server without TLS; its address.
async fn plain(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, answer.clone()));
        }
    });
    format!("http://{address}/")
}

/// A server with TLS and a certificate of its own; its address and certificate.
async fn secured(answer: Answer) -> (String, Certificate) {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let certificate = certificate(&key);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(
        vec![certificate.der().to_vec().into()],
        PrivateKeyDer::from_pem_slice(key.to_pkcs8_pem().unwrap().as_bytes()).unwrap(),
    )
    .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(socket).await {
                    serve(stream, answer).await;
                }
            });
        }
    });
    (format!("https://localhost:{port}/"), certificate)
}

async fn get(url: &str, options: Options) -> Result<crate::Response, CallError> {
    let client = Client::new(options).unwrap();
    client.send(Request::get(endpoint(url).unwrap())).await
}

fn options() -> Options {
    // No root is needed for plain connections; the system may have none.
    Options::new(Trust::Fingerprint([0; 32]))
}

const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

#[tokio::test]
async fn an_answer_is_read_to_its_end() {
    let url = plain(answer(FINE)).await;
    let response = get(&url, options()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(&response.body()[..], b"hi");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let text = "HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
    let url = plain(answer(text)).await;
    assert_eq!(get(&url, options()).await.unwrap().status(), 307);
}

#[tokio::test]
async fn a_long_answer_a_cut_and_a_silent_one_are_errors_that_may_have_arrived() {
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 4096\r\n\r\n{}",
        "x".repeat(4096)
    );
    let url = plain(answer(&long)).await;
    let mut small = options();
    small.max_body = 4095;
    let error = get(&url, small).await.unwrap_err();
    assert_eq!(error, CallError::TooLong { limit: 4095 });
    assert!(error.may_have_arrived());

    let url = plain(answer("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi")).await;
    let error = get(&url, options()).await.unwrap_err();
    assert!(matches!(error, CallError::Cut(_)), "{error}");
    assert!(error.may_have_arrived());

    let mut silent = answer("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi");
    silent.hang = true;
    let url = plain(silent).await;
    let mut hurried = options();
    hurried.timeout = Duration::from_millis(50);
    let error = get(&url, hurried).await.unwrap_err();
    assert_eq!(error, CallError::TimedOut(Duration::from_millis(50)));
    assert!(error.may_have_arrived());
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_names_no_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = get(&format!("http://127.0.0.1:{port}/secret-path"), options())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error}");
    assert!(!error.may_have_arrived());
    assert!(!error.to_string().contains("secret-path"));
}

#[tokio::test]
async fn tls_is_believed_by_bundle_and_by_fingerprint_and_else_refused() {
    let (url, certificate) = secured(answer(FINE)).await;
    let roots = Trust::Roots(vec![certificate.der().to_vec()]);
    assert_eq!(get(&url, Options::new(roots)).await.unwrap().status(), 200);
    let pin = Trust::Fingerprint(sha256(certificate.der()));
    assert_eq!(get(&url, Options::new(pin)).await.unwrap().status(), 200);

    let other = Trust::Fingerprint([7; 32]);
    let error = get(&url, Options::new(other)).await.unwrap_err();
    assert!(matches!(error, CallError::Tls(_)), "{error}");
    assert!(!error.may_have_arrived());
}

#[tokio::test]
async fn what_is_asked_of_anybody_is_believed_by_its_fingerprint_alone() {
    let (url, certificate) = secured(answer(FINE)).await;
    let nobody = || Options::new(Trust::Fingerprint([0; 32]));
    assert!(matches!(
        get(&url, nobody()).await.unwrap_err(),
        CallError::Tls(_)
    ));
    let ask = async |given: Option<&[u8]>| {
        let given = given.map(<[u8]>::to_vec);
        let pin = sha256(certificate.der());
        crate::pinned(endpoint(&url).unwrap(), nobody(), &pin, |_| given).await
    };
    let right = ask(Some(certificate.der())).await.unwrap();
    assert_eq!(right, certificate.der());
    for wrong in [Some(&b"hi"[..]), None] {
        let error = ask(wrong).await.unwrap_err();
        assert!(matches!(error, crate::PinError::Other), "{error}");
    }
}

#[tokio::test]
async fn retry_after_counts_from_the_answers_own_date() {
    let text = "HTTP/1.1 503 S\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                retry-after: Sun, 06 Nov 1994 08:50:37 GMT\r\ncontent-length: 0\r\n\r\n";
    let response = get(&plain(answer(text)).await, options()).await.unwrap();
    assert_eq!(response.date(), Some(784_111_777));
    assert_eq!(response.retry_after(0), Some(Duration::from_secs(60)));

    let text = "HTTP/1.1 503 S\r\nretry-after: 17\r\ncontent-length: 0\r\n\r\n";
    let response = get(&plain(answer(text)).await, options()).await.unwrap();
    assert_eq!(response.retry_after(0), Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn a_header_with_a_line_break_is_never_sent() {
    let url = endpoint(&plain(answer(FINE)).await).unwrap();
    let client = Client::new(options()).unwrap();
    let request = Request::get(url).secret_header("authorization", "Bearer a\r\nx: y");
    assert!(!format!("{request:?}").contains("Bearer"));
    let error = client.send(request).await.unwrap_err();
    assert!(matches!(error, CallError::Invalid(_)), "{error}");
}

fn certificate(key: &PrivateKey) -> Certificate {
    let subject = Name::parse("CN=localhost").unwrap();
    let names = SubjectAltNames {
        dns: vec!["localhost".into()],
        ..SubjectAltNames::default()
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "the TLS library looks at the clock too"
    )]
    let now = chrono::Utc::now();
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
