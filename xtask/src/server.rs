//! A throwaway server of the built binary, for checks that need one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::repo::Repo;

/// A running `scepd quickstart`; it ends with this value.
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
    /// What it printed until it was ready.
    pub(crate) printed: String,
    /// `quickstart.json`.
    pub(crate) facts: Value,
}

impl Server {
    /// Start one in an emptied directory, on ports that are free, and wait until it is ready.
    pub(crate) fn quickstart(
        repo: &Repo,
        name: &str,
        env: &[(&str, &str)],
    ) -> Result<Server, String> {
        Server::quickstart_with(repo, name, &[], env)
    }

    /// As [`quickstart`](Self::quickstart), with more arguments.
    pub(crate) fn quickstart_with(
        repo: &Repo,
        name: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Server, String> {
        let dir = repo.scratch("servers")?.join(name);
        let _ = fs::remove_dir_all(&dir);
        let log = repo.scratch("servers")?.join(format!("{name}.log"));
        let stderr = fs::File::create(&log)
            .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let mut child = Command::new(repo.binary())
            .arg("quickstart")
            .arg("--dir")
            .arg(&dir)
            .args(["--https-port", &free_port()?, "--http-port", &free_port()?])
            .args(args)
            .env_remove("SCEPD_BIN")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", repo.binary().display()))?;
        let printed = until_ready(&mut child);
        let mut server = Server {
            child,
            dir,
            printed,
            facts: Value::Null,
        };
        let facts = fs::read_to_string(server.dir.join("quickstart.json")).map_err(|error| {
            format!(
                "the server did not get ready ({error}); it printed:\n{}\nits log is {}",
                server.printed,
                log.display()
            )
        })?;
        server.facts =
            serde_json::from_str(&facts).map_err(|error| format!("quickstart.json: {error}"))?;
        Ok(server)
    }

    /// A string of `quickstart.json`, by its JSON pointer.
    pub(crate) fn fact(&self, pointer: &str) -> Result<&str, String> {
        let value = self.facts.pointer(pointer).and_then(Value::as_str);
        value.ok_or_else(|| format!("quickstart.json has no {pointer}"))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Read what the child prints up to the line that says it is ready (or to its end); go on draining it afterwards.
fn until_ready(child: &mut Child) -> String {
    let mut printed = String::new();
    let Some(stdout) = child.stdout.take() else {
        return printed;
    };
    let mut lines = BufReader::new(stdout).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        printed.push_str(&line);
        printed.push('\n');
        if line.starts_with("ready") {
            break;
        }
    }
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    printed
}

/// A port of this machine that nobody uses now.
pub(crate) fn free_port() -> Result<String, String> {
    let listener =
        TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
    let address = listener
        .local_addr()
        .map_err(|error| format!("no free port: {error}"))?;
    Ok(address.port().to_string())
}
