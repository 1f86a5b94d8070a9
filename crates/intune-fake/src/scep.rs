//! Intune's judgement of SCEP requests: validateRequest, successNotification, failureNotification.

use hyper::Method;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::challenge::{Mint, Minted};
use crate::csr::Csr;
use crate::message::{Answer, Operation, Request};
use crate::text::{guid, is_guid, strict_base64};
use crate::token::{Resource, judge};
use crate::world::{ChallengeUse, World};

/// The 26 codes: 25 of Microsoft's libraries, and the one that is seen in the field beside them.
pub const CODES: [&str; 26] = [
    "Unknown",
    "Success",
    "CertificateRequestDecodingFailed",
    "ChallengePasswordMissing",
    "ChallengeDeserializationError",
    "ChallengeDecryptionError",
    "ChallengeDecodingError",
    "ChallengeInvalidTimestamp",
    "ChallengeExpired",
    "SubjectNameMissing",
    "SubjectNameMismatch",
    "SubjectAltNameMissing",
    "SubjectAltNameMismatch",
    "KeyUsageMismatch",
    "KeyLengthMismatch",
    "EnhancedKeyUsageMissing",
    "EnhancedKeyUsageMismatch",
    "AadKeyIdentifierListMissing",
    "RegisteredKeyMismatch",
    "SigningCertThumbprintMismatch",
    "ScepProfileNoLongerTargetedToTheClient",
    "SignatureValidationFailed",
    "BadCertificateRequestIdInChallenge",
    "BadDeviceIdInChallenge",
    "BadUserIdInChallenge",
    "BadTenantIdInChallenge",
];

const PATH: &str =
    "/RACerts/ScepRequestValidationFEService/Gateway/StatelessScepRequestValidationService";
const API_VERSION: &str = "2018-02-20";

/// What became of one transactionID of a tenant.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// The certificate request, base64, as it was validated last.
    pub certificate_request: String,
    /// How often it was validated with success.
    pub validated: u64,
    /// How often it was refused.
    pub refused: u64,
    /// The data of its success notification.
    pub success: Option<Value>,
    /// How often that came.
    pub successes: u64,
    /// The data of its failure notification.
    pub failure: Option<Value>,
    /// How often that came.
    pub failures: u64,
    /// What the same transactionID stood for before: another request, or a try that failed.
    pub earlier: Vec<Transaction>,
}

/// The service's URL below a base.
pub(crate) fn url(base: &str) -> String {
    format!("{base}{PATH}")
}

/// 200 with a code.
pub(crate) fn verdict(code: &str, description: &str) -> Answer {
    let context = format!(
        "https://fef.msuc02.manage.microsoft.com/RACerts/StatelessScepRequestValidationService/{}/$metadata#microsoft.management.services.scepRequestValidationService.api.scepActionResult",
        guid()
    );
    Answer::json(
        200,
        &json!({"code": code, "errorDescription": description, "@odata.context": context}),
    )
}

/// Headers that all of Intune's actions must have.
///
/// # Errors
/// What is missing.
pub(crate) fn judge_headers(request: &Request, version: &str) -> Result<(), Answer> {
    if request.method != Method::POST {
        return Err(Answer::wrong("Intune's actions are POST alone"));
    }
    if request.media_type() != "application/json" {
        return Err(Answer::wrong("Content-Type is not application/json"));
    }
    if request.header("api-version") != Some(version) {
        return Err(Answer::wrong(format!(
            "the header api-version is not {version}"
        )));
    }
    if !request.header("client-request-id").is_some_and(is_guid) {
        return Err(Answer::wrong("the header client-request-id is not a GUID"));
    }
    Ok(())
}

/// Answers one of the three actions.
pub(crate) fn answer(world: &mut World, request: &Request, now: i64) -> Answer {
    let operation = request.operation();
    let expected = format!(
        "{}{PATH}/ScepActions/{}",
        world.services_prefix(),
        request.path.rsplit('/').next().unwrap_or_default()
    );
    if request.path != expected {
        return Answer::of(404, "text/html", b"<html>Not Found</html>".to_vec());
    }
    let roles = ["scep_challenge_provider"];
    let tenant = match judge(world, request, Resource::Intune, &roles, now) {
        Ok(tenant) => tenant,
        Err(answer) => return answer,
    };
    let result = judge_headers(request, API_VERSION).and_then(|()| match operation {
        Operation::ValidateRequest => validate(world, request, &tenant, now),
        Operation::SuccessNotification => success(world, request, &tenant),
        _ => failure(world, request, &tenant),
    });
    match result {
        Ok(answer) | Err(answer) => answer.of_tenant(&tenant),
    }
}

/// The object `member` of the body, which must have exactly these members, texts that are not empty, and may have those.
fn members(
    request: &Request,
    member: &str,
    must: &[&str],
    may: &[&str],
) -> Result<Map<String, Value>, Answer> {
    let body: Map<String, Value> = serde_json::from_slice(&request.body)
        .map_err(|_| Answer::wrong("the body is not a JSON object"))?;
    let [(name, Value::Object(members))] = &body.iter().collect::<Vec<_>>()[..] else {
        return Err(Answer::wrong(format!(
            "the body has not one object {member}"
        )));
    };
    if *name != member {
        return Err(Answer::wrong(format!(
            "the body has {name} in the place of {member}"
        )));
    }
    for name in must {
        let text = members.get(*name).and_then(Value::as_str);
        if text.is_none_or(str::is_empty) {
            return Err(Answer::wrong(format!(
                "{name} is missing, empty or no text"
            )));
        }
    }
    for (name, value) in members {
        let known = must.contains(&name.as_str()) || may.contains(&name.as_str());
        if !known {
            return Err(Answer::wrong(format!("the member {name} is not known")));
        }
        if !value.is_string() && name != "hResult" {
            return Err(Answer::wrong(format!("{name} is no text")));
        }
    }
    Ok(members.clone())
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> &'a str {
    members
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn validate(
    world: &mut World,
    request: &Request,
    tenant: &str,
    now: i64,
) -> Result<Answer, Answer> {
    let must = ["transactionId", "certificateRequest", "callerInfo"];
    let members = members(request, "request", &must, &[])?;
    let transaction = text(&members, "transactionId").to_owned();
    let csr = text(&members, "certificateRequest");
    let octets = strict_base64(csr)
        .ok_or_else(|| Answer::wrong("certificateRequest is not base64 on one line"))?;
    let verdict_of = decide(world, tenant, csr, &octets, now);
    let key = (tenant.to_owned(), transaction);
    let entry = world.transactions.entry(key).or_default();
    Ok(match verdict_of {
        Ok(()) => {
            let another = entry.validated > 0 && entry.certificate_request != csr;
            if another || entry.failure.is_some() {
                let mut before = std::mem::take(entry);
                entry.earlier = std::mem::take(&mut before.earlier);
                entry.earlier.push(before);
            }
            csr.clone_into(&mut entry.certificate_request);
            entry.validated += 1;
            verdict("Success", "")
        }
        Err((code, words)) => {
            entry.refused += 1;
            verdict(code, &words)
        }
    })
}

type Refusal = (&'static str, String);

/// # Errors
/// Intune's code and words.
fn decide(
    world: &mut World,
    tenant: &str,
    csr: &str,
    octets: &[u8],
    now: i64,
) -> Result<(), Refusal> {
    let refuse = |code, words: &str| Err((code, words.to_owned()));
    let parsed = Csr::parse(octets)
        .map_err(|words| ("CertificateRequestDecodingFailed", words.to_owned()))?;
    let Some(challenge) = parsed.challenge.as_deref() else {
        return refuse(
            "ChallengePasswordMissing",
            "The request has no challenge password.",
        );
    };
    if world.settings.any_challenge {
        return Ok(());
    }
    let Some(raw) = strict_base64(challenge) else {
        return refuse("ChallengeDecodingError", "The challenge is not base64.");
    };
    if !raw.starts_with(&[0x30]) {
        return refuse("ChallengeDeserializationError", "The challenge is not CMS.");
    }
    let uses = world.settings.challenge_use;
    let Some(minted) = world.challenges.get_mut(challenge) else {
        return refuse(
            "SignatureValidationFailed",
            "The challenge is not Intune's.",
        );
    };
    if minted.tenant != tenant {
        return refuse(
            "BadTenantIdInChallenge",
            "Failed to parse the tenant id in the challenge.tenantId in challenge does not match tenantId from security token.",
        );
    }
    if now < minted.issued.saturating_sub(300) {
        return refuse(
            "ChallengeInvalidTimestamp",
            "The challenge is of the future.",
        );
    }
    if now >= minted.expires {
        return refuse("ChallengeExpired", "The challenge has expired.");
    }
    compare(&minted.wanted, &parsed)?;
    if let Some(directory) = world.directories.get(tenant) {
        directory.judge(&minted.wanted)?;
    }
    let known = minted.used.iter().any(|used| used == csr);
    let spent = match uses {
        ChallengeUse::Repeatable => false,
        ChallengeUse::OneRequest => !known && !minted.used.is_empty(),
        ChallengeUse::Once => !minted.used.is_empty(),
    };
    if spent {
        return refuse("ChallengeExpired", "The challenge was used before.");
    }
    note_use(minted, csr);
    Ok(())
}

fn note_use(minted: &mut Minted, csr: &str) {
    if !minted.used.iter().any(|used| used == csr) {
        minted.used.push(csr.to_owned());
    }
}

/// The CSR against what its challenge was minted for.
fn compare(wanted: &Mint, csr: &Csr) -> Result<(), Refusal> {
    let refuse = |code, words: String| Err((code, words));
    if let Some(subject) = &wanted.subject {
        if csr.subject.is_empty() {
            return refuse(
                "SubjectNameMissing",
                "The request has no subject.".to_owned(),
            );
        }
        let mut wanted: Vec<(String, String)> = subject
            .split(',')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_uppercase(), value.trim().to_owned()))
            .collect();
        let mut found = csr.subject.clone();
        wanted.sort();
        found.sort();
        if wanted != found {
            return refuse(
                "SubjectNameMismatch",
                format!("The subject is not {subject}."),
            );
        }
    }
    if let Some(names) = &wanted.alternative_names {
        if csr.alternative_names.is_empty() && !names.is_empty() {
            return refuse(
                "SubjectAltNameMissing",
                "The request has no names.".to_owned(),
            );
        }
        let (mut wanted, mut found) = (names.clone(), csr.alternative_names.clone());
        wanted.sort();
        found.sort();
        if wanted != found {
            return refuse(
                "SubjectAltNameMismatch",
                format!("The names are not {wanted:?}."),
            );
        }
    }
    if wanted.key_bits.is_some() && wanted.key_bits != csr.rsa_bits {
        return refuse(
            "KeyLengthMismatch",
            "The key has another length.".to_owned(),
        );
    }
    if wanted.key_usage.is_some() && wanted.key_usage != csr.key_usage {
        return refuse("KeyUsageMismatch", "The key usage is another.".to_owned());
    }
    if let Some(usages) = &wanted.extended_key_usages {
        if csr.extended_key_usages.is_empty() && !usages.is_empty() {
            return refuse(
                "EnhancedKeyUsageMissing",
                "The request has no EKU.".to_owned(),
            );
        }
        if usages != &csr.extended_key_usages {
            return refuse("EnhancedKeyUsageMismatch", "The EKU is another.".to_owned());
        }
    }
    Ok(())
}

/// The transaction that a notification is about: validated before, with the same request.
fn validated<'a>(
    world: &'a mut World,
    tenant: &str,
    members: &Map<String, Value>,
) -> Result<&'a mut Transaction, Answer> {
    let id = text(members, "transactionId");
    let transaction = world
        .transactions
        .get_mut(&(tenant.to_owned(), id.to_owned()))
        .filter(|transaction| transaction.validated > 0)
        .ok_or_else(|| {
            Answer::wrong(format!("transaction {id} was never validated with success"))
        })?;
    if transaction.certificate_request != text(members, "certificateRequest") {
        return Err(Answer::wrong(format!(
            "certificateRequest of transaction {id} is not the one that was validated"
        )));
    }
    Ok(transaction)
}

fn success(world: &mut World, request: &Request, tenant: &str) -> Result<Answer, Answer> {
    let must = [
        "transactionId",
        "certificateRequest",
        "certificateThumbprint",
        "certificateSerialNumber",
        "certificateExpirationDateUtc",
        "issuingCertificateAuthority",
        "callerInfo",
    ];
    let may = ["caConfiguration", "certificateAuthority"];
    let members = members(request, "notification", &must, &may)?;
    let upper_hex = |name: &str| {
        let text = text(&members, name);
        let digits = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'A'..=b'F'));
        (digits && text.len().is_multiple_of(2)).then_some(text.len())
    };
    if upper_hex("certificateThumbprint") != Some(40) {
        return Err(Answer::wrong(
            "certificateThumbprint is not SHA-1 in upper-case hex",
        ));
    }
    if upper_hex("certificateSerialNumber").is_none_or(|length| length > 42) {
        return Err(Answer::wrong(
            "certificateSerialNumber is not whole octets in upper-case hex",
        ));
    }
    if !is_expiration(text(&members, "certificateExpirationDateUtc")) {
        return Err(Answer::wrong(
            "certificateExpirationDateUtc is not YYYY-MM-DDThh:mm:ss.sssZ",
        ));
    }
    if text(&members, "issuingCertificateAuthority")
        .chars()
        .count()
        > 256
    {
        return Err(Answer::wrong(
            "issuingCertificateAuthority is longer than 256",
        ));
    }
    let transaction = validated(world, tenant, &members)?;
    let mut data = members;
    data.remove("callerInfo");
    let data = Value::Object(data);
    if transaction.failure.is_some() {
        return Err(Answer::wrong(
            "a success after a failure of the same transaction",
        ));
    }
    if transaction
        .success
        .as_ref()
        .is_some_and(|first| *first != data)
    {
        return Err(Answer::wrong(
            "another certificate for the same transaction",
        ));
    }
    transaction.success = Some(data);
    transaction.successes += 1;
    Ok(verdict("Success", ""))
}

/// `2027-01-31T12:00:00.000Z`.
fn is_expiration(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00.000Z" && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

fn failure(world: &mut World, request: &Request, tenant: &str) -> Result<Answer, Answer> {
    let must = [
        "transactionId",
        "certificateRequest",
        "errorDescription",
        "callerInfo",
    ];
    let members = members(request, "notification", &must, &["hResult"])?;
    let result = members.get("hResult").and_then(Value::as_i64);
    if !result.is_some_and(|result| i32::try_from(result).is_ok_and(|result| result != 0)) {
        return Err(Answer::wrong("hResult is not a signed number of 32 bits"));
    }
    if text(&members, "errorDescription").chars().count() > 255 {
        return Err(Answer::wrong("errorDescription is longer than 255"));
    }
    let transaction = validated(world, tenant, &members)?;
    if transaction.success.is_some() {
        return Err(Answer::wrong(
            "a failure after a success of the same transaction",
        ));
    }
    let mut data = members;
    data.remove("callerInfo");
    transaction.failure = Some(Value::Object(data));
    transaction.failures += 1;
    Ok(verdict("Success", ""))
}

#[cfg(test)]
mod tests {
    use super::{CODES, is_expiration};
    use std::collections::BTreeSet;

    #[test]
    fn there_are_26_codes() {
        assert_eq!(CODES.iter().collect::<BTreeSet<_>>().len(), 26);
    }

    #[test]
    fn expirations_have_one_form() {
        assert!(is_expiration("2027-01-31T12:00:00.000Z"));
        for other in [
            "2027-01-31T12:00:00Z",
            "2027-01-31 12:00:00.000Z",
            "2027-13-31T12:00:00.000Z",
            "2027-01-31T12:00:00.000-0700",
            "01/31/2027 12:00:00",
        ] {
            assert!(!is_expiration(other), "{other}");
        }
    }
}
