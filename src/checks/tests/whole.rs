//! The set as a whole: what is loaded, what is listed, what is never said.

use super::*;

#[test]
fn a_good_set_is_loaded_whole() {
    let env = TestEnv::new();
    let outcome = env.load();
    assert_eq!(outcome.problems, []);
    let loaded = outcome.loaded.unwrap();
    let [corp] = loaded.profiles.as_slice() else {
        panic!("one profile")
    };
    assert_eq!(corp.issuer.id(), "local");
    assert_eq!(corp.policy.id, "device");
    assert!(corp.static_challenges.has(CANARY) && corp.signers.is_none());
    assert_eq!(corp.ras_at(now()).len(), 1);
    assert_eq!(corp.mtls.as_ref().unwrap().len(), 1);
    assert_eq!(corp.anchors.as_ref().unwrap().anchors().len(), 1);
    // Made by a start that is accepted, and not before.
    assert!(!env.path("data").exists());
    make_data_dir(&env.config).unwrap();
    assert!(env.path("data").is_dir());
    assert_eq!(loaded.tls.certificate.sans().dns, ["localhost"]);
}

#[test]
fn checking_changes_nothing() {
    let mut env = TestEnv::new();
    let profile = env.profile();
    profile.ra = crate::config::Ra::Auto;
    (profile.ra_cert_path, profile.ra_key_path) = (None, None);
    let outcome = check(&env.config, now());
    assert_eq!(outcome.problems, []);
    assert!(!env.path("data").exists());
}

#[test]
fn every_failure_is_listed_at_once() {
    let mut env = TestEnv::new();
    fs::remove_file(env.path("tls.pem")).unwrap();
    fs::remove_file(env.path("mtls.pem")).unwrap();
    fs::set_permissions(env.path("ra.key"), Permissions::from_mode(0o644)).unwrap();
    env.config.server.max_connections = 0;
    env.config.log.level = "loud=!".to_owned();
    env.profile().profile_id = "devise".to_owned();
    env.profile().intune.clock_skew_tolerance = Span::hours(1);
    let outcome = env.load();
    let text: Vec<String> = outcome.failures().map(ToString::to_string).collect();
    for words in [
        "server: tls_cert_path (",
        "server: max_connections: 0 is out of range",
        "log: level: ",
        "profile corp: profile_id: there is no `devise` among the [[certificate_profile]] sections; did you mean `device`?",
        "profile corp: mtls.client_ca_trust_bundle_path (",
        "profile corp: ra_key_path (",
        "profile corp: intune.clock_skew_tolerance: 1h is not less than challenge_validity, 1h",
    ] {
        assert!(
            text.iter().any(|line| line.starts_with(words)),
            "{words}: {text:#?}"
        );
    }
    assert_eq!(text.len(), 7, "{text:#?}");
}

#[test]
fn no_finding_shows_a_secret() {
    let mut env = TestEnv::new();
    let keys = ["ca.key", "tls.key", "ra.key", "challenge"];
    let mut secrets = vec![CANARY.to_owned()];
    for key in keys {
        let text = fs::read_to_string(env.path(key)).unwrap();
        secrets.extend(
            text.lines()
                .filter(|line| line.len() > 20 && !line.starts_with('-'))
                .map(str::to_owned),
        );
    }
    env.profile().challenge_password = Some(Secret::new(CANARY));
    env.config.admin.metrics_token = Some(Secret::new(format!("{CANARY}\n{CANARY}")));
    env.profile().intune.compliance.url = Some(crate::config::AskedUrl::new(format!(
        "https://u:{CANARY}@h"
    )));
    for pair in [
        ("ca.pem", "ca.key"),
        ("tls.pem", "tls.key"),
        ("ra.pem", "ra.key"),
    ] {
        fs::copy(env.path(pair.1), env.path(pair.0)).unwrap();
    }
    let outcome = env.load();
    let said = format!(
        "{:?}{}{}{:?}",
        outcome.problems,
        outcome
            .problems
            .iter()
            .map(ToString::to_string)
            .collect::<String>(),
        serde_json::to_string(&outcome.problems).unwrap(),
        env.config
    );
    assert!(outcome.failures().count() >= 6, "{said}");
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} in {said}");
    }
}

#[test]
fn scep_can_be_switched_off() {
    let mut env = TestEnv::new();
    env.config.server.scep_enabled = false;
    env.profile().issuer_id = "nobody".to_owned();
    assert_eq!(env.load().loaded.unwrap().profiles.len(), 0);
}

#[test]
fn a_check_says_when_the_data_directory_could_not_be_made() {
    let mut env = TestEnv::new();
    env.config.server.data_dir = env.path("a/b/c");
    assert_eq!(check(&env.config, now()).problems, []);
    assert!(!env.path("a").exists());

    // Root may write wherever it likes, but not through a link to nowhere.
    std::os::unix::fs::symlink(env.path("nowhere"), env.path("link")).unwrap();
    fs::create_dir(env.path("closed")).unwrap();
    fs::set_permissions(env.path("closed"), Permissions::from_mode(0o500)).unwrap();
    let mut refused = vec!["link/data", "ca.pem/data"];
    if !rustix::process::geteuid().is_root() {
        refused.push("closed/a/b");
    }
    for path in refused {
        env.config.server.data_dir = env.path(path);
        for outcome in [check(&env.config, now()), env.load()] {
            let said: Vec<String> = outcome.failures().map(ToString::to_string).collect();
            assert!(
                said.len() == 1 && said.concat().starts_with("server: data_dir ("),
                "{path}: {said:?}"
            );
        }
    }
}

#[test]
fn a_log_level_that_is_mistyped_is_refused() {
    let mut env = TestEnv::new();
    env.config.log.level = "warning".to_owned();
    let said = env.failure();
    assert!(
        said.starts_with("log: level: ") && said.contains("did you mean `warn`?"),
        "{said}"
    );
}
