#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::Duration;
use pki::{Certificate, KeyKind};

use super::*;
use crate::checks;

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        listen: None,
        https_port: Some(0),
        http_port: Some(0),
        publish_port: Some(0),
        ca: Some(CaKind::Ec),
    }
}

fn listening() -> Listening {
    let at = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    Listening {
        https: at(41_443),
        http: Some(at(41_080)),
        publish: Some(at(41_081)),
    }
}

fn announced(made: &Made) -> (Facts, String) {
    let mut out = Vec::new();
    let facts = made.announce(listening(), &mut out).unwrap();
    (facts, String::from_utf8(out).unwrap())
}

#[test]
fn what_is_made_passes_every_check() {
    let directory = tempfile::tempdir().unwrap();
    let now = Utc::now();
    let made = make(&options(directory.path()), now).unwrap();
    let outcome = checks::load(made.config(), now);
    // It publishes no CRL; that is for the operator to do.
    let said: Vec<_> = outcome
        .problems
        .iter()
        .map(|problem| (problem.severity, problem.setting))
        .collect();
    assert_eq!(said, [(checks::Severity::Warning, "cdp_urls")]);
    let loaded = outcome.loaded.unwrap();
    let [corp, iot] = loaded.profiles.as_slice() else {
        unreachable!()
    };
    assert!(corp.anchors.is_some() && !corp.static_challenges.is_empty());
    assert!(iot.anchors.is_none() && !iot.static_challenges.is_empty());
    let secret = |profile: &checks::LoadedProfile| {
        let path = profile.settings.challenge_password_file.as_ref();
        std::fs::read_to_string(path.unwrap()).unwrap()
    };
    assert_ne!(secret(corp), secret(iot));
    assert_eq!(corp.settings.limits.per_source_per_minute, 0);
    assert!(
        loaded
            .tls
            .certificate
            .sans()
            .dns
            .contains(&"localhost".to_owned())
    );
}

#[test]
fn again_in_the_same_directory_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let contents = || {
        let mut all: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        all.sort();
        all
    };
    make(&options(directory.path()), Utc::now()).unwrap();
    let first = contents();
    let made = make(
        &Options {
            ca: Some(CaKind::Rsa),
            ..options(directory.path())
        },
        Utc::now(),
    )
    .unwrap();
    assert_eq!(contents(), first);
    assert_eq!(made.config().profiles.len(), 2);
}

#[test]
fn it_listens_where_it_is_told_to_and_stays_there() {
    let directory = tempfile::tempdir().unwrap();
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let first = Options {
        listen: Some(loopback),
        https_port: Some(9443),
        http_port: None,
        ..options(directory.path())
    };
    let listens = |options: &Options| {
        let made = make(options, Utc::now()).unwrap();
        let server = &made.config().server;
        (server.https_listen, server.http_listen)
    };
    let at = |port| SocketAddr::new(loopback, port);
    assert_eq!(listens(&first), (at(9443), Some(at(8080))));
    // A later run keeps the address, with other ports too.
    let later = Options {
        listen: None,
        https_port: Some(1),
        ..first.clone()
    };
    assert_eq!(listens(&later), (at(1), Some(at(8080))));
    let elsewhere = Options {
        listen: Some(IpAddr::from([127, 0, 0, 2])),
        https_port: None,
        ..first
    };
    let (https, http) = listens(&elsewhere);
    assert_eq!(https.to_string(), "127.0.0.2:9443");
    assert_eq!(http.unwrap().to_string(), "127.0.0.2:8080");
}

#[test]
fn ports_of_a_later_run_override_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let first = Options {
        https_port: Some(9443),
        http_port: None,
        ..options(directory.path())
    };
    let port = |options: &Options| {
        let made = make(options, Utc::now()).unwrap();
        let server = &made.config().server;
        (
            server.https_listen.port(),
            server.http_listen.unwrap().port(),
        )
    };
    assert_eq!(port(&first), (9443, 8080));
    assert_eq!(
        port(&Options {
            https_port: None,
            http_port: None,
            ..first.clone()
        }),
        (9443, 8080)
    );
    assert_eq!(
        port(&Options {
            https_port: Some(1),
            http_port: Some(2),
            ..first
        }),
        (1, 2)
    );
}

#[test]
fn the_kind_of_ca_is_as_asked() {
    for (kind, expected) in [(CaKind::Rsa, "RSA 2048"), (CaKind::Ec, "EC P-256")] {
        let directory = tempfile::tempdir().unwrap();
        material::ca(directory.path(), Some(kind), Utc::now()).unwrap();
        let ca =
            Certificate::from_pem(&fs::read(directory.path().join("ca.pem")).unwrap()).unwrap();
        assert_eq!(ca.public_key().kind().to_string(), expected);
        assert!(!matches!(ca.public_key().kind(), KeyKind::Other(_)));
    }
}

#[test]
fn a_ca_whose_making_was_broken_off_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let (key, certificate) = (
        directory.path().join("ca.key"),
        directory.path().join("ca.pem"),
    );
    material::ca(directory.path(), Some(CaKind::Ec), Utc::now()).unwrap();
    let before = fs::read(&key).unwrap();
    fs::remove_file(&certificate).unwrap();
    make(&options(directory.path()), Utc::now()).unwrap();
    assert_eq!(fs::read(&key).unwrap(), before);
    assert!(certificate.exists());

    // Now devices may know it.
    for gone in ["", "scepd.toml"] {
        let _ = fs::remove_file(directory.path().join(gone));
        let _ = fs::remove_file(&certificate);
        let error = make(&options(directory.path()), Utc::now())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("ca.pem is not"), "{error}");
    }
}

#[test]
fn the_admin_token_is_made_once_and_again_when_it_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin-token");
    let run = || {
        let made = make(&options(directory.path()), Utc::now()).unwrap();
        (
            fs::read_to_string(&file).unwrap(),
            checks::open_store(made.config()).unwrap(),
        )
    };
    let in_force = |store: &std::sync::Arc<dyn store::Store>| {
        store
            .tokens()
            .into_iter()
            .filter(|token| token.usable_at(Utc::now()))
            .collect::<Vec<_>>()
    };
    let (first, store) = run();
    let tokens = in_force(&store);
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        tokens.first().unwrap().hash,
        pki::sha256(first.trim().as_bytes())
    );
    assert_eq!(tokens.first().unwrap().role, store::TokenRole::Admin);
    drop(store);
    let (again, store) = run();
    assert_eq!(again, first);
    drop(store);
    fs::remove_file(&file).unwrap();
    let (new, store) = run();
    assert_ne!(new, first);
    assert_eq!(in_force(&store).len(), 1);
    assert_eq!(store.tokens().len(), 2);

    // A server that runs holds the store.
    let error = make(&options(directory.path()), Utc::now())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("in use by another process"), "{error}");
}

#[test]
fn keys_and_secrets_are_private() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("new");
    let made = make(&options(&inner), Utc::now()).unwrap();
    announced(&made);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let public = ["ca.pem", "tls.pem", "connector.pem"];
    for entry in fs::read_dir(&inner).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_file() {
            let expected = if public.contains(&name.as_str()) {
                0o644
            } else {
                0o600
            };
            assert_eq!(mode(&path), expected, "{name}");
        }
    }
}

#[test]
fn quickstart_json_has_exactly_its_members() {
    let directory = tempfile::tempdir().unwrap();
    let made = make(&options(directory.path()), Utc::now()).unwrap();
    let file = directory.path().join("quickstart.json");
    assert!(!file.exists(), "it is written once the server answers");
    announced(&made);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let members: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = vec![
        "https_url",
        "http_url",
        "publish_url",
        "profiles",
        "ca_cert",
        "pid",
        "connector_key",
        "connector_cert",
        "audience",
        "admin_token_file",
    ];
    expected.sort_unstable();
    let mut sorted = members.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(json["https_url"], "https://localhost:41443");
    assert_eq!(json["http_url"], "http://localhost:41080");
    assert_eq!(json["pid"], std::process::id());
    let corp = &json["profiles"][0];
    assert_eq!(corp["path_id"], "corp");
    assert_eq!(corp["url"], "https://localhost:41443/scep/corp");
    let challenge = fs::read_to_string(directory.path().join("challenge-corp")).unwrap();
    assert_eq!(corp["challenge"], challenge.trim_end());
    for key in [
        "ca_cert",
        "connector_key",
        "connector_cert",
        "admin_token_file",
    ] {
        assert!(Path::new(json[key].as_str().unwrap()).is_file(), "{key}");
    }
    make(&options(directory.path()), Utc::now()).unwrap();
    assert!(
        !file.exists(),
        "that of an earlier run is gone before the next"
    );
}

#[test]
fn profiles_added_by_hand_are_listed_too() {
    let directory = tempfile::tempdir().unwrap();
    make(&options(directory.path()), Utc::now()).unwrap();
    let file = directory.path().join("scepd.toml");
    let more = "\n[[profile]]\nissuer_id='local'\nprofile_id='device'\nra='auto'\nchallenge_password='by-hand & <more>'\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + more).unwrap();
    let (facts, _) = announced(&make(&options(directory.path()), Utc::now()).unwrap());
    let root = facts.profiles.last().unwrap();
    assert_eq!(root.url, "https://localhost:41443/scep");
    assert_eq!(root.challenge.as_deref(), Some("by-hand & <more>"));
    let mobile = fs::read_to_string(directory.path().join("scepd-root.mobileconfig")).unwrap();
    assert!(mobile.contains("<string>by-hand &amp; &lt;more&gt;</string>"));
}

#[test]
fn the_guide_ends_with_the_word_that_scripts_wait_for() {
    let directory = tempfile::tempdir().unwrap();
    let (facts, text) = announced(&make(&options(directory.path()), Utc::now()).unwrap());
    let lines: Vec<&str> = text.lines().collect();
    let with_the_word: Vec<_> = lines
        .iter()
        .filter(|line| line.to_lowercase().contains("ready"))
        .collect();
    assert_eq!(with_the_word.len(), 1);
    assert!(
        lines
            .last()
            .unwrap()
            .starts_with("ready: https://localhost:41443")
    );
    let enroll = lines
        .iter()
        .find(|line| line.contains(" enroll --"))
        .unwrap();
    assert!(enroll.contains(&facts.profiles.first().unwrap().url) && enroll.contains(" --out "));
    for words in [
        "pki --scep ",
        "intune-challenge",
        ".mobileconfig",
        "SCEP server URLs",
        "Jamf Pro",
        "are off here",
    ] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn the_tls_certificate_is_renewed_in_time_and_a_lost_half_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let now = Utc::now();
    let tls =
        || Certificate::from_pem(&fs::read(directory.path().join("tls.pem")).unwrap()).unwrap();
    make(&options(directory.path()), now).unwrap();
    let first = tls();
    make(&options(directory.path()), now + Duration::days(300)).unwrap();
    assert_eq!(tls(), first);
    make(&options(directory.path()), now + Duration::days(380)).unwrap();
    assert_ne!(tls(), first);
    assert_eq!(tls().public_key().spki_der(), first.public_key().spki_der());

    fs::remove_file(directory.path().join("ca.key")).unwrap();
    let error = make(&options(directory.path()), now)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("ca.key") && error.contains("bring it back"),
        "{error}"
    );
}

#[test]
fn a_real_connectors_certificate_may_take_the_throwaway_ones_place() {
    let directory = tempfile::tempdir().unwrap();
    make(&options(directory.path()), Utc::now()).unwrap();
    let connector = directory.path().join("connector.pem");
    fs::copy(directory.path().join("ca.pem"), &connector).unwrap();
    fs::remove_file(directory.path().join("connector.key")).unwrap();
    make(&options(directory.path()), Utc::now()).unwrap();
    assert_eq!(
        fs::read(&connector).unwrap(),
        fs::read(directory.path().join("ca.pem")).unwrap()
    );
}

#[test]
fn the_profile_for_apple_devices_is_a_whole_plist() {
    let directory = tempfile::tempdir().unwrap();
    let made = make(&options(directory.path()), Utc::now()).unwrap();
    announced(&made);
    let read = || fs::read_to_string(directory.path().join("scepd-corp.mobileconfig")).unwrap();
    let text = read();
    for tag in ["dict", "array", "string", "key", "data", "integer", "plist"] {
        let opened =
            text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert!(text.contains(":41080/scep/corp</string>"));
    let challenge = fs::read_to_string(directory.path().join("challenge-corp")).unwrap();
    assert!(text.contains(challenge.trim_end()));
    announced(&made);
    assert_eq!(read(), text, "its identifiers stay");
}
