//! Access tokens: by the key of a service account, by the metadata server, by the token of a workload; and who has one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::refused;
use crate::clock::iso;
use crate::message::{Answer, Request};
use crate::text::{unarmoured, uuid};
use crate::world::World;

/// The private key of the service account, which is nobody's.
const KEY: &str = include_str!("account.pem");
const KEY_ID: &str = "f4b3c2d1e0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where tokens are asked for at Google.
const ENDPOINT: &str = "https://oauth2.googleapis.com/token";
/// So much may the clocks differ, in seconds.
const SKEW: i64 = 300;

/// The service account's key file, JSON.
pub(crate) fn key_file(world: &World) -> String {
    let account = &world.settings.google_cas.account;
    let file = json!({
        "type": "service_account", "project_id": "fake", "private_key_id": KEY_ID,
        "private_key": KEY, "client_email": account, "client_id": "104000000000000000000",
        "auth_uri": format!("{}/auth", world.base), "token_uri": format!("{}/token", world.base),
        "universe_domain": "googleapis.com",
    });
    format!("{file:#}\n")
}

/// Whether a token is asked for.
pub(super) fn is_login(request: &Request) -> bool {
    let path = request.path();
    matches!(path[..], ["token"] | ["v1", "token"])
        || path
            .last()
            .is_some_and(|last| last.ends_with(":generateAccessToken"))
}

fn fresh(world: &mut World, now: i64) -> (String, i64) {
    let token = format!("ya29.{}", uuid());
    let life = world.settings.google_cas.token_life;
    let tokens = &mut world.google_cas.tokens;
    tokens.insert(token.clone(), now.saturating_add(life));
    (token, life)
}

/// # Errors
/// The request has no access token that is good.
pub(super) fn judge(world: &World, request: &Request, now: i64) -> Result<(), Answer> {
    let header = request.header("authorization").unwrap_or_default();
    let Some(token) = header.strip_prefix("Bearer ") else {
        return Err(refused("UNAUTHENTICATED").problem("no bearer token"));
    };
    match world.google_cas.tokens.get(token) {
        Some(end) if *end > now => Ok(()),
        _ => Err(refused("UNAUTHENTICATED")),
    }
}

/// The metadata server: the token of the machine's account.
pub(super) fn metadata(world: &mut World, request: &Request, now: i64) -> Answer {
    let flavoured = |answer: Answer| answer.header("metadata-flavor", "Google");
    if request.header("metadata-flavor") != Some("Google") {
        return Answer::of(403, "text/html", "Missing Metadata-Flavor:Google header.")
            .problem("no Metadata-Flavor: Google");
    }
    let account = world.settings.google_cas.account.clone();
    match request.path()[..] {
        [] => flavoured(Answer::of(200, "text/plain", "computeMetadata/\n")),
        [
            "computeMetadata",
            "v1",
            "instance",
            "service-accounts",
            name,
            "token",
        ] if name == "default" || name == account => {
            let (token, life) = fresh(world, now);
            let body = json!({"access_token": token, "expires_in": life, "token_type": "Bearer"});
            flavoured(Answer::json(200, &body))
        }
        [
            "computeMetadata",
            "v1",
            "instance",
            "service-accounts",
            "default",
        ] => {
            let body = json!({"aliases": ["default"], "email": account, "scopes": [SCOPE]});
            flavoured(Answer::json(200, &body))
        }
        _ => flavoured(Answer::of(404, "text/html", "not found")),
    }
}

/// The endpoints that give tokens.
pub(super) fn token(world: &mut World, request: &Request, now: i64) -> Answer {
    if request.method != hyper::Method::POST {
        return Answer::json(405, &json!({"error": "invalid_request"}));
    }
    if request
        .path()
        .last()
        .is_some_and(|last| last.ends_with(":generateAccessToken"))
    {
        return impersonated(world, request, now);
    }
    let Some(form) = request.form() else {
        return denied("invalid_request", "a form is needed")
            .problem("a token asked for without a form");
    };
    let field = |name: &str| {
        let mut values = form.iter().filter(|(known, _)| known == name);
        values.next().map(|(_, value)| value.as_str())
    };
    match field("grant_type") {
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            let assertion = field("assertion").unwrap_or_default();
            if let Err(words) = assertion_of(world, assertion, now) {
                return denied("invalid_grant", words);
            }
            let (token, life) = fresh(world, now);
            let body = json!({"access_token": token, "expires_in": life, "token_type": "Bearer"});
            Answer::json(200, &body)
        }
        Some("urn:ietf:params:oauth:grant-type:token-exchange") => {
            let wanted = [
                (
                    "requested_token_type",
                    "urn:ietf:params:oauth:token-type:access_token",
                ),
                ("scope", SCOPE),
            ];
            for (name, value) in wanted {
                if field(name) != Some(value) {
                    return denied("invalid_request", "Invalid value.")
                        .problem(format!("{name} is not {value}"));
                }
            }
            let audience = field("audience").unwrap_or_default();
            if !audience.starts_with("//iam.googleapis.com/projects/") {
                return denied("invalid_request", "Invalid value for \"audience\".");
            }
            if field("subject_token") != Some(&world.settings.google_cas.subject_token) {
                return denied(
                    "invalid_grant",
                    "The given credential is rejected by the attribute condition.",
                );
            }
            let (token, life) = fresh(world, now);
            Answer::json(
                200,
                &json!({
                    "access_token": token, "expires_in": life, "token_type": "Bearer",
                    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                }),
            )
        }
        _ => denied("unsupported_grant_type", "Invalid grant_type"),
    }
}

fn denied(error: &str, words: &str) -> Answer {
    Answer::json(400, &json!({"error": error, "error_description": words}))
}

/// A token of the account for one of a workload that may have it.
fn impersonated(world: &mut World, request: &Request, now: i64) -> Answer {
    if let Err(answer) = judge(world, request, now) {
        return answer;
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let wanted = format!("{}:generateAccessToken", world.settings.google_cas.account);
    let scopes = body.get("scope").and_then(Value::as_array);
    let scoped = scopes.is_some_and(|scopes| scopes.iter().any(|scope| scope == SCOPE));
    if request.path() != ["v1", "projects", "-", "serviceAccounts", &wanted] || !scoped {
        return refused("PERMISSION_DENIED");
    }
    let (token, life) = fresh(world, now);
    Answer::json(
        200,
        &json!({"accessToken": token, "expireTime": iso(now.saturating_add(life))}),
    )
}

/// Holds an assertion against the service account (RFC 7523, section 3).
///
/// # Errors
/// What is wrong with it, in the service's words.
fn assertion_of(world: &World, assertion: &str, now: i64) -> Result<(), &'static str> {
    const NO_JWT: &str = "Invalid JWT: Failed audience check or malformed.";
    let (signed, proof) = assertion.rsplit_once('.').ok_or(NO_JWT)?;
    let (header, claims) = signed.split_once('.').ok_or(NO_JWT)?;
    let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| NO_JWT);
    let json = |text: &str| {
        octets(text).and_then(|octets| serde_json::from_slice::<Value>(&octets).map_err(|_| NO_JWT))
    };
    let (header, claims) = (json(header)?, json(claims)?);
    if header.get("alg") != Some(&json!("RS256")) || header.get("kid") != Some(&json!(KEY_ID)) {
        return Err("Invalid JWT Signature.");
    }
    let key = unarmoured(KEY).and_then(|der| RsaKeyPair::from_pkcs8(&der).ok());
    let key = key.ok_or("the fake has no key")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
        .verify(signed.as_bytes(), &octets(proof)?)
        .map_err(|_| "Invalid JWT Signature.")?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("iss") != world.settings.google_cas.account {
        return Err("Invalid grant: account not found");
    }
    // google-auth names Google's own endpoint, wherever the key file leads.
    let own = format!("{}/token", world.base);
    if ![own.as_str(), ENDPOINT].contains(&text("aud")) {
        return Err(NO_JWT);
    }
    if !text("scope").split(' ').any(|scope| scope == SCOPE) {
        return Err("Invalid OAuth scope or ID token audience provided.");
    }
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(begin), Some(end)) = (number("iat"), number("exp")) else {
        return Err(NO_JWT);
    };
    if begin > now + SKEW || end <= now - SKEW || end <= begin || end - begin > 3600 {
        return Err(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
        );
    }
    Ok(())
}
