//! AWS Private CA: JSON 1.1 by POST with Signature Version 4.
//!
//! A certificate is made at once and can be had after a while: until then the answer is RequestInProgressException. The
//! CRL is where a bucket would have it, under `/crl/`.

mod issue;
mod signature;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::message::{Answer, Operation, Request};
use crate::text::pem;
use crate::world::{Decision, World};

/// How AWS Private CA behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Settings {
    /// The region in signatures and ARNs.
    pub region: String,
    /// The CA's ARN.
    pub ca_arn: String,
    /// Access key id and secret access key.
    pub credentials: (String, String),
    /// The session token that belongs to them, where they are temporary.
    pub session_token: Option<String>,
    /// The state of the CA; it issues while it is `ACTIVE`.
    pub ca_status: String,
    /// So often a certificate is not ready when it is asked for.
    pub in_progress: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "eu-central-1".to_owned(),
            ca_arn: "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/0d5a1441-5891-453b-becf-a2e5f6ea3749".to_owned(),
            credentials: (
                "AKIAIOSFODNN7EXAMPLE".to_owned(),
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            ),
            session_token: None,
            ca_status: "ACTIVE".to_owned(),
            in_progress: 0,
        }
    }
}

/// What AWS Private CA knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Tokens of the last five minutes: when, and the certificate's ARN.
    tokens: HashMap<String, (i64, String)>,
    /// How often a certificate was asked for before it was ready.
    asked: HashMap<String, u32>,
}

/// Each of the service's errors: its name and words.
const ERRORS: [(&str, u16, &str); 18] = [
    (
        "AccessDeniedException",
        400,
        "User: arn:aws:iam::123456789012:user/scepd is not authorized to perform: acm-pca:IssueCertificate",
    ),
    (
        "ConcurrentModificationException",
        400,
        "A previous update to your private CA is still ongoing.",
    ),
    (
        "ExpiredTokenException",
        400,
        "The security token included in the request is expired",
    ),
    (
        "InternalFailure",
        500,
        "The request processing has failed because of an unknown error, exception or failure.",
    ),
    (
        "InvalidArgsException",
        400,
        "One or more of the specified arguments was not valid.",
    ),
    (
        "InvalidArnException",
        400,
        "The requested Amazon Resource Name (ARN) does not refer to an existing resource.",
    ),
    (
        "InvalidRequestException",
        400,
        "The request action cannot be performed or is prohibited.",
    ),
    (
        "InvalidSignatureException",
        400,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    ),
    (
        "InvalidStateException",
        400,
        "The certificate authority is not in the correct state for the operation.",
    ),
    (
        "LimitExceededException",
        400,
        "An AWS Private CA quota has been exceeded.",
    ),
    (
        "MalformedCSRException",
        400,
        "The certificate signing request is invalid.",
    ),
    (
        "RequestAlreadyProcessedException",
        400,
        "Your request has already been completed.",
    ),
    (
        "RequestFailedException",
        400,
        "The request has failed for an unspecified reason.",
    ),
    (
        "RequestInProgressException",
        400,
        "Your request is already in progress.",
    ),
    (
        "ResourceNotFoundException",
        400,
        "A resource such as a private CA, S3 bucket, certificate, audit report, or policy cannot be found.",
    ),
    (
        "ServiceUnavailable",
        503,
        "The request has failed due to a temporary failure of the server.",
    ),
    ("ThrottlingException", 400, "Rate exceeded"),
    (
        "UnrecognizedClientException",
        400,
        "The security token included in the request is invalid.",
    ),
];

/// The error with this name.
pub(crate) fn error(name: &str) -> Option<Answer> {
    let (name, status, words) = ERRORS.iter().find(|(known, ..)| *known == name)?;
    Some(told(*status, name, words))
}

fn told(status: u16, name: &str, words: &str) -> Answer {
    let body = json!({"__type": name, "message": words});
    Answer::of(status, "application/x-amz-json-1.1", body.to_string())
}

/// An error of the list, with its own words.
fn refused(name: &str) -> Answer {
    error(name).unwrap_or_else(|| told(500, "InternalFailure", name))
}

/// The names of the errors.
pub(crate) fn error_names() -> Vec<&'static str> {
    ERRORS.iter().map(|(name, ..)| *name).collect()
}

/// The service is not well.
pub(crate) fn failure(status: u16) -> Answer {
    let name = if status == 503 {
        "ServiceUnavailable"
    } else {
        "InternalFailure"
    };
    told(status, name, "The request processing has failed.")
}

fn target(request: &Request) -> Option<&str> {
    request
        .header("x-amz-target")?
        .strip_prefix("ACMPrivateCA.")
}

/// What a request is about.
pub(crate) fn operation(request: &Request) -> Operation {
    if request.path().first() == Some(&"crl") {
        return Operation::Crl;
    }
    match target(request) {
        Some("IssueCertificate") => Operation::Issue,
        Some("GetCertificate") => Operation::Collect,
        Some("RevokeCertificate") => Operation::Revoke,
        Some("GetCertificateAuthorityCertificate") => Operation::Chain,
        Some("DescribeCertificateAuthority") => Operation::Health,
        _ => Operation::Other,
    }
}

/// Answers one request.
pub(crate) fn answer(world: &mut World, request: &Request, now: i64) -> Answer {
    if operation(request) == Operation::Crl {
        return Answer::of(200, "application/pkix-crl", world.crl(now));
    }
    match answered(world, request, now) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// What the service answers when it does not do it.
fn answered(world: &mut World, request: &Request, now: i64) -> Result<Answer, Answer> {
    signature::judge(world, request, now)?;
    if request.media_type() != "application/x-amz-json-1.1" {
        return Err(told(400, "UnknownOperationException", "").problem("another content type"));
    }
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| told(400, "SerializationException", "").problem("the body is no JSON"))?;
    let arn = member(&body, "CertificateAuthorityArn")?;
    if arn != world.settings.aws_pca.ca_arn {
        let known = arn.starts_with("arn:aws:acm-pca:");
        return Err(refused(if known {
            "ResourceNotFoundException"
        } else {
            "InvalidArnException"
        }));
    }
    match target(request).unwrap_or_default() {
        "IssueCertificate" => issue::issue(world, &body, now),
        "GetCertificate" => get(world, &body),
        "RevokeCertificate" => revoke(world, &body, now),
        "GetCertificateAuthorityCertificate" => {
            let [issuing, root] = world.authority.chain().map(|der| pem("CERTIFICATE", der));
            Ok(done(
                &json!({"Certificate": issuing.trim_end(), "CertificateChain": root.trim_end()}),
            ))
        }
        "DescribeCertificateAuthority" => Ok(done(&described(world))),
        _ => Err(told(400, "UnknownOperationException", "").problem("another x-amz-target")),
    }
}

fn done(body: &Value) -> Answer {
    Answer::of(200, "application/x-amz-json-1.1", body.to_string())
}

/// A member that has to be there.
///
/// # Errors
/// ValidationException.
fn member<'a>(body: &'a Value, name: &str) -> Result<&'a str, Answer> {
    body.get(name).and_then(Value::as_str).ok_or_else(|| {
        let words = format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null");
        told(400, "ValidationException", &words).problem(words)
    })
}

fn described(world: &World) -> Value {
    let settings = &world.settings.aws_pca;
    json!({"CertificateAuthority": {
        "Arn": settings.ca_arn, "Status": settings.ca_status, "Type": "SUBORDINATE",
        "UsageMode": "GENERAL_PURPOSE", "NotAfter": world.authority.not_after,
        "CertificateAuthorityConfiguration": {
            "KeyAlgorithm": "EC_prime256v1", "SigningAlgorithm": "SHA256WITHECDSA",
            "Subject": {"CommonName": "Fake Issuing CA"},
        },
        "RevocationConfiguration": {"CrlConfiguration": {"Enabled": true, "ExpirationInDays": 1}},
    }})
}

fn get(world: &mut World, body: &Value) -> Result<Answer, Answer> {
    let arn = member(body, "CertificateArn")?.to_owned();
    if let Some(waiting) = world.waiting.iter_mut().find(|one| one.id == arn) {
        match waiting.decision {
            Decision::Waiting => return Err(refused("RequestInProgressException")),
            Decision::Denied | Decision::Expired => return Err(refused("RequestFailedException")),
            Decision::Approved => {
                waiting.decision = Decision::Done;
                let (draft, changes) = (waiting.draft.clone(), waiting.changes.clone());
                world.authority.issue(draft, &changes, &arn);
            }
            Decision::Done => {}
        }
    }
    let issued = world
        .authority
        .issued
        .iter()
        .find(|issued| issued.reference == arn);
    let issued = issued.ok_or_else(|| refused("ResourceNotFoundException"))?;
    let asked = world.aws_pca.asked.entry(arn).or_default();
    *asked += 1;
    if *asked <= world.settings.aws_pca.in_progress {
        return Err(refused("RequestInProgressException"));
    }
    let chain = world.authority.chain().map(|der| pem("CERTIFICATE", der));
    Ok(done(&json!({
        "Certificate": issued.pem.trim_end(), "CertificateChain": chain.concat().trim_end(),
    })))
}

/// Reasons and their numbers in RFC 5280.
const REASONS: [(&str, u8); 8] = [
    ("UNSPECIFIED", 0),
    ("KEY_COMPROMISE", 1),
    ("CERTIFICATE_AUTHORITY_COMPROMISE", 2),
    ("AFFILIATION_CHANGED", 3),
    ("SUPERSEDED", 4),
    ("CESSATION_OF_OPERATION", 5),
    ("PRIVILEGE_WITHDRAWN", 9),
    ("A_A_COMPROMISE", 10),
];

fn revoke(world: &mut World, body: &Value, now: i64) -> Result<Answer, Answer> {
    let serial = member(body, "CertificateSerial")?.replace(':', "");
    let name = member(body, "RevocationReason")?;
    let reason = REASONS.iter().find(|(known, _)| *known == name);
    let Some((_, reason)) = reason else {
        return Err(told(400, "ValidationException", "RevocationReason").problem("another reason"));
    };
    let octets = hex::decode(&serial).map_err(|_| refused("InvalidRequestException"))?;
    let issued = world.authority.find(&octets);
    let issued = issued.ok_or_else(|| refused("ResourceNotFoundException"))?;
    if issued.revoked.is_some() {
        return Err(refused("RequestAlreadyProcessedException"));
    }
    issued.revoked = Some((now, *reason));
    Ok(Answer::of(200, "application/x-amz-json-1.1", Vec::new()))
}
