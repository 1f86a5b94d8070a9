//! A runtime on a temporary store, with a clock that tests set and an issuer that can be broken.

use crate::hindered::{Door, HinderedStore, Hindrance};
use actors::{
    ApplyProfiles, ChainSettings, Clock, Intune, Metrics, Origin, Outcome, OutsideRules,
    PendingLimits, PkiOperation, ProfileSpec, RenewalRules, RequestLimits, Runtime, RuntimeConfig,
    Status, Sweep,
};
use challenge::{IntuneSettings, SignedChallenges, StaticChallenges, TrustAnchors};
use chrono::{DateTime, TimeDelta, Utc};
use issuer::{
    Answering, Approved, Authority, CertificatePolicy, CrlSigner, Issuance, Issuer, LocalCa,
    LocalCaParts, LocalSigner, Order, RaCertifier,
};
use pki::{Certificate, Crl, KeyKind, Name, PrivateKey, RevokedEntry};
use scep::{CryptoMode, RaIdentity};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use store::{AuditQuery, CaId, SledOptions, SledStore, Store, StoredEvent};
use tempfile::TempDir;

pub const CHALLENGE: &str = "correct horse";

/// A clock that stands where the test puts it. Nobody waits for it: it only counts who would.
pub struct TestClock {
    wall: AtomicI64,
    /// Seconds that passed on the monotonic clock besides the real ones.
    passed: AtomicI64,
    waits: AtomicUsize,
}

impl TestClock {
    fn new() -> Self {
        Self {
            wall: AtomicI64::new(Utc::now().timestamp()),
            passed: AtomicI64::new(0),
            waits: AtomicUsize::new(0),
        }
    }

    /// Time passes: on both clocks.
    pub fn advance(&self, by: TimeDelta) {
        self.passed.fetch_add(by.num_seconds(), Ordering::SeqCst);
        self.jump(by);
    }

    /// Somebody sets the wall clock.
    pub fn jump(&self, by: TimeDelta) {
        self.wall.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }

    /// How often somebody waited until now.
    pub fn waits(&self) -> usize {
        self.waits.load(Ordering::SeqCst)
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.wall.load(Ordering::SeqCst), 0).unwrap()
    }

    fn instant(&self) -> Instant {
        let passed = self.passed.load(Ordering::SeqCst);
        Instant::now() + Duration::from_secs(passed.unsigned_abs())
    }

    fn wait_until(&self, _: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.waits.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

/// A local CA that refuses to sign, or waits before it does, while it is told to.
pub struct Breakable {
    ca: LocalCa,
    parts: (Certificate, PrivateKey),
    pub broken: AtomicBool,
    /// Before each signature.
    pub door: Door,
    /// Before each CRL.
    pub crl_door: Door,
    pub without_crls: AtomicBool,
}

impl Breakable {
    /// The same CA under another name of the configuration.
    pub fn named(&self, issuer_id: &str) -> LocalCa {
        let (certificate, key) = self.parts.clone();
        LocalCa::from_parts(issuer_id, LocalCaParts::new(certificate, key)).unwrap()
    }
}

impl Issuer for Breakable {
    fn id(&self) -> &str {
        self.ca.id()
    }
    fn authority(&self) -> Arc<Authority> {
        self.ca.authority()
    }
    fn issue<'a>(&'a self, order: &'a Order) -> Answering<'a, Issuance> {
        self.ca.issue(order)
    }
    fn local(&self) -> Option<&dyn LocalSigner> {
        Some(self)
    }
    fn crl(&self) -> Option<&dyn CrlSigner> {
        Some(self)
    }
}

impl LocalSigner for Breakable {
    fn sign_approved(
        &self,
        approved: &Approved,
        now: DateTime<Utc>,
    ) -> Result<Certificate, issuer::Error> {
        self.door.pass();
        if self.broken.load(Ordering::SeqCst) {
            return Err(issuer::Error::Argument("broken on purpose"));
        }
        self.ca.sign_approved(approved, now)
    }
    fn sign_next_ca(&self) -> Result<Option<Vec<u8>>, issuer::Error> {
        self.ca.sign_next_ca()
    }
}

impl CrlSigner for Breakable {
    fn sign_crl(
        &self,
        revoked: &[RevokedEntry],
        number: u64,
        now: DateTime<Utc>,
    ) -> Result<Crl, issuer::Error> {
        self.crl_door.pass();
        if self.without_crls.load(Ordering::SeqCst) {
            return Err(issuer::Error::NotACa {
                subject: self.ca.ca_certificate().subject().to_string(),
                missing: "its key usage lacks cRLSign",
            });
        }
        self.ca.sign_crl(revoked, number, now)
    }
}

/// What outlives a restart: the store's directory, the CA, the RA, the connector, the clock.
pub struct TestEnv {
    directory: PathBuf,
    /// Removed at the end, unless somebody else keeps it.
    _temporary: Option<TempDir>,
    pub hindrance: Arc<Hindrance>,
    pub clock: Arc<TestClock>,
    pub issuer: Arc<Breakable>,
    pub ra: RaIdentity,
    pub connector: challenge::mint::Connector,
}

impl TestEnv {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().to_owned();
        Self {
            _temporary: Some(temporary),
            ..Self::kept(&path)
        }
    }

    /// One whose keys are in this directory, or are made there: several processes may live in it, one after the other.
    pub fn kept(directory: &Path) -> Self {
        let clock = TestClock::new();
        let now = clock.now();
        let parts = kept_pair(directory, "ca", || {
            let subject = Name::parse("CN=Test CA, O=scepd").unwrap();
            let kind = KeyKind::Ec(pki::Curve::P256);
            issuer::create_root(&subject, kind, now, 10).unwrap()
        });
        let (certificate, key) = parts.clone();
        let ca = LocalCa::from_parts("local", LocalCaParts::new(certificate, key)).unwrap();
        let (certificate, key) = kept_pair(directory, "ra", || {
            let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
            let certificate = ca.certify_ra(key.public_key(), "corp", now).unwrap();
            (certificate, key)
        });
        let connector = challenge::mint::Connector::throwaway(
            challenge::Algorithm::Es256,
            "Connector",
            now,
            30,
        )
        .unwrap();
        Self {
            directory: directory.to_owned(),
            _temporary: None,
            hindrance: Arc::default(),
            clock: Arc::new(clock),
            issuer: Arc::new(Breakable {
                ca,
                parts,
                broken: AtomicBool::new(false),
                door: Door::default(),
                crl_door: Door::default(),
                without_crls: AtomicBool::new(false),
            }),
            ra: RaIdentity { certificate, key },
            connector,
        }
    }

    /// Another RA of the same CA, for a profile of this name.
    pub fn ra_of(&self, path_id: &str) -> RaIdentity {
        let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let certified = self
            .issuer
            .ca
            .certify_ra(key.public_key(), path_id, self.clock.now());
        RaIdentity {
            certificate: certified.unwrap(),
            key,
        }
    }

    pub fn ca(&self) -> CaId {
        CaId::of_ca(self.issuer.authority().certificate())
    }

    pub fn issuer_name(&self) -> Name {
        self.issuer.authority().certificate().subject().clone()
    }

    /// A profile with a static challenge.
    pub fn spec(&self, path_id: &str) -> ProfileSpec {
        let policy = CertificatePolicy::new("device");

        ProfileSpec {
            path_id: path_id.to_owned(),
            formerly: Vec::new(),
            issuer: Arc::clone(&self.issuer) as Arc<dyn Issuer>,
            policy: Arc::new(policy),
            ras: vec![self.ra.clone().into()],
            ca: None,
            mode: CryptoMode::Modern,
            chain: ChainSettings::default(),
            challenge: Some(StaticChallenges::only(CHALLENGE)),
            intune: None,
            one_time: None,
            validators: Vec::new(),
            outside: OutsideRules::default(),
            mtls: None,
            mtls_required: false,
            request_limits: RequestLimits::default(),
            approval: None,
            pending: PendingLimits::default(),
            max_csr_bytes: 32 * 1024,
            renewal: RenewalRules::default(),
            former: None,
            signer_key_must_match: false,
            signers: None,
            open_get_cert: false,
            in_flight: 256,
            guesses_per_minute: 0,
            unverified_per_minute: 1,
            refusals_per_source_per_minute: 0,
        }
    }

    /// The same with Intune on.
    pub fn intune_spec(&self, path_id: &str) -> ProfileSpec {
        let pem = self.connector.certificate.to_pem();
        let anchors = TrustAnchors::parse("anchors.pem", pem.as_bytes(), self.clock.now()).unwrap();
        ProfileSpec {
            intune: Some(Intune {
                signed: SignedChallenges {
                    settings: IntuneSettings::default(),
                    anchors: Arc::new(anchors),
                },
                retransmission: None,
                compliance: None,
            }),
            ..self.spec(path_id)
        }
    }

    /// Opens the runtime on what the directory holds.
    pub async fn open(&self, specs: Vec<ProfileSpec>) -> Running {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.open_by(specs, clock).await
    }

    /// The same by another clock.
    pub async fn open_by(&self, specs: Vec<ProfileSpec>, clock: Arc<dyn Clock>) -> Running {
        self.open_as("a", specs, clock).await
    }

    /// The same as the node of this name.
    pub async fn open_as(
        &self,
        node: &str,
        specs: Vec<ProfileSpec>,
        clock: Arc<dyn Clock>,
    ) -> Running {
        let store: Arc<dyn Store> = Arc::new(HinderedStore {
            store: open_store(&self.directory),
            hindrance: Arc::clone(&self.hindrance),
        });
        let settings = RuntimeConfig {
            compute_threads: 2,
            compute_queue: 1024,
            arbiters: 2,
            node: node.to_owned(),
        };
        let runtime =
            Runtime::open(Arc::clone(&store), clock, settings, Metrics::default()).unwrap();
        runtime
            .supervisor
            .send(ApplyProfiles(specs))
            .await
            .unwrap()
            .unwrap();
        Running { runtime, store }
    }
}

/// A certificate and its key, kept as PEM files.
pub fn kept_pair(
    directory: &Path,
    name: &str,
    make: impl FnOnce() -> (Certificate, PrivateKey),
) -> (Certificate, PrivateKey) {
    let (cert_path, key_path) = (
        directory.join(format!("{name}.crt")),
        directory.join(format!("{name}.key")),
    );
    if let (Ok(certificate), Ok(key)) = (std::fs::read(&cert_path), std::fs::read(&key_path)) {
        return (
            Certificate::from_pem(&certificate).unwrap(),
            PrivateKey::from_pem(&key).unwrap(),
        );
    }
    let (certificate, key) = make();
    std::fs::write(&cert_path, certificate.to_pem()).unwrap();
    std::fs::write(&key_path, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    (certificate, key)
}

fn open_store(path: &Path) -> SledStore {
    SledStore::open(path.join("store"), &SledOptions::default()).unwrap()
}

pub struct Running {
    pub runtime: Runtime,
    pub store: Arc<dyn Store>,
}

impl Running {
    /// Sends a PKIMessage to a profile.
    pub async fn send(&self, path_id: &str, message: Vec<u8>) -> Outcome {
        let profile = self.runtime.directory.find(path_id).unwrap();
        let origin = Origin {
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: Some("test".to_owned()),
            request_id: "0".to_owned(),
        };
        profile
            .actor
            .send(PkiOperation {
                message: message.into(),
                origin,
            })
            .await
            .unwrap()
            .outcome
    }

    /// Has a profile let go of what has passed its time, as it does every 30 seconds.
    pub async fn sweep(&self, path_id: &str) {
        let profile = self.runtime.directory.find(path_id).unwrap();
        profile.actor.send(Sweep).await.unwrap();
    }

    pub async fn status(&self, path_id: &str) -> actors::ProfileStatus {
        self.runtime
            .directory
            .find(path_id)
            .unwrap()
            .actor
            .send(Status)
            .await
            .unwrap()
    }

    /// The counter of one label, and the sum of all.
    pub async fn counter(&self, path_id: &str, label: challenge::Label) -> (u64, u64) {
        let counters = self.status(path_id).await.counters;
        (
            counters.count(label),
            counters.iter().map(|(_, count)| count).sum(),
        )
    }

    /// All audit events, newest first.
    pub fn audit(&self) -> Vec<StoredEvent> {
        self.store
            .audit(&AuditQuery {
                per_page: 1000,
                ..AuditQuery::default()
            })
            .unwrap()
            .data
    }

    pub fn certificates(&self) -> u64 {
        let query = store::CertificateQuery::default();
        self.store.certificates(&query, Utc::now()).unwrap().total
    }

    /// Shuts the runtime down and gives the store back to the disk.
    pub fn close(self) {
        assert!(self.runtime.close(), "all that was under way is durable");
        drop(self.runtime);
        assert_eq!(
            Arc::strong_count(&self.store),
            1,
            "nobody else holds the store"
        );
    }
}
