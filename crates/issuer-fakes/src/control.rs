//! The control API under `/__control`: JSON in, JSON out.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fault::Rule;
use crate::message::{Answer, Request};
use crate::server::Shared;
use crate::world::{Decision, World};

/// Answers a request to the control API.
pub(crate) async fn answer(shared: &Shared, request: &Request) -> Answer {
    let path = request.path();
    let parts = path.get(1..).unwrap_or_default();
    let result = match (request.method.as_str(), parts) {
        ("GET", ["calls"]) => return calls(shared, request).await,
        ("POST", ["release"]) => {
            shared.release();
            Ok(json!({}))
        }
        ("POST", ["clock"]) => parse::<Moved>(request).map(|moved| {
            shared.clock.advance(moved.advance);
            json!({"now": shared.clock.now()})
        }),
        ("GET", ["clock"]) => Ok(json!({"now": shared.clock.now()})),
        (method, parts) => change(&mut shared.world(), method, parts, request),
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

fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, String> {
    serde_json::from_slice(&request.body).map_err(|error| error.to_string())
}

fn shown<T: Serialize>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// Puts the members of `patch` in the place of those of `known`, objects within objects too.
fn merge(known: &mut Value, patch: Value) {
    match (known, patch) {
        (Value::Object(known), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(known.entry(name).or_insert(Value::Null), value);
            }
        }
        (known, patch) => *known = patch,
    }
}

fn change(
    world: &mut World,
    method: &str,
    parts: &[&str],
    request: &Request,
) -> Result<Value, String> {
    match (method, parts) {
        ("GET", []) => Ok(json!({
            "kind": world.kind, "settings": world.settings, "errors": world.errors(),
            "rules": world.script.rules, "problems": world.problems(),
        })),
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
            let mut value = shown(&world.settings)?;
            merge(&mut value, parse(request)?);
            world.settings = serde_json::from_value(value).map_err(|error| error.to_string())?;
            shown(&world.settings)
        }
        ("GET", ["issued"]) => shown(&world.authority.issued),
        ("GET", ["waiting"]) => {
            let waiting = world.waiting.iter();
            let waiting = waiting.map(|one| {
                json!({"id": one.id, "user": one.user, "decision": one.decision,
                    "subject": one.draft.subject.text()})
            });
            Ok(waiting.collect())
        }
        ("POST", ["waiting", id, decision @ ("approve" | "deny" | "expire")]) => {
            let decision = match *decision {
                "approve" => Decision::Approved,
                "deny" => Decision::Denied,
                _ => Decision::Expired,
            };
            decide(world, id, decision)?;
            Ok(json!({}))
        }
        ("POST", ["renew-ca-key"]) => {
            world
                .authority
                .renew_key()
                .map_err(|error| error.to_string())?;
            Ok(json!({}))
        }
        _ => Err(format!(
            "{method} {} is nothing of the control API",
            request.target
        )),
    }
}

/// Decides a request that waits, or all that wait when `id` is `*`.
///
/// # Errors
/// None with this id waits.
pub(crate) fn decide(world: &mut World, id: &str, decision: Decision) -> Result<(), String> {
    let waiting = world.waiting.iter_mut();
    let mut found = false;
    for one in
        waiting.filter(|one| one.decision == Decision::Waiting && (id == "*" || one.id == id))
    {
        one.decision = decision;
        found = true;
    }
    if found || id == "*" {
        Ok(())
    } else {
        Err(format!("no request {id} waits"))
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
                    let wanted = operation.as_ref();
                    wanted.is_none_or(|wanted| call.get("operation") == Some(wanted))
                })
                .collect()
        };
        if found.len() >= least || changes.changed().await.is_err() {
            return Answer::json(200, &json!({"calls": found}));
        }
    }
}
