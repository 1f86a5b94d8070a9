//! What a SCEP profile needs to be one, and to stand beside others.

use super::*;

#[test]
fn profiles_need_a_way_to_authenticate_and_a_path_of_their_own() {
    let mut house = House::new();
    house.profile().challenge_password_file = None;
    assert!(house.load().loaded.is_some(), "Intune alone is enough");
    house.profile().intune.enabled = false;
    assert!(house.failure().contains("no way to authenticate a device"));
    house.profile().challenge_password = Some(Secret::new(""));
    assert!(house.failure().contains("the secret is empty"));

    let mut house = House::new();
    let twin = house.profile().clone();
    house.config.profiles.push(twin);
    assert!(
        house
            .failure()
            .contains("another profile has the same path id")
    );
    house.config.profiles.pop();
    for path_id in ["Corp", "-a", "a/b", "certsrv"] {
        house.profile().path_id = path_id.to_owned();
        assert!(house.failure().contains("path_id"), "{path_id}");
    }
    house.profile().path_id = String::new();
    assert!(house.load().loaded.is_some());
    house.profile().issuer_id = String::new();
    assert!(
        house
            .failure()
            .starts_with("profile (root): issuer_id: it is not set")
    );
}

#[test]
fn listeners_and_mtls_must_go_together() {
    let mut house = House::new();
    house.config.server.http_listen = Some(house.config.server.https_listen);
    assert!(
        house
            .failure()
            .contains("is the address of https_listen as well")
    );
    house.config.server.http_listen = None;
    house.config.server.mtls_listen = None;
    assert!(house.failure().contains("server.mtls_listen is not set"));
}

#[test]
fn profiles_that_share_a_connector_need_audiences_of_their_own() {
    let mut house = House::new();
    let mut twin = house.profile().clone();
    twin.path_id = "field".to_owned();
    house.config.profiles.push(twin);
    let mut warned_with = |first: Option<&str>, second: Option<&str>| {
        for (profile, audience) in house.config.profiles.iter_mut().zip([first, second]) {
            profile.intune.audience = audience.map(str::to_owned);
        }
        let outcome = house.load();
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
    let mut house = House::new();
    house.profile().intune.challenge_validity = Span::hours(2);
    house.profile().intune.clock_skew_tolerance = Span::hours(1);
    assert!(house.load().loaded.is_some());
    house.profile().intune.clock_skew_tolerance = Span::minutes(61);
    let failure = house.failure();
    assert!(failure.contains("set it from 0s to 1h"), "{failure}");
}

#[test]
fn a_long_retransmission_window_is_warned_of() {
    let mut house = House::new();
    house.profile().intune.retransmission_window = Span::hours(2);
    let warned = |house: &House| {
        let outcome = house.load();
        outcome
            .warnings()
            .any(|problem| problem.to_string().contains("gets its certificate again"))
    };
    assert!(warned(&house));
    house.profile().intune.challenge_validity = Span::ZERO;
    house.profile().intune.clock_skew_tolerance = Span::ZERO;
    assert!(!warned(&house), "no validity to be longer than");
}

#[test]
fn the_compliance_webhook_is_https_to_an_allowed_host() {
    let mut house = House::new();
    let compliance = &mut house.profile().intune.compliance;
    compliance.url = Some(crate::config::AskedUrl::new("https://hook.example:8443/x"));
    compliance.allowed_hosts = vec!["HOOK.example".to_owned()];
    compliance.hmac_secret = Some(Secret::new(CANARY));
    let loaded = house.load().loaded.unwrap();
    assert!(loaded.profiles.first().unwrap().compliance.is_some());
    house.profile().intune.compliance.allowed_hosts = vec!["other.example".to_owned()];
    assert!(
        house
            .failure()
            .contains("the host of url, hook.example, is not among them")
    );
    house.profile().intune.compliance.url =
        Some(crate::config::AskedUrl::new("http://hook.example"));
    assert!(house.failure().contains("it is not https"));
}

#[test]
fn anchors_are_reloaded_alone() {
    let house = House::new();
    let profile = house.config.profiles.first().unwrap();
    assert_eq!(reload_anchors(profile, now()).unwrap().anchors().len(), 1);
    write(&house.path("connector.pem"), b"garbage");
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
    let mut house = House::new();
    let mut second = house.profile().clone();
    second.path_id = "iot".to_owned();
    house.config.profiles.push(second);
    let said = |house: &House| house.failure();
    house.profile().formerly = vec!["iot".to_owned()];
    assert!(said(&house).contains("profile corp: formerly: profile iot is still configured"));
    house.profile().formerly = vec!["corp".to_owned()];
    assert!(said(&house).contains("profile corp is still configured"));
    house.profile().formerly = vec!["No Name".to_owned()];
    assert!(said(&house).contains("`No Name` is no path id"));
    for profile in &mut house.config.profiles {
        profile.formerly = vec!["old".to_owned()];
    }
    assert!(
        said(&house).contains(
            "profile iot: formerly: profile corp has profile old for its former name too"
        ),
        "{}",
        said(&house)
    );
    house.profile().formerly = vec!["older".to_owned(), String::new()];
    assert!(house.load().loaded.is_some());
}

fn with_challenges(entries: &str) -> House {
    let mut house = House::new();
    let table: toml::Table = format!("challenge_passwords = [{entries}]")
        .parse()
        .unwrap();
    let profile: crate::config::Profile = table.try_into().unwrap();
    house.profile().challenge_passwords = profile.challenge_passwords;
    house
}

#[test]
fn further_static_challenges_have_names_values_and_ends() {
    let house = with_challenges(
        "{ name = 'spring', value = 'a-spring-challenge', expires = '2025-06-02' },
         { name = 'autumn', value = 'an-autumn-challenge' }",
    );
    let outcome = house.load();
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
    let mut house = House::new();
    let signers = house.path("mtls.pem");
    house.profile().signers_path = Some(signers);
    let loaded = house.load().loaded.unwrap();
    assert_eq!(loaded.profiles[0].signers.as_ref().unwrap().len(), 1);
    house.profile().require_signer_key_match = true;
    assert!(house.failure().contains("require_signer_key_match is on"));
    house.profile().require_signer_key_match = false;
    let nowhere = house.path("nowhere.pem");
    house.profile().signers_path = Some(nowhere);
    assert!(house.failure().contains("there is no such file"));
}
