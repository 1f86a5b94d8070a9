//! A `scepd quickstart` of the real binary, with more profiles than it makes itself.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The challenge of the added profiles.
pub(crate) const CHALLENGE: &str = "open-sesame-2931";

/// How long something may take that is under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; it ends with this value.
pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    https: u16,
    http: u16,
    facts: Value,
    printed: String,
}

/// One more `[[profile]]`: the quickstart's own with these settings laid over it.
pub(crate) struct Added<'a> {
    pub(crate) path_id: &'a str,
    /// TOML.
    pub(crate) settings: &'a str,
}

impl Server {
    /// A server with quickstart's own profiles and the added ones. `prepare` may write further files and change the
    /// configuration.
    pub(crate) fn start_with(
        flags: &[&str],
        added: &[Added<'_>],
        prepare: impl FnOnce(&Path, &mut toml::Table),
    ) -> Server {
        let dir = TempDir::new().expect("a temporary directory");
        let (https, http) = (free_port(), free_port());
        let mut server = Server {
            child: spawn(dir.path(), https, http, flags),
            dir,
            https,
            http,
            facts: Value::Null,
            printed: String::new(),
        };
        server.wait();
        if !added.is_empty() {
            server.stop();
            server.configure(added, prepare);
            server.child = spawn(server.dir.path(), https, http, flags);
            server.wait();
        }
        server
    }

    /// A server with quickstart's own profiles and the added ones.
    pub(crate) fn start(added: &[Added<'_>]) -> Server {
        Server::start_with(&[], added, |_, _| {})
    }

    /// The directory for a client's files.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        let dir = self.dir.path().join("clients").join(name);
        fs::create_dir_all(&dir).expect("a directory for the client");
        dir
    }

    /// The plain http URL of a profile.
    pub(crate) fn http(&self, path_id: &str) -> String {
        format!("http://127.0.0.1:{}/scep/{path_id}", self.http)
    }

    /// The https URL of a path.
    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https)
    }

    /// The root certificate that everything chains to, PEM.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path("/ca_cert")
    }

    /// What it printed up to the line that says it is ready.
    pub(crate) fn printed(&self) -> &str {
        &self.printed
    }

    /// A file beside the configuration.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The challenge of a profile that quickstart made.
    pub(crate) fn challenge(&self, path_id: &str) -> String {
        let profiles = self.facts["profiles"]
            .as_array()
            .expect("quickstart.json lists profiles");
        let profile = profiles
            .iter()
            .find(|profile| profile["path_id"] == path_id);
        let challenge = profile.and_then(|profile| profile["challenge"].as_str());
        challenge
            .unwrap_or_else(|| panic!("no challenge of {path_id} in {}", self.facts))
            .to_owned()
    }

    /// The admin token that quickstart made.
    pub(crate) fn admin_token(&self) -> String {
        let file = self.path("/admin_token_file");
        fs::read_to_string(file)
            .expect("the admin token")
            .trim()
            .to_owned()
    }

    fn path(&self, pointer: &str) -> PathBuf {
        let path = self.facts.pointer(pointer).and_then(Value::as_str);
        let path =
            path.unwrap_or_else(|| panic!("quickstart.json has no {pointer}: {}", self.facts));
        self.dir.path().join(path)
    }

    /// Waits until the server says that it is ready, and reads what it wrote.
    fn wait(&mut self) {
        let mut lines = BufReader::new(self.child.stdout.take().expect("its output")).lines();
        let mut printed = String::new();
        let ready = lines.by_ref().map_while(Result::ok).any(|line| {
            printed.push_str(&line);
            printed.push('\n');
            line.starts_with("ready")
        });
        assert!(
            ready,
            "the server ended instead of getting ready:\n{printed}\n{}",
            self.log()
        );
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        self.printed = printed;
        let facts = fs::read(self.dir.path().join("quickstart.json")).expect("quickstart.json");
        self.facts = serde_json::from_slice(&facts).expect("quickstart.json is JSON");
    }

    /// What the server wrote to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// What a command of the real binary prints, on this server's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let said = Command::new(binary())
            .args(arguments)
            .arg("--config")
            .arg(self.dir.path().join("scepd.toml"))
            .current_dir(self.dir.path())
            .env_remove("SCEPD_BIN")
            .output()
            .expect("scepd runs");
        let words = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "scepd {arguments:?}: {words}");
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Waits until the log has a line with this text.
    pub(crate) fn until_logged(&self, text: &str) {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.log().contains(text) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("nothing in the log says {text}:\n{}", self.log());
    }

    /// SIGTERM, and it ends well.
    fn stop(&mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "SIGTERM was sent"
        );
        let status = self.child.wait().expect("the server ends");
        assert!(
            status.success(),
            "SIGTERM: the server ended with {status}\n{}",
            self.log()
        );
    }

    fn configure(&self, added: &[Added<'_>], prepare: impl FnOnce(&Path, &mut toml::Table)) {
        let file = self.dir.path().join("scepd.toml");
        let mut config: toml::Table = fs::read_to_string(&file)
            .expect("scepd.toml")
            .parse()
            .expect("TOML");
        let profiles = config["profile"].as_array_mut().expect("profiles");
        let first = profiles
            .first()
            .and_then(toml::Value::as_table)
            .expect("a profile")
            .clone();
        for one in added {
            let mut profile = first.clone();
            for name in ["challenge_password_file", "intune"] {
                profile.remove(name);
            }
            profile.insert("path_id".to_owned(), one.path_id.into());
            profile.insert("challenge_password".to_owned(), CHALLENGE.into());
            profile.extend(
                one.settings
                    .parse::<toml::Table>()
                    .expect("settings in TOML"),
            );
            profiles.push(profile.into());
        }
        prepare(self.dir.path(), &mut config);
        fs::write(&file, config.to_string()).expect("scepd.toml is written");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// The program under test.
pub(crate) fn binary() -> String {
    let named = std::env::var_os("SCEPD_BIN").map(|path| path.to_string_lossy().into_owned());
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_scepd").to_owned())
}

fn spawn(dir: &Path, https: u16, http: u16, flags: &[&str]) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("server.log"))
        .expect("a log file");
    Command::new(binary())
        .arg("quickstart")
        .arg("--dir")
        .arg(dir)
        .args([
            "--https-port",
            &https.to_string(),
            "--http-port",
            &http.to_string(),
        ])
        .args(flags)
        .env_remove("SCEPD_BIN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("scepd starts")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
