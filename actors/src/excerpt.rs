//! How much of a text from outside is kept: one place for everything that goes into the store.
//!
//! Most of what an event says is written by whoever sent the request, and a refusal is written before anything was
//! proven. Without a bound, a few requests a second would fill the disk. Lengths are octets of UTF-8; a text is cut
//! between characters and says that it was cut. What decides (keys, digests, the CSR itself) is never touched.

use serde_json::Value;
use store::{
    AuditDetails, AuditEvent, CertificateRecord, Change, EnrollmentRecord, Op, Refusal, Stage,
};

/// A name, an identifier, a User-Agent. A common name of 64 characters fits, whatever they are.
const NAME: usize = 256;

/// All alternative names of a request, written one after the other.
const SANS: usize = 1024;

/// The same of a certificate that was issued: policy has bounded their number.
const ISSUED_SANS: usize = 8192;

/// A message or note in plain words.
const WORDS: usize = 2048;

/// All that is kept of a claim, or of the names in a CSR beside it,
const JSON: usize = 4096;
/// of each text in it,
const JSON_TEXT: usize = 200;
/// and of each list in it, in entries.
const JSON_ENTRIES: usize = 20;

/// A sentence for the operator, at most as long as events keep it.
pub(crate) fn words(text: String) -> String {
    cut(text, WORDS)
}

/// Shortens every text from outside in what is about to be stored.
pub(crate) fn change(change: &mut Change) {
    for op in &mut change.0 {
        match op {
            Op::PutCertificate(record) => certificate(record),
            Op::PutEnrollment(record) => enrollment(record),
            Op::Audit(audited) => event(audited),
            _ => {}
        }
    }
}

fn certificate(record: &mut CertificateRecord) {
    shorten(&mut record.common_name, NAME);
    shorten(&mut record.sans, ISSUED_SANS);
    shorten(&mut record.transaction_id, NAME);
    shorten_some(&mut record.device, NAME);
}

fn enrollment(record: &mut EnrollmentRecord) {
    shorten(&mut record.common_name, NAME);
    shorten(&mut record.sans, SANS);
    shorten(&mut record.transaction_id, NAME);
    let grounds = &mut record.grounds;
    for name in [&mut grounds.device, &mut grounds.claim_issuer] {
        shorten_some(name, NAME);
    }
    if let Some(claim) = &mut grounds.claim {
        json(claim, &mut { JSON });
    }
    match &mut record.stage {
        Stage::Refused(Refusal::Denied { by, note }) => {
            shorten(by, NAME);
            shorten_some(note, WORDS);
        }
        Stage::Refused(
            Refusal::Policy { message, .. }
            | Refusal::Gate { message, .. }
            | Refusal::Failed { message },
        ) => shorten(message, WORDS),
        _ => {}
    }
}

fn event(event: &mut AuditEvent) {
    shorten(&mut event.actor, NAME);
    shorten(&mut event.resource_id, NAME);
    let AuditDetails {
        outcome: _,
        reason,
        message,
        profile: _,
        issuer_id: _,
        serial: _,
        common_name,
        sans,
        transaction_id,
        source_ip: _,
        user_agent,
        device,
        claim_issuer,
        claim,
        csr,
        request_id,
        note,
        extra,
    } = &mut event.details;
    for name in [
        reason,
        common_name,
        transaction_id,
        user_agent,
        device,
        claim_issuer,
        request_id,
    ] {
        shorten_some(name, NAME);
    }
    shorten_some(sans, SANS);
    shorten_some(message, WORDS);
    shorten_some(note, WORDS);
    for value in extra.values_mut() {
        shorten(value, WORDS);
    }
    for value in [claim, csr].into_iter().flatten() {
        json(value, &mut { JSON });
    }
}

/// Shortens the texts and lists in `value` until no more than `left` octets of text are in it.
fn json(value: &mut Value, left: &mut usize) {
    match value {
        Value::String(text) => {
            shorten(text, JSON_TEXT.min(*left));
            *left = left.saturating_sub(text.len());
        }
        Value::Array(entries) => {
            let all = entries.len();
            let mut kept = 0;
            for entry in entries.iter_mut().take(JSON_ENTRIES) {
                if *left == 0 {
                    break;
                }
                json(entry, left);
                kept += 1;
            }
            if kept < all {
                entries.truncate(kept);
                entries.push(Value::String(format!("and {} more", all - kept)));
            }
        }
        // The members are ours by name; only what stands in them came from outside.
        Value::Object(members) => members.values_mut().for_each(|member| json(member, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// At most a name's length of a text.
pub(crate) fn name(text: &mut Option<String>) {
    shorten_some(text, NAME);
}

/// At most what is kept of a claim, or of the names in a CSR.
pub(crate) fn facts(value: &mut Value) {
    json(value, &mut { JSON });
}

fn shorten_some(text: &mut Option<String>, most: usize) {
    if let Some(text) = text {
        shorten(text, most);
    }
}

fn shorten(text: &mut String, most: usize) {
    if text.len() > most {
        *text = cut(std::mem::take(text), most);
    }
}

/// At most `most` octets of a text, the words that it was cut included.
fn cut(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    // As if everything were left out: the number of digits is then never too small.
    let mut room = most.saturating_sub(suppressed(text.len()).len());
    while !text.is_char_boundary(room) {
        room -= 1;
    }
    let note = suppressed(text.len() - room);
    let mut kept = text;
    kept.truncate(room);
    if note.len() <= most {
        kept.push_str(&note);
    }
    kept.shrink_to_fit();
    kept
}

fn suppressed(octets: usize) -> String {
    format!("... ({octets} octets more)")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use store::{Grounds, Times};

    #[test]
    fn short_texts_stay_as_they_are_and_long_ones_say_that_they_were_cut() {
        assert_eq!(cut("x".repeat(256), NAME), "x".repeat(256));
        let short = cut("x".repeat(240_000), NAME);
        assert!(short.len() <= NAME && short.starts_with("xxx"), "{short}");
        assert!(short.ends_with(" octets more)"), "{short}");
        assert_eq!(cut(short.clone(), NAME), short, "cut once only");
    }

    #[test]
    fn texts_are_cut_between_characters_at_every_length() {
        for most in 0..80 {
            for text in ["\u{1f512}".repeat(200), "a\u{e4}".repeat(200)] {
                let short = cut(text.clone(), most);
                assert!(short.len() <= most, "{most}: {short}");
                let kept = short.split("... (").next().unwrap();
                assert!(text.starts_with(kept), "{most}: {short}");
            }
        }
    }

    #[test]
    fn lists_keep_their_first_entries_and_say_how_many_more_there_were() {
        let names: Vec<String> = (0..5000).map(|n| format!("host-{n}.example.com")).collect();
        let mut value =
            json!({ "san_dns": names, "device_name": ["laptop-7"], "san_upn": ["x".repeat(9000)] });
        json(&mut value, &mut { JSON });
        let dns = value["san_dns"].as_array().unwrap();
        assert_eq!(dns.len(), JSON_ENTRIES + 1);
        assert_eq!(dns[0], "host-0.example.com");
        assert_eq!(dns[JSON_ENTRIES], "and 4980 more");
        assert_eq!(value["device_name"][0], "laptop-7");
        assert!(value["san_upn"][0].as_str().unwrap().len() <= JSON_TEXT);
    }

    #[test]
    fn all_the_names_of_a_request_together_are_bounded() {
        let long = vec!["y".repeat(JSON_TEXT); 20];
        let mut value = json!({ "a": long, "b": long, "c": long, "d": long });
        json(&mut value, &mut { JSON });
        assert!(
            value.to_string().len() < JSON + 512,
            "{}",
            value.to_string().len()
        );
    }

    #[test]
    fn what_decides_is_left_alone() {
        let mut record = EnrollmentRecord {
            profile: "corp".to_owned(),
            key: [1; 16],
            poll_key: [2; 16],
            version: 0,
            stage: Stage::Refused(Refusal::Denied {
                by: "b".repeat(9999),
                note: Some("n".repeat(9999)),
            }),
            needs_approval: true,
            transaction_id: "t".to_owned(),
            message_type: 19,
            common_name: "c".repeat(9999),
            sans: "s".repeat(9999),
            source_ip: None,
            csr: Some(vec![7; 99_999]),
            grounds: Grounds {
                device: Some("d".repeat(9999)),
                claim: Some(json!({ "sub": "u".repeat(9999) })),
                ..Grounds::default()
            },
            context: None,
            due: None,
            attempts: 0,
            lease: None,
            times: Times::starting(chrono::DateTime::UNIX_EPOCH),
        };
        enrollment(&mut record);
        assert_eq!(record.csr.as_deref(), Some(&[7; 99_999][..]));
        assert!(record.common_name.len() <= NAME && record.sans.len() <= SANS);
        assert!(record.grounds.device.unwrap().len() <= NAME);
        assert!(record.grounds.claim.unwrap().to_string().len() <= JSON);
        let Stage::Refused(Refusal::Denied { by, note }) = record.stage else {
            unreachable!()
        };
        assert!(by.len() <= NAME && note.unwrap().len() <= WORDS);
    }
}
