//! Google Certificate Authority Service: the REST interface of privateca v1, tokens, and the metadata server.
//!
//! Certificates are made from a configuration or a CSR, under an id that names one certificate for ever. A lifetime is cut to
//! what the pool and the CA allow, without a word.

mod config;
mod create;
mod login;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::authority::Issued;
use crate::clock::iso;
use crate::message::{Answer, Listener, Operation, Request};
use crate::text::pem;
use crate::world::World;

pub(crate) use login::key_file;

/// How Google Certificate Authority Service behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    /// The pool: `projects/P/locations/L/caPools/C`.
    pub pool: String,
    /// The id of the CA in it.
    pub ca: String,
    /// The state of the CA; it issues while it is `ENABLED`.
    pub ca_state: String,
    /// `ENTERPRISE`, or `DEVOPS`, which keeps no certificates.
    pub tier: String,
    /// The longest lifetime, in seconds; longer ones are cut to it.
    pub maximum_lifetime: Option<i64>,
    /// The issuance policy lets certificates be made from a configuration.
    pub allow_config: bool,
    /// The issuance policy lets certificates be made from a CSR.
    pub allow_csr: bool,
    /// Extended key usages (object identifiers) that the issuance policy adds to each certificate.
    pub baseline_usages: Vec<String>,
    /// The name of a certificate template that there is.
    pub template: Option<String>,
    /// The account that may ask.
    pub account: String,
    /// The token of a workload in another cloud or cluster.
    pub subject_token: String,
    /// For how many seconds an access token is good.
    pub token_life: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pool: "projects/fake/locations/europe-west3/caPools/devices".to_owned(),
            ca: "issuing-2026".to_owned(),
            ca_state: "ENABLED".to_owned(),
            tier: "ENTERPRISE".to_owned(),
            maximum_lifetime: None,
            allow_config: true,
            allow_csr: true,
            baseline_usages: Vec::new(),
            template: None,
            account: "scepd@fake.iam.gserviceaccount.com".to_owned(),
            subject_token: "s3cret.of-the.workload".to_owned(),
            token_life: 3599,
        }
    }
}

/// What the service knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Access tokens and when they end.
    tokens: HashMap<String, i64>,
    /// Request ids of the last hour: when, and the certificate's name.
    requests: HashMap<String, (i64, String)>,
}

/// Each canonical error: its name, its status and words of the service.
const ERRORS: [(&str, u16, &str); 11] = [
    (
        "INVALID_ARGUMENT",
        400,
        "Request contains an invalid argument.",
    ),
    (
        "FAILED_PRECONDITION",
        400,
        "The CertificateAuthority is not in a state in which it can issue certificates.",
    ),
    (
        "UNAUTHENTICATED",
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    ),
    (
        "PERMISSION_DENIED",
        403,
        "Permission 'privateca.certificates.create' denied on the resource.",
    ),
    ("NOT_FOUND", 404, "Requested entity was not found."),
    ("ALREADY_EXISTS", 409, "Requested entity already exists."),
    ("ABORTED", 409, "The operation was aborted."),
    (
        "RESOURCE_EXHAUSTED",
        429,
        "Quota exceeded for quota metric 'Certificate creation requests'.",
    ),
    ("INTERNAL", 500, "Internal error encountered."),
    ("UNAVAILABLE", 503, "The service is currently unavailable."),
    (
        "DEADLINE_EXCEEDED",
        504,
        "The request did not finish in time.",
    ),
];

/// The error with this name.
pub(crate) fn error(name: &str) -> Option<Answer> {
    let (name, status, words) = ERRORS.iter().find(|(known, ..)| *known == name)?;
    Some(told(*status, name, words))
}

fn told(status: u16, name: &str, words: &str) -> Answer {
    let body = json!({"error": {"code": status, "message": words, "status": name}});
    Answer::of(status, "application/json; charset=UTF-8", body.to_string())
}

/// An error of the list, with its own words.
fn refused(name: &str) -> Answer {
    error(name).unwrap_or_else(|| failure(500))
}

fn invalid(words: &str) -> Answer {
    told(400, "INVALID_ARGUMENT", words)
}

/// The names of the errors.
pub(crate) fn error_names() -> Vec<&'static str> {
    ERRORS.iter().map(|(name, ..)| *name).collect()
}

/// The service is not well.
pub(crate) fn failure(status: u16) -> Answer {
    let known = ERRORS.iter().find(|(_, known, _)| *known == status);
    match known {
        Some((name, _, words)) => told(status, name, words),
        None => told(status, "UNKNOWN", "Unknown error."),
    }
}

/// The parts of a path below the pool.
fn below<'a>(settings: &Settings, request: &'a Request) -> Option<Vec<&'a str>> {
    let path = request.path();
    let mut parts = path.into_iter();
    if parts.next() != Some("v1") {
        return None;
    }
    for part in settings.pool.split('/') {
        if parts.next() != Some(part) {
            return None;
        }
    }
    Some(parts.collect())
}

/// What a request is about.
pub(crate) fn operation(world: &World, request: &Request) -> Operation {
    if request.listener == Listener::Metadata || login::is_login(request) {
        return Operation::Login;
    }
    if request.path().first() == Some(&"crl") {
        return Operation::Crl;
    }
    let below = below(&world.settings.google_cas, request);
    match (request.method.as_str(), below.as_deref()) {
        ("POST", Some(["certificates"])) => Operation::Issue,
        ("GET", Some(["certificates"] | ["certificates", _])) => Operation::Find,
        ("POST", Some(["certificates", _])) => Operation::Revoke,
        ("GET", Some(["certificateAuthorities"] | ["certificateAuthorities", _])) => {
            Operation::Chain
        }
        _ => Operation::Other,
    }
}

/// Answers one request.
pub(crate) fn answer(world: &mut World, request: &Request, now: i64) -> Answer {
    if request.listener == Listener::Metadata {
        return login::metadata(world, request, now);
    }
    if login::is_login(request) {
        return login::token(world, request, now);
    }
    if request.path().first() == Some(&"crl") {
        return Answer::of(200, "application/pkix-crl", world.crl(now));
    }
    match answered(world, request, now) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// What the service answers when it does not do it.
fn answered(world: &mut World, request: &Request, now: i64) -> Result<Answer, Answer> {
    login::judge(world, request, now)?;
    let Some(below) = below(&world.settings.google_cas, request) else {
        return Err(refused("NOT_FOUND").problem("the path is none of the pool's"));
    };
    match (request.method.as_str(), &below[..]) {
        ("POST", ["certificates"]) => create::create(world, request, now),
        ("GET", ["certificateAuthorities"]) => {
            Ok(done(&json!({"certificateAuthorities": [authority(world)]})))
        }
        ("GET", ["certificateAuthorities", id]) if *id == world.settings.google_cas.ca => {
            Ok(done(&authority(world)))
        }
        ("GET", ["certificateAuthorities", _]) => Err(refused("NOT_FOUND")),
        (_, ["certificates", ..]) if world.settings.google_cas.tier != "ENTERPRISE" => Err(told(
            400,
            "FAILED_PRECONDITION",
            "Certificates of a CA pool in the DEVOPS tier cannot be described, listed or revoked.",
        )),
        ("GET", ["certificates"]) => list(world, request),
        ("GET", ["certificates", id]) => {
            let name = format!("{}/certificates/{id}", world.settings.google_cas.pool);
            let known = world.authority.issued.iter();
            let known = known.rev().find(|issued| issued.reference == name);
            let known = known.ok_or_else(|| refused("NOT_FOUND"))?;
            Ok(done(&shown(world, known)))
        }
        ("POST", ["certificates", id]) => match id.strip_suffix(":revoke") {
            Some(id) => revoke(world, request, id, now),
            None => Err(refused("NOT_FOUND").problem("another method of a certificate")),
        },
        _ => Err(refused("NOT_FOUND").problem("another path of the pool")),
    }
}

fn done(body: &Value) -> Answer {
    Answer::of(200, "application/json; charset=UTF-8", body.to_string())
}

fn authority(world: &World) -> Value {
    let settings = &world.settings.google_cas;
    let [issuing, root] = world.authority.chain().map(|der| pem("CERTIFICATE", der));
    json!({
        "name": format!("{}/certificateAuthorities/{}", settings.pool, settings.ca),
        "type": "SUBORDINATE", "tier": settings.tier, "state": settings.ca_state,
        "lifetime": "315360000s", "keySpec": {"algorithm": "EC_P256_SHA256"},
        "pemCaCertificates": [issuing, root],
        "accessUrls": {
            "caCertificateAccessUrl": format!("{}/ca.crt", world.base),
            "crlAccessUrls": [format!("{}/crl/ca.crl", world.base)],
        },
    })
}

/// A certificate as the interface shows it.
fn shown(world: &World, issued: &Issued) -> Value {
    let settings = &world.settings.google_cas;
    let chain = world.authority.chain().map(|der| pem("CERTIFICATE", der));
    let mut shown = json!({
        "name": issued.reference,
        "issuerCertificateAuthority":
            format!("{}/certificateAuthorities/{}", settings.pool, settings.ca),
        "pemCertificate": issued.pem,
        "pemCertificateChain": chain,
        "certificateDescription": {"subjectDescription": {
            "hexSerialNumber": issued.serial, "notAfterTime": iso(issued.not_after),
        }},
    });
    if let Some((at, reason)) = issued.revoked {
        let name = REASONS.iter().find(|(_, known)| *known == reason);
        shown["revocationDetails"] = json!({
            "revocationState": name.map(|(name, _)| *name), "revocationTime": iso(at),
        });
    }
    shown
}

/// The list, narrowed by the serial number alone.
///
/// # Errors
/// The filter is another one.
fn list(world: &World, request: &Request) -> Result<Answer, Answer> {
    let serial = match request.parameter("filter") {
        None => None,
        Some(filter) => {
            let split = filter.split_once([':', '=']);
            let (field, value) = split.ok_or_else(|| invalid("the filter is none"))?;
            let plain = field.trim().replace('_', "").to_ascii_lowercase();
            if plain != "certificatedescription.subjectdescription.hexserialnumber" {
                return Err(invalid("the filter has a field that cannot be filtered by"));
            }
            Some(value.trim().trim_matches('"').to_owned())
        }
    };
    let fits = |issued: &&Issued| {
        serial
            .as_ref()
            .is_none_or(|serial| issued.serial == *serial)
    };
    let found = world.authority.issued.iter().filter(fits);
    let found: Vec<Value> = found.map(|issued| shown(world, issued)).collect();
    Ok(done(&match found.is_empty() {
        true => json!({}),
        false => json!({"certificates": found}),
    }))
}

/// Reasons and their numbers in RFC 5280.
const REASONS: [(&str, u8); 9] = [
    ("REVOCATION_REASON_UNSPECIFIED", 0),
    ("KEY_COMPROMISE", 1),
    ("CERTIFICATE_AUTHORITY_COMPROMISE", 2),
    ("AFFILIATION_CHANGED", 3),
    ("SUPERSEDED", 4),
    ("CESSATION_OF_OPERATION", 5),
    ("CERTIFICATE_HOLD", 6),
    ("PRIVILEGE_WITHDRAWN", 9),
    ("ATTRIBUTE_AUTHORITY_COMPROMISE", 10),
];

/// # Errors
/// There is no such certificate or reason, or it is revoked already.
fn revoke(world: &mut World, request: &Request, id: &str, now: i64) -> Result<Answer, Answer> {
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| invalid("Invalid JSON payload received.").problem("the body is no JSON"))?;
    let name = body.get("reason").and_then(Value::as_str);
    let reason = REASONS.iter().find(|(known, _)| name == Some(known));
    let Some((_, reason)) = reason else {
        return Err(invalid("Invalid value at 'reason'").problem("another reason"));
    };
    let name = format!("{}/certificates/{id}", world.settings.google_cas.pool);
    let issued = world.authority.issued.iter_mut().rev();
    let mut issued = issued.filter(|issued| issued.reference == name);
    let issued = issued.next().ok_or_else(|| refused("NOT_FOUND"))?;
    if issued.revoked.is_some() {
        return Err(told(
            400,
            "FAILED_PRECONDITION",
            "The certificate is already revoked.",
        ));
    }
    issued.revoked = Some((now, *reason));
    let issued = issued.clone();
    Ok(done(&shown(world, &issued)))
}
