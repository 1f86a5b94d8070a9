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
    let wide = Added {
        path_id: "wide",
        settings: "
            crypto = 'compatible'
            [one_time]
            enabled = true
            [ndes]
            enabled = true
            username = 'mdm'
            password = 'a-long-password-of-an-mdm'
            encoding = 'utf-16le'
        ",
    };
    let server = Server::start(&[made, wide]);
    let (dir, url) = (server.scratch("strongswan"), server.http("made"));
    fetch_ca(&dir, &url);
    let operator = Operator::of(&server);
    let event = r#"{"webhook":{"webhookEvent":"SCEPChallenge","id":1},"event":{"payloadIdentifier":"0A1B"}}"#;
    let jamf = ("jamf", "a-long-password-of-jamf");
    let by_webhook = operator.as_mdm(reqwest::Method::POST, "/hooks/jamf/made", jamf, event);
    let mdm = ("mdm", "a-long-password-of-an-mdm");
    let path = "/ndes/made/certsrv/mscep_admin/";
    let page = operator.as_mdm(reqwest::Method::GET, path, mdm, "");
    let by_page = scraped(&page);
    let by_api = operator.challenge("made");
    // Fleet's form, whose device is named besides.
    let event = r#"{"webhook":{"webhookEvent":"SCEPChallenge","id":"2","eventTimestamp":1800000000123,"name":"x"},
        "event":{"payloadIdentifier":"p","device":{"uuid":"U-1","serialNumber":"C02"}}}"#;
    let by_fleet = operator.as_mdm(reqwest::Method::POST, "/hooks/jamf/made", jamf, event);
    let by_command = server.command(&["challenge", "create", "--profile", "made"]);
    for (n, challenge) in [
        by_webhook.as_str(),
        by_page,
        &by_api,
        &by_fleet,
        by_command.trim(),
    ]
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
        assert_eq!(operator.newest_refusal().0, "challenge_used");
    }
    // As Windows servers send it.
    let page = operator.as_mdm_octets("/ndes/wide/certsrv/mscep_admin/", mdm);
    assert_eq!(page[..2], [0x3c, 0]);
    let units = page
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let page = String::from_utf16(&units.collect::<Vec<u16>>()).unwrap();
    // Another profile has another RA.
    let (dir, wide) = (server.scratch("wide"), server.http("wide"));
    fetch_ca(&dir, &wide);
    tool::rsa_key(&dir, "wide.key");
    let password = ["--password", scraped(&page)];
    let said = pki(&dir, &enroll(&wide, "wide.key", &password));
    keep(&dir, &said, "wide.pem");
    tool::judge(&dir, &server.ca(), "wide.pem", "wide.key", SUBJECT);
}

/// The challenge in an NDES page, by Fleet's rule.
pub(crate) fn scraped(page: &str) -> &str {
    let rest = page
        .split("The enrollment challenge password is: <B> ")
        .nth(1);
    let challenge = rest.and_then(|rest| rest.split_whitespace().next());
    challenge.expect("a challenge in the page")
}

#[test]
#[ignore = "needs strongSwan pki"]
fn the_operator_sees_why_a_challenge_was_refused_and_the_device_does_not() {
    let settings = "crypto = 'compatible'\n[one_time]\nenabled = true";
    let [made, other] = ["made", "other"].map(|path_id| Added { path_id, settings });
    let server = Server::start(&[made, other]);
    let (dir, url) = (server.scratch("strongswan"), server.http("made"));
    fetch_ca(&dir, &url);
    tool::rsa_key(&dir, "1.key");
    let operator = Operator::of(&server);
    let make = |more: serde_json::Value| {
        let mut wanted = serde_json::json!({ "profile": "made" });
        let members = wanted.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        operator.challenge_with(&wanted)
    };
    let none = serde_json::json!({});
    let withdrawn = make(none.clone());
    let id = operator.newest_challenge();
    server.command(&["challenge", "withdraw", &id]);
    let expired = make(serde_json::json!({ "lifetime_seconds": 1 }));
    let made_at = std::time::Instant::now();
    let cases = [
        ("challenge_withdrawn", "withdrawn", withdrawn),
        (
            "challenge_unknown",
            "no such challenge",
            "0123456789ABCDEF".to_owned(),
        ),
        (
            "challenge_bound",
            "device `gate-8`",
            make(serde_json::json!({ "device": "gate-8" })),
        ),
        (
            "challenge_bound",
            "subject `CN=gate-8`",
            make(serde_json::json!({ "subject": "CN=gate-8" })),
        ),
        (
            "challenge_bound",
            "alternative names",
            make(serde_json::json!({ "sans": "dns:gate-8.example.org" })),
        ),
        (
            "challenge_bound",
            "profile `other`",
            operator.challenge_with(&serde_json::json!({ "profile": "other" })),
        ),
        ("challenge_expired", "expired", expired),
    ];
    while made_at.elapsed() < std::time::Duration::from_secs(1) {
        std::thread::yield_now();
    }
    for (reason, words, challenge) in cases {
        let said = pki(&dir, &enroll(&url, "1.key", &["--password", &challenge]));
        assert!(!said.ok && said.out.is_empty(), "{reason}: {}", said.all);
        assert!(!said.all.contains(words), "{reason}: {}", said.all);
        let (told, message) = operator.newest_refusal();
        assert_eq!(told, reason, "{message}");
        assert!(message.contains(words), "{reason}: {message}");
        assert!(!message.contains(&challenge), "{reason}: {message}");
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
