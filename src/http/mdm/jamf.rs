//! The webhook `SCEPChallenge`: Jamf Pro asks for a challenge whenever it sends a profile, Fleet (as "Smallstep") too. The whole
//! body of the reply is the challenge: no line feed after it.

use super::credentials::{Callers, Shown};
use super::{Answer, Asked, set};
use crate::challenges::{NotMade, profile};
use crate::config::Binding as Held;
use actors::{ChallengeError, ChallengeWish, Minter};
use challenge::Binding;
use serde_json::{Map, Value};
use std::time::Duration;
use warp::http::header::CONTENT_TYPE;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

/// Longest text that the audit keeps of what else a webhook says, in characters.
const NOTED: usize = 400;
/// The longest identifier that a challenge is bound to, in characters.
const IDENTIFIER: usize = 256;

/// The webhook of one profile.
pub struct JamfHook {
    /// Who may call it.
    pub callers: Callers,
    /// For how long a challenge is good.
    pub lifetime: Duration,
    /// Whether it is held to what the webhook names.
    pub binding: Held,
    /// How many are made in a minute; 0 = no limit.
    pub per_minute: u32,
}

/// What a webhook says.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    payload_identifier: Option<String>,
    device: Option<String>,
    /// All of it, for the audit.
    said: String,
}

pub(super) async fn answer(asked: &Asked<'_>, path_id: &str) -> Answer {
    let Some(hook) = asked.interfaces.jamf.get(path_id) else {
        let words = "there is no such webhook";
        return Answer::words(StatusCode::NOT_FOUND, "not_found", words);
    };
    let answer = match asked.shows(&hook.callers).await {
        Err(locked_out) => *locked_out,
        Ok(Shown::Right) if asked.method != Method::POST => Answer::not_allowed("POST"),
        Ok(Shown::Right) => made(asked, hook, path_id).await,
        Ok(shown) => Answer::unauthenticated(asked, shown == Shown::Wrong),
    };
    answer.of(path_id)
}

async fn made(asked: &Asked<'_>, hook: &JamfHook, path_id: &str) -> Answer {
    let is_xml = asked.body.trim_ascii_start().starts_with(b"<")
        || asked
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().contains("xml"));
    if is_xml {
        let words =
            "this webhook reads JSON: set the content type of the webhook in Jamf Pro to JSON";
        return Answer::words(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unreadable", words);
    }
    let event = match read(&asked.body) {
        Ok(event) => event,
        Err(words) => return Answer::words(StatusCode::BAD_REQUEST, "unreadable", &words),
    };
    let runtime = asked.runtime;
    let binding = match hook.binding {
        Held::Off => Binding::default(),
        held => Binding {
            payload_identifier: event.payload_identifier,
            device: event.device,
            observe: held == Held::Observe,
            ..Binding::default()
        },
    };
    let wish = ChallengeWish {
        profile: path_id.to_owned(),
        lifetime: Some(hook.lifetime),
        uses: 1,
        binding,
        interface: "jamf",
        per_minute: Some(hook.per_minute),
        note: Some(event.said),
    };
    let by = Minter {
        name: hook.callers.name(asked.peer),
        kind: "MDM".to_owned(),
        origin: Some(asked.origin.clone()),
    };
    let made = match profile(&runtime.directory, path_id) {
        Ok((_, rules)) => runtime.services.challenges.make(&rules, &wish, &by).await,
        Err(NotMade::Challenge(error)) => Err(error),
        Err(error) => return Answer::words(StatusCode::NOT_FOUND, "not_found", &error.to_string()),
    };
    match made {
        Ok(new) => {
            let mut response = Response::new(new.value.as_bytes().to_vec().into());
            set(&mut response, "text/plain");
            Answer::new("success", response)
        }
        Err(error) => {
            let words = error.to_string();
            match error {
                ChallengeError::Full { .. } => Answer::later(
                    StatusCode::TOO_MANY_REQUESTS,
                    "limited",
                    &words,
                    Duration::from_secs(60),
                ),
                ChallengeError::TooOften { after, .. } => Answer::later(
                    StatusCode::TOO_MANY_REQUESTS,
                    "limited",
                    &words,
                    Duration::from_secs(after),
                ),
                _ => Answer::later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "busy",
                    "the challenge could not be made just now",
                    Duration::from_secs(1),
                ),
            }
        }
    }
}

/// Reads what a webhook says: ids may be numbers or texts, times seconds or milliseconds, names anything, and members that are
/// not known here are passed over.
fn read(body: &[u8]) -> Result<Event, String> {
    let members = challenge::json::object(body).map_err(|_| {
        "the body must be a JSON object: {\"webhook\":{..},\"event\":{..}}".to_owned()
    })?;
    let webhook = members.get("webhook").and_then(Value::as_object);
    let kind = webhook.and_then(|webhook| webhook.get("webhookEvent"));
    match kind.and_then(Value::as_str) {
        Some("SCEPChallenge") => {}
        Some(_) => {
            return Err("this webhook answers the event SCEPChallenge alone".to_owned());
        }
        None => return Err("webhook.webhookEvent is missing".to_owned()),
    }
    let event = members.get("event").and_then(Value::as_object);
    let device = event
        .and_then(|event| event.get("device"))
        .and_then(Value::as_object);
    let device = device.and_then(|device| {
        text(Some(device), "serialNumber").or_else(|| text(Some(device), "uuid"))
    });
    let mut said: String = Value::Object(members.clone())
        .to_string()
        .chars()
        .take(NOTED + 1)
        .collect();
    if said.chars().count() > NOTED {
        said = said.chars().take(NOTED).collect();
        said.push_str("...");
    }
    Ok(Event {
        payload_identifier: text(event, "payloadIdentifier"),
        device,
        said,
    })
}

fn text(members: Option<&Map<String, Value>>, name: &str) -> Option<String> {
    let value = members?.get(name)?;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.chars().count() <= IDENTIFIER).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn jamfs_and_fleets_forms_are_read() {
        let jamf = br#"{"webhook":{"webhookEvent":"SCEPChallenge","id":1,"eventTimestamp":1800000000,"name":"SCEPChallenge"},
            "event":{"scepServerUrl":"https://ca/scep/wifi","payloadIdentifier":"0A1B-2C","payloadTypes":["com.apple.security.scep"]}}"#;
        let event = read(jamf).unwrap();
        assert_eq!(event.payload_identifier.as_deref(), Some("0A1B-2C"));
        assert_eq!(event.device, None);
        let fleet = br#"{"webhook":{"webhookEvent":"SCEPChallenge","id":"7","eventTimestamp":1800000000123,"name":"x","new":[]},
            "event":{"payloadIdentifier":"p","device":{"uuid":"U-1","serialNumber":"C02"},"more":{"a":1}}}"#;
        let event = read(fleet).unwrap();
        assert_eq!(event.device.as_deref(), Some("C02"));
        assert!(event.said.contains("\"more\""), "{}", event.said);
        let bare = br#"{"webhook":{"webhookEvent":"SCEPChallenge"}}"#;
        assert_eq!(read(bare).unwrap().payload_identifier, None);
    }

    #[test]
    fn anything_else_is_told_what_is_missing() {
        for (body, words) in [
            (&b""[..], "a JSON object"),
            (b"[]", "a JSON object"),
            (b"{}", "webhookEvent is missing"),
            (
                br#"{"webhook":{"webhookEvent":"ComputerAdded"}}"#,
                "SCEPChallenge alone",
            ),
        ] {
            let said = read(body).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn of_much_text_the_beginning_is_kept() {
        let body = format!(
            r#"{{"webhook":{{"webhookEvent":"SCEPChallenge"}},"event":{{"payloadIdentifier":"{}"}}}}"#,
            "x".repeat(1000)
        );
        let event = read(body.as_bytes()).unwrap();
        assert_eq!(event.payload_identifier, None);
        assert_eq!(event.said.chars().count(), NOTED + 3);
    }
}
