//! certmonger 0.79 (Debian 12), on a session bus of its own.
//!
//! It sends everything by GET, signs with a v1 certificate, and polls by sending PKCSReq again. It is served over plain
//! http: the CA that `-R` names for TLS is used for its first request only (GetCACaps) and forgotten for the next.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::admin::Operator;
use crate::server::{Added, CHALLENGE, Server};
use crate::strongswan::scraped;
use crate::tool;

const SUBJECT: &str = "O=Example,CN=pump-3";

/// A shell on a session bus where certmonger is started on demand; everything it keeps is below `dir`.
struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn begin(dir: &Path) -> Session {
        let temporary = dir.join("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        let mut child = Command::new("dbus-run-session")
            .args(["--", "sh"])
            .current_dir(dir)
            .env("HOME", dir)
            .env("TMPDIR", temporary)
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Session {
            child,
            input,
            output,
        }
    }

    /// Runs a command; what it printed, and whether it succeeded.
    fn run(&mut self, command: &str) -> (bool, String) {
        writeln!(self.input, "{command} 2>&1; echo \"== $?\"").unwrap();
        let mut printed = String::new();
        for line in self.output.by_ref().lines() {
            let line = line.unwrap();
            if let Some(code) = line.strip_prefix("== ") {
                return (code == "0", printed);
            }
            printed.push_str(&line);
            printed.push('\n');
        }
        panic!("the session ended:\n{printed}");
    }

    fn must(&mut self, command: &str) -> String {
        let (ok, printed) = self.run(command);
        assert!(ok, "{command}:\n{printed}");
        printed
    }

    /// Waits until this request is in one of these states.
    fn until(&mut self, id: &str, states: &[&str]) {
        let started = Instant::now();
        let mut list = String::new();
        while started.elapsed() < Duration::from_secs(60) {
            list = self.run(&format!("getcert list -s -i {id}")).1;
            if states
                .iter()
                .any(|state| list.contains(&format!("status: {state}\n")))
            {
                return;
            }
        }
        let ca = self.run("getcert list-cas -s -c M -v").1;
        panic!("certmonger does not get to {states:?}:\n{list}\n{ca}");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = writeln!(self.input, "exit");
        let _ = self.child.wait();
    }
}

/// A client that knows the profile as CA `M`, and the request for a certificate.
fn client(server: &Server, path_id: &str) -> (Session, PathBuf) {
    let dir = server.scratch("certmonger");
    let mut session = Session::begin(&dir);
    let (url, ca) = (server.http(path_id), server.ca());
    session.must(&format!(
        "getcert add-scep-ca -s -c M -u {url} -N {}",
        ca.display()
    ));
    (session, dir)
}

fn request(challenge: &str) -> String {
    format!(
        "getcert request -s -c M -k $PWD/key.pem -f $PWD/cert.pem -N CN=pump-3,O=Example -D pump-3.example.org -L {challenge} -I device"
    )
}

#[test]
#[ignore = "needs certmonger"]
fn it_enrolls_where_the_ra_is_split() {
    let split = Added {
        path_id: "split",
        settings: "ra = 'auto'\nra_split = true",
    };
    let server = Server::start(&[split]);
    let (mut session, dir) = client(&server, "split");
    session.run(&format!("{} -w", request(CHALLENGE)));
    session.until("device", &["MONITORING"]);
    tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);
}

#[test]
#[ignore = "needs certmonger"]
fn it_enrolls_renews_and_takes_a_new_key() {
    let server = Server::start(&[]);
    let (mut session, dir) = client(&server, "corp");
    session.run(&format!("{} -w", request(&server.challenge("corp"))));
    session.until("device", &["MONITORING"]);
    let first = tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);
    let key = std::fs::read(dir.join("key.pem")).unwrap();

    // PKCSReq (19) signed by the certificate it holds, same key, same transactionID.
    session.must("getcert resubmit -s -i device -w");
    session.until("device", &["MONITORING"]);
    let second = tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);
    assert_ne!(first, second, "a renewal is another certificate");
    assert_eq!(key, std::fs::read(dir.join("key.pem")).unwrap());

    session.must("getcert rekey -s -i device -w");
    session.until("device", &["MONITORING"]);
    let third = tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);
    assert!(
        third != first && third != second,
        "a rekey is another certificate"
    );
    assert_ne!(
        key,
        std::fs::read(dir.join("key.pem")).unwrap(),
        "the key is new"
    );
}

#[test]
#[ignore = "needs certmonger"]
fn it_enrolls_on_a_compatible_profile_of_an_ec_ca() {
    let old = Added {
        path_id: "old",
        settings: "crypto = 'compatible'",
    };
    let server = Server::start_with(&["--ca", "ec"], &[old], |_, _| {});
    let (mut session, dir) = client(&server, "old");
    session.run(&format!("{} -w", request(CHALLENGE)));
    session.until("device", &["MONITORING"]);
    tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);
}

#[test]
#[ignore = "needs certmonger"]
fn it_waits_until_an_operator_approves() {
    let server = Server::start(&[Added {
        path_id: "waiting",
        settings: "approval = true",
    }]);
    let (mut session, dir) = client(&server, "waiting");
    session.must(&request(CHALLENGE));
    session.until("device", &["CA_WORKING"]);
    assert!(!dir.join("cert.pem").exists());

    // It asks again with the same CSR in a fresh message, and is still waiting.
    session.must("getcert refresh -s -i device");
    session.until("device", &["CA_WORKING"]);

    Operator::of(&server).approve_next("waiting");
    session.must("getcert refresh -s -i device");
    session.until("device", &["MONITORING"]);
    tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);
}

#[test]
#[ignore = "needs certmonger"]
fn a_wrong_challenge_is_a_rejection_it_understands() {
    let server = Server::start(&[]);
    let (mut session, dir) = client(&server, "corp");
    session.run(&format!("{} -w", request("wrong")));
    session.until("device", &["CA_REJECTED"]);
    assert!(!dir.join("cert.pem").exists());
}

#[test]
#[ignore = "needs certmonger"]
fn a_challenge_for_one_device_is_good_once_and_the_operator_sees_why() {
    let server = Server::start(&[Added {
        path_id: "made",
        settings: "[one_time]\nenabled = true\n[ndes]\nenabled = true\nusername = 'mdm'\npassword = 'a-long-password-of-an-mdm'",
    }]);
    let operator = Operator::of(&server);
    let mdm = ("mdm", "a-long-password-of-an-mdm");
    let path = "/ndes/made/certsrv/mscep_admin/";
    let page = operator.as_mdm(reqwest::Method::GET, path, mdm, "");
    let challenge = scraped(&page);
    let (mut session, dir) = client(&server, "made");
    session.run(&format!("{} -w", request(challenge)));
    session.until("device", &["MONITORING"]);
    let first = tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);

    // Another key with the same challenge.
    let another = |challenge: &str| {
        request(challenge)
            .replace("key.pem", "key-2.pem")
            .replace("cert.pem", "cert-2.pem")
            .replace("-I device", "-I another")
    };
    session.run(&format!("{} -w", another(challenge)));
    session.until("another", &["CA_REJECTED"]);
    assert!(!dir.join("cert-2.pem").exists());
    let (reason, message) = operator.newest_refusal();
    assert_eq!(reason, "challenge_used", "{message}");
    assert!(!message.contains(challenge), "{message}");
    let told = session.run("getcert list -s -i another").1;
    assert!(
        !told.contains("used"),
        "the device is told no reason: {told}"
    );

    // One that was made for another name is refused and stays good; then one of its own.
    let bound = serde_json::json!({ "profile": "made", "subject": "CN=gate-8" });
    for (challenge, state, words) in [
        (
            operator.challenge_with(&bound),
            "CA_REJECTED",
            "subject `CN=gate-8`",
        ),
        (operator.challenge("made"), "MONITORING", ""),
    ] {
        session.must("getcert stop-tracking -s -i another");
        session.run(&format!("{} -w", another(&challenge)));
        session.until("another", &[state]);
        if state == "CA_REJECTED" {
            let (reason, message) = operator.newest_refusal();
            assert_eq!(reason, "challenge_bound", "{message}");
            assert!(message.contains(words), "{message}");
        }
    }
    tool::judge(&dir, &server.ca(), "cert-2.pem", "key-2.pem", SUBJECT);

    // Renewal is by the certificate: the challenge that is over is not asked for again.
    session.must("getcert resubmit -s -i device -w");
    session.until("device", &["MONITORING"]);
    let second = tool::judge(&dir, &server.ca(), "cert.pem", "key.pem", SUBJECT);
    assert_ne!(first, second, "a renewal is another certificate");
}
