//! The way down: whatever was accepted is answered. And the signals of the real program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use scep::client::Content;
use scepd::server::Ended;

use crate::device::{Device, issued};
use crate::fleet::{Load, Patience, always, device_key};
use crate::profiles::Begun;
use crate::test_env::{CHALLENGE, TestEnv, trusting};

#[tokio::test(flavor = "multi_thread")]
async fn stopping_under_load_answers_every_accepted_request() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let device = Device::at(server.https("/scep/corp"), server.client(), device_key()).await;
    let own = |device: &Device| Device {
        http: server.client(),
        ..device.clone()
    };
    let devices = (0..3).map(|_| (own(&device), false)).collect();
    let load = Load::start(devices, &always(CHALLENGE), Patience::GoHome);
    load.more(3).await;

    let mut started = Vec::new();
    for _ in 0..4 {
        let csr = device.csr(Some(CHALLENGE));
        let request = device.request(Content::PkcsReq(&csr));
        let accepted = Begun::new(&server, "corp", request.message()).await;
        started.push((accepted, request));
    }
    let stopping = tokio::spawn({
        let server = server.server.clone();
        async move { server.stop(Duration::from_secs(30)).await }
    });
    // Nothing new is accepted once the load has gone home, and what is in flight is still waited for.
    let certificates = load.over().await;
    assert!(certificates >= 3);
    assert!(!stopping.is_finished(), "requests in flight were given up");
    for (started, request) in started {
        let (head, body) = started.finish().await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let close = head
            .to_ascii_lowercase()
            .lines()
            .any(|line| line == "connection: close");
        assert!(close, "{head}");
        let reply = request.open_reply(&body, &device.ca.reply_signers());
        issued(reply.unwrap());
    }
    let Ended { in_time, flushed } = stopping.await.unwrap();
    assert!(in_time, "drained within the limit");
    assert!(flushed);
}

/// The real program, killed at the end of a test whatever happens.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    fn serve(env: &TestEnv) -> Program {
        Program::start(
            Command::new(env!("CARGO_BIN_EXE_scepd"))
                .args(["serve", "--config"])
                .arg(env.write_config()),
        )
    }

    /// The same, where a file that is over its limit is an error and not the end.
    fn serve_on_small_disk(env: &TestEnv) -> Program {
        let script = "trap '' XFSZ; exec \"$0\" serve --config \"$1\"";
        Program::start(
            Command::new("sh")
                .args(["-c", script, env!("CARGO_BIN_EXE_scepd")])
                .arg(env.write_config()),
        )
    }

    fn start(command: &mut Command) -> Program {
        let mut child = command
            .env("RUST_BACKTRACE", "0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = tell.send(line);
            }
        });
        Program { child, lines }
    }

    /// The next line of the log that holds these words.
    fn line(&self, words: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line says {words:?} ({error}): {seen:#?}"),
            }
        }
    }

    fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// The largest file that it may write, in octets; `None`: any.
    fn may_write(&self, octets: Option<u64>) {
        let limit = Rlimit {
            current: octets,
            maximum: None,
        };
        prlimit(Some(self.id()), Resource::Fsize, limit).unwrap();
    }

    /// Waits for its end, which must have started.
    async fn ended(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.child.wait().unwrap())
            .await
            .unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port_of(line: &str) -> u16 {
    let (_, after) = line.split_once("https=").unwrap();
    let address = after.split_whitespace().next().unwrap();
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_reloads_on_hangup_and_drains_on_terminate() {
    // Its clients are tasks of this process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut env = TestEnv::new().profile("corp", "");
    let program = Program::serve(&env);
    let port = port_of(&program.line("ready"));
    let url = |path_id: &str| format!("https://localhost:{port}/scep/{path_id}");
    let client = || trusting(&env.ca).build().unwrap();
    let device = Device::at(url("corp"), client(), device_key()).await;
    let devices = (0..3).map(|_| {
        let http = client();
        (
            Device {
                http,
                ..device.clone()
            },
            false,
        )
    });
    let load = Load::start(devices.collect(), &always(CHALLENGE), Patience::GoHome);
    load.more(3).await;

    let http = client();
    env.edit(|config| {
        let profiles = config["profile"].as_array_mut().unwrap();
        let mut new = profiles[0].clone();
        new["path_id"] = "added".into();
        profiles.push(new);
    });
    program.signal(Signal::HUP);
    program.line("configuration reloaded");
    let added = Device::at(url("added"), http, device_key()).await;
    added.enroll().await;
    load.more(3).await;

    program.signal(Signal::TERM);
    let enrolled = load.over().await;
    assert!(enrolled >= 6);
    program.line("drained");
    let status = program.ended().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_ends_when_a_disk_that_failed_works_again_and_goes_on_from_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = TestEnv::new().profile("corp", "");
    let program = Program::serve_on_small_disk(&env);
    let port = port_of(&program.line("ready"));
    let client = || trusting(&env.ca).build().unwrap();
    let url = format!("https://localhost:{port}/scep/corp");
    let mut device = Device::at(url, client(), device_key()).await;
    let first = device.enroll().await;

    program.may_write(Some(0));
    let csr = device.csr(Some(CHALLENGE));
    let request = device.request(Content::PkcsReq(&csr));
    assert!(
        device.try_post(&request).await.is_err(),
        "nothing is issued"
    );
    program.line("a write failed");
    program.line("the store's disk still takes no writes");
    let readiness = client().get(format!("https://localhost:{port}/readyz"));
    assert_eq!(readiness.send().await.unwrap().status(), 503);
    device.refresh().await.unwrap();

    program.may_write(None);
    program.line("start scepd anew");
    assert_eq!(program.ended().await.code(), Some(75));

    let program = Program::serve(&env);
    let port = port_of(&program.line("ready"));
    device.url = format!("https://localhost:{port}/scep/corp");
    let second = issued(device.post(&request).await);
    assert_ne!(first.serial(), second.serial());
    assert_eq!(issued(device.post(&request).await), second);
    program.signal(Signal::TERM);
    program.line("drained, the store is flushed");
    assert_eq!(program.ended().await.code(), Some(0));
}
