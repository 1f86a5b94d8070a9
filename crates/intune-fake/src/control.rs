//! The control API under `/__control`: JSON in, JSON out, on each of the fake's ports.

use hyper::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::assertion::foreign_token;
use crate::challenge::Mint;
use crate::directory::{Device, User};
use crate::fault::Rule;
use crate::message::{Answer, Request};
use crate::revocation::Revocation;
use crate::server::Shared;
use crate::text::guid_from;
use crate::world::World;

/// Answers a request to the control API.
pub(crate) async fn answer(shared: &Shared, request: &Request) -> Answer {
    let path = request.path.trim_start_matches("/__control");
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if request.method == Method::GET && parts == ["calls"] {
        return calls(shared, request).await;
    }
    let result = match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["release"]) => {
            shared.release();
            Ok(json!({}))
        }
        ("POST", ["clock"]) => parse::<Moved>(request).map(|moved| {
            shared.clock.advance(moved.advance);
            json!({"now": shared.clock.now()})
        }),
        ("GET", ["clock"]) => Ok(json!({"now": shared.clock.now()})),
        (method, parts) => {
            let now = shared.clock.now();
            change(&mut shared.world(), method, parts, request, now)
        }
    };
    match result {
        Ok(value) => Answer::json(200, &value),
        Err(problem) => Answer::json(400, &json!({"error": problem})),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    /// Seconds.
    advance: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Generate {
    count: usize,
    #[serde(default)]
    tenant: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ForeignToken {
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    seconds: Option<i64>,
}

fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, String> {
    serde_json::from_slice(&request.body).map_err(|error| error.to_string())
}

fn shown<T: Serialize>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// `known` with the members of the request's body in the place of its own.
fn patched<T: Serialize + DeserializeOwned>(known: &T, request: &Request) -> Result<T, String> {
    let mut value = shown(known)?;
    let patch: serde_json::Map<String, Value> = parse(request)?;
    if let Some(members) = value.as_object_mut() {
        members.extend(patch);
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn change(
    world: &mut World,
    method: &str,
    parts: &[&str],
    request: &Request,
    now: i64,
) -> Result<Value, String> {
    let tenant = world.tenant_id(request.parameter("tenant"))?;
    match (method, parts) {
        ("GET", []) => Ok(json!({"urls": world.urls, "tenants": world.tenants,
            "identityHeader": world.identity_header, "settings": world.settings, "now": now,
            "problems": world.problems()})),
        ("POST", ["challenges"]) => {
            let wanted: Mint = parse(request)?;
            Ok(json!({"challenge": world.mint(wanted, now)?}))
        }
        ("GET", ["rules"]) => shown(&world.script.rules),
        ("POST", ["rules"]) => {
            world.script.rules.push(parse::<Rule>(request)?);
            Ok(json!({}))
        }
        ("DELETE", ["rules"]) => {
            world.script.rules.clear();
            Ok(json!({}))
        }
        ("DELETE", ["calls"]) => {
            world.journal.calls.clear();
            Ok(json!({}))
        }
        ("GET", ["problems"]) => shown(&world.problems()),
        ("GET", ["settings"]) => shown(&world.settings),
        ("PATCH", ["settings"]) => {
            world.settings = patched(&world.settings, request)?;
            shown(&world.settings)
        }
        ("PATCH", ["tenants", name]) => {
            let known = world
                .tenants
                .iter_mut()
                .find(|tenant| tenant.is_called(name));
            let known = known.ok_or("there is no such tenant")?;
            *known = patched(known, request)?;
            shown(known)
        }
        ("POST", ["foreign-tokens"]) => {
            let wanted: ForeignToken = parse(request)?;
            let tenant = world.tenant_id(wanted.tenant.as_deref())?;
            let seconds = wanted.seconds.unwrap_or(3600);
            let token = foreign_token(world, &tenant, wanted.subject.as_deref(), seconds, now)?;
            Ok(json!({"token": token}))
        }
        ("GET", ["transactions"]) => {
            let own = world.transactions.iter().filter(|(key, _)| key.0 == tenant);
            let own = own.map(|((_, id), transaction)| Ok((id.clone(), shown(transaction)?)));
            Ok(Value::Object(own.collect::<Result<_, String>>()?))
        }
        ("GET", ["revocations"]) => shown(&world.queues.entry(tenant).or_default().clone()),
        ("POST", ["revocations"]) => {
            let wanted: Vec<Revocation> = parse(request)?;
            let queue = world.queues.entry(tenant).or_default();
            wanted.into_iter().for_each(|request| queue.put(request));
            Ok(json!({}))
        }
        (_, ["devices" | "users", ..]) => directory(world, method, parts, request, &tenant, now),
        _ => Err(format!(
            "{method} {} is nothing of the control API",
            request.path
        )),
    }
}

fn directory(
    world: &mut World,
    method: &str,
    parts: &[&str],
    request: &Request,
    tenant: &str,
    now: i64,
) -> Result<Value, String> {
    let directory = world.directories.entry(tenant.to_owned()).or_default();
    match (method, parts) {
        ("GET", ["devices"]) => shown(&directory.devices),
        ("PATCH", ["devices", id]) => {
            let known = directory.device(id).cloned();
            let known = known.unwrap_or_else(|| Device::with_intune_id(id, now));
            let device: Device = patched(&known, request)?;
            directory.put(device.clone());
            shown(&device)
        }
        ("POST", ["devices", "generate"]) => {
            let wanted: Generate = parse(request)?;
            if wanted.tenant.is_some() {
                return Err("the tenant stands in the query".to_owned());
            }
            for number in directory.devices.len()..directory.devices.len() + wanted.count {
                let id = guid_from(&format!("{tenant} {number}"));
                directory.put(Device::with_intune_id(&id, now));
            }
            Ok(json!({"devices": directory.devices.len()}))
        }
        ("GET", ["users"]) => shown(&directory.users),
        ("PATCH", ["users", name]) => {
            let known = directory.users.iter().find(|user| user.name == *name);
            let known = known.cloned().unwrap_or_else(|| User {
                name: (*name).to_owned(),
                ..User::default()
            });
            let user: User = patched(&known, request)?;
            directory.put_user(user.clone());
            shown(&user)
        }
        _ => Err(format!(
            "{method} {} is nothing of the control API",
            request.path
        )),
    }
}

/// Calls, all or of one operation (`operation=`), after one (`after=` its id); waits for `atLeast=` of them to be there.
async fn calls(shared: &Shared, request: &Request) -> Answer {
    let number = |name: &str| {
        let value = request.parameter(name).map(str::parse::<usize>);
        value.transpose().map(Option::unwrap_or_default)
    };
    let (Ok(after), Ok(least)) = (number("after"), number("atLeast")) else {
        return Answer::json(400, &json!({"error": "after and atLeast are numbers"}));
    };
    let operation = request.parameter("operation").map(|name| json!(name));
    let mut changes = shared.changes();
    loop {
        changes.mark_unchanged();
        let found: Vec<Value> = {
            let world = shared.world();
            let calls = world.journal.calls.iter();
            calls
                .filter(|call| call.id > after as u64)
                .filter_map(|call| serde_json::to_value(call).ok())
                .filter(|call| {
                    operation
                        .as_ref()
                        .is_none_or(|operation| call.get("operation") == Some(operation))
                })
                .collect()
        };
        if found.len() >= least || changes.changed().await.is_err() {
            return Answer::json(200, &json!({"calls": found}));
        }
    }
}
