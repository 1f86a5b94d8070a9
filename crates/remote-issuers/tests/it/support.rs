//! Approvals, orders, and a Vault issuer against some address.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use issuer::{
    Approved, CertificatePolicy, CertificateRequest, Issuance, IssueError, NameRule, Order,
};
use outbound::{Client, Options, Trust, endpoint};
use pki::{Certificate, Csr, KeyKind, Name, PrivateKey, SubjectAltNames};
use remote_issuers::vault::{Login, Settings, Vault};
use remote_issuers::{Credential, Opening, Ticks};
use zeroize::Zeroizing;

pub(crate) static KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap());

pub(crate) fn policy() -> CertificatePolicy {
    let mut policy = CertificatePolicy::new("device");
    policy.sans.upn = NameRule::Any;
    policy.subject.attributes = Some(
        ["2.5.4.3", "2.5.4.5", "0.9.2342.19200300.100.1.1"]
            .map(str::to_owned)
            .to_vec(),
    );
    policy
}

pub(crate) fn sans() -> SubjectAltNames {
    SubjectAltNames {
        dns: vec!["B.example.com".to_owned(), "a.example.com".to_owned()],
        email: vec!["dev@example.com".to_owned()],
        upn: vec!["u@example.com".to_owned()],
        uri: vec![
            "urn:device:7".to_owned(),
            "tag:example.com,2026:a,b".to_owned(),
        ],
        ip: vec!["10.0.0.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        other: Vec::new(),
    }
}

pub(crate) fn csr(subject: &str, sans: &SubjectAltNames) -> Csr {
    let subject = Name::parse(subject).unwrap();
    Csr::build(&subject, sans, None, &[], &KEY).unwrap()
}

pub(crate) fn approve_as(policy: &CertificatePolicy, csr: &Csr, now: DateTime<Utc>) -> Approved {
    let wish = CertificateRequest {
        csr,
        vouched_sid: None,
        previous: None,
    };
    policy.approve(wish, now).unwrap()
}

pub(crate) fn order_for(
    policy: &CertificatePolicy,
    subject: &str,
    sans: &SubjectAltNames,
) -> Order {
    let now = Utc::now();
    let csr = csr(subject, sans);
    Order {
        id: [7; 16],
        transaction_id: "t-1".to_owned(),
        approved: approve_as(policy, &csr, now),
        csr: csr.der().to_vec(),
        at: now,
    }
}

pub(crate) fn order() -> Order {
    order_for(
        &policy(),
        "CN=device one {x}, serialNumber=C02-7, UID=u7",
        &sans(),
    )
}

pub(crate) fn secret(text: &str) -> Credential {
    let text = Zeroizing::new(text.to_owned());
    Arc::new(move || Ok(text.clone()))
}

pub(crate) fn settings(login: Login) -> Settings {
    Settings {
        namespace: None,
        mount: "pki".to_owned(),
        role: "scepd".to_owned(),
        ra_role: None,
        issuer_ref: None,
        login,
    }
}

/// What every kind is reached with; no chain is known from before.
pub(crate) fn opening(url: &str, client: Client, ticks: Ticks) -> Opening {
    Opening {
        id: "elsewhere".to_owned(),
        url: endpoint(url).unwrap(),
        client,
        ticks,
        clock: Arc::new(Utc::now),
        known: Vec::new(),
        max_in_flight: 4,
        accepts_shorter_validity: false,
        above: Vec::new(),
        previous: Vec::new(),
    }
}

pub(crate) fn client(timeout: Duration) -> Client {
    Client::new(Options {
        timeout,
        max_body: 1 << 20,
        ..Options::new(Trust::Roots(vec![some_root()]))
    })
    .unwrap()
}

fn some_root() -> Vec<u8> {
    let name = Name::parse("CN=Some Root").unwrap();
    let (root, _) =
        issuer::create_root(&name, KeyKind::Ec(pki::Curve::P256), Utc::now(), 1).unwrap();
    root.der().to_vec()
}

/// A monotonic clock that is moved by hand.
#[derive(Clone)]
pub(crate) struct Hand(Instant, Arc<AtomicU64>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Instant::now(), Arc::default())
    }

    pub(crate) fn passes(&self, seconds: u64) {
        self.1.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn ticks(&self) -> Ticks {
        let hand = self.clone();
        Arc::new(move || hand.0 + Duration::from_secs(hand.1.load(Ordering::SeqCst)))
    }
}

/// Reached at an address, with as much time as it takes.
pub(crate) fn patient(url: &str) -> Opening {
    opening(url, client(Duration::from_secs(20)), Hand::new().ticks())
}

pub(crate) async fn open(url: &str, settings: Settings) -> Result<Vault, IssueError> {
    Vault::open(patient(url), settings).await
}

pub(crate) fn issued(issuance: Issuance) -> Certificate {
    match issuance {
        Issuance::Issued(certificate) => certificate,
        Issuance::Later { .. } => panic!("it is ready at once"),
    }
}
