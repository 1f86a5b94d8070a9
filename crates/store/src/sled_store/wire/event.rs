use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{corrupt, decode, encode, micros, time, value};
use crate::{AuditDetails, AuditEvent, Conflict, Outcome, Result};

const WHAT: &str = "an audit event";

/// The first octet of an event: the layout of those after it, and who wrote them.
const LAYOUT: u8 = 2;

/// The same octets, written by a scepd that let events go without an event.
const LAYOUT_UNRECORDED: u8 = 1;

/// An event as stored, borrowed from its octets.
#[derive(Serialize, Deserialize)]
pub(in crate::sled_store) struct EventView<'a> {
    /// Whether who wrote it writes an event when events are let go. It stands in the first octet,
    /// which the chain covers: that of a kept event cannot be changed without a trace.
    #[serde(skip)]
    pub(in crate::sled_store) records_pruning: bool,
    pub(in crate::sled_store) timestamp: i64,
    pub(in crate::sled_store) actor: &'a str,
    actor_type: &'a str,
    pub(in crate::sled_store) action: &'a str,
    resource_type: &'a str,
    pub(in crate::sled_store) resource_id: &'a str,
    outcome: Option<u8>,
    pub(in crate::sled_store) reason: Option<&'a str>,
    pub(in crate::sled_store) message: Option<&'a str>,
    pub(in crate::sled_store) profile: Option<&'a str>,
    issuer_id: Option<&'a str>,
    pub(in crate::sled_store) serial: Option<&'a str>,
    pub(in crate::sled_store) common_name: Option<&'a str>,
    sans: Option<&'a str>,
    pub(in crate::sled_store) transaction_id: Option<&'a str>,
    pub(in crate::sled_store) source_ip: Option<IpAddr>,
    user_agent: Option<&'a str>,
    pub(in crate::sled_store) device: Option<&'a str>,
    claim_issuer: Option<&'a str>,
    #[serde(borrow)]
    claim: Option<&'a [u8]>,
    csr: Option<&'a [u8]>,
    pub(in crate::sled_store) request_id: Option<&'a str>,
    note: Option<&'a str>,
    pub(in crate::sled_store) extra: Vec<(&'a str, &'a str)>,
}

impl EventView<'_> {
    /// How it ended; `None` also for a number that is none.
    pub(in crate::sled_store) fn outcome(&self) -> Option<Outcome> {
        outcome_of(self.outcome?)
    }
}

/// The outcome with this number.
pub(in crate::sled_store) const fn outcome_of(number: u8) -> Option<Outcome> {
    match number {
        0 => Some(Outcome::Success),
        1 => Some(Outcome::Failure),
        2 => Some(Outcome::Pending),
        _ => None,
    }
}

/// The number of an outcome.
pub(in crate::sled_store) const fn outcome_number(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Success => 0,
        Outcome::Failure => 1,
        Outcome::Pending => 2,
    }
}

/// The octets that the chain covers.
pub(in crate::sled_store) fn encode_event(
    event: &AuditEvent,
) -> std::result::Result<Vec<u8>, Conflict> {
    let json = |json: &Option<serde_json::Value>| match json {
        None => Ok(None),
        Some(json) => value::encode(json).map(Some).ok_or(Conflict::Unstorable {
            what: WHAT,
            why: "its claim or csr is nested too deeply".to_owned(),
        }),
    };
    let details = &event.details;
    let (claim, csr) = (json(&details.claim)?, json(&details.csr)?);
    let view = EventView {
        records_pruning: true,
        timestamp: micros(event.timestamp),
        actor: &event.actor,
        actor_type: &event.actor_type,
        action: &event.action,
        resource_type: &event.resource_type,
        resource_id: &event.resource_id,
        outcome: details.outcome.map(outcome_number),
        reason: details.reason.as_deref(),
        message: details.message.as_deref(),
        profile: details.profile.as_deref(),
        issuer_id: details.issuer_id.as_deref(),
        serial: details.serial.as_deref(),
        common_name: details.common_name.as_deref(),
        sans: details.sans.as_deref(),
        transaction_id: details.transaction_id.as_deref(),
        source_ip: details.source_ip,
        user_agent: details.user_agent.as_deref(),
        device: details.device.as_deref(),
        claim_issuer: details.claim_issuer.as_deref(),
        claim: claim.as_deref(),
        csr: csr.as_deref(),
        request_id: details.request_id.as_deref(),
        note: details.note.as_deref(),
        extra: details
            .extra
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect(),
    };
    encode(WHAT, &(LAYOUT, view))
}

/// Looks at an event's octets without copying.
pub(in crate::sled_store) fn event_view(octets: &[u8]) -> Result<EventView<'_>> {
    match octets.split_first() {
        Some((&layout @ (LAYOUT | LAYOUT_UNRECORDED), rest)) => Ok(EventView {
            records_pruning: layout == LAYOUT,
            ..decode(WHAT, rest)?
        }),
        Some((layout, _)) => Err(corrupt(WHAT, &format!("its layout {layout} is unknown"))),
        None => Err(corrupt(WHAT, "it is empty")),
    }
}

/// The event that the octets hold.
pub(in crate::sled_store) fn decode_event(octets: &[u8]) -> Result<AuditEvent> {
    let view = event_view(octets)?;
    let text = |text: Option<&str>| text.map(str::to_owned);
    let json = |octets: Option<&[u8]>| match octets {
        None => Ok(None),
        Some(octets) => value::decode(octets)
            .map(Some)
            .ok_or_else(|| corrupt(WHAT, "its claim or csr")),
    };
    if view.outcome.is_some() && view.outcome().is_none() {
        return Err(corrupt(WHAT, "its outcome is unknown"));
    }
    let details = AuditDetails {
        outcome: view.outcome(),
        reason: text(view.reason),
        message: text(view.message),
        profile: text(view.profile),
        issuer_id: text(view.issuer_id),
        serial: text(view.serial),
        common_name: text(view.common_name),
        sans: text(view.sans),
        transaction_id: text(view.transaction_id),
        source_ip: view.source_ip,
        user_agent: text(view.user_agent),
        device: text(view.device),
        claim_issuer: text(view.claim_issuer),
        claim: json(view.claim)?,
        csr: json(view.csr)?,
        request_id: text(view.request_id),
        note: text(view.note),
        extra: view
            .extra
            .iter()
            .map(|&(a, b)| (a.to_owned(), b.to_owned()))
            .collect(),
    };
    Ok(AuditEvent {
        timestamp: time(WHAT, view.timestamp)?,
        actor: view.actor.to_owned(),
        actor_type: view.actor_type.to_owned(),
        action: view.action.to_owned(),
        resource_type: view.resource_type.to_owned(),
        resource_id: view.resource_id.to_owned(),
        details,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;
    use crate::sled_store::arbitrary;

    proptest! {
        #[test]
        fn events_come_back(event in arbitrary::event()) {
            let octets = encode_event(&event).unwrap();
            prop_assert_eq!(event_view(&octets).unwrap().outcome(), event.details.outcome);
            prop_assert_eq!(decode_event(&octets).unwrap(), event);
        }

        #[test]
        fn any_octets_decode_or_fail_cleanly(octets: Vec<u8>) {
            let _ = decode_event(&octets);
        }
    }

    #[test]
    fn an_unknown_layout_is_named() {
        let event = arbitrary::plain_event(1);
        let mut octets = encode_event(&event).unwrap();
        octets[0] = 9;
        let error = decode_event(&octets).unwrap_err().to_string();
        assert!(error.contains("layout 9"), "{error}");
    }
}
