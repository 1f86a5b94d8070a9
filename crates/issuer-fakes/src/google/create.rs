//! createCertificate: ids, lifetimes, and what the issuance policy lets through.

use serde_json::Value;

use super::{config, done, invalid, refused, shown, told};
use crate::authority::fresh_serial;
use crate::certificate::Draft;
use crate::csr::Csr;
use crate::message::{Answer, Request};
use crate::world::World;

/// For so many seconds a request id is remembered.
const REMEMBERED: i64 = 3600;

/// Members of a certificate that is asked for.
const MEMBERS: [&str; 7] = [
    "lifetime",
    "config",
    "pemCsr",
    "certificateTemplate",
    "subjectMode",
    "labels",
    "requestedNotBeforeTime",
];

/// # Errors
/// What the service answers when it does not issue.
pub(super) fn create(world: &mut World, request: &Request, now: i64) -> Result<Answer, Answer> {
    let settings = world.settings.google_cas.clone();
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| invalid("Invalid JSON payload received.").problem("the body is no JSON"))?;
    let members = body
        .as_object()
        .ok_or_else(|| invalid("the body is no object"))?;
    if let Some(other) = members
        .keys()
        .find(|name| !MEMBERS.contains(&name.as_str()))
    {
        let words =
            format!("Invalid JSON payload received. Unknown name \"{other}\": Cannot find field.");
        return Err(invalid(&words).problem(words));
    }
    let known = [
        "certificateId",
        "requestId",
        "validateOnly",
        "issuingCertificateAuthorityId",
        "alt",
    ];
    if let Some((other, _)) = request
        .query
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        let words = format!(
            "Invalid JSON payload received. Unknown name \"{other}\": Cannot bind query parameter."
        );
        return Err(invalid(&words).problem(words));
    }
    let ca = request.parameter("issuingCertificateAuthorityId");
    if ca.is_some_and(|ca| ca != settings.ca) {
        return Err(refused("NOT_FOUND"));
    }
    if settings.ca_state != "ENABLED" {
        return Err(refused("FAILED_PRECONDITION"));
    }
    let request_id = request.parameter("requestId").map(request_id).transpose()?;
    let known = request_id
        .as_ref()
        .and_then(|id| world.google_cas.requests.get(id));
    if let Some((at, name)) = known
        && now - at < REMEMBERED
    {
        let issued = world.authority.issued.iter();
        let issued = issued.rev().find(|issued| issued.reference == *name);
        return Ok(issued.map_or_else(|| refused("INTERNAL"), |issued| done(&shown(world, issued))));
    }
    let name = name(world, request)?;
    if world
        .authority
        .issued
        .iter()
        .any(|issued| issued.reference == name)
    {
        let words = format!("Resource '{name}' already exists");
        return Err(told(409, "ALREADY_EXISTS", &words));
    }
    let template = body.get("certificateTemplate").and_then(Value::as_str);
    if template.is_some() && template != settings.template.as_deref() {
        return Err(refused("NOT_FOUND"));
    }
    let mut draft = drafted(world, &body, now)?;
    draft.serial = fresh_serial();
    if request.parameter("validateOnly") == Some("true") {
        return Ok(done(&body));
    }
    let issued = world.issue(draft, &name);
    if let Some(id) = request_id {
        world.google_cas.requests.insert(id, (now, name));
    }
    Ok(done(&shown(world, &issued)))
}

/// # Errors
/// It is no UUID, or the zero one.
fn request_id(text: &str) -> Result<String, Answer> {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let plain = text
        .bytes()
        .all(|octet| octet == b'-' || octet.is_ascii_hexdigit());
    let zero = text.bytes().all(|octet| octet == b'-' || octet == b'0');
    if lengths != [8, 4, 4, 4, 12] || !plain || zero {
        return Err(invalid("Malformed request id.").problem("the requestId is no UUID but zero's"));
    }
    Ok(text.to_ascii_lowercase())
}

/// The name of the certificate.
///
/// # Errors
/// The id is of another form, or there is none where one is needed.
fn name(world: &World, request: &Request) -> Result<String, Answer> {
    let settings = &world.settings.google_cas;
    let Some(id) = request
        .parameter("certificateId")
        .filter(|id| !id.is_empty())
    else {
        if settings.tier == "ENTERPRISE" {
            return Err(invalid(
                "Certificate ID is required in the ENTERPRISE tier.",
            ));
        }
        return Ok(String::new());
    };
    let plain = id
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet));
    if !plain || id.len() > 63 {
        return Err(
            invalid("Certificate ID must match the pattern [a-zA-Z0-9_-]{1,63}.")
                .problem("the certificateId is of another form"),
        );
    }
    Ok(match settings.tier.as_str() {
        "ENTERPRISE" => format!("{}/certificates/{id}", settings.pool),
        // It is ignored, and nothing is kept under it.
        _ => String::new(),
    })
}

/// # Errors
/// What is asked for is of no known form, or the issuance policy forbids it.
fn drafted(world: &World, body: &Value, now: i64) -> Result<Draft, Answer> {
    let settings = &world.settings.google_cas;
    let lifetime = body.get("lifetime").and_then(Value::as_str);
    let lifetime = lifetime.and_then(|text| text.strip_suffix('s')?.parse::<i64>().ok());
    let lifetime = lifetime
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| invalid("Certificate lifetime must be a positive Duration."))?;
    if body.get("requestedNotBeforeTime").is_some() {
        return Err(invalid(
            "The CA pool does not allow a requested not before time.",
        ));
    }
    let lifetime = settings
        .maximum_lifetime
        .map_or(lifetime, |longest| lifetime.min(longest));
    let end = (now + lifetime).min(world.authority.not_after);
    let mode = body
        .get("subjectMode")
        .and_then(Value::as_str)
        .unwrap_or("DEFAULT");
    if !["DEFAULT", "RDN_SEQUENCE", "SUBJECT_MODE_UNSPECIFIED"].contains(&mode) {
        return Err(invalid("Invalid value at 'certificate.subject_mode'"));
    }
    let mut draft = match (body.get("config"), body.get("pemCsr")) {
        (Some(config), None) if settings.allow_config => {
            config::drafted(config, mode == "RDN_SEQUENCE")?
        }
        (None, Some(csr)) if settings.allow_csr => {
            let csr = csr.as_str().and_then(|text| Csr::parse_text(text).ok());
            let (csr, _) = csr.ok_or_else(|| invalid("The CSR is invalid."))?;
            world.draft(&csr, now)
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(told(
                400,
                "INVALID_ARGUMENT",
                "The requested issuance mode is not allowed by the CA pool's issuance policy.",
            ));
        }
        _ => return Err(invalid("Exactly one of config and pem_csr must be set.")),
    };
    (draft.not_before, draft.not_after) = (now, end);
    let mut usages = draft.usages();
    let added = settings.baseline_usages.iter();
    let added: Vec<String> = added
        .filter(|usage| !usages.contains(usage))
        .cloned()
        .collect();
    usages.extend(added);
    draft.set_usages(&usages);
    Ok(draft)
}
