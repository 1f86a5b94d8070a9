//! OCSP and CRLs under load: what ends is renewed while everybody asks, and no answer is wrong; and every way in which a
//! request is written into a URL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors::Clock as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration, Utc};
use ocsp::CertId;
use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspCertId, OcspResponse};
use openssl::x509::X509;
use pki::{Certificate, Crl, Digest, Serial};
use tokio::sync::watch;

use crate::clock::TestClock;
use crate::published::{
    Status, crl, enrolled, get, judged_at, post, request, revoke_as, server, url,
};
use crate::wire;

/// Who asks all the time.
const ASKERS: usize = 4;
/// Answers that come in before time goes on.
const A_STEP: u64 = 12;
/// Steps of six hours: past two renewals of the responder and five of the CRL.
const STEPS: i32 = 64;

/// One who asks, and holds every answer against what must be true.
struct Asker {
    clock: Arc<TestClock>,
    http: reqwest::Client,
    ocsp: String,
    crl: String,
    ca: Certificate,
    /// What is asked about, and what must be said.
    known: Vec<(Certificate, Status)>,
}

impl Asker {
    async fn body(&self, asked: reqwest::RequestBuilder) -> Vec<u8> {
        let reply = asked.send().await.unwrap();
        assert_eq!(reply.status(), 200);
        reply.bytes().await.unwrap().to_vec()
    }

    /// An answer that began at one time and ended at another is good if it was good at one moment in between.
    async fn asks(&self, round: usize) {
        let (certificate, expected) = &self.known[round % self.known.len()];
        let digest = [Digest::Sha1, Digest::Sha256][round / 2 % 2];
        let id = CertId::new(digest, &self.ca, certificate.serial());
        let nonce: Option<[u8; 32]> = round
            .is_multiple_of(3)
            .then(|| std::array::from_fn(|n| (n + round) as u8));
        let asked = request(std::slice::from_ref(&id), nonce.as_ref().map(|n| &n[..]));
        let before = self.clock.now();
        let answer = self.body(self.http.post(&self.ocsp).body(asked)).await;
        let after = self.clock.now();
        assert_eq!(judged_at(&answer, &self.ca, &id, before), *expected);
        let (this, next) = times(&answer, &self.ca, certificate, digest);
        assert!(
            this <= after && before < next,
            "{this} {next}, asked from {before} to {after}"
        );
        if let Some(nonce) = nonce {
            assert!(answer.windows(32).any(|part| part == nonce), "no nonce");
        }

        let before = self.clock.now();
        let list = self.body(self.http.get(&self.crl)).await;
        let (list, after) = (Crl::from_der(&list).unwrap(), self.clock.now());
        list.verify_signature_by(self.ca.public_key()).unwrap();
        let (this, next) = (list.this_update(), list.next_update().unwrap());
        assert!(
            this <= after && before < next,
            "CRL: {this} {next}, asked from {before} to {after}"
        );
        let listed = |certificate: &Certificate| {
            let mut entries = list.entries().iter();
            entries.any(|entry| entry.serial.same_number(certificate.serial()))
        };
        for (certificate, expected) in &self.known {
            assert_eq!(listed(certificate), *expected == Status::Revoked);
        }
    }
}

/// thisUpdate and nextUpdate, as OpenSSL reads them.
fn times(
    answer: &[u8],
    ca: &Certificate,
    certificate: &Certificate,
    digest: Digest,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let basic = OcspResponse::from_der(answer).unwrap().basic().unwrap();
    let [ca, certificate] = [ca, certificate].map(|one| X509::from_der(one.der()).unwrap());
    let digest = match digest {
        Digest::Sha1 => MessageDigest::sha1(),
        _ => MessageDigest::sha256(),
    };
    let id = OcspCertId::from_cert(digest, &certificate, &ca).unwrap();
    let found = basic.find_status(&id).unwrap();
    let read = |time: &openssl::asn1::Asn1GeneralizedTimeRef| {
        let text = time.to_string();
        let text = text.trim_end_matches(" GMT");
        let read = chrono::NaiveDateTime::parse_from_str(text, "%b %e %H:%M:%S %Y");
        read.unwrap_or_else(|error| panic!("{error}: {text}"))
            .and_utc()
    };
    (read(found.this_update), read(found.next_update().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_renewed_under_load_without_one_wrong_answer() {
    let server = server("fresh_per_source_per_minute = 0").await;
    let (good, revoked) = (enrolled(&server).await, enrolled(&server).await);
    revoke_as(&server, &revoked, "superseded").await;
    let first = crl(&server, "/crl/local.crl").await;
    let (count, done) = watch::channel(0_u64);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(count));
    let mut tasks = Vec::new();
    for n in 0..ASKERS {
        let asker = Asker {
            clock: Arc::clone(&server.env.clock),
            http: server.client(),
            ocsp: url(&server, "/ocsp/local"),
            crl: url(&server, "/crl/local.crl"),
            ca: server.env.ca.clone(),
            known: vec![
                (good.clone(), Status::Good),
                (revoked.clone(), Status::Revoked),
            ],
        };
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        tasks.push(tokio::spawn(async move {
            let mut round = n;
            while !stop.load(Ordering::SeqCst) {
                asker.asks(round).await;
                round += 1;
                count.send_modify(|count| *count += 1);
            }
        }));
    }
    let publication = server.server.publication().unwrap();
    for _ in 0..STEPS {
        let goal = *done.borrow() + A_STEP;
        let mut done = done.clone();
        let more = done.wait_for(|done| *done >= goal);
        let more = tokio::time::timeout(std::time::Duration::from_secs(60), more).await;
        if !matches!(more, Ok(Ok(_))) {
            break;
        }
        server.env.clock.advance(Duration::hours(6));
        publication.renew().await;
    }
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(*done.borrow() >= A_STEP * STEPS as u64);
    assert_eq!(server.events("ocsp_responder_issue").len(), 3);
    let last = crl(&server, "/crl/local.crl").await;
    assert!(last.number() >= first.number().map(|number| number + 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_understood_in_every_way_that_clients_write_it_into_a_url() {
    let server = server("").await;
    let ca = server.env.ca.clone();
    let certificate = enrolled(&server).await;
    let id = CertId::new(Digest::Sha1, &ca, certificate.serial());
    // One whose base64 has everything that is escaped: + and / beside each other, //, and = at its end.
    let (nonce, octets) = (16..=32)
        .flat_map(|length| (0..6).map(move |shift| (length, shift)))
        .map(|(length, shift)| {
            let pattern = [0xff, 0xff, 0xff, 0xff, 0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe];
            let octets = pattern.iter().cycle().skip(shift).take(length);
            let nonce: Vec<u8> = octets.copied().collect();
            let request = request(std::slice::from_ref(&id), Some(&nonce));
            (nonce, request)
        })
        .find(|(_, request)| {
            let text = STANDARD.encode(request);
            text.contains("//") && text.contains("++") && text.ends_with('=')
        })
        .expect("one of them has all");
    let plain = STANDARD.encode(&octets);
    let escaped = |text: &str| {
        text.replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D")
    };
    let all = escaped(&plain);
    let ways = [
        ("Windows: all three escaped", all.clone()),
        (
            "in small letters",
            all.replace("%2B", "%2b")
                .replace("%2F", "%2f")
                .replace("%3D", "%3d"),
        ),
        ("Apple: none escaped", plain.clone()),
        (
            "Apple: + and = escaped",
            plain.replace('+', "%2B").replace('=', "%3D"),
        ),
        ("/ alone escaped", plain.replace('/', "%2F")),
        ("escaped twice", all.replace('%', "%25")),
        ("base64url", plain.replace('+', "-").replace('/', "_")),
        ("without padding", plain.trim_end_matches('=').to_owned()),
        ("+ taken for a blank by a proxy", plain.replace('+', "%20")),
        (
            "every octet escaped",
            plain.bytes().map(|octet| format!("%{octet:02X}")).collect(),
        ),
        (
            "broken into lines",
            format!("{}%0D%0A{}", &all[..4], &all[4..]),
        ),
    ];
    let address = server.server.addresses().publish.unwrap();
    for (way, text) in ways {
        for before in ["/ocsp/local/", "/ocsp/local//", "/pub/ocsp/local/"] {
            let target = format!("{before}{text}");
            let host = format!(
                "GET {target} HTTP/1.1\r\nHost: pki.example.com\r\nConnection: close\r\n\r\n"
            );
            let old = format!("GET {target} HTTP/1.0\r\n\r\n");
            for octets in [host, old] {
                let reply = wire::send(address, octets.as_bytes()).await;
                assert_eq!(reply.status, 200, "{way}: {target}");
                assert_eq!(
                    reply.header("content-type"),
                    Some("application/ocsp-response")
                );
                let now = server.env.clock.now();
                assert_eq!(
                    judged_at(&reply.body, &ca, &id, now),
                    Status::Good,
                    "{way}: {target}"
                );
                let mut parts = reply.body.windows(nonce.len());
                assert!(parts.any(|part| part == nonce), "{way}: {target}");
            }
        }
    }
    // Without a nonce, what is asked for by GET, by POST and by whom makes no difference to the octets.
    let shared = request(&[id], None);
    let posted = post(&server, shared.clone()).await;
    for text in [STANDARD.encode(&shared), escaped(&STANDARD.encode(&shared))] {
        let got = get(&server, &format!("/ocsp/local/{text}"), &[]).await;
        assert_eq!(got.bytes().await.unwrap(), posted[..]);
    }
    let unknown = CertId::new(Digest::Sha256, &ca, &Serial::new([0x7f; 16]));
    let text = escaped(&STANDARD.encode(request(std::slice::from_ref(&unknown), None)));
    let reply = wire::get(address, &format!("/ocsp/local/{text}")).await;
    let now = server.env.clock.now();
    assert_eq!(judged_at(&reply.body, &ca, &unknown, now), Status::Unknown);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}
