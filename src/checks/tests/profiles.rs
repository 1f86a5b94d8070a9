//! What a SCEP profile needs to be one, and to stand beside others.

use super::*;

#[test]
fn profiles_need_a_way_to_authenticate_and_a_path_of_their_own() {
    let mut env = TestEnv::new();
    env.profile().challenge_password_file = None;
    assert!(env.load().loaded.is_some(), "Intune alone is enough");
    env.profile().intune.enabled = false;
    assert!(env.failure().contains("no way to authenticate a device"));
    env.profile().challenge_password = Some(Secret::new(""));
    assert!(env.failure().contains("the secret is empty"));

    let mut env = TestEnv::new();
    let twin = env.profile().clone();
    env.config.profiles.push(twin);
    assert!(
        env.failure()
            .contains("another profile has the same path id")
    );
    env.config.profiles.pop();
    for path_id in ["Corp", "-a", "a/b", "certsrv"] {
        env.profile().path_id = path_id.to_owned();
        assert!(env.failure().contains("path_id"), "{path_id}");
    }
    env.profile().path_id = String::new();
    assert!(env.load().loaded.is_some());
    env.profile().issuer_id = String::new();
    assert!(
        env.failure()
            .starts_with("profile (root): issuer_id: it is not set")
    );
}

#[test]
fn listeners_and_mtls_must_go_together() {
    let mut env = TestEnv::new();
    env.config.server.http_listen = Some(env.config.server.https_listen);
    assert!(
        env.failure()
            .contains("is the address of https_listen as well")
    );
    env.config.server.http_listen = None;
    env.config.server.mtls_listen = None;
    assert!(env.failure().contains("server.mtls_listen is not set"));
}

#[test]
fn profiles_that_share_a_connector_need_audiences_of_their_own() {
    let mut env = TestEnv::new();
    let mut twin = env.profile().clone();
    twin.path_id = "field".to_owned();
    env.config.profiles.push(twin);
    let mut warned_with = |first: Option<&str>, second: Option<&str>| {
        for (profile, audience) in env.config.profiles.iter_mut().zip([first, second]) {
            profile.intune.audience = audience.map(str::to_owned);
        }
        let outcome = env.load();
        outcome
            .warnings()
            .map(ToString::to_string)
            .filter(|line| line.contains("trusts the same connector"))
            .collect::<Vec<_>>()
    };
    for (first, second) in [(Some("a"), Some("a")), (None, Some("a")), (None, None)] {
        let warned = warned_with(first, second);
        assert_eq!(warned.len(), 1, "{warned:#?}");
        let words = "profile field: intune.audience: nothing tells its challenges from those of profile corp";
        assert!(warned.concat().starts_with(words), "{warned:#?}");
    }
    assert!(warned_with(Some("a"), Some("b")).is_empty());
}

#[test]
fn the_skew_stays_below_what_used_challenges_are_remembered_for() {
    let mut env = TestEnv::new();
    env.profile().intune.challenge_validity = Span::hours(2);
    env.profile().intune.clock_skew_tolerance = Span::hours(1);
    assert!(env.load().loaded.is_some());
    env.profile().intune.clock_skew_tolerance = Span::minutes(61);
    let failure = env.failure();
    assert!(failure.contains("set it from 0s to 1h"), "{failure}");
}

#[test]
fn a_long_retransmission_window_is_warned_of() {
    let mut env = TestEnv::new();
    env.profile().intune.retransmission_window = Span::hours(2);
    let warned = |env: &TestEnv| {
        let outcome = env.load();
        outcome
            .warnings()
            .any(|problem| problem.to_string().contains("gets its certificate again"))
    };
    assert!(warned(&env));
    env.profile().intune.challenge_validity = Span::ZERO;
    env.profile().intune.clock_skew_tolerance = Span::ZERO;
    assert!(!warned(&env), "no validity to be longer than");
}

#[test]
fn the_compliance_webhook_is_https_to_an_allowed_host() {
    let mut env = TestEnv::new();
    let compliance = &mut env.profile().intune.compliance;
    compliance.url = Some(crate::config::AskedUrl::new("https://hook.example:8443/x"));
    compliance.allowed_hosts = vec!["HOOK.example".to_owned()];
    compliance.hmac_secret = Some(Secret::new(CANARY));
    let loaded = env.load().loaded.unwrap();
    assert!(loaded.profiles.first().unwrap().compliance.is_some());
    env.profile().intune.compliance.allowed_hosts = vec!["other.example".to_owned()];
    assert!(
        env.failure()
            .contains("the host of url, hook.example, is not among them")
    );
    env.profile().intune.compliance.url = Some(crate::config::AskedUrl::new("http://hook.example"));
    assert!(env.failure().contains("it is not https"));
}

#[test]
fn anchors_are_reloaded_alone() {
    let env = TestEnv::new();
    let profile = env.config.profiles.first().unwrap();
    assert_eq!(reload_anchors(profile, now()).unwrap().anchors().len(), 1);
    write(&env.path("connector.pem"), b"garbage");
    let problems = reload_anchors(profile, now()).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|found| found.to_string().contains("connector.pem"))
    );
    let mut off = profile.clone();
    off.intune.enabled = false;
    assert!(reload_anchors(&off, now()).is_err());
}

#[test]
fn a_former_name_is_nobodys_else() {
    let mut env = TestEnv::new();
    let mut second = env.profile().clone();
    second.path_id = "iot".to_owned();
    env.config.profiles.push(second);
    let said = |env: &TestEnv| env.failure();
    env.profile().formerly = vec!["iot".to_owned()];
    assert!(said(&env).contains("profile corp: formerly: profile iot is still configured"));
    env.profile().formerly = vec!["corp".to_owned()];
    assert!(said(&env).contains("profile corp is still configured"));
    env.profile().formerly = vec!["No Name".to_owned()];
    assert!(said(&env).contains("`No Name` is no path id"));
    for profile in &mut env.config.profiles {
        profile.formerly = vec!["old".to_owned()];
    }
    assert!(
        said(&env).contains(
            "profile iot: formerly: profile corp has profile old for its former name too"
        ),
        "{}",
        said(&env)
    );
    env.profile().formerly = vec!["older".to_owned(), String::new()];
    assert!(env.load().loaded.is_some());
}

fn with_challenges(entries: &str) -> TestEnv {
    let mut env = TestEnv::new();
    let table: toml::Table = format!("challenge_passwords = [{entries}]")
        .parse()
        .unwrap();
    let profile: crate::config::Profile = table.try_into().unwrap();
    env.profile().challenge_passwords = profile.challenge_passwords;
    env
}

#[test]
fn further_static_challenges_have_names_values_and_ends() {
    let env = with_challenges(
        "{ name = 'spring', value = 'a-spring-challenge', expires = '2025-06-02' },
         { name = 'autumn', value = 'an-autumn-challenge' }",
    );
    let outcome = env.load();
    assert_eq!(outcome.problems, []);
    let loaded = outcome.loaded.unwrap();
    let challenges = &loaded.profiles[0].static_challenges;
    let names: Vec<_> = challenges.names().map(|(name, _)| name).collect();
    assert_eq!(names, ["challenge_password", "spring", "autumn"]);
    assert!(challenges.has("a-spring-challenge") && challenges.has(CANARY));

    let late = with_challenges(
        "{ name = 'spring', value = 'a-spring-challenge', expires = '2025-06-01T12:00:00Z' }",
    );
    let outcome = late.load();
    let said: String = outcome.warnings().map(ToString::to_string).collect();
    assert!(said.contains("`spring` has expired"), "{said}");
}

#[test]
fn static_challenges_that_cannot_be_told_apart_are_refused() {
    for (entries, words) in [
        (
            "{ value = 'a-spring-challenge' }",
            "does not have 1 to 64 characters",
        ),
        (
            "{ name = 'spring' }",
            "`spring` has neither value nor value_file",
        ),
        (
            "{ name = 'challenge_password', value = 'a-spring-challenge' }",
            "two static challenges of the profile are called `challenge_password`",
        ),
        (
            "{ name = 'spring', value = 'canary-0d1e-challenge' }",
            "`spring` has the value of another static challenge",
        ),
        ("{ name = 'spring', value = '' }", "the secret is empty"),
    ] {
        let said = with_challenges(entries).failure();
        assert!(
            said.starts_with("profile corp: challenge_passwords") && said.contains(words),
            "{said}"
        );
        assert!(!said.contains("canary"), "{said}");
    }
}

#[test]
fn a_proxys_certificates_are_read_and_exclude_keys_of_the_devices_own() {
    let mut env = TestEnv::new();
    let signers = env.path("mtls.pem");
    env.profile().signers_path = Some(signers);
    let loaded = env.load().loaded.unwrap();
    assert_eq!(loaded.profiles[0].signers.as_ref().unwrap().len(), 1);
    env.profile().require_signer_key_match = true;
    assert!(env.failure().contains("require_signer_key_match is on"));
    env.profile().require_signer_key_match = false;
    let nowhere = env.path("nowhere.pem");
    env.profile().signers_path = Some(nowhere);
    assert!(env.failure().contains("there is no such file"));
}
