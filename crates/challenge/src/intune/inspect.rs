//! What would happen to a challenge, gate by gate, without touching any state.

use super::csr_facts::CsrFacts;
use super::gates::{Facts, GATES, Gate, Input, IntuneSettings, Judged, Seen};
use super::gates::{looks_like_challenge, signer};
use super::verdict::GateVerdict;
use crate::{Label, Mismatch, TrustAnchors, json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// The explanation of one challenge.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The first gate that refuses; `None` when gates 1 to 6 pass or could not be asked.
    pub refused_by: Option<u8>,
    /// Its label; `None` for gate 1, after which the static challenge decides.
    pub label: Option<Label>,
    /// Its failInfo.
    pub fail_info: Option<u8>,
    /// All nine gates, each judged for itself even where an earlier one refuses.
    pub gates: Vec<GateReport>,
    /// The decoded header, whoever wrote it.
    pub header: Option<Value>,
    /// The decoded payload, whoever wrote it.
    pub payload: Option<Value>,
    /// Whether a trust anchor in date signed header and payload.
    pub authentic: bool,
    /// Subject and fingerprint (SHA-256, hexadecimal) of the anchor that did.
    pub signed_by: Option<String>,
    /// The names in the CSR, when one was given.
    pub csr: Option<CsrFacts>,
    /// Gate 6: where claim and CSR differ.
    pub mismatches: Vec<Mismatch>,
}

/// One gate's part of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateReport {
    /// 1 to 9.
    pub gate: u8,
    /// Its name in the documentation.
    pub name: &'static str,
    /// What it would say.
    pub verdict: GateVerdict,
    /// The label of a refusal.
    pub label: Option<Label>,
    /// Why, in words.
    pub words: String,
}

/// Explains a challenge against what is given; leaves out what is not.
#[must_use]
pub fn inspect(
    challenge: &str,
    anchors: Option<&TrustAnchors>,
    settings: &IntuneSettings,
    csr: Option<&CsrFacts>,
    now: DateTime<Utc>,
) -> Report {
    let mut report = Report {
        refused_by: None,
        label: None,
        fail_info: None,
        gates: Vec::with_capacity(GATES.len()),
        header: None,
        payload: None,
        authentic: false,
        signed_by: None,
        csr: csr.cloned(),
        mismatches: Vec::new(),
    };
    let input = Input {
        challenge,
        anchors,
        settings,
        csr,
        now,
    };
    let mut facts = Facts::default();
    for gate in &GATES {
        report.ask(gate, &input, &mut facts);
    }
    report.authentic = facts.anchor.is_some();
    report.signed_by = signer(&facts);
    if let Some(jws) = facts.jws {
        report.payload = json::object(&jws.payload).ok().map(Value::Object);
        report.header = Some(Value::Object(jws.header));
    }
    report
}

impl Report {
    fn ask<'a>(&mut self, gate: &Gate, input: &Input<'a>, facts: &mut Facts<'a>) {
        let (verdict, label, words) = match gate.judged {
            Judged::ByShape => {
                let (verdict, words) = shape(input.challenge);
                if verdict == GateVerdict::Refuses {
                    self.refused_by = Some(gate.number);
                }
                (verdict, None, words)
            }
            Judged::Here { check, words } => match check(input, facts) {
                Ok(Seen::Passes) => (GateVerdict::Passes, None, words(input, facts)),
                Ok(Seen::NotAsked(why)) => (GateVerdict::NotAsked, None, why),
                Err(refused) => {
                    if self.refused_by.is_none() {
                        self.refused_by = Some(gate.number);
                        self.label = Some(refused.label);
                        self.fail_info = Some(refused.fail_info());
                    }
                    self.mismatches.extend(refused.mismatches);
                    (GateVerdict::Refuses, Some(refused.label), refused.reason)
                }
            },
            Judged::ByActor(outlook) => match outlook(input, facts) {
                Some((verdict, words)) => (verdict, None, words),
                None => (GateVerdict::NotAsked, None, "nothing to look at".into()),
            },
        };
        self.gates.push(GateReport {
            gate: gate.number,
            name: gate.name,
            verdict,
            label,
            words,
        });
    }
}

fn shape(challenge: &str) -> (GateVerdict, String) {
    let length = challenge.len();
    if looks_like_challenge(challenge) {
        let words = format!("{length} characters and two dots");
        return (GateVerdict::Passes, words);
    }
    let dots = challenge.bytes().filter(|octet| *octet == b'.').count();
    let words = format!(
        "{length} characters and {dots} dots: not taken for a signed challenge (more than 200 and exactly \
         two); the profile's static challenge decides"
    );
    (GateVerdict::Refuses, words)
}
