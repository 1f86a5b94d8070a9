//! micromdm scepserver 2.1 (Debian 12's `scep`) as a profile's issuer, with strongSwan as the device.
//!
//! It takes AES and answers in single DES, signed with SHA-1, whatever it offers. It has neither CertPoll nor GetCRL, and
//! answers them with status 500.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::{self, Added, CHALLENGE, Server};
use crate::strongswan;
use crate::tool;

/// How long something may take that is under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scepserver with a CA of its own; it ends with this value.
struct ScepServer {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Drop for ScepServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ScepServer {
    fn start() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let init = ["ca", "-init", "-depot", "depot", "-keySize", "2048"];
        let password = ["-key-password", "of-its-key"];
        tool::must(dir.path(), "scepserver", &[&init[..], &password].concat());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let child = Command::new("scepserver")
            .current_dir(dir.path())
            .args([
                "-depot",
                "depot",
                "-capass",
                "of-its-key",
                "-challenge",
                CHALLENGE,
            ])
            .args(["-port", &port.to_string()])
            // One subject may have several certificates.
            .args(["-allowrenew", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("scepserver starts");
        let server = Self { child, dir, port };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < PATIENCE, "scepserver does not listen");
            std::thread::yield_now();
        }
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// How many certificates it has made.
    fn issued(&self) -> usize {
        let index = fs::read_to_string(self.path("depot/index.txt"));
        index.unwrap_or_default().lines().count()
    }

    /// An RA for scepd, which devices want to be of this CA, and scepd's own signer there.
    fn certify(&self) {
        let (dir, subject) = (self.dir.path(), "/CN=RA of scepd");
        tool::rsa_key(dir, "ra.key");
        tool::openssl(
            dir,
            &[
                "req", "-new", "-key", "ra.key", "-subj", subject, "-out", "ra.csr",
            ],
        );
        let extensions = "basicConstraints = critical, CA:false\n\
                          keyUsage = critical, digitalSignature, keyEncipherment\n\
                          extendedKeyUsage = 1.3.6.1.4.1.311.20.2.1\n\
                          subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n";
        fs::write(dir.join("ra.ext"), extensions).expect("the extensions");
        let sign = [
            "x509",
            "-req",
            "-in",
            "ra.csr",
            "-days",
            "300",
            "-set_serial",
            "77777",
        ];
        let by = [
            "-CA",
            "depot/ca.pem",
            "-CAkey",
            "depot/ca.key",
            "-passin",
            "pass:of-its-key",
        ];
        let out = ["-extfile", "ra.ext", "-out", "ra.pem"];
        tool::openssl(dir, &[&sign[..], &by, &out].concat());
        tool::rsa_key(dir, "signer.key");
        let own = [
            "req",
            "-x509",
            "-key",
            "signer.key",
            "-subj",
            "/CN=scepd",
            "-days",
            "800",
        ];
        tool::openssl(dir, &[&own[..], &["-out", "signer.pem"]].concat());
        tool::must(dir, "chmod", &["600", "ra.key", "signer.key"]);
    }

    fn fingerprint(&self) -> String {
        let pem = fs::read(self.path("depot/ca.pem")).expect("its CA");
        let ca = pki::Certificate::from_pem(&pem).expect("a certificate");
        hex::encode(ca.fingerprint())
    }
}

/// A server with a profile before scepserver; it has the algorithms of the past where `legacy` says so.
fn server_with(upstream: &ScepServer, legacy: bool) -> Server {
    let at = |name: &str| upstream.path(name).display().to_string();
    let settings = format!(
        "crypto = 'compatible'\nissuer_id = 'up'\nprofile_id = 'up'\nanswer_within = '5s'\nra = 'files'\n\
         ra_cert_path = '{}'\nra_key_path = '{}'",
        at("ra.pem"),
        at("ra.key")
    );
    let added = Added {
        path_id: "up",
        settings: &settings,
    };
    Server::start_with(&[], &[added], |_, config| {
        let issuer = format!(
            "id = 'up'\ntype = 'scep'\nurl = 'http://127.0.0.1:{}/scep'\naccept_shorter_validity = true\n[scep]\n\
             signer_cert_path = '{}'\nsigner_key_path = '{}'\nca_fingerprint = '{}'\nlegacy = {legacy}",
            upstream.port,
            at("signer.pem"),
            at("signer.key"),
            upstream.fingerprint()
        );
        // What it makes of every request.
        let policy = "id = 'up'\nmax_ttl = '366d'\nkey_usages_default = ['digital_signature']\n\
                      key_usages_allowed = ['digital_signature']";
        for (section, text) in [("issuer", issuer.as_str()), ("certificate_profile", policy)] {
            let list = config[section].as_array_mut().expect("a list");
            list.push(text.parse::<toml::Table>().expect("TOML").into());
        }
    })
}

fn enroll(dir: &Path, url: &str, name: &str, challenge: &str, more: &[&str]) -> tool::Said {
    let key = format!("{name}.key");
    tool::rsa_key(dir, &key);
    let own = ["--password", challenge];
    let args = strongswan::enroll(url, &key, &[&own[..], more].concat());
    strongswan::pki(dir, &args)
}

#[test]
#[ignore = "needs micromdm scepserver and strongSwan pki"]
fn devices_have_certificates_of_its_ca() {
    let upstream = ScepServer::start();
    upstream.certify();
    let server = server_with(&upstream, true);
    let (dir, url) = (server.scratch("strongswan"), server.http("up"));
    strongswan::fetch_ca(&dir, &url);
    let mut serials = Vec::new();
    for name in ["1", "2"] {
        let file = format!("{name}.pem");
        strongswan::keep(&dir, &enroll(&dir, &url, name, CHALLENGE, &[]), &file);
        let (ca, key) = (upstream.path("depot/ca.pem"), format!("{name}.key"));
        serials.push(tool::judge(&dir, &ca, &file, &key, strongswan::SUBJECT));
    }
    assert_ne!(serials[0], serials[1]);
    assert_eq!(upstream.issued(), 2);

    // A wrong challenge ends here.
    let said = enroll(&dir, &url, "3", "wrong", &[]);
    assert!(!said.ok && said.all.contains("failInfo"), "{}", said.all);
    assert_eq!(upstream.issued(), 2);

    // It has neither CertPoll nor GetCRL, and that is no trouble.
    let config = server.beside("scepd.toml");
    let args = ["issuer", "test", "up", "--config", config.to_str().unwrap()];
    let said = tool::must(&server.scratch("command"), &server::binary(), &args);
    assert!(
        said.all.contains("there is no CRL: GetCRL is refused"),
        "{}",
        said.all
    );
}

#[test]
#[ignore = "needs micromdm scepserver and strongSwan pki"]
fn its_single_des_is_taken_only_where_that_is_agreed_to() {
    let upstream = ScepServer::start();
    upstream.certify();
    let server = server_with(&upstream, false);
    let (dir, url) = (server.scratch("strongswan"), server.http("up"));
    strongswan::fetch_ca(&dir, &url);
    let polls = ["--interval", "1", "--maxpolltime", "1"];
    let said = enroll(&dir, &url, "1", CHALLENGE, &polls);
    assert!(!said.ok && said.out.is_empty(), "{}", said.all);
    let said = server.command(&["audit", "export"]);
    assert!(said.contains("its reply cannot be believed"), "{said}");
}
