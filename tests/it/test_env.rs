//! A CA, a configuration and a running server in a temporary directory.
//!
//! ```ignore
//! let server = TestEnv::new().profile("corp", "approval = true").start().await;
//! let device = Device::of(&server, "corp").await;
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::Clock;
use issuer::{LocalCa, LocalCaParts, RaCertifier, create_root};
use pki::{Certificate, Curve, KeyKind, Name, PrivateKey, SubjectAltNames};
use scepd::config::Sources;
use scepd::server::{Server, ServerError, Sockets};
use tempfile::TempDir;

use crate::clock::TestClock;

/// The static challenge of profiles that name none.
pub(crate) const CHALLENGE: &str = "open-sesame-2931";

/// Everything a server needs, not yet started.
pub(crate) struct TestEnv {
    dir: TempDir,
    config: toml::Table,
    /// The root: issues devices' certificates and the server's own.
    pub(crate) ca: Certificate,
    pub(crate) ca_key: PrivateKey,
    /// The same CA, ready to sign what tests exchange.
    pub(crate) local: LocalCa,
    pub(crate) clock: Arc<TestClock>,
}

/// A running server. `stop` it where a test goes on with its store.
pub(crate) struct Running {
    pub(crate) server: Arc<Server>,
    pub(crate) env: TestEnv,
}

impl TestEnv {
    /// With an EC P-256 CA and no profile yet.
    pub(crate) fn new() -> TestEnv {
        TestEnv::with_ca(KeyKind::Ec(Curve::P256))
    }

    /// With a CA of this kind.
    pub(crate) fn with_ca(kind: KeyKind) -> TestEnv {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(TestClock::new());
        let now = clock.now();
        let name = Name::parse("O=Example, CN=Test CA").unwrap();
        let (ca, key) = create_root(&name, kind, now, 10).unwrap();
        let local =
            LocalCa::from_parts("local", LocalCaParts::new(ca.clone(), key.clone())).unwrap();
        let tls_key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let names = SubjectAltNames::parse("dns:localhost,ip:127.0.0.1").unwrap();
        let tls = local.issue_tls(tls_key.public_key(), &names, now).unwrap();

        let path = dir.path();
        write(path, "ca.pem", ca.to_pem().as_bytes());
        write(path, "ca.key", key.to_pkcs8_pem().unwrap().as_bytes());
        write(path, "tls.pem", tls.to_pem().as_bytes());
        write(path, "tls.key", tls_key.to_pkcs8_pem().unwrap().as_bytes());
        let config = BASE.replace("DIR", path.to_str().unwrap()).parse().unwrap();
        TestEnv {
            dir,
            config,
            ca,
            ca_key: key,
            local,
            clock,
        }
    }

    /// One more profile: `settings` is TOML laid over the defaults (static [`CHALLENGE`], automatic RA, no limits).
    #[must_use]
    pub(crate) fn profile(mut self, path_id: &str, settings: &str) -> TestEnv {
        let mut profile: toml::Table = PROFILE.parse().unwrap();
        profile.insert("path_id".to_owned(), path_id.into());
        merge(&mut profile, settings.parse().unwrap());
        let profiles = self
            .config
            .entry("profile")
            .or_insert_with(|| toml::Value::Array(Vec::new()));
        profiles.as_array_mut().unwrap().push(profile.into());
        self
    }

    /// Further settings, TOML, laid over the configuration as a whole.
    #[allow(dead_code, reason = "for tests of settings outside profiles")]
    #[must_use]
    pub(crate) fn with(mut self, settings: &str) -> TestEnv {
        merge(&mut self.config, settings.parse().unwrap());
        self
    }

    /// A file beside the configuration, readable by its owner alone; its path.
    pub(crate) fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        write(self.dir.path(), name, octets)
    }

    /// Where files lie.
    #[allow(dead_code, reason = "for tests that look at files")]
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Changes the configuration file, also of a running server: its next reload reads it.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut toml::Table)) {
        change(&mut self.config);
        self.write_config();
    }

    /// Writes the configuration file; its path.
    pub(crate) fn write_config(&self) -> PathBuf {
        replace(
            self.dir.path(),
            "scepd.toml",
            self.config.to_string().as_bytes(),
        )
    }

    /// Exchanges a file as operators should: beside its place, then renamed.
    pub(crate) fn replace(&self, name: &str, octets: &[u8]) -> PathBuf {
        replace(self.dir.path(), name, octets)
    }

    /// Gives the server a new TLS certificate and key; takes effect with the next reload.
    pub(crate) fn renew_tls(&self) -> Certificate {
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let names = SubjectAltNames::parse("dns:localhost,ip:127.0.0.1").unwrap();
        let now = self.clock.now();
        let tls = self.local.issue_tls(key.public_key(), &names, now).unwrap();
        self.replace("tls.pem", tls.to_pem().as_bytes());
        self.replace("tls.key", key.to_pkcs8_pem().unwrap().as_bytes());
        tls
    }

    /// An RA pair of the CA, as the files `ra.pem` and `ra.key`.
    pub(crate) fn renew_ra(&self, key: &PrivateKey) -> Certificate {
        let now = self.clock.now();
        let ra = self
            .local
            .certify_ra(key.public_key(), "corp", now)
            .unwrap();
        self.replace("ra.pem", ra.to_pem().as_bytes());
        self.replace("ra.key", key.to_pkcs8_pem().unwrap().as_bytes());
        ra
    }

    /// Writes the configuration and starts.
    pub(crate) async fn start(self) -> Running {
        let server = self.try_start().await;
        let server = server.unwrap_or_else(|error| panic!("the server does not start: {error}"));
        Running { server, env: self }
    }
}

impl TestEnv {
    /// Writes the configuration and starts, or says why not.
    pub(crate) async fn try_start(&self) -> Result<Arc<Server>, ServerError> {
        // Other tests of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sources = Sources {
            file: Some(self.write_config()),
            environment: Vec::new(),
            flags: Vec::new(),
        };
        Server::start(sources, Sockets::default(), self.clock.clone()).await
    }
}

impl Running {
    /// The plain http URL of a profile.
    pub(crate) fn http(&self, path_id: &str) -> String {
        let address = self.server.addresses().http.expect("plain http is on");
        let path = if path_id.is_empty() {
            "/scep".to_owned()
        } else {
            format!("/scep/{path_id}")
        };
        format!("http://{address}{path}")
    }

    /// The https URL of a path.
    pub(crate) fn https(&self, path: &str) -> String {
        format!(
            "https://localhost:{}{path}",
            self.server.addresses().https.port()
        )
    }

    /// An HTTP client that trusts the CA.
    pub(crate) fn client(&self) -> reqwest::Client {
        self.client_builder().build().unwrap()
    }

    /// The same, to be set up further.
    pub(crate) fn client_builder(&self) -> reqwest::ClientBuilder {
        trusting(&self.env.ca)
    }

    /// The specification and actor of a profile, as of now.
    pub(crate) fn profile(&self, path_id: &str) -> Arc<actors::Current> {
        self.server.runtime().directory.find(path_id).unwrap()
    }

    /// How a profile stands.
    pub(crate) async fn status(&self, path_id: &str) -> actors::ProfileStatus {
        self.profile(path_id)
            .actor
            .send(actors::Status)
            .await
            .unwrap()
    }

    /// Audit events of one action, newest first.
    pub(crate) fn events(&self, action: &str) -> Vec<store::StoredEvent> {
        let query = store::AuditQuery {
            actions: vec![action.to_owned()],
            per_page: 1000,
            ..store::AuditQuery::default()
        };
        self.server
            .runtime()
            .services
            .store
            .audit(&query)
            .unwrap()
            .data
    }

    /// Drains; what is left starts again with the same keys and store.
    pub(crate) async fn stop(self) -> TestEnv {
        assert!(
            self.server.stop(Duration::from_secs(20)).await.in_time,
            "the server drains in time"
        );
        let Running { server, env } = self;
        let store = Arc::clone(&server.runtime().services.store);
        drop(server);
        let let_go = async {
            while Arc::strong_count(&store) > 1 {
                tokio::task::yield_now().await;
            }
        };
        let let_go = tokio::time::timeout(Duration::from_secs(20), let_go).await;
        assert!(let_go.is_ok(), "a stopped server holds its store");
        env
    }
}

/// An HTTP client that trusts this CA alone.
pub(crate) fn trusting(ca: &Certificate) -> reqwest::ClientBuilder {
    let ca = reqwest::Certificate::from_pem(ca.to_pem().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca])
}

const BASE: &str = "
[server]
https_listen = '127.0.0.1:0'
http_listen = '127.0.0.1:0'
tls_cert_path = 'DIR/tls.pem'
tls_key_path = 'DIR/tls.key'
data_dir = 'DIR/data'

[[issuer]]
id = 'local'
ca_cert_path = 'DIR/ca.pem'
ca_key_path = 'DIR/ca.key'

[[certificate_profile]]
id = 'device'
";

const PROFILE: &str = "
issuer_id = 'local'
profile_id = 'device'
challenge_password = 'open-sesame-2931'
ra = 'auto'

[limits]
per_source_per_minute = 0
per_profile_per_second = 0
bad_challenges_per_source_per_minute = 0
";

/// Lays `over` over `under`, table by table; other values replace.
fn merge(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn replace(dir: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let unfinished = write(dir, &format!("{name}.new"), octets);
    let path = dir.join(name);
    fs::rename(unfinished, &path).unwrap();
    path
}

fn write(dir: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, octets).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    // As if it had been there for a while: one that was written just now is waited for.
    let past = std::time::SystemTime::now() - Duration::from_secs(60);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(past).unwrap();
    path
}
