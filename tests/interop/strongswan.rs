//! strongSwan `pki --scep` 5.9.8 (Debian 12).
//!
//! It takes AES only from a server that lists a `SHA-384` line, so it is served by profiles in compatible mode with
//! triple DES.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::admin::Operator;
use crate::server::{Added, CHALLENGE, Server};
use crate::tool::{self, Said};

const COMPATIBLE: Added<'_> = Added {
    path_id: "old",
    settings: "crypto = 'compatible'",
};
pub(crate) const SUBJECT: &str = "CN=gate-7,O=Example,C=US";

/// The options of every enrollment.
pub(crate) fn enroll(url: &str, key: &str, more: &[&str]) -> Vec<String> {
    let fixed = [
        "--scep",
        "--url",
        url,
        "--in",
        key,
        "--dn",
        "C=US, O=Example, CN=gate-7",
        "--cacert-enc",
        "ra.pem",
        "--cacert-sig",
        "ra.pem",
        "--cacert",
        "ca.pem",
        "--cipher",
        "des3",
        "--outform",
        "pem",
    ];
    fixed
        .iter()
        .chain(more)
        .map(|arg| (*arg).to_owned())
        .collect()
}

/// GetCACert into `ca.pem` and `ra.pem`.
pub(crate) fn fetch_ca(dir: &Path, url: &str) {
    tool::must(
        dir,
        "pki",
        &[
            "--scepca",
            "--url",
            url,
            "--caout",
            "ca.pem",
            "--raout",
            "ra.pem",
            "--outform",
            "pem",
            "--force",
        ],
    );
}

pub(crate) fn pki(dir: &Path, args: &[String]) -> Said {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    tool::run(dir, "pki", &args)
}

/// The certificate that an enrollment printed, in `name`.
pub(crate) fn keep(dir: &Path, said: &Said, name: &str) {
    assert!(said.ok, "pki --scep failed:\n{}", said.all);
    std::fs::write(dir.join(name), &said.out).unwrap();
}

#[test]
#[ignore = "needs strongSwan pki"]
fn it_enrolls_renews_and_takes_a_new_key() {
    for ca in ["rsa", "ec"] {
        let server = Server::start_with(&["--ca", ca], &[COMPATIBLE], |_, _| {});
        let (dir, url) = (server.scratch("strongswan"), server.http("old"));
        fetch_ca(&dir, &url);
        tool::rsa_key(&dir, "1.key");
        let said = pki(
            &dir,
            &enroll(
                &url,
                "1.key",
                &["--password", CHALLENGE, "--san", "gate-7.example.org"],
            ),
        );
        keep(&dir, &said, "1.pem");
        let first = tool::judge(&dir, &server.ca(), "1.pem", "1.key", SUBJECT);
        let text = tool::openssl(&dir, &["x509", "-in", "1.pem", "-noout", "-text"]);
        assert!(text.contains("DNS:gate-7.example.org"), "{text}");

        // RenewalReq (17), signed by the old certificate, with a new key and without the challenge.
        tool::rsa_key(&dir, "2.key");
        let old = [
            "--cert",
            "1.pem",
            "--key",
            "1.key",
            "--san",
            "gate-7.example.org",
        ];
        let said = pki(&dir, &enroll(&url, "2.key", &old));
        keep(&dir, &said, "2.pem");
        let second = tool::judge(&dir, &server.ca(), "2.pem", "2.key", SUBJECT);
        assert_ne!(first, second, "a renewal is another certificate");
    }
}

#[test]
#[ignore = "needs strongSwan pki"]
fn a_wrong_challenge_is_a_failure_it_understands() {
    let server = Server::start(&[COMPATIBLE]);
    let (dir, url) = (server.scratch("strongswan"), server.http("old"));
    fetch_ca(&dir, &url);
    tool::rsa_key(&dir, "1.key");
    let said = pki(&dir, &enroll(&url, "1.key", &["--password", "wrong"]));
    assert!(!said.ok && said.out.is_empty(), "{}", said.all);
    assert!(
        said.all.contains("failInfo"),
        "it read the reply: {}",
        said.all
    );
}

#[test]
#[ignore = "needs strongSwan pki"]
fn a_challenge_of_each_interface_is_good_once() {
    let made = Added {
        path_id: "made",
        settings: "
            crypto = 'compatible'
            [one_time]
            enabled = true
            [jamf]
            enabled = true
            username = 'jamf'
            password = 'a-long-password-of-jamf'
            [ndes]
            enabled = true
            username = 'mdm'
            password = 'a-long-password-of-an-mdm'
        ",
    };
    let server = Server::start(&[made]);
    let (dir, url) = (server.scratch("strongswan"), server.http("made"));
    fetch_ca(&dir, &url);
    let operator = Operator::of(&server);
    let event = r#"{"webhook":{"webhookEvent":"SCEPChallenge","id":1},"event":{"payloadIdentifier":"0A1B"}}"#;
    let jamf = ("jamf", "a-long-password-of-jamf");
    let by_webhook = operator.as_mdm(reqwest::Method::POST, "/hooks/jamf/made", jamf, event);
    let mdm = ("mdm", "a-long-password-of-an-mdm");
    let path = "/ndes/made/certsrv/mscep_admin/";
    let page = operator.as_mdm(reqwest::Method::GET, path, mdm, "");
    let rest = page
        .split("The enrollment challenge password is: <B> ")
        .nth(1);
    let by_page = rest.and_then(|rest| rest.split(' ').next()).unwrap();
    let by_api = operator.challenge("made");
    for (n, challenge) in [by_webhook.as_str(), by_page, &by_api]
        .into_iter()
        .enumerate()
    {
        let (key, certificate) = (format!("{n}.key"), format!("{n}.pem"));
        tool::rsa_key(&dir, &key);
        let said = pki(&dir, &enroll(&url, &key, &["--password", challenge]));
        keep(&dir, &said, &certificate);
        tool::judge(&dir, &server.ca(), &certificate, &key, SUBJECT);
        let second = format!("{n}-again.key");
        tool::rsa_key(&dir, &second);
        let said = pki(&dir, &enroll(&url, &second, &["--password", challenge]));
        assert!(!said.ok && said.out.is_empty(), "{}", said.all);
    }
}

#[test]
#[ignore = "needs strongSwan pki"]
fn it_polls_until_an_operator_approves() {
    let waiting = Added {
        path_id: "waiting",
        settings: "crypto = 'compatible'\napproval = true",
    };
    let server = Server::start(&[waiting]);
    let (dir, url) = (server.scratch("strongswan"), server.http("waiting"));
    fetch_ca(&dir, &url);
    tool::rsa_key(&dir, "1.key");
    let client = begin(&dir, &url);
    Operator::of(&server).approve_next("waiting");
    let said: Said = client.wait_with_output().unwrap().into();
    keep(&dir, &said, "1.pem");
    tool::judge(&dir, &server.ca(), "1.pem", "1.key", SUBJECT);
}

#[test]
#[ignore = "needs strongSwan pki"]
fn it_stops_polling_when_an_operator_denies() {
    let waiting = Added {
        path_id: "waiting",
        settings: "crypto = 'compatible'\napproval = true",
    };
    let server = Server::start(&[waiting]);
    let (dir, url) = (server.scratch("strongswan"), server.http("waiting"));
    fetch_ca(&dir, &url);
    tool::rsa_key(&dir, "1.key");
    let client = begin(&dir, &url);
    Operator::of(&server).deny_next("waiting");
    let said: Said = client.wait_with_output().unwrap().into();
    assert!(!said.ok && said.out.is_empty(), "{}", said.all);
}

/// An enrollment that polls every second, for a minute at most.
fn begin(dir: &Path, url: &str) -> Child {
    let args = enroll(
        url,
        "1.key",
        &[
            "--password",
            CHALLENGE,
            "--interval",
            "1",
            "--maxpolltime",
            "60",
        ],
    );
    Command::new("pki")
        .current_dir(dir)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "needs strongSwan pki"]
fn the_commands_that_quickstart_prints_work_as_printed() {
    let server = Server::start(&[]);
    let dir = server.scratch("printed");
    let commands: Vec<&str> = server
        .printed()
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("pki "))
        .collect();
    assert!(commands.len() >= 3, "{}", server.printed());
    for command in commands {
        tool::must(&dir, "sh", &["-c", command]);
    }
    tool::openssl(
        &dir,
        &[
            "verify",
            "-CAfile",
            server.ca().to_str().unwrap(),
            "cert.pem",
        ],
    );
}
