//! Revocation and its status.

use serde_json::{Value, json};

use super::look::is_ours;
use super::{accepted, failure};
use crate::clock::iso;
use crate::message::{Answer, Request};
use crate::world::World;

/// Reasons as the interface names them, and their numbers in RFC 5280.
const REASONS: [(&str, u8); 10] = [
    ("UNSPECIFIED", 0),
    ("KEY_COMPROMISE", 1),
    ("CA_COMPROMISE", 2),
    ("AFFILIATION_CHANGED", 3),
    ("SUPERSEDED", 4),
    ("CESSATION_OF_OPERATION", 5),
    ("CERTIFICATE_HOLD", 6),
    ("REMOVE_FROM_CRL", 8),
    ("PRIVILEGES_WITHDRAWN", 9),
    ("AA_COMPROMISE", 10),
];
const HOLD: u8 = 6;
const REMOVE: u8 = 8;

/// # Errors
/// The serial number is no hexadecimal number.
fn serial_of(text: &str) -> Result<Vec<u8>, Answer> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let padded = if digits.len() % 2 == 1 {
        format!("0{digits}")
    } else {
        digits.to_owned()
    };
    hex::decode(padded).map_err(|_| {
        let words = "Invalid serial number format. Should be HEX encoded (optionally with '0x' prefix) e.g. '0x10782a83eef170d4'";
        failure(400, words).problem(words)
    })
}

pub(super) fn revoke(
    world: &mut World,
    request: &Request,
    issuer: &str,
    serial: &str,
    now: i64,
) -> Answer {
    match revoked(world, request, issuer, serial, now) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// What EJBCA answers when it does not revoke.
fn revoked(
    world: &mut World,
    request: &Request,
    issuer: &str,
    serial: &str,
    now: i64,
) -> Result<Answer, Answer> {
    let octets = serial_of(serial)?;
    let name = request.parameter("reason").unwrap_or_default();
    let reason = REASONS.iter().find(|(known, _)| *known == name);
    let Some((_, reason)) = reason else {
        return Err(failure(400, "Invalid revocation reason."));
    };
    for date in ["date", "invalidity_date"] {
        let Some(text) = request.parameter(date) else {
            continue;
        };
        let read = chrono::DateTime::parse_from_rfc3339(text);
        let Ok(read) = read else {
            return Err(
                failure(400, "The date could not be parsed.").problem(format!("{date} is no date"))
            );
        };
        if read.timestamp() > now {
            return Err(failure(400, &format!("Date in the future: '{text}'.")));
        }
    }
    if !is_ours(world, issuer) {
        return Err(failure(
            404,
            &format!("CA with DN: {issuer} does not exist."),
        ));
    }
    let approval = world.settings.ejbca.revocation_approval;
    let Some(issued) = world.authority.find(&octets) else {
        let words = format!(
            "Could not find certificate with issuer: '{issuer}' and serial number: '{serial}'."
        );
        return Err(failure(404, &words));
    };
    match issued.revoked {
        Some((_, HOLD)) => {}
        Some(_) => {
            let words = format!(
                "Certificate with issuer: {issuer} and serial number: {serial} has previously been revoked. Revocation reason could not be changed or was not allowed."
            );
            return Err(failure(409, &words));
        }
        None if *reason == REMOVE => {
            return Err(failure(400, "The certificate is not on hold."));
        }
        None => {}
    }
    if approval {
        world.ejbca.requests += 1;
        let words = "The request has been added for approval by authorized administrators";
        return Ok(accepted(words, Some(world.ejbca.requests), None));
    }
    issued.revoked = (*reason != REMOVE).then_some((now, *reason));
    let revoked = issued.revoked.is_some();
    Ok(Answer::json(
        200,
        &json!({
            "issuer_dn": issuer, "serial_number": serial, "revocation_reason": name,
            "revocation_date": issued.revoked.map(|(at, _)| iso(at)), "message": "Successfully revoked",
            "revoked": revoked,
        }),
    ))
}

/// `revocationstatus`.
pub(super) fn status(world: &mut World, issuer: &str, serial: &str) -> Answer {
    let octets = match serial_of(serial) {
        Ok(octets) => octets,
        Err(answer) => return answer,
    };
    if !is_ours(world, issuer) {
        return failure(404, &format!("CA '{issuer}' does not exist."));
    }
    let Some(issued) = world.authority.find(&octets) else {
        let words = format!(
            "Certificate with serial number '{serial}' and issuer DN '{issuer}' was not found"
        );
        return failure(404, &words);
    };
    let reason = issued.revoked.map(|(_, reason)| reason);
    let name = REASONS.iter().find(|(_, number)| Some(*number) == reason);
    Answer::json(
        200,
        &json!({
            "issuer_dn": issuer, "serial_number": serial,
            "revocation_reason": name.map_or("NOT_REVOKED", |(name, _)| name),
            "revocation_date": issued.revoked.map(|(at, _)| iso(at)), "message": Value::Null,
            "revoked": issued.revoked.is_some(),
        }),
    )
}
