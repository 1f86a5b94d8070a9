//! The real step-ca, as `STEP_CA` names it: Debian's library with a main of five lines. Its files are in a folder; it can be
//! killed, given another configuration and started again. Used by this crate's tests and by those with real clients.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::Utc;
use pki::{Certificate, Curve, KeyKind, Name};
use serde_json::{Value, json};

/// How long it may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct StepCaServer {
    child: Option<Child>,
    home: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) root: Certificate,
    pub(crate) intermediate: Certificate,
}

impl Drop for StepCaServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl StepCaServer {
    /// A root, an intermediate CA, and a running server with these provisioners.
    pub(crate) fn start(provisioners: &[Value]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let (now, kind) = (Utc::now(), KeyKind::Ec(Curve::P256));
        let name = |text: &str| Name::parse(text).unwrap();
        let (root, root_key) =
            issuer::create_root(&name("CN=Smallstep Root"), kind.clone(), now, 10).unwrap();
        let above = (&root, &root_key);
        let subject = name("CN=Smallstep Intermediate");
        let (intermediate, key) = issuer::create_sub(above, &subject, kind, now, 5).unwrap();
        let write = |file: &str, text: &str| fs::write(home.path().join(file), text).unwrap();
        write("root.pem", &root.to_pem());
        write("intermediate.pem", &intermediate.to_pem());
        write("intermediate.key", &key.to_pkcs8_pem().unwrap());
        let mut server = Self {
            child: None,
            home,
            port,
            root,
            intermediate,
        };
        server.restart(provisioners);
        server
    }

    /// Ends it, if it runs, and starts it with these provisioners on the database of before.
    pub(crate) fn restart(&mut self, provisioners: &[Value]) {
        self.kill();
        let path = |name: &str| self.path(name).display().to_string();
        let config = json!({
            "root": path("root.pem"),
            "crt": path("intermediate.pem"),
            "key": path("intermediate.key"),
            "address": format!("127.0.0.1:{}", self.port),
            "dnsNames": ["localhost", "127.0.0.1"],
            "logger": {"format": "text"},
            "db": {"type": "badgerv2", "dataSource": path("db")},
            "authority": {"provisioners": provisioners},
        });
        fs::write(self.path("ca.json"), config.to_string()).unwrap();
        let program = std::env::var_os("STEP_CA").expect("STEP_CA names the program");
        let log = fs::File::create(self.path("log")).unwrap();
        let child = Command::new(program)
            .arg(self.path("ca.json"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "step-ca ended: {}", self.log());
            assert!(started.elapsed() < PATIENCE, "step-ca gets ready");
            std::thread::yield_now();
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// One of its files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.home.path()).join(name)
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// A provisioner for ca.json: what is recommended, and what makes it one of its kind.
pub(crate) fn provisioner(recommended: &Value, own: &Value) -> Value {
    let mut whole = recommended.clone();
    for (name, value) in own.as_object().unwrap() {
        whole[name] = value.clone();
    }
    whole
}
