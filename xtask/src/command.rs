//! Run a program, show what is run, and say how it ended.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::repo::{self, Repo};

/// Variables that cargo sets for the program it runs.
const OF_THIS_TOOL: [&str; 5] = [
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
];

/// A program to run from the checkout's root.
pub(crate) struct Run {
    command: Command,
    shown: String,
}

impl Run {
    pub(crate) fn new(repo: &Repo, program: impl AsRef<OsStr>) -> Run {
        let mut command = Command::new(program.as_ref());
        command.current_dir(repo.root()).stdin(Stdio::null());
        // What `cargo run` says of this tool would make build scripts that watch it run again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if OF_THIS_TOOL.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        Run {
            command,
            shown: repo.shown(Path::new(program.as_ref())),
        }
    }

    /// `cargo` with these arguments.
    pub(crate) fn cargo(repo: &Repo, args: &[&str]) -> Run {
        let mut run = Run::new(repo, repo::cargo()).args(args);
        run.shown = format!("cargo {}", args.join(" "));
        run
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Run {
        self.shown.push(' ');
        self.shown.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Run {
        args.into_iter().fold(self, |run, arg| run.arg(arg))
    }

    /// An option whose value is not shown.
    pub(crate) fn secret(mut self, option: &str, value: &str) -> Run {
        self.shown.push_str(&format!(" {option} ..."));
        self.command.arg(option).arg(value);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Run {
        self.command.current_dir(dir);
        self
    }

    /// Run with this tool's own output; an error says what was run and how it ended.
    pub(crate) fn go(mut self) -> Result<(), String> {
        println!("+ {}", self.shown);
        let status = self.command.status();
        judge(&self.shown, status)
    }

    /// The same; a program that is not done within `longest` is killed, and that is an error.
    pub(crate) fn go_within(mut self, longest: Duration) -> Result<(), String> {
        println!("+ {}", self.shown);
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => return judge(&self.shown, Err(error)),
        };
        let id = child.id();
        let (ended, end) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let late = end.recv_timeout(longest) == Err(RecvTimeoutError::Timeout);
            if late {
                let _ = Command::new("kill")
                    .args(["-KILL", &id.to_string()])
                    .status();
            }
            late
        });
        let status = child.wait();
        drop(ended);
        match watch.join() {
            Ok(true) => Err(format!(
                "`{}` was not done within {} minutes and was killed",
                self.shown,
                longest.as_secs() / 60
            )),
            _ => judge(&self.shown, status),
        }
    }

    /// Run quietly; standard output on success, both streams in the error otherwise.
    pub(crate) fn output(self) -> Result<String, String> {
        let (ok, stdout, stderr) = self.capture()?;
        if ok {
            Ok(stdout)
        } else {
            Err(stdout + &stderr)
        }
    }

    /// Run quietly: whether it succeeded, and all that it printed.
    pub(crate) fn merged(self) -> Result<(bool, String), String> {
        let (ok, stdout, stderr) = self.capture()?;
        Ok((ok, stdout + &stderr))
    }

    fn capture(mut self) -> Result<(bool, String, String), String> {
        let output = self
            .command
            .output()
            .map_err(|error| format!("cannot run `{}`: {error}", self.shown))?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        Ok((
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        ))
    }
}

fn judge(shown: &str, status: std::io::Result<ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` ended with {status}")),
        Err(error) => Err(format!("cannot run `{shown}`: {error}")),
    }
}
