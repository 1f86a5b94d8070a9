//! IssueCertificate: what is taken from the request, what from the CSR, and what a template fixes.

use serde_json::{Value, json};

use super::{done, member, refused, told};
use crate::authority::fresh_serial;
use crate::certificate::{Draft, general_name, ip_name, other_text};
use crate::csr::{Csr, SUBJECT_ALT_NAME};
use crate::message::Answer;
use crate::name::{Attribute, Name};
use crate::text::{strict_base64, unarmoured};
use crate::world::{Decision, Waiting, World};

const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const DAY: i64 = 86_400;
/// For so many seconds an idempotency token is remembered.
const REMEMBERED: i64 = 300;

fn invalid(problem: &str) -> Answer {
    told(400, "InvalidArgsException", problem).problem(problem)
}

/// # Errors
/// What the service answers when it does not issue.
pub(super) fn issue(world: &mut World, body: &Value, now: i64) -> Result<Answer, Answer> {
    let settings = world.settings.aws_pca.clone();
    if settings.ca_status != "ACTIVE" {
        return Err(refused("InvalidStateException"));
    }
    let text = strict_base64(member(body, "Csr")?).and_then(|pem| String::from_utf8(pem).ok());
    let der = text.and_then(|text| unarmoured(text.starts_with("-----BEGIN ").then_some(&text)?));
    let csr = der.and_then(|der| Csr::parse(&der).ok());
    let csr = csr.ok_or_else(|| refused("MalformedCSRException"))?;
    if !member(body, "SigningAlgorithm")?.ends_with("WITHECDSA") {
        return Err(invalid("the SigningAlgorithm is not of the CA's key"));
    }
    let token = body.get("IdempotencyToken").and_then(Value::as_str);
    if let Some(token) = token {
        if token.is_empty() || token.len() > 36 {
            return Err(
                told(400, "ValidationException", "IdempotencyToken").problem("a token of 1 to 36")
            );
        }
        if let Some((at, arn)) = world.aws_pca.tokens.get(token)
            && now - at < REMEMBERED
        {
            return Ok(done(&json!({"CertificateArn": arn})));
        }
    }
    let mut draft = drafted(world, body, &csr, now)?;
    draft.serial = fresh_serial();
    let arn = format!(
        "{}/certificate/{}",
        settings.ca_arn,
        hex::encode(&draft.serial)
    );
    if let Some(token) = token {
        world
            .aws_pca
            .tokens
            .insert(token.to_owned(), (now, arn.clone()));
    }
    if world.must_wait() {
        let changes = world.changes();
        world.waiting.push(Waiting {
            id: arn.clone(),
            user: String::new(),
            draft,
            changes,
            decision: Decision::Waiting,
        });
    } else {
        world.issue(draft, &arn);
    }
    Ok(done(&json!({"CertificateArn": arn})))
}

/// # Errors
/// Template, validity or what is passed through are none.
fn drafted(world: &World, body: &Value, csr: &Csr, now: i64) -> Result<Draft, Answer> {
    let template = body.get("TemplateArn").and_then(Value::as_str);
    let template = template.unwrap_or("arn:aws:acm-pca:::template/EndEntityCertificate/V1");
    let name = template.strip_prefix("arn:aws:acm-pca:::template/");
    let name = name
        .and_then(|name| name.strip_suffix("/V1"))
        .unwrap_or_default();
    let (kind, passes) = match name.split_once('_') {
        None => (name, ""),
        Some((kind, passes)) => (kind, passes),
    };
    let usages: &[&str] = match kind {
        "EndEntityCertificate" => &[SERVER, CLIENT],
        "EndEntityClientAuthCertificate" => &[CLIENT],
        "EndEntityServerAuthCertificate" => &[SERVER],
        "BlankEndEntityCertificate" => &[],
        _ => return Err(invalid("the TemplateArn is none")),
    };
    let api = passes.ends_with("APIPassthrough");
    let passed = body
        .get("ApiPassthrough")
        .filter(|passed| !passed.is_null());
    if passed.is_some() && !api {
        return Err(invalid(
            "ApiPassthrough with a template that passes nothing through",
        ));
    }
    let mut draft = world.draft(csr, now);
    draft.not_before = moment(body, "ValidityNotBefore", now)?.unwrap_or(now - 3600);
    draft.not_after = moment(body, "Validity", now)?
        .ok_or_else(|| told(400, "ValidationException", "Validity").problem("no Validity"))?;
    if draft.not_after > world.authority.not_after {
        let words = "The certificate validity specified exceeds the certificate authority validity";
        return Err(told(400, "ValidationException", words));
    }
    let usages: Vec<String> = usages.iter().map(|usage| (*usage).to_owned()).collect();
    draft.set_usages(&usages);
    draft.set_key_usage(if kind.starts_with("Blank") { 0 } else { 0xa000 });
    if let Some(passed) = passed {
        through(&mut draft, passed, kind.starts_with("Blank"))?;
    }
    Ok(draft)
}

/// Seconds since 1970 of a Validity.
///
/// # Errors
/// Its type or value is none.
fn moment(body: &Value, name: &str, now: i64) -> Result<Option<i64>, Answer> {
    let Some(validity) = body.get(name).filter(|validity| !validity.is_null()) else {
        return Ok(None);
    };
    let value = validity.get("Value").and_then(Value::as_i64);
    let value = value
        .filter(|value| *value > 0)
        .ok_or_else(|| invalid("a Value from 1"))?;
    let kind = validity
        .get("Type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let end = match kind {
        "ABSOLUTE" => value,
        "DAYS" => now + value * DAY,
        "MONTHS" => now + value * 30 * DAY,
        "YEARS" => now + value * 365 * DAY,
        "END_DATE" => {
            let text = value.to_string();
            let text = if text.len() <= 12 {
                format!("20{text:0>12}")
            } else {
                text
            };
            let read = chrono::NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%S");
            read.map_err(|_| invalid("an END_DATE like 20261224120000"))?
                .and_utc()
                .timestamp()
        }
        _ => return Err(invalid("the Type of a validity is none")),
    };
    Ok(Some(end))
}

/// The attributes that have members of their own, in the order in which they are written.
const MEMBERS: [(&str, &str); 11] = [
    ("Country", "2.5.4.6"),
    ("Organization", "2.5.4.10"),
    ("OrganizationalUnit", "2.5.4.11"),
    ("DistinguishedNameQualifier", "2.5.4.46"),
    ("State", "2.5.4.8"),
    ("CommonName", "2.5.4.3"),
    ("SerialNumber", "2.5.4.5"),
    ("Locality", "2.5.4.7"),
    ("Title", "2.5.4.12"),
    ("Surname", "2.5.4.4"),
    ("GivenName", "2.5.4.42"),
];

/// # Errors
/// What is passed through is of no known form.
fn through(draft: &mut Draft, passed: &Value, blank: bool) -> Result<(), Answer> {
    if let Some(subject) = passed.get("Subject").filter(|subject| !subject.is_null()) {
        draft.subject = subject_of(subject)?;
    }
    let extensions = passed.get("Extensions").unwrap_or(&Value::Null);
    if let Some(names) = extensions
        .get("SubjectAlternativeNames")
        .and_then(Value::as_array)
    {
        let names = names.iter().map(name_of).collect::<Option<Vec<_>>>();
        draft.remove(SUBJECT_ALT_NAME);
        draft.set_alternative_names(&names.ok_or_else(|| invalid("a GeneralName of one member"))?);
    }
    if blank {
        if let Some(usages) = extensions.get("ExtendedKeyUsage").and_then(Value::as_array) {
            let usages = usages.iter().map(usage_of).collect::<Option<Vec<_>>>();
            draft.set_usages(&usages.ok_or_else(|| invalid("an ExtendedKeyUsage of one member"))?);
        }
        if let Some(usage) = extensions.get("KeyUsage") {
            let bits = [
                ("DigitalSignature", 0x8000),
                ("NonRepudiation", 0x4000),
                ("KeyEncipherment", 0x2000),
                ("DataEncipherment", 0x1000),
                ("KeyAgreement", 0x0800),
                ("KeyCertSign", 0x0400),
                ("CRLSign", 0x0200),
                ("EncipherOnly", 0x0100),
                ("DecipherOnly", 0x0080),
            ];
            let set = bits
                .iter()
                .filter(|(name, _)| usage.get(*name) == Some(&Value::Bool(true)));
            draft.set_key_usage(set.map(|(_, bit)| bit).sum());
        }
    }
    for custom in extensions
        .get("CustomExtensions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let oid = custom.get("ObjectIdentifier").and_then(Value::as_str);
        let value = custom
            .get("Value")
            .and_then(Value::as_str)
            .and_then(strict_base64);
        let (Some(oid), Some(value)) = (oid, value) else {
            return Err(invalid(
                "a CustomExtension with ObjectIdentifier and Value in base64",
            ));
        };
        draft.put(
            oid,
            custom.get("Critical") == Some(&Value::Bool(true)),
            value,
        );
    }
    Ok(())
}

/// # Errors
/// Custom and other attributes together, or none.
fn subject_of(subject: &Value) -> Result<Name, Answer> {
    let named: Vec<Vec<Attribute>> = MEMBERS
        .iter()
        .filter_map(|(name, oid)| {
            let value = subject.get(*name)?.as_str()?;
            Some(vec![Attribute::new(oid, value)])
        })
        .collect();
    let Some(custom) = subject.get("CustomAttributes").and_then(Value::as_array) else {
        return Ok(Name(named));
    };
    if !named.is_empty() || custom.is_empty() || custom.len() > 150 {
        return Err(invalid(
            "CustomAttributes are 1 to 150, and exclude the other members",
        ));
    }
    let custom = custom.iter().map(|one| {
        let oid = one.get("ObjectIdentifier")?.as_str()?;
        let value = one
            .get("Value")?
            .as_str()
            .filter(|value| !value.is_empty())?;
        Some(vec![Attribute::new(oid, value)])
    });
    let custom = custom.collect::<Option<_>>();
    Ok(Name(custom.ok_or_else(|| {
        invalid("a CustomAttribute with both members")
    })?))
}

fn name_of(name: &Value) -> Option<Vec<u8>> {
    let members = name.as_object()?;
    if members.len() != 1 {
        return None;
    }
    let (kind, value) = members.iter().next()?;
    let text = value.as_str();
    match kind.as_str() {
        "Rfc822Name" => Some(general_name(1, text?)),
        "DnsName" => Some(general_name(2, text?)),
        "UniformResourceIdentifier" => Some(general_name(6, text?)),
        "IpAddress" => match text?.parse::<std::net::IpAddr>().ok()? {
            std::net::IpAddr::V4(address) => Some(ip_name(&address.octets())),
            std::net::IpAddr::V6(address) => Some(ip_name(&address.octets())),
        },
        "OtherName" => Some(other_text(
            value.get("TypeId")?.as_str()?,
            value.get("Value")?.as_str()?,
        )),
        "DirectoryName" => Some(crate::certificate::directory_name(&subject_of(value).ok()?)),
        _ => None,
    }
}

fn usage_of(usage: &Value) -> Option<String> {
    let members = usage.as_object()?;
    if let Some(oid) = members.get("ExtendedKeyUsageObjectIdentifier") {
        return Some(oid.as_str()?.to_owned());
    }
    let oid = match members.get("ExtendedKeyUsageType")?.as_str()? {
        "SERVER_AUTH" => SERVER,
        "CLIENT_AUTH" => CLIENT,
        "CODE_SIGNING" => "1.3.6.1.5.5.7.3.3",
        "EMAIL_PROTECTION" => "1.3.6.1.5.5.7.3.4",
        "TIME_STAMPING" => "1.3.6.1.5.5.7.3.8",
        "OCSP_SIGNING" => "1.3.6.1.5.5.7.3.9",
        "SMART_CARD_LOGIN" => "1.3.6.1.4.1.311.20.2.2",
        _ => return None,
    };
    Some(oid.to_owned())
}
