//! `pkcs10enroll` and `finalize`.

use serde_json::{Value, json};

use super::{ApprovalForm, accepted, body, error, failure, text};
use crate::authority::Issued;
use crate::certificate::Draft;
use crate::csr::Csr;
use crate::message::{Answer, Request};
use crate::name::{Attribute, Name, short};
use crate::text::{base64_of, pem};
use crate::world::{Decision, Waiting, World};

const WAITS: &str =
    "Add End Entity Action have been added for approval by authorized administrators";

/// In which order EJBCA writes subjects with "LDAP DN order".
const ORDER: [&str; 17] = [
    "E",
    "UID",
    "CN",
    "SN",
    "GIVENNAME",
    "SURNAME",
    "T",
    "OU",
    "O",
    "STREET",
    "L",
    "ST",
    "POSTALCODE",
    "DNQUALIFIER",
    "DC",
    "C",
    "",
];

pub(super) fn enroll(world: &mut World, request: &Request, now: i64) -> Answer {
    match enrolled(world, request, now) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// What EJBCA answers when it does not issue.
fn enrolled(world: &mut World, request: &Request, now: i64) -> Result<Answer, Answer> {
    let body = body(request)?;
    let settings = world.settings.ejbca.clone();
    let format = match (text(&body, "response_format"), settings.default_format) {
        (Some(format), _) => format.to_uppercase(),
        (None, true) => "DER".to_owned(),
        (None, false) => return Err(failure(400, "Invalid input. Incorrect response format")),
    };
    if format != "DER" && format != "PKCS7" {
        let words = "Invalid input. Response format can only be DER or PKCS7";
        return Err(failure(400, words));
    }
    named(&body, &settings)?;
    let (csr, _) = text(&body, "certificate_request")
        .ok_or("there is none")
        .and_then(Csr::parse_text)
        .map_err(|problem| {
            let name = if problem.contains("signature") {
                "popo"
            } else {
                "csr"
            };
            let answer = error(name).unwrap_or_else(|| world.failure(400));
            answer.problem(format!("certificate_request: {problem}"))
        })?;
    let user = text(&body, "username").ok_or_else(|| {
        failure(400, "Username cannot be empty or null.").problem("username is empty")
    })?;
    let draft = drafted(world, &body, &csr, now)?;
    unique(world, user, &draft)?;
    let password = text(&body, "password").unwrap_or_default();
    world
        .ejbca
        .users
        .insert(user.to_owned(), password.to_owned());
    if world.must_wait() {
        return Ok(waits(world, request, user, draft));
    }
    let issued = world.issue(draft, user);
    let chain = body.get("include_chain") == Some(&Value::Bool(true));
    Ok(Answer::json(
        201,
        &certificate(world, &issued, &format, chain),
    ))
}

/// # Errors
/// CA or profile are not there.
fn named(body: &Value, settings: &super::Settings) -> Result<(), Answer> {
    let ca = text(body, "certificate_authority_name").unwrap_or_default();
    if ca != settings.ca {
        return Err(failure(
            400,
            &format!("CA with name \"{ca}\" doesn't exist"),
        ));
    }
    let profile = text(body, "certificate_profile_name").unwrap_or_default();
    if profile != settings.certificate_profile {
        let words = format!("Certificate profile with name \"{profile}\" doesn't exist");
        return Err(failure(400, &words));
    }
    let profile = text(body, "end_entity_profile_name").unwrap_or_default();
    if profile != settings.end_entity_profile {
        let words = format!("End Entity Profile of name \"{profile}\" was not found");
        return Err(failure(404, &words));
    }
    Ok(())
}

/// # Errors
/// A field that the end entity profile does not know, or an impossible validity.
fn drafted(world: &World, body: &Value, csr: &Csr, now: i64) -> Result<Draft, Answer> {
    let settings = &world.settings.ejbca;
    let mut draft = world.draft(csr, now);
    if settings.overrides {
        if let Some(name) = text(body, "subject_dn") {
            draft.subject = Name::parse(name)
                .ok_or_else(|| failure(422, "Invalid DN").problem("subject_dn is no DN"))?;
        }
        if let Some(end) = text(body, "end_time") {
            // Without a time zone it is UTC. EJBCA's own form has one ("yyyy-MM-dd HH:mm:ssZZ" in ValidityDate).
            let end = end.strip_suffix("+00:00").unwrap_or(end);
            let end =
                chrono::NaiveDateTime::parse_from_str(end, "%Y-%m-%d %H:%M:%S").map_err(|_| {
                    failure(400, "Invalid date")
                        .problem("end_time is not like 2023-06-15 14:07:09, with +00:00 or without")
                })?;
            // The certificate profile's validity is the most.
            draft.not_after = draft.not_after.min(end.and_utc().timestamp());
        }
    }
    for attribute in draft.subject.attributes() {
        let field = short(&attribute.oid);
        if !settings.subject_fields.contains(&field) {
            let words = format!("Wrong number of {field} fields in Subject DN.");
            return Err(failure(400, &words));
        }
    }
    for name in draft.alternative_names() {
        let kind = name.first().map(|tag| tag & 0x1f).unwrap_or_default();
        if !settings.san_kinds.contains(&kind) {
            let words = "Wrong number of fields in Subject Alternative Name.";
            return Err(failure(400, words));
        }
    }
    // A subject becomes a text and is written anew from it: in the order and the string types of EJBCA.
    let mut attributes: Vec<Attribute> = draft
        .subject
        .attributes()
        .map(|attribute| Attribute::new(&attribute.oid, &attribute.value()))
        .collect();
    if settings.ldap_dn_order {
        let place = |attribute: &Attribute| {
            let name = short(&attribute.oid);
            ORDER
                .iter()
                .position(|known| *known == name)
                .unwrap_or(ORDER.len())
        };
        attributes.sort_by_key(place);
    }
    draft.subject = Name(attributes.into_iter().map(|one| vec![one]).collect());
    Ok(draft)
}

/// # Errors
/// Another username has the key or the subject, and the CA wants each to be of one.
fn unique(world: &World, user: &str, draft: &Draft) -> Result<(), Answer> {
    let settings = &world.settings.ejbca;
    let subject = draft.subject.text();
    let others = world.authority.issued.iter();
    for other in others.filter(|other| other.reference != user) {
        let whose = &other.reference;
        if settings.unique_dn && other.subject == subject {
            let words = format!(
                "User '{user}' is not allowed to use same subject DN as the user(s) {whose} (see setting for 'Enforce unique DN' in the section Certificate Authorities)."
            );
            return Err(failure(400, &words));
        }
        if settings.unique_keys && other.key == draft.key {
            let words = format!(
                "User '{user}' is not allowed to use same key as the user(s) '{whose}' is/are using."
            );
            return Err(failure(400, &words));
        }
    }
    Ok(())
}

fn waits(world: &mut World, request: &Request, user: &str, draft: Draft) -> Answer {
    world.ejbca.requests += 1;
    let id = world.ejbca.requests;
    let changes = world.changes();
    world.waiting.push(Waiting {
        id: id.to_string(),
        user: user.to_owned(),
        draft,
        changes,
        decision: Decision::Waiting,
    });
    // Built from the URL up to its first "/v", so that it leads nowhere.
    let path = request.target.split("/v").next().unwrap_or_default();
    let link = format!("{}{path}/{id}/finalize", world.base);
    match world.settings.ejbca.approval_form {
        ApprovalForm::Number => accepted(WAITS, Some(id), Some(link)),
        ApprovalForm::Link => accepted(WAITS, None, Some(link)),
        ApprovalForm::Refused => failure(400, WAITS),
        ApprovalForm::Failure => failure(500, "General failure."),
    }
}

pub(super) fn finalize(world: &mut World, request: &Request, id: &str) -> Answer {
    match finalized(world, request, id) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// It waits, or will never be issued.
fn finalized(world: &mut World, request: &Request, id: &str) -> Result<Answer, Answer> {
    let body = body(request)?;
    let place = world.waiting.iter().position(|one| one.id == id);
    let Some(one) = place.and_then(|place| world.waiting.get_mut(place)) else {
        return Err(failure(
            400,
            &format!("Could not find request with Id '{id}'"),
        ));
    };
    let format = text(&body, "response_format")
        .unwrap_or_default()
        .to_owned();
    if !["DER", "PEM", "PKCS12", "BCFKS", "JKS"].contains(&format.as_str()) {
        return Err(failure(400, "Invalid parameter: response_format"));
    }
    let words = match one.decision {
        Decision::Waiting => {
            let words = format!("Request with Id '{id}' is still waiting for approval");
            let number = id.parse().ok();
            return Ok(accepted(&words, number, None));
        }
        Decision::Denied => format!("Request with Id '{id}' has been rejected"),
        Decision::Expired => format!("Request with Id '{id}' has expired"),
        Decision::Done => format!("Enrollment with Id '{id}' has already been finalized"),
        Decision::Approved => String::new(),
    };
    if !words.is_empty() {
        return Err(failure(400, &words));
    }
    if format != "DER" && format != "PEM" {
        let words = "Invalid response format. Cannot create keystore for certificate request  with user generated keys";
        return Err(failure(400, words));
    }
    let password = text(&body, "password").unwrap_or_default();
    // An end entity that was enrolled without a password has a random one, which nobody can give.
    if password.is_empty() || world.ejbca.users.get(&one.user).map(String::as_str) != Some(password)
    {
        return Err(failure(403, "Wrong username or password"));
    }
    one.decision = Decision::Done;
    let (user, draft, mut changes) = (one.user.clone(), one.draft.clone(), one.changes.clone());
    changes.extend(world.changes());
    let issued = world.authority.issue(draft, &changes, &user);
    Ok(Answer::json(
        201,
        &certificate(world, &issued, &format, false),
    ))
}

/// `CertificateRestResponse`.
fn certificate(world: &World, issued: &Issued, format: &str, chain: bool) -> Value {
    let content = match format {
        "DER" => issued.certificate.clone(),
        "PEM" => issued.pem.clone().into_bytes(),
        _ => pem("PKCS7", &crate::cms::certificates(&[&issued.certificate])).into_bytes(),
    };
    let mut body = json!({
        "certificate": base64_of(&content),
        "serial_number": issued.serial.trim_start_matches('0').to_uppercase(),
        "response_format": format,
    });
    if chain {
        let chain = world.authority.chain().map(base64_of);
        body["certificate_chain"] = json!(chain);
    }
    body
}
