//! The Certificate Enrollment Web Service (MS-WSTEP).

use super::envelope::{self, wcf};
use super::requests::{self, Outcome};
use super::xml::{ADDRESSING, Asked, WSTEP, read};
use super::{login, words};
use crate::message::{Answer, Request};
use crate::text::loose_base64;
use crate::world::World;

const ISSUE: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue";
const X509: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary";

pub(super) fn answer(world: &mut World, request: &Request, way: &str, now: i64) -> Answer {
    match answered(world, request, way, now) {
        Ok(answer) | Err(answer) => answer,
    }
}

/// # Errors
/// A fault, or what IIS answers before there is one.
fn answered(world: &mut World, request: &Request, way: &str, now: i64) -> Result<Answer, Answer> {
    match way {
        "Kerberos" => return Err(login::challenge(world)),
        "Certificate" if !login::certificate(world, request) => {
            let page =
                "<html><head><title>403 - Forbidden: Access is denied.</title></head></html>";
            return Err(Answer::of(403, "text/html", page));
        }
        _ => {}
    }
    if request.method != hyper::Method::POST || request.media_type() != "application/soap+xml" {
        return Err(Answer::of(415, "text/html", "Cannot process the message because the content type was not the expected type 'application/soap+xml; charset=utf-8'.")
            .problem("CES takes application/soap+xml by POST"));
    }
    let asked = read(&request.body).map_err(|problem| {
        let words = "The creator of this fault did not specify a Reason.";
        wcf(ADDRESSING, "InvalidMessage", words, "").problem(problem)
    })?;
    let relates_to = addressed(&asked, request)?;
    if way == "UsernamePassword" {
        let known = asked.account.as_ref();
        if !known.is_some_and(|(user, password)| login::known(world, user, password)) {
            return Err(envelope::nobody(&relates_to));
        }
    }
    let outcome = if asked.request_type == ISSUE {
        let octets = token(&asked, &relates_to)?;
        requests::submit(world, &octets, asked.template.as_deref(), now)
    } else if asked.request_type == format!("{WSTEP}/QueryTokenStatus") {
        let id = asked
            .request_id
            .ok_or_else(|| invalid("no RequestID", &relates_to))?;
        requests::ask(world, &id)
    } else {
        return Err(invalid(
            "RequestType is neither Issue nor QueryTokenStatus",
            &relates_to,
        ));
    };
    Ok(match outcome {
        Outcome::Issued(id, der) => {
            envelope::issued(&der, world.authority.chain(), id, &relates_to)
        }
        Outcome::Pending(id) => {
            let path = request.target.split('?').next().unwrap_or_default();
            envelope::pending(&format!("{}{path}", world.base), id, &relates_to)
        }
        Outcome::Denied(id, code) => envelope::fault(code, Some(id), &relates_to),
        Outcome::Unknown(code) => envelope::fault(code, None, &relates_to),
    })
}

fn invalid(problem: &str, relates_to: &str) -> Answer {
    let code = words::named("0x80070057").unwrap_or(&words::CODES[0]);
    envelope::fault(code, None, relates_to).problem(problem)
}

/// The MessageID, which the answer relates to.
///
/// # Errors
/// The headers of WS-Addressing are not as WCF wants them.
fn addressed(asked: &Asked, request: &Request) -> Result<String, Answer> {
    let Some(id) = asked.message_id.clone().filter(|id| !id.is_empty()) else {
        let words = "A required header representing a Message Addressing Property is not present.";
        return Err(
            wcf(ADDRESSING, "MessageAddressingHeaderRequired", words, "").problem("no MessageID"),
        );
    };
    if asked.action != format!("{WSTEP}/RST/wstep") {
        let words = format!(
            "The message with Action '{}' cannot be processed at the receiver, due to a ContractFilter mismatch at the EndpointDispatcher.",
            asked.action
        );
        return Err(wcf(ADDRESSING, "ActionNotSupported", &words, &id).problem("another Action"));
    }
    // The host is not compared, as it may be known by several names.
    let path = asked
        .to
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split_once('/'));
    let path = path.map(|(_, path)| path.to_ascii_lowercase());
    if path.as_deref()
        != Some(
            request
                .target
                .trim_start_matches('/')
                .to_ascii_lowercase()
                .as_str(),
        )
    {
        let words = format!(
            "The message with To '{}' cannot be processed at the receiver, due to an AddressFilter mismatch at the EndpointDispatcher.",
            asked.to
        );
        return Err(wcf(ADDRESSING, "DestinationUnreachable", &words, &id).problem("another To"));
    }
    Ok(id)
}

/// The request in a BinarySecurityToken.
///
/// # Errors
/// There is none, or it is another kind of token.
fn token(asked: &Asked, relates_to: &str) -> Result<Vec<u8>, Answer> {
    if asked.token_type != X509 {
        return Err(invalid("TokenType is not X509v3", relates_to));
    }
    let Some((value_type, encoding, text)) = &asked.token else {
        return Err(invalid("no BinarySecurityToken", relates_to));
    };
    if encoding.as_deref() != Some(BASE64) {
        return Err(invalid("The EncodingType is invalid.", relates_to));
    }
    if *value_type != format!("{WSTEP}#PKCS10") {
        return Err(invalid("ValueType is not #PKCS10", relates_to));
    }
    loose_base64(text).ok_or_else(|| invalid("the token is no base64", relates_to))
}
