//! Entra's v2 token endpoint for client credentials.

use std::collections::HashMap;

use serde_json::json;

use crate::assertion;
use crate::clock::iso;
use crate::fault::Fault;
use crate::message::{Answer, Request};
use crate::text::guid;
use crate::token::Resource;
use crate::world::{Tenant, World};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Number, HTTP status, `error` and words of what Entra refuses with.
const REFUSALS: &[(u32, u16, &str, &str)] = &[
    (
        7_000_215,
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
    ),
    (
        7_000_222,
        401,
        "invalid_client",
        "The provided client secret keys for app are expired.",
    ),
    (
        700_016,
        400,
        "unauthorized_client",
        "Application was not found in the directory.",
    ),
    (
        7_000_112,
        401,
        "unauthorized_client",
        "Application is disabled.",
    ),
    (
        700_027,
        401,
        "invalid_client",
        "The certificate with identifier used to sign the client assertion is not registered on application.",
    ),
    (
        50_012,
        401,
        "invalid_client",
        "Authentication failed: the client assertion is not valid.",
    ),
    (
        700_024,
        401,
        "invalid_client",
        "Client assertion is not within its valid time range.",
    ),
    (
        700_211,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion issuer.",
    ),
    (
        700_212,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion audience.",
    ),
    (
        700_213,
        401,
        "invalid_client",
        "No matching federated identity record found for presented assertion subject.",
    ),
    (
        700_229,
        401,
        "invalid_client",
        "Invalid token type presented for federated credential.",
    ),
    (
        7_000_218,
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    (
        500_011,
        400,
        "invalid_resource",
        "The resource principal was not found in the tenant.",
    ),
    (90_002, 400, "invalid_request", "Tenant not found."),
    (
        90_014,
        400,
        "invalid_request",
        "The required field is missing from the credential.",
    ),
    (
        90_038,
        400,
        "invalid_request",
        "The tenant belongs to another national cloud.",
    ),
    (
        900_382,
        400,
        "invalid_request",
        "Confidential Client is not supported in Cross Cloud request.",
    ),
    (
        900_432,
        400,
        "invalid_request",
        "Confidential Client is not supported in Cross Cloud request.",
    ),
    (
        900_144,
        400,
        "invalid_request",
        "The request body must contain the following parameter: 'grant_type'.",
    ),
    (
        70_003,
        400,
        "unsupported_grant_type",
        "The app requested an unsupported grant type.",
    ),
    (
        70_011,
        400,
        "invalid_scope",
        "The provided value for the input parameter 'scope' is not valid.",
    ),
    (
        700_022,
        400,
        "invalid_scope",
        "The scope has more than one resource.",
    ),
    (700_023, 400, "invalid_scope", "The scope has no resource."),
    (
        28_002,
        400,
        "invalid_scope",
        "The scope's value is not valid for an application token.",
    ),
    (
        50_002,
        400,
        "invalid_request",
        "Proxy cloud access is restricted on this network.",
    ),
    (
        500_021,
        400,
        "access_denied",
        "Access to the tenant is denied by tenant restrictions.",
    ),
    (
        530_032,
        400,
        "invalid_grant",
        "Blocked by Conditional Access.",
    ),
    (
        53_003,
        400,
        "invalid_grant",
        "Access has been blocked by Conditional Access policies.",
    ),
    (
        90_006,
        503,
        "temporarily_unavailable",
        "The service is temporarily unavailable.",
    ),
    (
        90_012,
        503,
        "temporarily_unavailable",
        "The request timed out.",
    ),
    (
        90_024,
        503,
        "temporarily_unavailable",
        "A transient error has occurred.",
    ),
    (
        90_033,
        503,
        "temporarily_unavailable",
        "A transient error has occurred. Please try again.",
    ),
    (
        90_055,
        429,
        "temporarily_unavailable",
        "The tenant has too many requests.",
    ),
    (
        90_090,
        503,
        "temporarily_unavailable",
        "A transient error has occurred.",
    ),
];

/// Stands where the time belongs until [`date`] puts it there.
const UNDATED: &str = "0000-00-00 00:00:00Z";

/// Puts the time into a refusal.
pub(crate) fn date(answer: &mut Answer, now: i64) {
    let when = iso(now).replace('T', " ");
    answer.change(|body| {
        let members = body.as_object_mut().into_iter().flatten();
        for (_, member) in members {
            if let Some(text) = member.as_str().filter(|text| text.contains(UNDATED)) {
                *member = json!(text.replace(UNDATED, &when));
            }
        }
    });
}

/// The answer with this number; of one that is not known, an `invalid_request`.
pub(crate) fn refusal(code: u32) -> Answer {
    let known = REFUSALS.iter().find(|(known, ..)| *known == code);
    let &(_, status, error, words) =
        known.unwrap_or(&(0, 400, "invalid_request", "Something else is wrong."));
    let (trace, correlation) = (guid(), guid());
    let when = UNDATED;
    Answer::json(
        status,
        &json!({
            "error": error,
            "error_description": format!("AADSTS{code}: {words}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {when}"),
            "error_codes": [code],
            "timestamp": when,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        }),
    )
}

/// Answers one token request.
pub(crate) fn answer(world: &mut World, request: &Request, faults: &[Fault], now: i64) -> Answer {
    if request.method != hyper::Method::POST {
        return Answer::wrong("the token endpoint takes POST alone");
    }
    if request.media_type() != "application/x-www-form-urlencoded" {
        return refusal(900_144).problem("the body is not application/x-www-form-urlencoded");
    }
    let name = request
        .path
        .strip_prefix('/')
        .and_then(|path| path.strip_suffix("/oauth2/v2.0/token"))
        .unwrap_or_default();
    let Some(tenant) = world.tenant(name).cloned() else {
        return refusal(90_002);
    };
    match token(world, request, &tenant, faults, now) {
        Ok(answer) | Err(answer) => answer.of_tenant(&tenant.id),
    }
}

fn token(
    world: &mut World,
    request: &Request,
    tenant: &Tenant,
    faults: &[Fault],
    now: i64,
) -> Result<Answer, Answer> {
    let form = form(request)?;
    let field = |name: &str| form.get(name).map(String::as_str);
    match field("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(refusal(70_003).problem("grant_type is not client_credentials")),
        None => return Err(refusal(900_144).problem("no grant_type")),
    }
    let client = field("client_id").ok_or_else(|| refusal(90_014).problem("no client_id"))?;
    if !client.eq_ignore_ascii_case(&tenant.client_id) {
        return Err(refusal(700_016));
    }
    if !tenant.enabled {
        return Err(refusal(7_000_112));
    }
    let audience = audience(field("scope"))?;
    let resource = Resource::of(audience, &world.urls)
        .filter(|_| same_cloud(&request.base, audience))
        .ok_or_else(|| refusal(500_011))?;
    match (field("client_secret"), field("client_assertion")) {
        (Some(secret), None) => judge_secret(tenant, secret, now)?,
        (None, Some(assertion)) => {
            if field("client_assertion_type") != Some(ASSERTION_TYPE) {
                return Err(refusal(50_012).problem("client_assertion_type is not jwt-bearer"));
            }
            assertion::judge(world, tenant, assertion, &request.base, now)?;
        }
        (Some(_), Some(_)) => {
            return Err(refusal(50_012).problem("client_secret and client_assertion at once"));
        }
        (None, None) => {
            return Err(refusal(7_000_218).problem("neither client_secret nor client_assertion"));
        }
    }
    let life = world.settings.token_seconds;
    let fresh = world
        .tokens
        .issue(tenant, (resource, audience), life, faults, now);
    Ok(Answer::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": fresh.life, "ext_expires_in": fresh.life,
            "access_token": fresh.text}),
    )
    .header("cache-control", "no-store, no-cache"))
}

fn form(request: &Request) -> Result<HashMap<String, String>, Answer> {
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&request.body)
        .map_err(|_| refusal(900_144).problem("the body is not a form"))?;
    let mut form = HashMap::new();
    for (name, value) in fields {
        if let Some(_twice) = form.insert(name.clone(), value) {
            return Err(refusal(90_014).problem(format!("{name} stands twice in the form")));
        }
    }
    Ok(form)
}

/// The resource of the one scope: `https://api.manage.microsoft.com//.default` has the resource with its slash.
fn audience(scope: Option<&str>) -> Result<&str, Answer> {
    let scope = scope.ok_or_else(|| refusal(90_014).problem("no scope"))?;
    if scope.split_whitespace().count() != 1 {
        return Err(refusal(700_022).problem("not one scope"));
    }
    scope
        .strip_suffix("/.default")
        .ok_or_else(|| refusal(70_011).problem("the scope does not end in /.default"))
}

/// Tokens are not exchangeable between national clouds; an authority that is none of Microsoft's takes all.
fn same_cloud(base: &str, audience: &str) -> bool {
    let audience = audience.trim_end_matches('/');
    let ends = |ending: &str| audience.ends_with(ending);
    match base {
        "https://login.microsoftonline.com" => ends(".microsoft.com"),
        "https://login.microsoftonline.us" => ends(".microsoft.us"),
        "https://login.partner.microsoftonline.cn" | "https://login.chinacloudapi.cn" => {
            ends(".cn")
        }
        _ => true,
    }
}

fn judge_secret(tenant: &Tenant, secret: &str, now: i64) -> Result<(), Answer> {
    let known = tenant.secrets.iter().find(|known| known.value == secret);
    match known {
        None => Err(refusal(7_000_215)),
        Some(known) if known.expires <= now => Err(refusal(7_000_222)),
        Some(_) => Ok(()),
    }
}

/// When a secret expires, as Graph tells it.
pub(crate) fn shown_secret_expiry(seconds: i64) -> String {
    // Graph has no times after 9999.
    iso(seconds.min(253_402_300_799))
}
