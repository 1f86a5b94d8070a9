//! The listener with client certificates: each profile knows its own devices, and still asks for the challenge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::Duration;
use issuer::create_root;
use pki::{Certificate, CertificateBuilder, Curve, Digest, KeyKind, Name, PrivateKey, Serial};
use reqwest::tls::Version;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use scep::client::Content;

use crate::device::{Device, Trouble, issued, refused};
use crate::fleet::device_key;
use crate::test_env::{Running, TestEnv};
use actors::Clock;

/// Two profiles with an issuer each; each one's bundle is its own issuer.
async fn two_fleets() -> Running {
    let env = TestEnv::new();
    let name = Name::parse("O=Example, CN=Other CA").unwrap();
    let kind = KeyKind::Ec(Curve::P256);
    let (other, key) = create_root(&name, kind, env.clock.now(), 10).unwrap();
    env.file("other.pem", other.to_pem().as_bytes());
    env.file("other.key", key.to_pkcs8_pem().unwrap().as_bytes());
    let dir = env.dir().display().to_string();
    let bundle = |issuer: &str, file: &str| {
        format!(
            "issuer_id = '{issuer}'\n\
             mtls = {{ enabled = true, client_ca_trust_bundle_path = '{dir}/{file}' }}"
        )
    };
    let mut env = env
        .with("server = { mtls_listen = '127.0.0.1:0' }")
        .profile("a", &bundle("local", "ca.pem"))
        .profile("b", &bundle("other", "other.pem"))
        .profile("off", "");
    env.edit(|config| {
        let issuers = config["issuer"].as_array_mut().unwrap();
        let mut other = issuers[0].clone();
        other["id"] = "other".into();
        other["ca_cert_path"] = format!("{dir}/other.pem").into();
        other["ca_key_path"] = format!("{dir}/other.key").into();
        issuers.push(other);
    });
    env.start().await
}

fn mtls(server: &Running, path_id: &str) -> String {
    let port = server.server.addresses().mtls.unwrap().port();
    format!("https://localhost:{port}/scep-mtls/{path_id}")
}

fn with_certificate(
    server: &Running,
    certificate: &Certificate,
    key: &PrivateKey,
    version: Version,
) -> reqwest::Client {
    let mut pem = certificate.to_pem().into_bytes();
    pem.extend_from_slice(key.to_pkcs8_pem().unwrap().as_bytes());
    let builder = server
        .client_builder()
        .identity(reqwest::Identity::from_pem(&pem).unwrap());
    builder
        .tls_version_min(version)
        .tls_version_max(version)
        .build()
        .unwrap()
}

async fn status_of(http: &reqwest::Client, url: &str) -> u16 {
    let url = format!("{url}?operation=GetCACaps");
    http.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_profile_takes_its_own_devices_and_asks_for_the_challenge_too() {
    let server = two_fleets().await;
    let plain_a = Device::at(server.https("/scep/a"), server.client(), device_key()).await;
    let plain_b = Device::at(server.https("/scep/b"), server.client(), device_key()).await;
    let of_a = plain_a.enroll().await;
    let of_b = plain_b.enroll().await;

    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let a = with_certificate(&server, &of_a, &device_key(), version);
        let b = with_certificate(&server, &of_b, &device_key(), version);
        for (http, own, other) in [(&a, "a", "b"), (&b, "b", "a")] {
            assert_eq!(status_of(http, &mtls(&server, own)).await, 200);
            assert_eq!(status_of(http, &mtls(&server, other)).await, 401);
            assert_eq!(status_of(http, &mtls(&server, "off")).await, 404);
            assert_eq!(status_of(http, &mtls(&server, "nobody")).await, 404);
        }
        let device = Device {
            url: mtls(&server, "a"),
            http: a.clone(),
            ..plain_a.clone()
        };
        device.enroll().await;
        for challenge in [Some("wrong"), None] {
            let csr = device.csr(challenge);
            let request = device.request(Content::PkcsReq(&csr));
            refused(device.post(&request).await);
        }
        // A whole enrollment with the right challenge, but by the other profile's device.
        let stranger = Device { http: b, ..device };
        let csr = stranger.csr(Some(crate::test_env::CHALLENGE));
        let request = stranger.request(Content::PkcsReq(&csr));
        match stranger.try_post(&request).await {
            Err(Trouble::Status(401, _)) => {}
            other => panic!("{:?}", other.err()),
        }
    }

    // Without a certificate; with one that nobody of the profile issued.
    assert_eq!(status_of(&server.client(), &mtls(&server, "a")).await, 401);
    let own = with_certificate(&server, &plain_a.signer, &device_key(), Version::TLS_1_3);
    assert_eq!(status_of(&own, &mtls(&server, "a")).await, 401);
    // The two listeners keep to their own URLs.
    let a = with_certificate(&server, &of_a, &device_key(), Version::TLS_1_3);
    let crossed = mtls(&server, "a").replace("/scep-mtls/", "/scep/");
    assert_eq!(status_of(&a, &crossed).await, 404);
    assert_eq!(status_of(&a, &server.https("/scep-mtls/a")).await, 404);
    // The plain listener serves both, certificate or not.
    issued({
        let csr = plain_b.csr(Some(crate::test_env::CHALLENGE));
        plain_b.post(&plain_b.request(Content::PkcsReq(&csr))).await
    });
}

/// This CA once more, with the same name and key, but for two days only.
fn short_lived(env: &TestEnv) -> Certificate {
    let now = env.clock.now();
    let builder = CertificateBuilder {
        issuer: env.ca.subject().clone(),
        subject: env.ca.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now - Duration::hours(1),
        not_after: now + Duration::days(2),
        public_key: env.ca.public_key().clone(),
        extensions: env.ca.extensions().to_vec(),
    };
    let scheme = env.ca_key.scheme(Digest::Sha256).unwrap();
    builder.sign(&env.ca_key, &scheme).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_anchor_is_trusted_while_it_is_valid() {
    let env = TestEnv::new().with("server = { mtls_listen = '127.0.0.1:0' }");
    let bundle = env.file("clients.pem", short_lived(&env).to_pem().as_bytes());
    let settings = format!(
        "mtls = {{ enabled = true, client_ca_trust_bundle_path = '{}' }}",
        bundle.display()
    );
    let server = env.profile("a", &settings).start().await;
    let device = Device::at(server.http("a"), server.client(), device_key()).await;
    let certificate = device.enroll().await;
    let client = with_certificate(&server, &certificate, &device_key(), Version::TLS_1_3);
    assert_eq!(status_of(&client, &mtls(&server, "a")).await, 200);
    server.env.clock.advance(Duration::days(3));
    assert!(certificate.valid_at(server.env.clock.now()));
    assert_eq!(status_of(&client, &mtls(&server, "a")).await, 401);
    // One that is still to come counts no more than one that is gone.
    server.env.clock.advance(Duration::days(-4));
    assert_eq!(status_of(&client, &mtls(&server, "a")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_of_this_server_does_not_pass() {
    let server = two_fleets().await;
    let device = Device::at(server.https("/scep/a"), server.client(), device_key()).await;
    let (revoked, other) = (device.enroll().await, device.enroll().await);
    let client =
        |certificate| with_certificate(&server, certificate, &device_key(), Version::TLS_1_3);
    let url = mtls(&server, "a");
    assert_eq!(status_of(&client(&revoked), &url).await, 200);
    let path = format!(
        "/api/v1/admin/certificates/local/{}/revoke",
        revoked.serial().to_hex()
    );
    let answer = server.admin().await.post(&path, "{}").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let reply = client(&revoked)
        .get(format!("{url}?operation=GetCACaps"))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 401);
    assert!(reply.text().await.unwrap().contains("revoked"));
    assert_eq!(status_of(&client(&other), &url).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_requires_mtls_is_closed_elsewhere() {
    let mut server = two_fleets().await;
    let open = server.https("/scep/a");
    let device = Device::at(open.clone(), server.client(), device_key()).await;
    let certificate = device.enroll().await;
    server.env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        let mtls = profiles[0]["mtls"].as_table_mut().unwrap();
        mtls.insert("required".to_owned(), true.into());
    });
    server.server.reload("test").await.unwrap();
    for url in [open, server.http("a")] {
        assert_eq!(status_of(&server.client(), &url).await, 401, "{url}");
        let post = server.client().post(&url).body(vec![0x30; 10]);
        assert_eq!(post.send().await.unwrap().status(), 401, "{url}");
    }
    assert_eq!(
        status_of(&server.client(), &server.https("/scep/b")).await,
        200
    );
    let client = with_certificate(&server, &certificate, &device_key(), Version::TLS_1_3);
    assert_eq!(status_of(&client, &mtls(&server, "a")).await, 200);
}

/// Notes whether it was asked, and has nothing to show.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::SeqCst);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

async fn asks_for_a_certificate(
    server: &Running,
    port: u16,
    version: &'static rustls::SupportedProtocolVersion,
) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from(server.env.ca.der().to_vec());
    roots.add(ca).unwrap();
    let asked = Arc::new(Asked::default());
    let config = rustls::ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_client_cert_resolver(asked.clone());
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap();
    asked.0.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_mtls_listener_asks_for_a_certificate() {
    let server = two_fleets().await;
    let addresses = server.server.addresses();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let https = addresses.https.port();
        assert!(!asks_for_a_certificate(&server, https, version).await);
        let mtls = addresses.mtls.unwrap().port();
        assert!(asks_for_a_certificate(&server, mtls, version).await);
    }
}

/// A certificate of X.509 version 1 with the test device's key, and what a GET with it brings.
fn get_with_version_1(port: u16, path: &str, version: openssl::ssl::SslVersion) -> String {
    use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
    use std::io::{Read, Write};
    let pem = device_key().to_pkcs8_pem().unwrap();
    let key = openssl::pkey::PKey::private_key_from_pem(pem.as_bytes()).unwrap();
    let mut builder = openssl::x509::X509::builder().unwrap();
    builder.set_version(0).unwrap();
    builder.set_pubkey(&key).unwrap();
    let day = |days| openssl::asn1::Asn1Time::days_from_now(days).unwrap();
    builder.set_not_before(&day(0)).unwrap();
    builder.set_not_after(&day(9)).unwrap();
    let digest = openssl::hash::MessageDigest::sha256();
    builder.sign(&key, digest).unwrap();
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_certificate(&builder.build()).unwrap();
    connector.set_private_key(&key).unwrap();
    connector.set_min_proto_version(Some(version)).unwrap();
    connector.set_max_proto_version(Some(version)).unwrap();
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = connector.build().connect("localhost", stream).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_version_1_is_told_no_and_not_cut_off() {
    use openssl::ssl::SslVersion;
    let server = two_fleets().await;
    let port = server.server.addresses().mtls.unwrap().port();
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let path = "/scep-mtls/a?operation=GetCACaps";
        let asked = move || get_with_version_1(port, path, version);
        let reply = tokio::task::spawn_blocking(asked).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 401 "), "{version:?} {reply}");
    }
}
