//! What relying parties fetch: CRLs, CA certificates, OCSP answers.

use actors::Clock;
use base64::Engine as _;
use chrono::Duration;
use issuer::create_root;
use ocsp::CertId;
use openssl::ocsp::{OcspFlag, OcspResponse};
use openssl::stack::Stack;
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyParam;
use pki::{Certificate, Crl, Curve, Digest, KeyKind, Name, Serial, der, oid};
use reqwest::StatusCode;
use serde_json::json;
use store::TokenRole;

use crate::device::Device;
use crate::fleet::device_key;
use crate::test_env::{Running, TestEnv};

pub(crate) async fn server(settings: &str) -> Running {
    TestEnv::new()
        .profile("corp", "")
        .with(&format!(
            "[publish]\nlisten = '127.0.0.1:0'\nbase_url = 'http://pki.example.com/pub'\n{settings}"
        ))
        .start()
        .await
}

pub(crate) fn url(server: &Running, path: &str) -> String {
    let address = server.server.addresses().publish.expect("it is published");
    format!("http://{address}{path}")
}

pub(crate) async fn get(
    server: &Running,
    path: &str,
    headers: &[(&str, &str)],
) -> reqwest::Response {
    let mut asked = server.client().get(url(server, path));
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    asked.send().await.unwrap()
}

pub(crate) fn header(reply: &reqwest::Response, name: &str) -> String {
    let value = reply.headers().get(name).unwrap();
    value.to_str().unwrap().to_owned()
}

pub(crate) async fn enrolled(server: &Running) -> Certificate {
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    device.enroll().await
}

pub(crate) async fn revoke(server: &Running, certificate: &Certificate) {
    revoke_as(server, certificate, "key_compromise").await;
}

pub(crate) async fn revoke_as(server: &Running, certificate: &Certificate, reason: &str) {
    let path = format!(
        "/api/v1/admin/certificates/local/{}/revoke",
        certificate.serial().to_hex()
    );
    let body = json!({ "reason": reason }).to_string();
    // A token's name is taken for good: one for each certificate.
    let name = format!("revokes-{}", certificate.serial().to_hex());
    let token = server.token(&name, TokenRole::Admin).await;
    let answer = server.with_token(&token).post(&path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// A request about these certificates.
pub(crate) fn request(ids: &[CertId], nonce: Option<&[u8]>) -> Vec<u8> {
    let list: Vec<Vec<u8>> = ids.iter().map(|id| der::seq(&[&id.der])).collect();
    let list: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
    let extensions = nonce.map_or_else(Vec::new, |nonce| {
        let value = der::octet_string(&der::octet_string(nonce));
        let nonce = der::seq(&[&der::oid(oid::OCSP_NONCE).unwrap(), &value]);
        der::explicit(2, &der::seq(&[&nonce]))
    });
    der::seq(&[&der::seq(&[&der::seq(&list), &extensions])])
}

pub(crate) async fn post(server: &Running, request: Vec<u8>) -> Vec<u8> {
    let asked = server.client().post(url(server, "/ocsp/local"));
    let reply = asked
        .header("content-type", "application/ocsp-request")
        .body(request)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(header(&reply, "content-type"), "application/ocsp-response");
    reply.bytes().await.unwrap().to_vec()
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Good,
    Revoked,
    Unknown,
}

/// What an answer says of a certificate, once OpenSSL believes that the CA, or whom it trusts with that, has signed it.
fn judged(answer: &[u8], ca: &Certificate, id: &CertId) -> Status {
    judged_at(answer, ca, id, chrono::Utc::now())
}

/// The same at this time.
pub(crate) fn judged_at(
    answer: &[u8],
    ca: &Certificate,
    id: &CertId,
    at: chrono::DateTime<chrono::Utc>,
) -> Status {
    let basic = OcspResponse::from_der(answer).unwrap().basic().unwrap();
    let mut trusted = X509StoreBuilder::new().unwrap();
    trusted.add_cert(X509::from_der(ca.der()).unwrap()).unwrap();
    let mut time = X509VerifyParam::new().unwrap();
    time.set_time(at.timestamp());
    trusted.set_param(&time).unwrap();
    let none = Stack::new().unwrap();
    basic
        .verify(&none, &trusted.build(), OcspFlag::empty())
        .unwrap();
    let mut places = answer.windows(id.der.len());
    let place = places.position(|part| part == id.der).unwrap();
    // CertStatus comes right behind the CertID (RFC 6960, section 4.2.1).
    match answer[place + id.der.len()] {
        0x80 => Status::Good,
        0xa1 => Status::Revoked,
        0x82 => Status::Unknown,
        tag => panic!("no CertStatus: {tag:#x}"),
    }
}

pub(crate) async fn status(server: &Running, ca: &Certificate, serial: &Serial) -> Status {
    let mut statuses = Vec::new();
    for digest in [Digest::Sha1, Digest::Sha256] {
        let id = CertId::new(digest, ca, serial);
        let answer = post(server, request(std::slice::from_ref(&id), None)).await;
        statuses.push(judged(&answer, ca, &id));
        let text = base64::engine::general_purpose::STANDARD
            .encode(request(std::slice::from_ref(&id), None));
        let escaped = text
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        for path in [
            format!("/ocsp/local/{text}"),
            format!("/pub/ocsp/local/{escaped}"),
        ] {
            let reply = get(server, &path, &[]).await;
            assert_eq!(reply.status(), StatusCode::OK);
            let answer = reply.bytes().await.unwrap();
            statuses.push(judged(&answer, ca, &id));
        }
    }
    statuses.dedup();
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    statuses[0]
}

pub(crate) async fn crl(server: &Running, path: &str) -> Crl {
    server.server.publication().unwrap().renew().await;
    let reply = get(server, path, &[]).await;
    assert_eq!(reply.status(), StatusCode::OK, "{path}");
    assert_eq!(header(&reply, "content-type"), "application/pkix-crl");
    Crl::from_der(&reply.bytes().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_where_certificates_say_and_nothing_else_is_there() {
    let server = server("").await;
    let certificate = enrolled(&server).await;
    let text = |oid| {
        let value = certificate.extension(oid).unwrap();
        String::from_utf8_lossy(value).into_owned()
    };
    let base = "http://pki.example.com/pub";
    let named = |text: &str, kind: &str| {
        let from = text.find(&format!("{base}{kind}")).unwrap() + base.len();
        let end = text[from..].find(|c: char| !c.is_ascii_graphic());
        text[from..]
            .split_at(end.unwrap_or(text.len() - from))
            .0
            .to_owned()
    };
    let crl_path = named(&text(oid::CRL_DISTRIBUTION_POINTS), "/crl/");
    let access = text(oid::AUTHORITY_INFO_ACCESS);
    assert!(access.contains(&format!("{base}/ocsp/local")), "{access}");
    let ca_path = access
        .split(base)
        .find(|part| part.starts_with("/ca/"))
        .unwrap();
    let ca_path = &ca_path[..ca_path.find(".cer").unwrap() + 4];

    for path in [crl_path.as_str(), "/crl/local.crl", "/pub/crl/local.crl"] {
        let list = crl(&server, path).await;
        list.verify_signature_by(server.env.ca.public_key())
            .unwrap();
        assert_eq!(list.aki(), server.env.ca.ski());
        assert!(list.entries().is_empty() && list.number().is_some());
    }
    for path in [ca_path, "/ca/local.cer"] {
        let reply = get(&server, path, &[]).await;
        assert_eq!(header(&reply, "content-type"), "application/pkix-cert");
        assert_eq!(reply.bytes().await.unwrap(), server.env.ca.der());
    }
    for path in [
        "/",
        "/scep",
        "/scep/corp?operation=GetCACert",
        "/api/v1/admin/certificates",
        "/healthz",
        "/metrics",
        "/crl/",
        "/crl/other.crl",
        "/ocsp/other",
        "/ca/local.crl",
        "/crl/../scep",
    ] {
        assert_eq!(
            get(&server, path, &[]).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let posted = server.client().post(url(&server, "/crl/local.crl"));
    let refused = posted.send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(&refused, "allow"), "GET, HEAD");
    // Nothing of it is on the other listeners.
    let elsewhere = server.http("").replace("/scep", "/crl/local.crl");
    let elsewhere = server.client().get(elsewhere).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_learn_how_long_they_may_keep_what_they_have() {
    let server = server("max_age = '2m'").await;
    let certificate = enrolled(&server).await;
    let id = CertId::new(Digest::Sha1, &server.env.ca, certificate.serial());
    let text = base64::engine::general_purpose::URL_SAFE.encode(request(&[id], None));
    for path in ["/crl/local.crl".to_owned(), format!("/ocsp/local/{text}")] {
        let reply = get(&server, &path, &[]).await;
        let control = header(&reply, "cache-control");
        assert!(
            control.contains("max-age=120,") && control.starts_with("public"),
            "{control}"
        );
        let (etag, modified) = (header(&reply, "etag"), header(&reply, "last-modified"));
        let expires = header(&reply, "expires");
        chrono::DateTime::parse_from_rfc2822(&expires).unwrap();
        for known in [
            ("if-none-match", etag.as_str()),
            ("if-none-match", "*"),
            ("if-modified-since", modified.as_str()),
        ] {
            let again = get(&server, &path, &[known]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path} {known:?}");
            assert_eq!(header(&again, "etag"), etag);
        }
        let other = ("if-none-match", "\"0\"");
        assert_eq!(get(&server, &path, &[other]).await.status(), StatusCode::OK);
        let head = server
            .client()
            .head(url(&server, &path))
            .send()
            .await
            .unwrap();
        assert_eq!(
            (head.status(), header(&head, "etag")),
            (StatusCode::OK, etag)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_seen_at_once() {
    let server = server("").await;
    let (kept, revoked) = (enrolled(&server).await, enrolled(&server).await);
    let ca = server.env.ca.clone();
    let before = crl(&server, "/crl/local.crl").await;
    for certificate in [&kept, &revoked] {
        assert_eq!(
            status(&server, &ca, certificate.serial()).await,
            Status::Good
        );
    }
    revoke(&server, &revoked).await;
    assert_eq!(
        status(&server, &ca, revoked.serial()).await,
        Status::Revoked
    );
    assert_eq!(status(&server, &ca, kept.serial()).await, Status::Good);
    assert_eq!(
        status(&server, &ca, &Serial::new([9; 12])).await,
        Status::Unknown
    );
    let after = crl(&server, "/crl/local.crl").await;
    assert!(after.number() > before.number());
    let [entry] = after.entries() else {
        panic!("one is revoked: {after:?}");
    };
    assert!(entry.serial.same_number(revoked.serial()));
    // What is known survives a restart.
    let server = server.stop().await.start().await;
    assert_eq!(
        status(&server, &ca, revoked.serial()).await,
        Status::Revoked
    );
    assert_eq!(crl(&server, "/crl/local.crl").await.entries().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_nonsense_are_refused_in_five_octets() {
    let server = server("").await;
    let name = Name::parse("O=Example, CN=Test CA").unwrap();
    let now = server.env.clock.now();
    let (namesake, _) = create_root(&name, KeyKind::Ec(Curve::P256), now, 1).unwrap();
    let theirs = CertId::new(Digest::Sha256, &namesake, &Serial::new([1]));
    let ours = CertId::new(Digest::Sha256, &server.env.ca, &Serial::new([1]));
    let unauthorized = [0x30, 3, 10, 1, 6];
    let malformed = [0x30, 3, 10, 1, 1];
    assert_eq!(
        post(&server, request(std::slice::from_ref(&theirs), None)).await,
        unauthorized
    );
    assert_eq!(
        post(&server, request(&[ours.clone(), theirs], None)).await,
        unauthorized
    );
    assert_eq!(post(&server, vec![0; 5000]).await, malformed);
    assert_eq!(post(&server, Vec::new()).await, malformed);
    for length in [33, 129] {
        let long = request(std::slice::from_ref(&ours), Some(&vec![1; length]));
        assert_eq!(post(&server, long).await, malformed, "{length}");
    }
    for path in [
        "/ocsp/local",
        "/ocsp/local/",
        "/ocsp/local/%zz",
        "/ocsp/local/MAAA",
    ] {
        let reply = get(&server, path, &[]).await;
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.bytes().await.unwrap(), malformed[..], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_come_back_as_often_as_a_source_may_ask() {
    let server = server("fresh_per_source_per_minute = 2").await;
    let certificate = enrolled(&server).await;
    let ca = server.env.ca.clone();
    let id = CertId::new(Digest::Sha1, &ca, certificate.serial());
    let has = |answer: &[u8], nonce: &[u8]| answer.windows(nonce.len()).any(|part| part == nonce);
    for (round, nonce) in [[0x5a; 16], [0x6b; 16], [0x7c; 16]].iter().enumerate() {
        let answer = post(&server, request(std::slice::from_ref(&id), Some(nonce))).await;
        assert_eq!(judged(&answer, &ca, &id), Status::Good);
        assert_eq!(has(&answer, nonce), round < 2, "{round}");
    }
    // What costs a signature each time is told to try later; what everybody gets is not.
    let unknown = CertId::new(Digest::Sha1, &ca, &Serial::new([7]));
    let try_later = [0x30, 3, 10, 1, 3];
    for several in [vec![unknown.clone()], vec![id.clone(), unknown]] {
        assert_eq!(post(&server, request(&several, None)).await, try_later);
    }
    let metrics = server.nobody().get("/metrics").await.text;
    for (counted, times) in [
        (
            "answers_total{issuer=\"local\",status=\"good\",made=\"fresh\"}",
            3,
        ),
        (
            "answers_total{issuer=\"local\",status=\"try_later\",made=\"unsigned\"}",
            2,
        ),
        ("limited_total{issuer=\"local\"}", 3),
    ] {
        let line = format!("scepd_ocsp_{counted} {times}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_certificates_are_answered_together() {
    let server = server("").await;
    let ca = server.env.ca.clone();
    let (one, other) = (enrolled(&server).await, enrolled(&server).await);
    revoke(&server, &other).await;
    let ids = [one.serial(), other.serial()].map(|serial| CertId::new(Digest::Sha256, &ca, serial));
    let answer = post(&server, request(&ids, Some(&[3; 32]))).await;
    assert_eq!(judged(&answer, &ca, &ids[0]), Status::Good);
    assert_eq!(judged(&answer, &ca, &ids[1]), Status::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_renewed_before() {
    let server = server("").await;
    let certificate = enrolled(&server).await;
    let id = CertId::new(Digest::Sha1, &server.env.ca, certificate.serial());
    let asked = request(std::slice::from_ref(&id), None);
    let signer = || {
        let events = server.events("ocsp_responder_issue");
        let serial = events[0].event.details.serial.clone().unwrap();
        (events.len(), hex::decode(serial).unwrap())
    };
    let holds = |answer: &[u8], part: &[u8]| answer.windows(part.len()).any(|other| other == part);
    let before = post(&server, asked.clone()).await;
    let (made, first) = signer();
    assert_eq!(made, 1);
    assert!(holds(&before, &first));
    assert_eq!(post(&server, asked.clone()).await, before, "it is kept");
    let list = crl(&server, "/crl/local.crl").await;

    server.env.clock.advance(Duration::hours(7));
    let later = post(&server, asked.clone()).await;
    assert!(
        later != before && holds(&later, &first),
        "half of its time has passed"
    );
    assert_eq!(crl(&server, "/crl/local.crl").await.number(), list.number());

    server.env.clock.advance(Duration::days(7));
    let newer = crl(&server, "/crl/local.crl").await;
    assert!(newer.number() > list.number());
    let (made, second) = signer();
    assert_eq!(made, 2);
    let latest = post(&server, asked).await;
    assert!(holds(&latest, &second) && !holds(&latest, &first));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rollover_both_cas_are_answered_for() {
    let mut server = server("").await;
    let old = server.env.ca.clone();
    let (kept, revoked) = (enrolled(&server).await, enrolled(&server).await);
    revoke_as(&server, &revoked, "superseded").await;
    let old_place = kept.extension(oid::CRL_DISTRIBUTION_POINTS).unwrap();
    let old_place = String::from_utf8_lossy(old_place).into_owned();
    let old_place = &old_place[old_place.find("/crl/").unwrap()..];
    let old_place = &old_place[..old_place.find(".crl").unwrap() + 4];

    let name = Name::parse("O=Example, CN=Test CA").unwrap();
    let now = server.env.clock.now();
    let (new, key) = create_root(&name, KeyKind::Ec(Curve::P384), now, 10).unwrap();
    let cert_path = server.env.file("next.pem", new.to_pem().as_bytes());
    let key_path = key.to_pkcs8_pem().unwrap();
    let key_path = server.env.file("next.key", key_path.as_bytes());
    server.env.edit(|config| {
        let issuer = config["issuer"][0].as_table_mut().unwrap();
        let mut exchange = |setting: &str, with: &std::path::Path| {
            let was = issuer.insert(setting.to_owned(), with.to_str().unwrap().into());
            toml::Value::Array(vec![was.unwrap()])
        };
        let certificates = exchange("ca_cert_path", &cert_path);
        let keys = exchange("ca_key_path", &key_path);
        issuer.insert("previous_ca_cert_paths".to_owned(), certificates);
        issuer.insert("previous_ca_key_paths".to_owned(), keys);
    });
    server.server.reload("test").await.unwrap();
    let renewed = crl(&server, "/crl/local.crl").await;
    renewed.verify_signature_by(new.public_key()).unwrap();
    assert!(renewed.entries().is_empty());
    let continued = crl(&server, old_place).await;
    continued.verify_signature_by(old.public_key()).unwrap();
    assert_eq!(continued.entries().len(), 1);

    let fresh = enrolled(&server).await;
    fresh.verify_signature_by(new.public_key()).unwrap();
    assert_eq!(status(&server, &new, fresh.serial()).await, Status::Good);
    assert_eq!(status(&server, &new, kept.serial()).await, Status::Unknown);
    assert_eq!(status(&server, &old, kept.serial()).await, Status::Good);
    assert_eq!(
        status(&server, &old, revoked.serial()).await,
        Status::Revoked
    );
    // Certificates of the CA of before can still be revoked.
    revoke_as(&server, &kept, "superseded").await;
    assert_eq!(status(&server, &old, kept.serial()).await, Status::Revoked);
    assert_eq!(crl(&server, old_place).await.entries().len(), 2);
    assert!(crl(&server, "/crl/local.crl").await.entries().is_empty());
}
