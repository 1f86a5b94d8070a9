//! Other people's SCEP servers, from Debian's packages: step-ca, and scepserver of micromdm.
//!
//! Both get a CA with RSA-2048 keys, a static challenge and a store on disk, as scepd has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::check::Context;
use crate::command::Run;
use crate::install;
use crate::repo::Repo;
use crate::server::free_port;

const CHALLENGE: &str = "bench-challenge";

/// A running server; it ends with this value.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) challenge: String,
    child: Child,
}

impl Peer {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Start a program in its directory, and wait until it takes connections.
    fn start(
        name: &'static str,
        dir: &Path,
        port: &str,
        path: &str,
        program: &Path,
        args: &[&str],
    ) -> Result<Self, String> {
        let log = dir.join("log");
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let out = fs::File::create(&log).map_err(failed)?;
        let child = Command::new(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(failed)?)
            .stderr(out)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        let mut peer = Self {
            name,
            url: format!("http://127.0.0.1:{port}{path}"),
            challenge: CHALLENGE.to_owned(),
            child,
        };
        let until = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
            let ended = peer.child.try_wait().map_err(failed)?;
            if ended.is_some() || Instant::now() > until {
                return Err(format!(
                    "{name} did not get ready; its log is {}",
                    log.display()
                ));
            }
            std::thread::yield_now();
        }
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// step-ca as Debian packages its source: a main of our own around its library.
pub(super) fn step_ca(context: &Context) -> Result<Peer, String> {
    let repo = &context.repo;
    install::debian(
        context,
        &[
            "go",
            "openssl",
            "/usr/share/gocode/src/github.com/smallstep/certificates",
        ],
        &[
            "golang-go",
            "openssl",
            "golang-github-smallstep-certificates-dev",
        ],
    )?;
    let dir = emptied(repo, "step-ca")?;
    let program = built_step_ca(repo)?;
    let port = free_port()?;
    authority(repo, &dir)?;
    let config = serde_json::json!({
        "root": "root.crt", "crt": "ca.crt", "key": "ca.key",
        "address": format!("127.0.0.1:{}", free_port()?),
        "insecureAddress": format!("127.0.0.1:{port}"),
        "dnsNames": ["localhost", "127.0.0.1"],
        "logger": {"format": "text"},
        "db": {"type": "badgerV2", "dataSource": "db"},
        "authority": {"provisioners": [{
            "type": "SCEP", "name": "scep", "challenge": CHALLENGE,
            "minimumPublicKeyLength": 2048, "encryptionAlgorithmIdentifier": 2,
        }]},
    });
    write(&dir.join("ca.json"), &config.to_string())?;
    Peer::start(
        "step-ca (Debian)",
        &dir,
        &port,
        "/scep/scep",
        &program,
        &["ca.json"],
    )
}

const STEP_CA: &str = r#"package main

import (
	"os"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/ca"
)

func main() {
	c, err := config.LoadConfiguration(os.Args[1])
	if err != nil {
		panic(err)
	}
	server, err := ca.New(c)
	if err != nil {
		panic(err)
	}
	if err := server.Run(); err != nil {
		panic(err)
	}
}
"#;

fn built_step_ca(repo: &Repo) -> Result<PathBuf, String> {
    let dir = repo.scratch("step-ca")?;
    let program = dir.join("step-ca");
    let source = dir.join("main.go");
    if program.is_file() && fs::read_to_string(&source).is_ok_and(|text| text == STEP_CA) {
        return Ok(program);
    }
    write(&source, STEP_CA)?;
    Run::new(repo, "go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(&source)
        .dir(&dir)
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("CGO_ENABLED", "0")
        .env("GOCACHE", dir.join("cache"))
        .go()?;
    Ok(program)
}

/// A root and a CA below it, both with RSA-2048 keys.
fn authority(repo: &Repo, dir: &Path) -> Result<(), String> {
    let openssl = |args: &[&str]| Run::new(repo, "openssl").args(args).dir(dir).output();
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "root.key",
        "-out",
        "root.crt",
        "-subj",
        "/CN=Bench Root",
        "-days",
        "30",
    ])?;
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.csr",
        "-subj",
        "/CN=Bench CA",
    ])?;
    write(
        &dir.join("ca.ext"),
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature,keyEncipherment\n",
    )?;
    openssl(&[
        "x509",
        "-req",
        "-in",
        "ca.csr",
        "-CA",
        "root.crt",
        "-CAkey",
        "root.key",
        "-CAcreateserial",
        "-extfile",
        "ca.ext",
        "-out",
        "ca.crt",
        "-days",
        "30",
    ])?;
    Ok(())
}

/// scepserver of Debian's package `scep`.
pub(super) fn scepserver(context: &Context) -> Result<Peer, String> {
    install::debian(context, &["scepserver"], &["scep"])?;
    let repo = &context.repo;
    let dir = emptied(repo, "scepserver")?;
    let program = crate::repo::which("scepserver").ok_or("scepserver is not on PATH")?;
    Run::new(repo, &program)
        .args(["ca", "-init", "-depot", "depot", "-keySize", "2048"])
        .dir(&dir)
        .output()?;
    let port = free_port()?;
    Peer::start(
        "scepserver (Debian)",
        &dir,
        &port,
        "/scep",
        &program,
        &[
            "-depot",
            "depot",
            "-port",
            &port,
            "-challenge",
            CHALLENGE,
            "-allowrenew",
            "0",
        ],
    )
}

fn emptied(repo: &Repo, name: &str) -> Result<PathBuf, String> {
    let dir = repo.scratch("peers")?.join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    Ok(dir)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
