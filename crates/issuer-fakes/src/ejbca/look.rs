//! Search, the CAs, their certificates and CRLs.

use serde_json::{Value, json};

use super::{body, failure, text};
use crate::authority::Issued;
use crate::clock::iso;
use crate::message::{Answer, Request};
use crate::name::Name;
use crate::text::{base64_lines, base64_of, pem};
use crate::world::World;

const PROPERTIES: [&str; 9] = [
    "QUERY",
    "EXTERNAL_ACCOUNT_BINDING_ID",
    "END_ENTITY_PROFILE",
    "CERTIFICATE_PROFILE",
    "CA",
    "STATUS",
    "ISSUED_DATE",
    "EXPIRE_DATE",
    "REVOCATION_DATE",
];

pub(super) fn search(world: &World, request: &Request) -> Answer {
    match found(world, request) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// The criteria are none.
fn found(world: &World, request: &Request) -> Result<Answer, Answer> {
    let body = body(request)?;
    let most = body.get("max_number_of_results").and_then(Value::as_u64);
    let Some(most) = most.filter(|most| *most > 0) else {
        let words = "Invalid maximum number of results, cannot be null, less or equal zero.";
        return Err(failure(400, words).problem(words));
    };
    let criteria = body.get("criteria").and_then(Value::as_array);
    let Some(criteria) = criteria.filter(|criteria| !criteria.is_empty()) else {
        let words = "Invalid criteria value, cannot be empty.";
        return Err(failure(400, words).problem(words));
    };
    let mut hits: Vec<&Issued> = world.authority.issued.iter().collect();
    for one in criteria {
        let (Some(property), Some(value), Some(operation)) = (
            text(one, "property"),
            text(one, "value"),
            text(one, "operation"),
        ) else {
            return Err(
                failure(400, "Invalid criteria content.").problem("a criterion lacks a member")
            );
        };
        if !PROPERTIES.contains(&property) {
            let words = format!("Invalid criteria property '{property}'.");
            return Err(failure(400, &words).problem(words));
        }
        let takes = match property {
            "QUERY" => ["EQUAL", "LIKE"].contains(&operation),
            "ISSUED_DATE" | "EXPIRE_DATE" | "REVOCATION_DATE" => {
                ["BEFORE", "AFTER"].contains(&operation)
            }
            _ => operation == "EQUAL",
        };
        if !takes {
            let words = format!("Invalid criteria operation '{operation}' for {property}.");
            return Err(failure(400, &words).problem(words));
        }
        let settings = &world.settings.ejbca;
        hits.retain(|issued| match property {
            "QUERY" => queried(issued, value, operation == "EQUAL"),
            "CA" => value == settings.ca,
            "CERTIFICATE_PROFILE" => value == settings.certificate_profile,
            "END_ENTITY_PROFILE" => value == settings.end_entity_profile,
            "STATUS" => (value == "CERT_ACTIVE") == issued.revoked.is_none(),
            _ => true,
        });
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let settings = &world.settings.ejbca;
    let shown = hits.iter().take(most).map(|issued| {
        // Base64 of base64, and that in lines: so it is in EJBCA.
        let inner = base64_lines(&issued.certificate, 64, "\n");
        json!({
            "certificate": base64_of(inner.trim_end().as_bytes()),
            "serial_number": issued.serial.trim_start_matches('0').to_uppercase(),
            "response_format": "DER",
            "certificate_profile": settings.certificate_profile,
            "end_entity_profile": settings.end_entity_profile,
        })
    });
    let shown: Vec<Value> = shown.collect();
    let more = hits.len() > most;
    Ok(Answer::json(
        200,
        &json!({"certificates": shown, "more_results": more}),
    ))
}

/// Username, subject, or serial number.
fn queried(issued: &Issued, value: &str, exactly: bool) -> bool {
    let fields = [&issued.reference, &issued.subject, &issued.serial];
    fields.iter().any(|field| {
        if exactly {
            field.eq_ignore_ascii_case(value)
        } else {
            field.to_lowercase().contains(&value.to_lowercase())
        }
    })
}

/// `GET /v1/ca`.
pub(super) fn cas(world: &World) -> Answer {
    let authority = &world.authority;
    let end = iso(authority.not_after);
    Answer::json(
        200,
        &json!({"certificate_authorities": [
            {"id": 1_652_389_506, "name": world.settings.ejbca.ca, "subject_dn": authority.name.text(),
                "issuer_dn": authority.root_name.text(), "expiration_date": end},
            {"id": 211_548_211, "name": "Root", "subject_dn": authority.root_name.text(),
                "issuer_dn": authority.root_name.text(), "expiration_date": end},
        ]}),
    )
}

/// True when `text` names the issuing CA, in either order of its parts.
pub(super) fn is_ours(world: &World, text: &str) -> bool {
    Name::parse(text).is_some_and(|name| name.same(&world.authority.name))
}

fn unknown(name: &str) -> Answer {
    failure(404, &format!("CA with DN: {name} does not exist."))
}

/// The chain, issuer first, in PEM.
pub(super) fn chain(world: &World, name: &str) -> Answer {
    let root = Name::parse(name).is_some_and(|name| name.same(&world.authority.root_name));
    if !root && !is_ours(world, name) {
        return unknown(name);
    }
    let chain = world.authority.chain();
    let chain = chain.get(usize::from(root)..).unwrap_or_default();
    let text: Vec<String> = chain
        .iter()
        .map(|der| {
            let certificate = pem("CERTIFICATE", der);
            format!(
                "Subject: {}\nIssuer: {}\n{certificate}",
                name,
                world.authority.root_name.text()
            )
        })
        .collect();
    Answer::of(200, "application/octet-stream", text.concat()).header(
        "content-disposition",
        "attachment; filename=\"ca.cacert.pem\"",
    )
}

/// `getLatestCrl`.
pub(super) fn crl(world: &mut World, request: &Request, name: &str, now: i64) -> Answer {
    if !is_ours(world, name) {
        return unknown(name);
    }
    if request.parameter("deltaCrl") == Some("true") {
        return Answer::json(200, &json!({"crl": Value::Null, "response_format": "DER"}));
    }
    let crl = world.crl(now);
    Answer::json(
        200,
        &json!({"crl": base64_of(&crl), "response_format": "DER"}),
    )
}
