//! Managed identity as three hosts have it: IMDS of a virtual machine, App Service, Azure Arc.

use std::path::PathBuf;

use serde_json::json;

use crate::fault::Fault;
use crate::message::{Answer, Request};
use crate::text::{guid, random};
use crate::token::Resource;
use crate::world::World;

/// Tokens of managed identities live for a day and cannot be had anew.
const LIFE: i64 = 86_399;

/// Azure Arc's keys: whoever can read the file may have a token.
#[derive(Debug, Default)]
pub(crate) struct Arc {
    /// Where keys are put; without it there is no Arc.
    dir: Option<PathBuf>,
    key: Option<String>,
}

impl Arc {
    pub(crate) fn at(dir: Option<PathBuf>) -> Self {
        Self { dir, key: None }
    }
}

/// Answers one token request of a managed identity.
pub(crate) fn answer(world: &mut World, request: &Request, faults: &[Fault], now: i64) -> Answer {
    match judge(world, request) {
        Ok(()) => token(world, request, faults, now),
        Err(answer) => answer,
    }
}

fn refused(words: &str) -> Answer {
    Answer::json(
        400,
        &json!({"error": "invalid_request", "error_description": words}),
    )
}

/// # Errors
/// What the host answers to somebody who may not ask, or asks in another host's way.
fn judge(world: &mut World, request: &Request) -> Result<(), Answer> {
    if request.method != hyper::Method::GET {
        return Err(refused("GET alone").problem("a managed identity is asked by GET"));
    }
    if request.proxied || request.header("x-forwarded-for").is_some() {
        return Err(refused("forwarded").problem("a managed identity was asked through a proxy"));
    }
    let version = request.parameter("api-version").unwrap_or_default();
    match (request.path.as_str(), version) {
        ("/msi/token", "2019-08-01") => {
            if request.header("x-identity-header") != Some(world.identity_header.as_str()) {
                let answer = Answer::json(401, &json!({"statusCode": 401, "message": "No access"}));
                return Err(answer.problem("X-IDENTITY-HEADER is not $IDENTITY_HEADER"));
            }
            Ok(())
        }
        ("/metadata/identity/oauth2/token", "2018-02-01") => metadata_header(request),
        ("/metadata/identity/oauth2/token", "2020-06-01" | "2019-11-01") => {
            metadata_header(request)?;
            judge_arc(&mut world.arc, request)
        }
        _ => Err(refused("unknown api-version").problem("path and api-version are no host's")),
    }
}

fn metadata_header(request: &Request) -> Result<(), Answer> {
    match request.header("metadata") {
        Some("true") => Ok(()),
        _ => Err(refused("Required metadata header not specified")
            .problem("the header `Metadata: true` is missing")),
    }
}

/// # Errors
/// 401 that names the file with the key, until its content comes back.
fn judge_arc(arc: &mut Arc, request: &Request) -> Result<(), Answer> {
    let Some(dir) = arc.dir.clone() else {
        return Err(refused("this is no Arc machine"));
    };
    if let Some(header) = request.header("authorization") {
        let key = arc.key.take();
        let given = header.strip_prefix("Basic ");
        return match (key, given) {
            (Some(key), Some(given)) if key == given => Ok(()),
            _ => Err(Answer::json(401, &json!({"error": "unauthorized_client"}))
                .problem("Authorization is not `Basic` and the content of the key file")),
        };
    }
    let path = dir.join(format!("{}.key", guid()));
    let key = hex::encode(random::<32>());
    if let Err(error) = std::fs::write(&path, &key) {
        return Err(Answer::error(500, "InternalError", &error.to_string()));
    }
    arc.key = Some(key);
    let realm = format!("Basic realm={}", path.display());
    Err(Answer::json(401, &json!({"error": "unauthorized_client"}))
        .header("www-authenticate", realm))
}

fn token(world: &mut World, request: &Request, faults: &[Fault], now: i64) -> Answer {
    let Some(name) = request.parameter("resource") else {
        return refused("no resource").problem("no resource in the query");
    };
    let Some(resource) = Resource::of(name, &world.urls) else {
        return Answer::json(
            400,
            &json!({"error": "invalid_resource", "error_description": "AADSTS500011: The resource principal was not found in the tenant."}),
        );
    };
    let client = request.parameter("client_id");
    let tenant = world
        .tenants
        .iter()
        .find(|tenant| client.is_none_or(|client| client.eq_ignore_ascii_case(&tenant.client_id)));
    let Some(tenant) = tenant.cloned() else {
        return refused("Identity not found");
    };
    let fresh = world
        .tokens
        .issue(&tenant, (resource, name), LIFE, faults, now);
    // Numbers come as texts.
    Answer::json(
        200,
        &json!({
            "access_token": fresh.text,
            "client_id": tenant.client_id,
            "expires_in": fresh.life.to_string(),
            "expires_on": now.saturating_add(fresh.life).to_string(),
            "not_before": now.to_string(),
            "resource": name,
            "token_type": "Bearer",
        }),
    )
    .of_tenant(&tenant.id)
}
