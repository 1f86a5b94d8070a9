//! URLs, methods, encodings and content types: everything around a PKIMessage that clients vary.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use pki::{Certificate, Csr, Extension, Name, SubjectAltNames};
use scep::client::{Content, Request, RequestBuilder};

use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::test_env::{CHALLENGE, Running, TestEnv};
use crate::wire::{self, Raw};

const AFTER_A_PROFILE: [&str; 12] = [
    "",
    "/",
    "/pkiclient.exe",
    "/pkiclient.exe/",
    "/cgi-bin/pkiclient.exe",
    "/certsrv/mscep/mscep.dll",
    "/certsrv/mscep/mscep.dll/",
    "/certsrv/mscep/mscep.dll/pkiclient.exe",
    "/certsrv/mscep/mscep.dll/pkiclient.exe/",
    "/certsrv/mscep",
    "/CertSrv/mscep/mscep.dll",
    "/CERTSRV/MSCEP/MSCEP.DLL/PKIClient.exe",
];

async fn device(server: &Running, path_id: &str) -> Device {
    Device::at(server.http(path_id), server.client(), device_key()).await
}

fn plain(server: &Running) -> SocketAddr {
    server.server.addresses().http.unwrap()
}

/// A request for an ordinary certificate.
fn enrollment(device: &Device) -> Request {
    device.request(Content::PkcsReq(&device.csr(Some(CHALLENGE))))
}

/// The certificate in a raw reply.
fn certificate(device: &Device, request: &Request, reply: &Raw, words: &str) -> Certificate {
    assert_eq!(reply.status, 200, "{words}: {}", reply.text());
    assert_eq!(
        reply.header("content-type"),
        Some("application/x-pki-message"),
        "{words}"
    );
    issued(
        request
            .open_reply(&reply.body, &device.ca.reply_signers())
            .unwrap_or_else(|error| panic!("{words}: {error}")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_a_url() {
    let server = TestEnv::new()
        .profile("corp", "")
        .profile("", "")
        .start()
        .await;
    let address = plain(&server);
    let (corp, root) = (device(&server, "corp").await, device(&server, "").await);
    assert_ne!(corp.ca.recipient().unwrap(), root.ca.recipient().unwrap());
    let mut paths: Vec<(String, &Device)> = Vec::new();
    for after in AFTER_A_PROFILE {
        paths.push((format!("/scep/corp{after}"), &corp));
        paths.push((format!("/scep{after}"), &root));
    }
    for bare in [
        "/cgi-bin/pkiclient.exe",
        "/certsrv/mscep/mscep.dll",
        "/certsrv/mscep/mscep.dll/",
        "/certsrv/mscep/mscep.dll/pkiclient.exe",
        "/certsrv/mscep/",
        "/CertSrv/mscep/mscep.dll",
    ] {
        paths.push((bare.to_owned(), &root));
    }
    for (path, owner) in paths {
        for base in [format!("http://{address}{path}"), server.https(&path)] {
            let mut device = owner.clone();
            device.url = base;
            device.refresh().await.unwrap();
            assert_eq!(
                device.ca.recipient().unwrap(),
                owner.ca.recipient().unwrap(),
                "{}",
                device.url
            );
            let request = enrollment(&device);
            issued(device.post(&request).await);
            let caps = wire::get(address, &format!("{path}?operation=GetCACaps")).await;
            assert_eq!(caps.status, 200, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_of_get_ca_caps_and_get_ca_cert_means_nothing() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let address = plain(&server);
    let lines = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vectors/get-lines.json");
    let lines: serde_json::Value = serde_json::from_slice(&std::fs::read(lines).unwrap()).unwrap();
    let captured = lines.as_array().unwrap().iter();
    let captured = captured.filter_map(|line| line["message_raw"].as_str());
    let mut messages: Vec<String> = captured.map(|raw| format!("&message={raw}")).collect();
    assert!(messages.len() > 3);
    messages.extend(
        [
            "&message",
            "&message=",
            "&message=0",
            "&message=default",
            "&message=ca",
            "&message=CAIdentifier",
            "&message=SCEP%20Authority",
            "&message=SCEP+Authority",
            "&message=%00%ff%zz%",
            "&x=y&message=1&message=2",
        ]
        .map(str::to_owned),
    );
    for (operation, content_type) in [
        ("GetCACaps", "text/plain"),
        ("GetCACert", "application/x-x509-ca-ra-cert"),
    ] {
        let plain = wire::get(address, &format!("/scep/corp?operation={operation}")).await;
        assert_eq!(
            (plain.status, plain.header("content-type")),
            (200, Some(content_type))
        );
        for message in &messages {
            let targets = [
                format!("/scep/corp?operation={operation}{message}"),
                format!("/scep/corp?{}&operation={operation}", &message[1..]),
            ];
            for target in targets {
                let reply = wire::get(address, &target).await;
                assert_eq!(reply.status, 200, "{target}");
                assert_eq!(reply.header("content-type"), Some(content_type));
                assert_eq!(reply.body, plain.body, "{target}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn post_whatever_the_headers_say() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = device(&server, "corp").await;
    for query in [
        "?operation=PKIOperation",
        "?operation=PKIOperation&message=",
        "?message=&operation=PKIOperation",
        "?message=",
        "?",
        "",
    ] {
        for content_type in [
            None,
            Some("application/octet-stream"),
            Some("application/x-pki-message"),
            Some("application/x-pki-message; charset=utf-8"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data"),
            Some("no type at all"),
        ] {
            let request = enrollment(&device);
            let line = content_type.map_or(String::new(), |t| format!("Content-Type: {t}\r\n"));
            let mut octets = format!(
                "POST /scep/corp{query} HTTP/1.1\r\nHost: x\r\n{line}Connection: close\r\nContent-Length: {}\r\n\r\n",
                request.message().len()
            )
            .into_bytes();
            octets.extend_from_slice(request.message());
            let reply = wire::send(plain(&server), &octets).await;
            certificate(
                &device,
                &request,
                &reply,
                &format!("{query} {content_type:?}"),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn get_in_every_form_of_base64() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = device(&server, "corp").await;
    let csr = device.csr(Some(CHALLENGE));
    let recipient = [device.ca.recipient().unwrap()];
    // One whose base64 has both letters that differ between the alphabets, and padding.
    let request = (0..1000)
        .map(|n| {
            RequestBuilder::new(
                Content::PkcsReq(&csr),
                (&device.signer, &device.key),
                &recipient,
            )
            .transaction_id("x".repeat(1 + n % 3))
            .build()
            .unwrap()
        })
        .find(|request| {
            let text = STANDARD.encode(request.message());
            ["+", "/", "=="].iter().all(|part| text.contains(part))
        })
        .unwrap();
    let octets = request.message();
    let standard = STANDARD.encode(octets);
    let in_lines = |end: &str| {
        let lines: Vec<&str> = standard
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        lines.join(end) + end
    };
    let escaped = standard
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let small = escaped
        .replace("%2B", "%2b")
        .replace("%2F", "%2f")
        .replace("%3D", "%3d");
    let forms = [
        ("raw", standard.clone()),
        ("escaped", escaped.clone()),
        ("escaped in small letters", small),
        ("escaped twice", escaped.replace('%', "%25")),
        ("only = escaped", standard.replace('=', "%3D")),
        ("+ as a space", standard.replace('+', "%20")),
        ("no padding", STANDARD_NO_PAD.encode(octets)),
        ("base64url", URL_SAFE_NO_PAD.encode(octets)),
        ("base64url, padded", URL_SAFE.encode(octets)),
        (
            "base64url, escaped padding",
            URL_SAFE.encode(octets).replace('=', "%3D"),
        ),
        ("lines", in_lines("%0A")),
        ("lines with CR", in_lines("%0D%0A")),
        ("lines in small letters", in_lines("%0d%0a")),
    ];
    let mut first: Option<Certificate> = None;
    for (name, form) in forms {
        for target in [
            format!("/scep/corp?operation=PKIOperation&message={form}"),
            format!("/scep/corp/pkiclient.exe?message={form}&operation=PKIOperation"),
        ] {
            let reply = wire::get(plain(&server), &target).await;
            let leaf = certificate(&device, &request, &reply, name);
            let first = first.get_or_insert_with(|| leaf.clone());
            assert_eq!(first, &leaf, "the same request in another form: {name}");
        }
    }
    for (message, words) in [("", "empty"), ("====", "empty"), ("M*II", "base64")] {
        let target = format!("/scep/corp?operation=PKIOperation&message={message}");
        let reply = wire::get(plain(&server), &target).await;
        assert_eq!(reply.status, 400, "{message}");
        assert!(reply.text().contains(words), "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_nearly_64_kib() {
    let server = TestEnv::new()
        .profile("corp", "limits.max_csr_bytes = 65536")
        .start()
        .await;
    let device = device(&server, "corp").await;
    let recipient = [device.ca.recipient().unwrap()];
    let subject = Name::parse("O=Example, CN=box-4").unwrap();
    let build = |filler: usize| {
        let ballast = Extension {
            oid: "1.3.6.1.4.1.55555.1".to_owned(),
            critical: false,
            value: pki::der::octet_string(&vec![7; filler]),
        };
        let sans = SubjectAltNames::default();
        let csr = Csr::build(&subject, &sans, Some(CHALLENGE), &[ballast], &device.key).unwrap();
        RequestBuilder::new(
            Content::PkcsReq(&csr),
            (&device.signer, &device.key),
            &recipient,
        )
        .build()
        .unwrap()
    };
    let target = |request: &Request| {
        let message = STANDARD.encode(request.message());
        format!("/scep/corp?operation=PKIOperation&message={message}")
    };
    let trial = target(&build(40_000)).len();
    let request = build(40_000 + (65_500 - trial) / 4 * 3);
    let target = target(&request);
    assert!((65_400..65_535).contains(&target.len()), "{}", target.len());
    let reply = wire::get(plain(&server), &target).await;
    certificate(&device, &request, &reply, "long");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limit_are_413() {
    const LIMIT: usize = 256 * 1024;
    let server = TestEnv::new().profile("corp", "").start().await;
    let url = format!("{}?operation=PKIOperation", server.http("corp"));
    let http = server.client();
    for (length, status) in [(LIMIT + 1, 413), (4 * LIMIT, 413), (LIMIT, 400), (0, 400)] {
        for _ in 0..5 {
            let reply = http
                .post(&url)
                .body(vec![0x30; length])
                .send()
                .await
                .unwrap();
            assert_eq!(reply.status(), status, "{length}");
        }
    }
    // Without a length, in pieces.
    for (pieces, status) in [(LIMIT / 4096 + 1, 413), (LIMIT / 4096, 400)] {
        let head = "POST /scep/corp HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut octets = head.as_bytes().to_vec();
        for _ in 0..pieces {
            octets.extend_from_slice(b"1000\r\n");
            octets.extend_from_slice(&[0x30; 4096]);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"0\r\n\r\n");
        let reply = wire::send(plain(&server), &octets).await;
        assert_eq!(reply.status, status, "{pieces} pieces");
    }
    device(&server, "corp").await.enroll().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_as_get_without_a_body() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let address = plain(&server);
    for (query, status) in [
        ("?operation=GetCACaps", 200),
        ("?operation=GetCACert", 200),
        ("?operation=GetNextCACert", 404),
        ("", 400),
        ("?operation=", 400),
        ("?operation=Bogus", 400),
    ] {
        let target = format!("/scep/corp{query}");
        let get = wire::get(address, &target).await;
        let head = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let head = wire::send(address, head.as_bytes()).await;
        assert_eq!((get.status, head.status), (status, status), "{query}");
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{query} {name}");
        }
        assert!(!get.body.is_empty() && head.body.is_empty(), "{query}");
    }
    // A message is not sent by HEAD.
    let head = "HEAD /scep/corp?operation=PKIOperation&message=MAA HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let head = wire::send(address, head.as_bytes()).await;
    assert_eq!(
        (head.status, head.header("allow")),
        (405, Some("GET, HEAD, POST"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn white_space_behind_a_message_is_left_out() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = device(&server, "corp").await;
    for behind in ["\n", "\r\n", " \t\r\n\r\n"] {
        let request = enrollment(&device);
        let mut octets = request.message().to_vec();
        octets.extend_from_slice(behind.as_bytes());
        let mut post = format!(
            "POST /scep/corp?operation=PKIOperation HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            octets.len()
        )
        .into_bytes();
        post.extend_from_slice(&octets);
        let reply = wire::send(plain(&server), &post).await;
        certificate(&device, &request, &reply, behind);
        let target = format!(
            "/scep/corp?operation=PKIOperation&message={}",
            STANDARD.encode(&octets).replace('+', "%2B")
        );
        let reply = wire::get(plain(&server), &target).await;
        certificate(&device, &request, &reply, behind);
    }
}

/// Sends a request line and no more than a Host; the status.
async fn status_of_line(server: &Running, line: &str, tls: bool) -> u16 {
    let octets =
        format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    if !tls {
        return wire::send(plain(server), octets.as_bytes()).await.status;
    }
    use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
    use std::io::{Read, Write};
    let address = server.server.addresses().https;
    let exchange = move || {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        let stream = std::net::TcpStream::connect(address).unwrap();
        let mut stream = connector.build().connect("localhost", stream).unwrap();
        stream.write_all(octets.as_bytes()).unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let status = reply.split(' ').nth(1).map(str::to_owned);
        status.unwrap_or_else(|| panic!("no reply: {reply}"))
    };
    let status = tokio::task::spawn_blocking(exchange).await.unwrap();
    status.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_request_target_is_answered() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let caps = "/scep/corp?operation=GetCACaps";
    for tls in [false, true] {
        for (line, status) in [
            // Origin form.
            (format!("GET {caps}"), 200),
            // Absolute form, as proxies get it.
            (format!("GET http://x{caps}"), 200),
            (format!("GET https://x:8443{caps}"), 200),
            (format!("GET http://user@x{caps}"), 200),
            ("GET http://x/nothing".to_owned(), 404),
            ("POST http://x/nothing".to_owned(), 404),
            // Authority form.
            ("CONNECT a:1".to_owned(), 400),
            ("CONNECT /scep/corp".to_owned(), 400),
            ("GET x:1".to_owned(), 400),
            ("POST x:1".to_owned(), 400),
            ("HEAD x:1".to_owned(), 400),
            ("OPTIONS x:1".to_owned(), 400),
            ("GET x".to_owned(), 400),
            // Asterisk form.
            ("OPTIONS *".to_owned(), 200),
            ("GET *".to_owned(), 400),
            ("POST *".to_owned(), 400),
            // None of them.
            ("GET scep/corp".to_owned(), 400),
            ("GET ?operation=GetCACaps".to_owned(), 400),
        ] {
            let got = status_of_line(&server, &line, tls).await;
            assert_eq!(got, status, "{line}, TLS: {tls}");
        }
        let root = status_of_line(&server, "GET /", tls).await;
        assert_eq!(status_of_line(&server, "GET http://x", tls).await, root);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_without_host() {
    let server = TestEnv::new().profile("", "").start().await;
    let device = device(&server, "").await;
    let path = "/cgi-bin/pkiclient.exe";
    let caps = format!("GET {path}?operation=GetCACaps HTTP/1.0\r\n\r\n");
    let caps = wire::send(plain(&server), caps.as_bytes()).await;
    assert_eq!(
        (caps.status, caps.header("content-type")),
        (200, Some("text/plain"))
    );
    assert_eq!(
        caps.header("transfer-encoding"),
        None,
        "HTTP/1.0 knows no chunks"
    );

    let request = enrollment(&device);
    let message = STANDARD.encode(request.message()).replace('+', "%2B");
    let get = format!("GET {path}?operation=PKIOperation&message={message} HTTP/1.0\r\n\r\n");
    let reply = wire::send(plain(&server), get.as_bytes()).await;
    certificate(&device, &request, &reply, "GET");

    let request = enrollment(&device);
    let mut post = format!(
        "POST {path}?operation=PKIOperation HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
        request.message().len()
    )
    .into_bytes();
    post.extend_from_slice(request.message());
    let reply = wire::send(plain(&server), &post).await;
    certificate(&device, &request, &reply, "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served() {
    let server = TestEnv::new()
        .profile("corp", "")
        .profile("", "")
        .start()
        .await;
    let address = plain(&server);
    for (target, status) in [
        ("/scep/corp?operation=GetCaCaps", 400),
        ("/scep/corp?operation=x", 400),
        ("/scep/corp?operation=", 400),
        ("/scep/corp", 400),
        ("/scep/corp?operation=PKIOperation", 400),
        ("/scep/corp?operation=GetNextCACert", 404),
        ("/scep/nobody?operation=GetCACaps", 404),
        ("/scep/Corp?operation=GetCACaps", 404),
        ("/scep/corp/x?operation=GetCACaps", 404),
        ("/scep-mtls/corp?operation=GetCACaps", 404),
        ("/?operation=GetCACaps", 404),
        ("/", 404),
        ("/scep/intune", 404),
        ("/api/v1/auth/check", 404),
        ("/api/v1/admin/scep/profiles", 404),
        ("/api/v1/session", 404),
        ("/metrics", 404),
        ("/health", 404),
        ("/healthz", 404),
        ("/readyz", 404),
        ("/index.html", 404),
        ("/assets/index.js", 404),
    ] {
        let reply = wire::get(address, target).await;
        assert_eq!(reply.status, status, "{target}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("text/plain"), "{target}");
        assert!(!reply.text().contains('<'), "{target}: {}", reply.text());
    }
    let page = wire::get(address, "/scep").await;
    assert_eq!(page.status, 400, "a page is for https only");

    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        for query in ["", "?operation=GetCACaps", "?operation=PKIOperation"] {
            let request = format!(
                "{method} /scep/corp{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            );
            let reply = wire::send(address, request.as_bytes()).await;
            assert_eq!(reply.status, 405, "{method} {query}");
            assert_eq!(reply.header("allow"), Some("GET, HEAD, POST"));
        }
    }
    for operation in ["GetCACaps", "GetCACert", "x"] {
        let request = format!(
            "POST /scep/corp?operation={operation} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(wire::send(address, request.as_bytes()).await.status, 400);
    }
    let post = "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(wire::send(address, post.as_bytes()).await.status, 404);
}
