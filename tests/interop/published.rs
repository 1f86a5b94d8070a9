//! A server that publishes CRL and OCSP, and devices of it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use std::time::{Duration, Instant};

use crate::server::{Added, CHALLENGE, Server};
use crate::tool;

/// The server, and where it publishes.
pub(crate) struct Published {
    pub(crate) server: Server,
    port: u16,
}

/// A server whose certificates name its CRL and its OCSP responder.
pub(crate) fn start() -> Published {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let laptops = Added {
        path_id: "laptops",
        settings: "",
    };
    let server = Server::start_with(&[], &[laptops], |_, config| {
        let publish = config["publish"].as_table_mut().expect("[publish]");
        publish.insert("listen".to_owned(), format!("127.0.0.1:{port}").into());
        let base = format!("http://127.0.0.1:{port}");
        publish.insert("base_url".to_owned(), base.into());
    });
    Published { server, port }
}

/// How long a CRL may take that is made at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// The CRL at this URL as soon as this serial number is on it, PEM.
pub(crate) fn crl_with(url: &str, serial: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let list = crate::http::get(url);
        assert_eq!(list.status, 200);
        fs::write(dir.path().join("list.der"), &list.body).unwrap();
        let args = ["crl", "-inform", "DER", "-in", "list.der"];
        let text = tool::openssl(dir.path(), &[&args[..], &["-noout", "-text"]].concat());
        if text.contains(serial) {
            return tool::must(dir.path(), "openssl", &args).out;
        }
    }
    panic!("{serial} does not come to the CRL {url}");
}

impl Published {
    /// Address and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A new device: a directory with `key.pem`, `cert.pem` and `ca.pem`.
    pub(crate) fn device(&self, name: &str) -> PathBuf {
        let dir = self.server.scratch(name);
        let binary =
            std::env::var_os("SCEPD_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_scepd").into());
        let said = Command::new(binary)
            .arg("enroll")
            .args(["--url", &self.server.http("laptops")])
            .args(["--challenge", CHALLENGE])
            .args(["--subject", &format!("O=Example, CN={name}")])
            .arg("--ca-file")
            .arg(self.server.ca())
            .arg("--out")
            .arg(&dir)
            .env_remove("SCEPD_BIN")
            .output()
            .expect("scepd runs");
        let words = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "scepd enroll failed:\n{words}");
        fs::copy(self.server.ca(), dir.join("ca.pem")).unwrap();
        dir
    }

    /// The serial number of a device's certificate, hex.
    pub(crate) fn serial(&self, device: &Path) -> String {
        let said = tool::openssl(device, &["x509", "-in", "cert.pem", "-noout", "-serial"]);
        let (_, serial) = said.trim().split_once('=').expect("serial=...");
        serial.to_owned()
    }
}
