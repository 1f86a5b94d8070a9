//! Who may administer.

use super::*;

#[test]
fn oidc_needs_audience_and_keys() {
    let mut house = House::new();
    house.config.admin.oidc.issuer = Some("https://login".to_owned());
    let text = house
        .load()
        .failures()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        text.contains("oidc.audience") && text.contains("neither it nor jwks_url is set"),
        "{text}"
    );
    house.config.admin.oidc.audience = Some("scepd".to_owned());
    house.config.admin.oidc.keys_file = Some(house.path("challenge"));
    assert!(house.failure().contains("it is no JWK set"));
    house.config.admin.oidc.keys_file = None;
    house.config.admin.oidc.jwks_url = Some(crate::config::AskedUrl::new("http://keys.example/"));
    assert!(house.failure().contains("it is not https"));
    house.config.admin.oidc.jwks_url = Some(crate::config::AskedUrl::new("https://keys.example/"));
    assert!(house.load().loaded.is_some());
}
