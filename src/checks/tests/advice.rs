//! What is loaded all the same, and said.

use super::*;

impl TestEnv {
    /// The warnings that are left, as text.
    fn warnings(&self) -> Vec<String> {
        let outcome = self.load();
        assert!(outcome.loaded.is_some(), "{:?}", outcome.problems);
        outcome.warnings().map(ToString::to_string).collect()
    }

    fn warnings_with_challenge(&mut self, challenge: &str) -> Vec<String> {
        let profile = self.profile();
        profile.challenge_password_file = None;
        profile.challenge_password = Some(Secret::new(challenge));
        self.warnings()
    }
}

#[test]
fn a_challenge_that_clients_cannot_send_is_warned_of_and_not_quoted() {
    let mut env = TestEnv::new();
    for good in [
        "open sesame-2931",
        "a'b(c)d+e,f-g.h/i:j=k?l",
        &"x".repeat(64),
    ] {
        assert_eq!(env.warnings_with_challenge(good), [""; 0], "{good}");
    }
    for (bad, words) in [
        ("open_sesame_2931", "holds a sign that"),
        ("open-sesame-\u{e9}2931", "beyond ASCII"),
        ("open-sesame-\t2931", "a control character"),
        (&"x".repeat(65), "longer than 64 characters"),
    ] {
        let [said] = &env.warnings_with_challenge(bad)[..] else {
            panic!("{bad}: one warning")
        };
        assert!(said.contains(words), "{said}");
        assert!(!said.contains(bad), "{said}");
    }
}

#[test]
fn an_issuer_without_a_place_of_revocation_is_warned_of() {
    let mut env = TestEnv::new();
    let issuer = env.config.issuers.first_mut().unwrap();
    issuer.cdp_urls.clear();
    let said = env.warnings();
    assert!(said.len() == 1 && said[0].contains("OCSP"), "{said:?}");
    let issuer = env.config.issuers.first_mut().unwrap();
    issuer.ocsp_urls = vec!["http://ocsp.example.com".to_owned()];
    assert_eq!(env.warnings(), [""; 0]);
    let issuer = env.config.issuers.first_mut().unwrap();
    issuer.ocsp_urls.clear();
    env.config.publish.listen = "127.0.0.1:8081".parse().ok();
    env.config.publish.base_url = Some("http://pki.example.com".to_owned());
    assert_eq!(
        env.warnings(),
        [""; 0],
        "certificates name what is published"
    );
}

#[test]
fn a_profile_with_mtls_that_is_open_beside_it_is_warned_of() {
    let mut env = TestEnv::new();
    env.profile().mtls.required = false;
    let said = env.warnings();
    assert!(
        said.len() == 1 && said[0].contains("/scep/corp is open to clients without a certificate"),
        "{said:?}"
    );
    env.profile().mtls.enabled = false;
    env.config.server.mtls_listen = None;
    assert_eq!(env.warnings(), [""; 0]);
    env.profile().mtls.required = true;
    assert!(env.failure().contains("served nowhere"));
}

#[test]
fn the_file_of_the_access_log_must_be_writable() {
    let mut env = TestEnv::new();
    let access = crate::config::Access::File;
    env.config.log.access = access(env.path("access.log"));
    assert_eq!(env.warnings(), [""; 0]);
    env.config.log.access = access(env.directory.path().to_owned());
    assert!(env.failure().contains("it is a directory"));
    env.config.log.access = access(env.path("nowhere/access.log"));
    assert!(env.failure().contains("it cannot be made"));
}
