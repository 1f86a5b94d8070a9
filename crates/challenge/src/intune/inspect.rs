//! What would happen to a challenge, gate by gate, without touching any state.

use super::claim::Claim;
use super::csr_facts::CsrFacts;
use super::json::{Json, Object};
use super::jws::Jws;
use super::keys::{DeviceKey, ReplayKey};
use super::refused::Refused;
use super::settings::IntuneSettings;
use super::time::in_words;
use super::verify::{check_binding, looks_like_challenge, remember_until};
use super::{json, signature, time, version};
use crate::{Label, Mismatch, TrustAnchors};
use chrono::{DateTime, Duration, Utc};
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

/// What a gate would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// It lets the challenge through.
    Passes,
    /// It refuses.
    Refuses,
    /// It cannot be asked: something was not given, or an earlier gate left nothing to look at.
    NotAsked,
    /// It depends on the server's state at the time.
    Depends,
}

const NAMES: [&str; 9] = [
    "shape",
    "signature",
    "version",
    "time",
    "audience",
    "CSR binding",
    "replay",
    "device rate",
    "compliance",
];

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
        gates: Vec::with_capacity(NAMES.len()),
        header: None,
        payload: None,
        authentic: false,
        signed_by: None,
        csr: csr.cloned(),
        mismatches: Vec::new(),
    };
    report.shape(challenge);
    if let Some((jws, claim)) = report.read(challenge, anchors, settings, now) {
        report.claims(&claim, settings, csr, now);
        report.state(&jws, &claim, settings);
    }
    for gate in report.gates.len()..NAMES.len() {
        report.push(
            gate as u8 + 1,
            GateVerdict::NotAsked,
            "nothing to look at".into(),
        );
    }
    report
}

impl Report {
    /// Gate 1.
    fn shape(&mut self, challenge: &str) {
        let length = challenge.len();
        let dots = challenge.bytes().filter(|octet| *octet == b'.').count();
        if looks_like_challenge(challenge) {
            self.push(
                1,
                GateVerdict::Passes,
                format!("{length} characters and two dots"),
            );
        } else {
            self.refused_by = Some(1);
            let words = format!(
                "{length} characters and {dots} dots: not taken for a signed challenge (more than 200 and exactly \
                 two); the profile's static challenge decides"
            );
            self.push(1, GateVerdict::Refuses, words);
        }
    }

    /// Gates 2 and 3; the claims if they can be read.
    fn read<'c>(
        &mut self,
        challenge: &'c str,
        anchors: Option<&TrustAnchors>,
        settings: &IntuneSettings,
        now: DateTime<Utc>,
    ) -> Option<(Jws<'c>, Claim)> {
        let jws = match Jws::parse(challenge) {
            Ok(jws) => jws,
            Err(refused) => {
                self.judge(2, Err(&refused), String::new());
                return None;
            }
        };
        self.header = Some(value_of_object(&jws.header));
        self.payload = json::parse_object(&jws.payload)
            .ok()
            .as_ref()
            .map(value_of_object);
        match anchors.map(|anchors| signature::check(&jws, anchors, settings.clock_skew, now)) {
            None => {
                let words = match jws.algorithm() {
                    Ok(algorithm) => format!(
                        "{}; no trust anchors given to check it with",
                        algorithm.as_str()
                    ),
                    Err(refused) => {
                        self.judge(2, Err(&refused), String::new());
                        String::new()
                    }
                };
                if self.gates.len() < 2 {
                    self.push(2, GateVerdict::NotAsked, words);
                }
            }
            Some(Ok(anchor)) => {
                let signer = format!(
                    "{} (SHA-256 {})",
                    anchor.subject(),
                    hex::encode(anchor.fingerprint())
                );
                self.authentic = true;
                self.judge(2, Ok(()), format!("signed by {signer}"));
                self.signed_by = Some(signer);
            }
            Some(Err(refused)) => self.judge(2, Err(&refused), String::new()),
        }
        match version::parse(&jws.payload) {
            Ok(claim) => {
                self.judge(3, Ok(()), "the claims can be read".into());
                Some((jws, claim))
            }
            Err(refused) => {
                if refused.gate > 3 {
                    self.judge(3, Ok(()), "the version is known".into());
                }
                self.judge(refused.gate, Err(&refused), String::new());
                None
            }
        }
    }

    /// Gates 4 to 6.
    fn claims(
        &mut self,
        claim: &Claim,
        settings: &IntuneSettings,
        csr: Option<&CsrFacts>,
        now: DateTime<Utc>,
    ) {
        let left = claim
            .expires_at()
            .map_or(Duration::zero(), |expires| expires - now);
        let in_time = time::check_time(claim, settings, now);
        self.judge(
            4,
            in_time.as_ref().copied(),
            format!("{} until `exp`", in_words(left)),
        );

        match &settings.audience {
            None => self.push(
                5,
                GateVerdict::Passes,
                "no audience configured: not looked at".into(),
            ),
            Some(audience) => {
                let result = time::check_audience(claim, settings);
                self.judge(
                    5,
                    result.as_ref().copied(),
                    format!("meant for {audience:?}"),
                );
            }
        }

        match csr {
            None => self.push(6, GateVerdict::NotAsked, "no CSR given".into()),
            Some(csr) => {
                let result = check_binding(claim, settings, csr);
                self.judge(
                    6,
                    result.as_ref().copied(),
                    "the CSR asks for what the challenge says".into(),
                );
                self.mismatches = result
                    .err()
                    .map(|refused| refused.mismatches)
                    .unwrap_or_default();
            }
        }
    }

    /// Gates 7 to 9: what they would look at.
    fn state(&mut self, jws: &Jws<'_>, claim: &Claim, settings: &IntuneSettings) {
        let by = if claim.nonce.is_some() {
            "issuer and nonce"
        } else {
            "its signed octets (it has no nonce)"
        };
        let key = hex::encode(ReplayKey::of(claim, jws.signing_input).0);
        let until = remember_until(claim, settings.clock_skew);
        let words = format!("passes once; remembered until {until} by {by}, key {key}");
        self.push(7, GateVerdict::Depends, words);

        let device = hex::encode(DeviceKey::of(&claim.sub, &claim.iss).0);
        match settings.per_device_limit_24h {
            0 => self.push(8, GateVerdict::Passes, "no limit configured".into()),
            limit => {
                let words =
                    format!("passes {limit} times in any 24 h for this device, key {device}");
                self.push(8, GateVerdict::Depends, words);
            }
        }
        self.push(
            9,
            GateVerdict::Depends,
            "asked last, where the profile has a compliance hook".into(),
        );
    }

    fn judge(&mut self, gate: u8, result: Result<(), &Refused>, passes: String) {
        match result {
            Ok(()) => self.push(gate, GateVerdict::Passes, passes),
            Err(refused) => {
                if self.refused_by.is_none() {
                    self.refused_by = Some(gate);
                    self.label = Some(refused.label);
                    self.fail_info = Some(refused.fail_info());
                }
                self.push(gate, GateVerdict::Refuses, refused.reason.clone());
                if let Some(last) = self.gates.last_mut() {
                    last.label = Some(refused.label);
                }
            }
        }
    }

    fn push(&mut self, gate: u8, verdict: GateVerdict, words: String) {
        let name = NAMES
            .get(usize::from(gate).saturating_sub(1))
            .copied()
            .unwrap_or_default();
        self.gates.push(GateReport {
            gate,
            name,
            verdict,
            label: None,
            words,
        });
    }
}

fn value_of_object(object: &Object) -> Value {
    Value::Object(
        object
            .iter()
            .map(|(name, value)| (name.clone(), value_of(value)))
            .collect(),
    )
}

fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::Integer(value) => match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(value), _) => value.into(),
            (_, Ok(value)) => value.into(),
            _ => Value::Null,
        },
        Json::Float(value) => (*value).into(),
        Json::String(value) => value.clone().into(),
        Json::Array(items) => Value::Array(items.iter().map(value_of).collect()),
        Json::Object(object) => value_of_object(object),
    }
}
