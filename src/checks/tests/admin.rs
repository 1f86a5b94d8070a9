//! Who may administer.

use super::*;

#[test]
fn oidc_needs_audience_and_keys() {
    let mut env = TestEnv::new();
    env.config.admin.oidc.issuer = Some("https://login".to_owned());
    let text = env
        .load()
        .failures()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        text.contains("oidc.audience") && text.contains("neither it nor jwks_url is set"),
        "{text}"
    );
    env.config.admin.oidc.audience = Some("scepd".to_owned());
    env.config.admin.oidc.keys_file = Some(env.path("challenge"));
    assert!(env.failure().contains("it is no JWK set"));
    env.config.admin.oidc.keys_file = None;
    env.config.admin.oidc.jwks_url = Some(crate::config::AskedUrl::new("http://keys.example/"));
    assert!(env.failure().contains("it is not https"));
    env.config.admin.oidc.jwks_url = Some(crate::config::AskedUrl::new("https://keys.example/"));
    assert!(env.load().loaded.is_some());
}
