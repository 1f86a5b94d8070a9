//! Against files in a directory of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use challenge::mint::{Connector, mint};
use challenge::{Algorithm, Label};
use chrono::Duration;
use clap::Parser;
use pki::{Curve, KeyKind, Name, PrivateKey, SubjectAltNames};
use std::fs;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: IntuneInspectArgs,
}

/// A connector, a challenge for device D, the device's CSR with it, and a configuration.
struct TestEnv {
    directory: tempfile::TempDir,
    challenge: String,
    now: DateTime<Utc>,
}

impl TestEnv {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let now = Utc::now();
        let connector = Connector::throwaway(Algorithm::Es256, "C", now, 30).unwrap();
        let claims = serde_json::json!({"iss": "i", "sub": "D", "aud": "here", "device_name": "D"});
        let claims = claims.as_object().unwrap().clone();
        let challenge = mint(claims, &connector.key, Duration::minutes(10), now).unwrap();
        let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let subject = Name::parse("CN=D").unwrap();
        let csr = Csr::build(
            &subject,
            &SubjectAltNames::default(),
            Some(&challenge),
            &[],
            &key,
        )
        .unwrap();
        fs::write(directory.path().join("csr.der"), csr.der()).unwrap();
        fs::write(
            directory.path().join("anchors.pem"),
            connector.certificate.to_pem(),
        )
        .unwrap();
        fs::write(directory.path().join("challenge"), format!("{challenge}\n")).unwrap();
        let config = format!(
            "[[profile]]\npath_id = 'corp'\n[profile.intune]\nenabled = true\naudience = 'here'\n\
             connector_cert_path = '{}'\n",
            directory.path().join("anchors.pem").display()
        );
        fs::write(directory.path().join("scepd.toml"), config).unwrap();
        Self {
            directory,
            challenge,
            now,
        }
    }

    fn file(&self, name: &str) -> String {
        self.directory
            .path()
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    }

    fn args(&self, args: &[&str]) -> IntuneInspectArgs {
        let named: Vec<String> = args
            .iter()
            .map(|arg| match arg.strip_prefix('@') {
                Some("challenge text") => self.challenge.clone(),
                Some(name) => self.file(name),
                None => (*arg).to_owned(),
            })
            .collect();
        Command::try_parse_from(["x".to_owned()].into_iter().chain(named))
            .unwrap()
            .args
    }

    fn run(&self, args: &[&str]) -> Result<(), Failure> {
        run(self.args(args))
    }
}

#[test]
fn the_challenge_comes_from_argument_file_or_csr() {
    let env = TestEnv::new();
    for args in [
        &["@challenge text"][..],
        &["--file", "@challenge"],
        &["--csr", "@csr.der"],
    ] {
        let args = env.args(args);
        let csr = args
            .csr
            .as_deref()
            .map(|file| intune_files::read_csr(file).unwrap());
        assert_eq!(args.challenge(csr.as_ref()).unwrap(), env.challenge);
    }
}

#[test]
fn passes_and_refusals_have_their_exit_codes() {
    let env = TestEnv::new();
    env.run(&[
        "--csr",
        "@csr.der",
        "--anchors",
        "@anchors.pem",
        "--audience",
        "here",
    ])
    .unwrap();
    env.run(&["--csr", "@csr.der"]).unwrap();
    let refused = env
        .run(&[
            "--csr",
            "@csr.der",
            "--anchors",
            "@anchors.pem",
            "--audience",
            "elsewhere",
            "--json",
        ])
        .unwrap_err();
    assert_eq!(refused.code(), 3);
    assert!(
        refused
            .to_string()
            .contains("gate 5, audience: wrong_audience, failInfo 1"),
        "{refused}"
    );
    let later = (env.now + Duration::hours(1)).to_rfc3339();
    let refused = env.run(&["--csr", "@csr.der", "--at", &later]).unwrap_err();
    assert!(
        refused.to_string().contains("gate 4, time: expired"),
        "{refused}"
    );
    let refused = env.run(&["secret"]).unwrap_err();
    assert!(
        refused.to_string().contains("static challenge"),
        "{refused}"
    );
}

#[test]
fn a_profile_gives_anchors_and_settings() {
    let env = TestEnv::new();
    env.run(&[
        "--csr",
        "@csr.der",
        "--config",
        "@scepd.toml",
        "--profile",
        "corp",
    ])
    .unwrap();
    let args = env.args(&[
        "--csr",
        "@csr.der",
        "--config",
        "@scepd.toml",
        "--profile",
        "corp",
    ]);
    let Basis {
        settings,
        anchors: file,
        ..
    } = args.basis().unwrap();
    assert_eq!(settings.audience.as_deref(), Some("here"));
    assert_eq!(file, Some(env.directory.path().join("anchors.pem")));
    let unknown = env
        .run(&["x", "--config", "@scepd.toml", "--profile", "iot"])
        .unwrap_err();
    assert!(unknown.to_string().contains("corp"), "{unknown}");
    let flags = env.args(&[
        "x",
        "--challenge-validity",
        "0",
        "--extra-name",
        "uri",
        "--pinned-only",
    ]);
    let settings = flags.basis().unwrap().settings;
    assert!(settings.challenge_validity.is_none() && settings.pinned_only);
    assert!(settings.extra_names.uri && !settings.extra_names.ip);
}

#[test]
fn an_anchor_that_expired_is_told_and_judged() {
    let env = TestEnv::new();
    let later = env.now + Duration::days(31);
    let anchors = read_anchors(Path::new(&env.file("anchors.pem")), later).unwrap();
    let report = inspect(
        &env.challenge,
        Some(&anchors),
        &IntuneSettings::default(),
        None,
        later,
    );
    assert_eq!(
        (report.refused_by, report.label),
        (Some(2), Some(Label::Expired))
    );
    assert!(read_anchors(Path::new("/nonexistent"), later).is_err());
    assert!(read_anchors(Path::new(&env.file("challenge")), later).is_err());
}

#[test]
fn the_text_shows_every_gate_and_no_raw_control_character() {
    let env = TestEnv::new();
    let anchors = read_anchors(Path::new(&env.file("anchors.pem")), env.now).unwrap();
    let csr = CsrFacts {
        common_names: vec!["\u{1b}[2J\u{202e}D\r\n".into()],
        ..CsrFacts::default()
    };
    let report = inspect(
        &env.challenge,
        Some(&anchors),
        &IntuneSettings::default(),
        Some(&csr),
        env.now,
    );
    let text = printable(&as_text(&report));
    for (gate, name) in [(1, "shape"), (6, "CSR binding"), (9, "compliance")] {
        assert!(text.contains(&format!("{gate} {name}")), "{text}");
    }
    assert!(
        text.contains("REFUSES  claim_mismatch: device_name"),
        "{text}"
    );
    assert!(
        text.chars()
            .all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')),
        "{text:?}"
    );
    let stranger = inspect(
        &env.challenge,
        None,
        &IntuneSettings::default(),
        None,
        env.now,
    );
    assert!(as_text(&stranger).contains("NOT AUTHENTICATED"));
}
