//! Who calls: a client certificate, or a bearer token of an identity provider.

use serde_json::json;

use super::error;
use crate::message::{Answer, Request};
use crate::text::{sha256_hex, strict_base64, unescaped, uuid};
use crate::world::World;

/// # Errors
/// What EJBCA answers to somebody without rights.
pub(super) fn judge(world: &World, request: &Request, now: i64) -> Result<(), Answer> {
    let refused = |name: &str| Err(error(name).unwrap_or_else(|| world.failure(403)));
    let settings = &world.settings.ejbca;
    // A certificate goes first; a token beside it is not looked at.
    if let Some(client) = &request.client {
        return if *client == world.client_certificate && settings.administrator {
            Ok(())
        } else {
            refused("not_authorized")
        };
    }
    let Some(header) = request.header("authorization") else {
        return refused("no_login");
    };
    let Some(token) = header.strip_prefix("Bearer ") else {
        return Err(error("no_login")
            .unwrap_or_else(|| world.failure(403))
            .problem("Authorization is no bearer token"));
    };
    if settings.tokens.iter().any(|known| known == token) {
        return Ok(());
    }
    match world.ejbca.tokens.get(token) {
        Some(end) if *end > now => Ok(()),
        Some(_) => refused("token_expired"),
        None => refused("token"),
    }
}

/// The identity provider's token endpoint: client credentials (RFC 6749, section 4.4), the secret in the form or in Basic.
pub(super) fn token(world: &mut World, request: &Request, now: i64) -> Answer {
    let refused = |status: u16, name: &str| Answer::json(status, &json!({"error": name}));
    let Some(form) = request
        .form()
        .filter(|_| request.method == hyper::Method::POST)
    else {
        return refused(400, "invalid_request")
            .problem("a token is asked for with a form, by POST");
    };
    let field = |name: &str| {
        let mut values = form.iter().filter(|(known, _)| known == name);
        values.next().map(|(_, value)| value.clone())
    };
    if field("grant_type").as_deref() != Some("client_credentials") {
        return refused(400, "unsupported_grant_type");
    }
    let basic = request.header("authorization").and_then(|header| {
        let decoded = strict_base64(header.strip_prefix("Basic ")?)?;
        let text = String::from_utf8(decoded).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((unescaped(id), unescaped(secret)))
    });
    let given = basic.or_else(|| Some((field("client_id")?, field("client_secret")?)));
    if given.as_ref() != Some(&world.settings.ejbca.oauth_client) {
        return refused(401, "invalid_client");
    }
    let token = format!("e.{}.s", sha256_hex(uuid().as_bytes()));
    let life = world.settings.ejbca.token_life;
    world
        .ejbca
        .tokens
        .insert(token.clone(), now.saturating_add(life));
    Answer::json(
        200,
        &json!({"access_token": token, "token_type": "Bearer", "expires_in": life}),
    )
    .header("cache-control", "no-store")
}
